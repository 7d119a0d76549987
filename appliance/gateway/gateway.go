// Package gateway puts hems-gateway together: the dashboard on its ports, live
// from MQTT, with its history from the store and the manager behind it, and the
// appliance's name on the home's network.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway"
	"github.com/smartcore-ireland/hems/internal/gateway/front"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/mdns"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
	"github.com/smartcore-ireland/hems/internal/store"
)

// sockets outlive a run: another follows when hems.yaml has changed.
var sockets gateway.Sockets

// handouts outlive it too: a phone has a quarter of an hour to fetch its own.
var handouts gateway.Handouts

// Prepare deletes, while it is root, a claim code that was used: the gateway's own
// user may read it, but removes nothing from among the secrets.
func Prepare(env appliance.Env) error {
	forgetKey(env)
	if _, err := os.Stat(env.Path("gateway", "accounts.json")); err != nil {
		return nil // no owner yet, or not to be known
	}
	if err := os.Remove(env.Secret("claim-code")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		env.Log.Warn("the used claim code stays", "err", err)
	}
	return nil
}

// Run serves the dashboard until ctx ends.
func Run(ctx context.Context, env appliance.Env, cfg appliance.Config) error {
	web := env.Web(cfg)
	home, err := homeAssistant(env, cfg, web)
	if err != nil {
		return err
	}
	zone := cfg.Home.TimeZone.Location
	h := history.Open(env.Path("store", "hems.db"), store.ReaderOptions{
		Zone:    cmp.Or(zone, time.Local),
		Pending: history.Pending(client.LocalMetrics(env.Run("metrics.sock")).Pending),
	})
	defer h.Close()
	var programs []string
	for _, p := range appliance.Processes {
		programs = append(programs, p.Name)
	}
	guard := phones.New(phones.Options{
		Dir: pki.HolderDir(env.Path("pki"), "gateway"),
		Modes: map[remote.Way]phones.Mode{
			remote.LAN:    phones.Mode(cfg.Gateway.ClientCertificates.LAN),
			remote.Funnel: phones.Mode(cfg.Gateway.ClientCertificates.Funnel),
		},
		Seen: env.Path("gateway", "phones.json"),
		Log:  env.Log,
	})
	tunnel := newTunnel(env, cfg)
	limitMemory()
	g, err := gateway.New(gateway.Options{
		Listen:    web.Dashboard,
		ListenTLS: web.DashboardTLS,
		Port:      web.Port,
		PortTLS:   web.PortTLS,
		// The manager makes them, and makes them anew in time.
		Certificates:    pki.NewCertificates(pki.HolderDir(env.Path("pki"), "gateway")).GetCertificate,
		Authority:       env.Path("pki", pki.CAFile),
		HostName:        cfg.Home.HostName,
		Doors:           append(tunnel.Doors(), tailnetDoors(env, cfg, guard)...),
		Reporters:       []remote.Reporter{tunnel, node, node.FunnelReporter()},
		Cloud:           cloudSettings(env, cfg),
		Phones:          guard,
		Handouts:        &handouts,
		HomeAssistant:   home,
		Sockets:         &sockets,
		Dir:             env.Path("gateway"),
		Tailnet:         node,
		TailnetSettings: tailnetSettings(cfg),
		MQTT: mqttclient.Options{
			Server:   "unix://" + env.MQTTSocket(),
			ClientID: "hems-gateway",
			User:     "gateway",
			Password: env.Password("gateway"),
			Log:      env.Log,
		},
		History:   h,
		Home:      gateway.Home{Name: cfg.Home.Name, Meter: cfg.Home.Meter, TimeZone: zone},
		Version:   appliance.Version,
		Manager:   env.Run("manager.sock"),
		Metrics:   env.Run("metrics.sock"),
		Processes: programs,
		Claims: signin.Claims{
			CodeFile:  env.Secret("claim-code"),
			Pending:   env.Path("seed.json"), // of the card: the manager takes it in
			SinceBoot: sinceBoot,
			Loopback:  env.ClaimHere,
			Networks:  networks,
		},
		Log: env.Log,
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { guard.Run(ctx) })
	wg.Go(func() { tunnel.Run(ctx) })
	if cfg.Tailnet.Enabled {
		wg.Go(func() { node.Run(ctx, tailnetOptions(env, cfg, g)) })
	} else {
		node.Off()
	}
	if env.Card { // a workstation has a name of its own
		wg.Go(func() { mdns.Run(ctx, mdns.Options{Host: cfg.Home.HostName, HTTPS: uint16(web.PortTLS), Log: env.Log}) })
	}
	return g.Run(ctx)
}

// homeAssistant is the one behind this appliance, if there is one.
func homeAssistant(env appliance.Env, cfg appliance.Config, web appliance.Web) (gateway.HomeAssistant, error) {
	to := cfg.Hass.URL.URL
	if to == nil {
		return gateway.HomeAssistant{}, nil
	}
	f, err := front.New(front.Options{
		To: to, Unverified: !cfg.Hass.VerifyCertificate,
		DashboardPort: web.Port, DashboardTLSPort: web.PortTLS, Cookies: gateway.Cookies, Log: env.Log,
	})
	return gateway.HomeAssistant{Front: f, URL: to.String(), Listen: web.Home, ListenTLS: web.HomeTLS}, err
}

// sinceBoot is the time since power-up, however the clock was set meanwhile.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return signin.ClaimTime // no kernel of ours lacks it; without it nothing is open
	}
	return time.Duration(ts.Nano())
}

// networks are those this machine is in.
func networks() []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p)
		}
	}
	return all
}

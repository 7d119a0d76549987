package gateway

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/gateway"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
	"github.com/smartcore-ireland/hems/internal/remote/tailnet"
)

// node outlives a run: another follows when hems.yaml has changed.
var node = tailnet.New()

// memoryLimit is what the gateway's heap may grow to before it is tidied up
// eagerly: without it, buffers of the tailnet's make it grow by hundreds of MB for
// one large download, and it stays so large.
const memoryLimit = 64 << 20

// limitMemory leaves alone what was set from outside.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// joinedFile has the time at which the node was last in its tailnet: a key from before
// that, which may be used once, is deleted at the next start. One that was given later
// waits for a node that has left.
const joinedFile = "joined"

// tailnetDoors are the ways in by the tailnet.
func tailnetDoors(env appliance.Env, cfg appliance.Config, guard *phones.Guard) []remote.Door {
	t := cfg.Tailnet
	if !t.Enabled {
		return nil
	}
	ports := tailnet.Ports{Dashboard: 80, DashboardTLS: 443}
	if cfg.Hass.URL.URL != nil {
		ports = tailnet.Ports{Home: 80, HomeTLS: 443, HomeAgain: 8123, Dashboard: 8080, DashboardTLS: 8443}
	}
	own := pki.NewCertificates(pki.HolderDir(env.Path("pki"), "gateway")).GetCertificate
	doors := node.Doors(ports, own)
	if t.Funnel != "off" {
		to := remote.Dashboard
		if t.Funnel == "home_assistant" {
			to = remote.HomeAssistant
		}
		doors = append(doors, node.FunnelDoor(to, guard.TLS(remote.Funnel, node.FunnelTLS(to))))
	}
	return doors
}

// tailnetOptions are what the node does for the others.
func tailnetOptions(env appliance.Env, cfg appliance.Config, g *gateway.Gateway) tailnet.Options {
	t := cfg.Tailnet
	o := tailnet.Options{
		Settings: tailnet.Settings{
			Dir: env.Path("tailnet"), HostName: t.HostName, Tags: strings.Join(t.Tags, ","), UploadLogs: t.UploadLogs,
			AuthKey: env.Secret("tailnet-auth-key"), OAuth: env.Secret("tailnet-oauth"),
		},
		Forward: map[uint16]string{1883: here(env, appliance.PortMQTT), 8883: here(env, appliance.PortMQTTTLS)},
		Guarded: map[uint16]string{9080: here(env, appliance.PortUpdate)},
		Funnel:  t.Funnel != "off",
		Allowed: func(who remote.Identity, role string) bool {
			least, err := signin.ParseRole(role)
			return err == nil && g.RoleOf(remote.Tailnet, who) >= least
		},
		Joined: func() {
			if err := os.WriteFile(env.Path("tailnet", joinedFile), nil, 0o600); err != nil {
				env.Log.Warn("the used key of the tailnet stays", "err", err)
			}
		},
		Log: env.Log,
	}
	if o.HostName == "" {
		o.HostName = cfg.Home.HostName
	}
	if t.ControlURL.URL != nil {
		o.ControlURL = t.ControlURL.String()
	}
	for _, d := range t.Devices {
		o.Devices = append(o.Devices, d.AddrPort)
	}
	return o
}

// here is a port of this machine as a program on it reaches it.
func here(env appliance.Env, p appliance.Port) string {
	host := env.Listen
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(env.Number(p)))
}

// tailnetSettings are what the page shows.
func tailnetSettings(cfg appliance.Config) gateway.TailnetSettings {
	s := gateway.TailnetSettings{Enabled: cfg.Tailnet.Enabled, Funnel: string(cfg.Tailnet.Funnel)}
	if u := cfg.Tailnet.ControlURL.URL; u != nil {
		s.ControlURL = u.String()
	}
	for _, d := range cfg.Tailnet.Devices {
		s.Devices = append(s.Devices, d.String())
	}
	return s
}

// forgetKey deletes, while it is root, the tailnet's key that was used.
func forgetKey(env appliance.Env) {
	joined, err := os.Stat(env.Path("tailnet", joinedFile))
	if err != nil {
		return // it never was in one
	}
	key, err := os.Stat(env.Secret("tailnet-auth-key"))
	if err != nil || key.ModTime().After(joined.ModTime()) {
		return
	}
	if err := os.Remove(env.Secret("tailnet-auth-key")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		env.Log.Warn("the used key of the tailnet stays", "err", err)
	}
}

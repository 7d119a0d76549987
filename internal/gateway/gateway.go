// Package gateway is the appliance's HTTP side: sign-in, the pages, live events
// and the JSON interface. It knows who may see what (the route table) and how
// the house is shown; how the house is (live), who may come in (signin) and
// what has been (History) are known elsewhere. It must never know how a visitor
// got here beyond what a way in says of it (remote.Arrival).
package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/chronicle"
	"github.com/smartcore-ireland/hems/internal/gateway/front"
	"github.com/smartcore-ireland/hems/internal/gateway/live"
	"github.com/smartcore-ireland/hems/internal/gateway/passkey"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
)

// History answers what has been; *history.History does.
type History interface {
	live.History
	chronicle.History
}

// Home is what the pages say about the house.
type Home struct {
	Name     string         // shown at the top; empty: "Home"
	Meter    string         // friendly name of the main meter; empty: the first that measures power and energy
	TimeZone *time.Location // nil: time.Local
}

// Options are what a Gateway needs.
type Options struct {
	Listen          []string      // TCP addresses on the home's network, host:port
	ListenTLS       []string      // the same, with TLS
	Doors           []remote.Door // the other ways in
	Tailnet         Tailnet       // nil: this appliance cannot join one
	TailnetSettings TailnetSettings
	Reporters       []remote.Reporter  // how each of those is; one without a reporter is off
	HostName        string             // the appliance's on the home's network, without ".local"; empty: not known
	Port, PortTLS   int                // where a visitor who is led to the dashboard finds it; 0: not there
	Certificates    CertificateSource  // for TLS; required where ListenTLS or HomeTLS is not empty
	Authority       string             // the file of the authority's certificate, which people put on their phones; empty: none
	Cloud           CloudSettings      // of the Cloudflare Tunnel
	Phones          *phones.Guard      // asks visitors for their phone's certificate; nil: nobody is asked
	Handouts        *Handouts          // outlives a run; nil: what waits for a phone ends with it
	Sockets         *Sockets           // outlives a run; nil: a run that ends closes its sockets
	Dir             string             // accounts and sessions; made when missing
	MQTT            mqttclient.Options // how to reach the broker
	History         History            // required
	Home            Home
	HomeAssistant   HomeAssistant
	DiscoveryPrefix string           // empty: "homeassistant"
	BaseTopic       string           // empty: "zigbee2mqtt"
	Version         string           // shown under More
	Manager         string           // the manager's unix socket; empty: there is none
	Metrics         string           // that of the metrics writer
	Processes       []string         // names of the programs, for their logs
	Claims          signin.Claims    // how an appliance without an owner gets one
	Log             *slog.Logger     // required
	Clock           func() time.Time // nil: time.Now
	Password        signin.Params    // cost of new password hashes; zero: signin.DefaultParams
}

// HomeAssistant is the one that this appliance stands before.
type HomeAssistant struct {
	Front             *front.Front // nil: there is none
	URL               string       // its address, as it was given
	Listen, ListenTLS []string     // TCP addresses, host:port
}

// CertificateSource is GetCertificate of a tls.Config.
type CertificateSource = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// A Gateway serves the dashboard.
type Gateway struct {
	o       Options
	log     *slog.Logger
	door    *signin.Door
	model   *live.Model
	past    *chronicle.Chronicle
	pages   *template.Template
	files   *files
	manager *client.Client
	metrics *client.Metrics

	proxy, metricsProxy *httputil.ReverseProxy

	passkeys *passkey.Store
	seconds  seconds

	watch    watch
	links    links
	openings openings
	keys     sync.Mutex // held while a phone's key is made
	handler  http.Handler
	limits   limits
	retry    time.Duration // between attempts to get a taken port
	beat     time.Duration // between signs of life on an idle event stream

	mu     sync.Mutex
	client *mqttclient.Client // nil until Run has opened it
	guests map[*guests]struct{}
}

// Seed leaves a name and a password in a gateway's directory: the account is
// made, or its password reset, when the gateway next looks (at its start, or
// within seconds). This is how an appliance is claimed.
func Seed(dir, user, password string) error { return signin.WriteSeed(dir, user, password) }

// New reads accounts and pages. It opens no port and no connection.
func New(o Options) (*Gateway, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Home.TimeZone == nil {
		o.Home.TimeZone = time.Local
	}
	if o.BaseTopic == "" {
		o.BaseTopic = "zigbee2mqtt"
	}
	if o.Handouts == nil {
		o.Handouts = &Handouts{}
	}
	if o.Home.Name == "" {
		o.Home.Name = "Home"
	}
	var keys *passkey.Store
	door, err := signin.Open(signin.Options{Dir: o.Dir, Log: o.Log, Clock: o.Clock, Params: o.Password, Claims: o.Claims,
		Leaving: func(user string) error { return keys.Forget(user) }})
	if err != nil {
		return nil, err
	}
	if keys, err = passkey.Open(filepath.Join(o.Dir, "passkeys.json"), o.Clock); err != nil {
		return nil, err
	}
	g := &Gateway{o: o, log: o.Log, door: door, passkeys: keys, manager: client.Local(o.Manager), metrics: client.LocalMetrics(o.Metrics), limits: defaultLimits, retry: 5 * time.Second, beat: 15 * time.Second}
	if g.files, err = openFiles(); err != nil {
		return nil, err
	}
	if !g.files.bundled {
		o.Log.Warn("the dashboard's bundle is missing: run make ui; pages are served without their chart and live figures")
	}
	if g.pages, err = parsePages(); err != nil {
		return nil, err
	}
	g.model = live.New(live.Options{
		History: o.History, Meter: o.Home.Meter, TimeZone: o.Home.TimeZone,
		BaseTopic: o.BaseTopic, DiscoveryPrefix: o.DiscoveryPrefix, Log: o.Log, Clock: o.Clock,
	})
	g.past = chronicle.New(chronicle.Options{
		History: o.History, Place: o.Home.TimeZone, Clock: o.Clock, Write: writeCompressed,
		Main: func() string { return g.model.Now().Entity },
	})
	g.proxy = g.newProxy(o.Manager, systemPrefix, "manager", g.explainSystem)
	g.metricsProxy = g.newProxy(o.Metrics, metricsPrefix, "metrics", g.explainMetrics)
	g.handler = g.build()
	return g, nil
}

// ServeHTTP answers a request whose context says how it came in (remote.With). One
// of which nobody knows that is refused.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if remote.Of(r.Context()).Way == "" {
		g.log.Error("a request came in by no way", "address", r.RemoteAddr)
		http.Error(w, "this request came in by no way that is known here", http.StatusForbidden)
		return
	}
	g.handler.ServeHTTP(w, r)
}

const (
	seedPause    = 2 * time.Second // between looks for a seed file
	shutdownTime = time.Second
)

// limits are what one visitor may take of the appliance.
type limits struct {
	header, read, write, idle time.Duration // events set their own for each write
	conns                     int           // open at a time on one listener
	each                      int           // of them, from one address
}

var defaultLimits = limits{header: 5 * time.Second, read: 20 * time.Second, write: 30 * time.Second, idle: time.Minute, conns: 256, each: 64}

// Run serves until ctx ends, and returns nil then. An address that cannot be
// had is logged once and tried again for ever; so is the broker.
func (g *Gateway) Run(ctx context.Context) error {
	client, err := mqttclient.Open(ctx, g.o.MQTT)
	if err != nil {
		return fmt.Errorf("the connection to the broker: %w", err)
	}
	g.mu.Lock()
	g.client = client
	g.mu.Unlock()

	var wg sync.WaitGroup
	wg.Go(func() { g.watchSeed(ctx) })
	wg.Go(func() { g.tellHealth(ctx, client) })
	if g.o.Manager != "" {
		wg.Go(func() { g.watchManager(ctx) })
	}
	wg.Go(func() {
		if err := g.model.Run(ctx, client); err != nil {
			g.log.Error("following the house", "err", err)
		}
	})
	g.o.Sockets.keep(g.addresses())
	for _, d := range g.doors() {
		wg.Go(func() { g.open(ctx, d) })
	}
	if f := g.o.HomeAssistant.Front; f != nil {
		wg.Go(func() { f.Run(ctx) })
	}
	<-ctx.Done()
	wg.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	_ = client.Close(closing) // the broker may be gone already
	return g.door.Close()
}

func (g *Gateway) watchSeed(ctx context.Context) {
	t := time.NewTicker(seedPause)
	defer t.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := g.door.TakeSeed(); err != nil && err.Error() != said {
			said = err.Error()
			g.log.Error("the owner's account could not be made", "err", err)
		}
	}
}

package tailnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/envknob"
	"tailscale.com/ipn"
	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tsnet"
	"tailscale.com/types/logger"
)

// engine is one life of the node, with one set of settings.
type engine struct {
	node   *Node
	o      Options
	key    string
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	srv   *tsnet.Server
	local *local.Client
	asked time.Time // when an address to sign in at was last asked for
	err   string    // what its control server said last
}

// Pauses between attempts of what fails at once.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	askPause   = time.Minute // between two questions for an address to sign in at
	lookPause  = 2 * time.Second
)

func startEngine(n *Node, o Options, key string) *engine {
	ctx, cancel := context.WithCancel(context.Background())
	e := &engine{node: n, o: o, key: key, cancel: cancel, done: make(chan struct{})}
	go e.run(ctx)
	return e
}

// stop ends the engine and what is open at it.
func (e *engine) stop() {
	e.cancel()
	<-e.done
}

// run starts a server, again and again until one starts, and watches it.
func (e *engine) run(ctx context.Context) {
	defer close(e.done)
	pause := firstPause
	for ctx.Err() == nil {
		srv, err := e.start()
		if err == nil {
			e.watch(ctx)
			e.mu.Lock()
			e.srv, e.local = nil, nil
			e.mu.Unlock()
			srv.Close()
			return
		}
		e.o.Log.Warn("the tailnet's node does not start", "err", err, "again", pause)
		e.node.know(e, view{Phase: phaseStarting, Err: err.Error()})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

func (e *engine) start() (*tsnet.Server, error) {
	if !e.o.UploadLogs {
		envknob.SetNoLogsNoSupport()
	}
	if err := os.MkdirAll(e.o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the tailnet's directory: %w", err)
	}
	key, err := secret(e.o.AuthKey)
	if err != nil {
		return nil, err
	}
	if e.key != "" {
		key = e.key
	}
	oauth, err := secret(e.o.OAuth)
	if err != nil {
		return nil, err
	}
	srv := &tsnet.Server{
		Dir: e.o.Dir, Hostname: e.o.HostName, ControlURL: e.o.ControlURL, AuthKey: key, ClientSecret: oauth,
		UserLogf: logger.Discard, // addresses to sign in at: they are shown, and not logged
	}
	if e.o.Tags != "" {
		srv.AdvertiseTags = strings.Split(e.o.Tags, ",")
	}
	srv.RegisterFallbackTCPHandler(e.node.unlisted)
	if err := srv.Start(); err != nil {
		srv.Close()
		return nil, fmt.Errorf("starting the tailnet's node: %w", err)
	}
	lc, err := srv.LocalClient()
	if err != nil {
		srv.Close()
		return nil, fmt.Errorf("asking the tailnet's node: %w", err)
	}
	e.mu.Lock()
	e.srv, e.local = srv, lc
	e.mu.Unlock()
	e.node.know(e, view{Phase: phaseConnecting})
	return srv, nil
}

// secret reads a file that may be missing.
func secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading a secret of the tailnet's: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// watch follows the node's state until ctx ends.
func (e *engine) watch(ctx context.Context) {
	joined := false
	look := func() {
		v, ok := e.look(ctx)
		if !ok {
			return
		}
		if v.Phase == phaseRunning && !joined {
			joined = true
			e.offer(*e.node.o.Load())
			if e.o.Joined != nil {
				e.o.Joined()
			}
		}
		if v.Phase == phaseNeedsLogin && v.AuthURL == "" {
			e.askToSignIn(ctx)
		}
		e.node.know(e, v)
	}
	for ctx.Err() == nil {
		e.mu.Lock()
		lc := e.local
		e.mu.Unlock()
		bus, err := lc.WatchIPNBus(ctx, ipn.NotifyInitialState|ipn.NotifyInitialHealthState|ipn.NotifyRateLimit)
		if err == nil {
			e.follow(ctx, bus, look)
			bus.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(firstPause):
		}
	}
}

// follow looks at the node after each notice on the bus, and now and then.
func (e *engine) follow(ctx context.Context, bus *local.IPNBusWatcher, look func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := make(chan struct{}, 1)
	go func() {
		defer cancel()
		for {
			n, err := bus.Next()
			if err != nil {
				return
			}
			e.mu.Lock()
			if n.ErrMessage != nil {
				e.err = *n.ErrMessage
			}
			if n.State != nil && *n.State == ipn.Running {
				e.err = ""
			}
			e.mu.Unlock()
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}()
	for {
		look()
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-time.After(lookPause):
		}
	}
}

// look asks the node how it is.
func (e *engine) look(ctx context.Context) (view, bool) {
	e.mu.Lock()
	lc, said := e.local, e.err
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := lc.StatusWithoutPeers(ctx)
	if err != nil {
		return view{}, false
	}
	return viewOf(st, said, e.node.now()), true
}

func viewOf(st *ipnstate.Status, said string, now time.Time) view {
	v := view{Err: said, AuthURL: st.AuthURL, Secure: len(st.CertDomains) > 0}
	switch st.BackendState {
	case "NeedsLogin":
		v.Phase = phaseNeedsLogin
	case "NeedsMachineAuth":
		v.Phase = phaseNeedsAdmin
	case "Running":
		v.Phase = phaseRunning
	case "Stopped":
		v.Phase = phaseStopped
	default:
		v.Phase = phaseConnecting
	}
	if v.Phase != phaseRunning {
		for _, h := range st.Health { // "down" is what everything begins with
			if !strings.Contains(h, "is stopped") && !strings.Contains(h, "logged out") {
				v.Health = append(v.Health, h)
			}
		}
	}
	for _, ip := range st.TailscaleIPs {
		v.Addresses = append(v.Addresses, ip.String())
	}
	if st.CurrentTailnet != nil {
		v.Tailnet = st.CurrentTailnet.Name
	}
	if st.Self != nil {
		v.Name = strings.TrimSuffix(st.Self.DNSName, ".")
		v.Expired = st.Self.Expired
		if st.Self.KeyExpiry != nil && !st.Self.KeyExpiry.IsZero() {
			v.Expiry = *st.Self.KeyExpiry
			v.Expired = v.Expired || v.Expiry.Before(now)
		}
	}
	return v
}

// askToSignIn asks for an address to sign in at, when that was not just asked.
func (e *engine) askToSignIn(ctx context.Context) {
	e.mu.Lock()
	lc, now := e.local, e.node.now()
	due := now.Sub(e.asked) >= askPause
	if due {
		e.asked = now
	}
	e.mu.Unlock()
	if !due {
		return
	}
	go func() { // it waits for the control server
		ctx, cancel := context.WithTimeout(ctx, askPause)
		defer cancel()
		if err := lc.StartLoginInteractive(ctx); err != nil && ctx.Err() == nil {
			e.o.Log.Warn("there is no address to add the appliance to a tailnet at", "err", err)
		}
	}()
}

func (e *engine) signIn(ctx context.Context) error {
	lc, err := e.client()
	if err != nil {
		return err
	}
	if err := lc.StartLoginInteractive(ctx); err != nil {
		return fmt.Errorf("asking the tailnet for an address to sign in at: %w", err)
	}
	return nil
}

func (e *engine) leave(ctx context.Context) error {
	lc, err := e.client()
	if err != nil {
		return err
	}
	if err := lc.Logout(ctx); err != nil {
		return fmt.Errorf("leaving the tailnet: %w", err)
	}
	return nil
}

var errNotYet = errors.New("the tailnet's node has not started yet; try again in a moment")

func (e *engine) client() (*local.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.local == nil {
		return nil, errNotYet
	}
	return e.local, nil
}

func (e *engine) server() (*tsnet.Server, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.srv == nil {
		return nil, errNotYet
	}
	return e.srv, nil
}

// listen opens a port of the node's.
func (e *engine) listen(_ context.Context, port uint16) (net.Listener, error) {
	srv, err := e.server()
	if err != nil {
		return nil, err
	}
	l, err := srv.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("opening port %d of the tailnet's node: %w", port, err)
	}
	return l, nil
}

// offer tells the tailnet which devices of the home can be reached through the
// node: a route to each of them alone.
func (e *engine) offer(o Options) {
	lc, err := e.client()
	if err != nil {
		return // it is offered when the node has joined
	}
	var routes []netip.Prefix
	seen := map[netip.Addr]bool{}
	for _, d := range o.Devices {
		if a := d.Addr(); !seen[a] {
			seen[a] = true
			routes = append(routes, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	prefs, err := lc.GetPrefs(ctx)
	if err == nil && len(prefs.AdvertiseRoutes) == 0 && len(routes) == 0 {
		return
	}
	_, err = lc.EditPrefs(ctx, &ipn.MaskedPrefs{Prefs: ipn.Prefs{AdvertiseRoutes: routes}, AdvertiseRoutesSet: true})
	if err != nil {
		e.o.Log.Warn("the home's devices are not offered on the tailnet", "err", err)
	}
}

// Package tailnet is the appliance's own node in a tailnet (Tailscale, or headscale
// as its control server): the ways in that it opens there, who comes in by them, and
// how it is. It knows tsnet. It must never know pages, accounts or what is behind a
// door.
//
// Nothing waits for the tailnet: without the internet, with the clock wrong, or
// before anybody has added the appliance, doors are simply not open yet.
//
// Files, in the node's directory, all of tsnet's making and mode 0600: its keys and
// profile (tailscaled.state). Whoever has them is this node.
package tailnet

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// Capability is the name of the grant by which a tailnet's policy gives a visitor a
// role here: {"role": "viewer"}, "member" or "owner".
const Capability = "smartcore.ie/cap/hems"

// Settings are what a node is made of: with others, it is made anew.
type Settings struct {
	Dir        string // made when missing, mode 0700
	HostName   string // the node's name in the tailnet
	ControlURL string // of headscale; empty: Tailscale's
	AuthKey    string // a file with a key that is used once; it may be missing
	OAuth      string // a file with an OAuth client's secret; it may be missing
	Tags       string // "tag:hems", several with commas
	UploadLogs bool   // to Tailscale
}

// Options are what a Node does.
type Options struct {
	Settings
	// Forward are ports of the node that lead to TCP addresses of this machine,
	// which know their visitors for themselves.
	Forward map[uint16]string
	// Guarded are those that lead there for owners alone.
	Guarded map[uint16]string
	// Devices are TCP addresses in the home's network that members can reach
	// through the node.
	Devices []netip.AddrPort
	// Funnel says that there is a door for the internet.
	Funnel bool
	// Allowed says whether a visitor has at least that role.
	Allowed func(who remote.Identity, role string) bool
	// Joined is told, once after each start, that the node is in its tailnet: the
	// key in AuthKey is of no use any more.
	Joined func()
	Log    *slog.Logger // required
}

// A Node outlives a run of the gateway: with the same settings it goes on.
type Node struct {
	now     func() time.Time
	certify func(*tls.ClientHelloInfo) (*tls.Certificate, error) // of tests: Let's Encrypt is not there

	running sync.Mutex // held by the run that there is
	o       atomic.Pointer[Options]

	mu      sync.Mutex
	engine  *engine // nil: off
	last    Settings
	change  chan struct{} // closed when engine or what is known of it changes
	view    view
	told    remote.Status
	funnel  funnel
	key     string // given by a person, for the next start alone
	unasked bool   // nobody wants a tailnet
}

// New makes a node that is off.
func New() *Node {
	return &Node{now: time.Now, change: make(chan struct{}), unasked: true}
}

// Run keeps the node up until ctx ends, and then leaves it as it is for the next
// run: Off turns it off.
func (n *Node) Run(ctx context.Context, o Options) {
	n.running.Lock()
	defer n.running.Unlock()
	n.o.Store(&o)
	n.mu.Lock()
	n.unasked = false
	n.funnel.wanted = o.Funnel
	n.tellFunnel()
	if old := n.engine; old != nil && n.last != o.Settings {
		n.engine = nil
		n.mu.Unlock()
		old.stop() // it has the directory
		n.mu.Lock()
	}
	if n.engine == nil && !n.unasked {
		n.begin(o)
	}
	e := n.engine
	n.mu.Unlock()
	if e != nil {
		e.offer(o) // the devices may be others now
	}
	<-ctx.Done()
}

// begin starts a new engine; mu is held.
func (n *Node) begin(o Options) {
	n.last = o.Settings
	n.view = view{Phase: phaseStarting}
	n.engine = startEngine(n, o, n.key)
	n.key = ""
	n.changed()
}

// Off turns the node off; it stays a member of its tailnet.
func (n *Node) Off() {
	n.mu.Lock()
	e := n.engine
	n.engine, n.unasked, n.funnel.wanted = nil, true, false
	n.view = view{}
	n.changed()
	n.mu.Unlock()
	if e != nil {
		e.stop()
	}
}

// Join starts the node anew with a key of the tailnet's, which is kept nowhere.
func (n *Node) Join(key string) {
	n.again(func() { n.key = key })
}

// Leave takes the appliance out of its tailnet; it can be added again.
func (n *Node) Leave(ctx context.Context) error {
	n.mu.Lock()
	e := n.engine
	n.mu.Unlock()
	if e == nil {
		return nil
	}
	return e.leave(ctx)
}

// SignIn asks for a new address at which a person adds the appliance.
func (n *Node) SignIn(ctx context.Context) error {
	n.mu.Lock()
	e := n.engine
	n.mu.Unlock()
	if e == nil {
		return nil
	}
	return e.signIn(ctx)
}

// again replaces a running engine by a new one.
func (n *Node) again(before func()) {
	o := n.o.Load()
	n.mu.Lock()
	old := n.engine
	before()
	if old == nil || o == nil {
		n.mu.Unlock()
		return
	}
	n.engine = nil
	n.mu.Unlock()
	old.stop() // it has the directory
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine == nil && !n.unasked {
		n.begin(*o)
	}
}

// changed wakes who waits for the node; mu is held.
func (n *Node) changed() {
	close(n.change)
	n.change = make(chan struct{})
	if s := n.view.status(n.unasked); s.State != n.told.State {
		s.Since = n.now()
		n.told = s
	} else {
		s.Since = n.told.Since
		n.told = s
	}
	n.tellFunnel()
}

// know takes in what an engine tells.
func (n *Node) know(e *engine, v view) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine == e && !n.view.equal(v) {
		n.view = v
		n.changed()
	}
}

// Status implements remote.Reporter.
func (n *Node) Status() remote.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told.Way == "" {
		return n.view.status(n.unasked)
	}
	return n.told
}

// Address is where a person signs in to add the appliance to a tailnet; empty:
// nothing waits for that.
func (n *Node) Address() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.view.Phase == phaseNeedsLogin {
		return n.view.AuthURL
	}
	return ""
}

// Name is the node's in the tailnet's DNS; empty: it has none.
func (n *Node) Name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.view.Name
}

// await waits for an engine of which ok is true.
func (n *Node) await(ctx context.Context, ok func(*engine, view) bool) (*engine, error) {
	for {
		n.mu.Lock()
		e, v, change := n.engine, n.view, n.change
		n.mu.Unlock()
		if e != nil && ok(e, v) {
			return e, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Listen opens a port of the node, as soon as there is one.
func (n *Node) Listen(ctx context.Context, port uint16) (net.Listener, error) {
	e, err := n.await(ctx, func(_ *engine, v view) bool { return v.Phase != phaseStarting })
	if err != nil {
		return nil, err
	}
	return e.listen(ctx, port)
}

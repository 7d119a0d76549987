package tailnet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"tailscale.com/client/tailscale/apitype"
	"tailscale.com/tailcfg"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// roles in the order of what they may do.
var roles = map[string]int{"viewer": 1, "member": 2, "owner": 3}

const askTime = 2 * time.Second

// arrive says who is at the other end of a connection to the node.
func (n *Node) arrive(secure bool) func(net.Conn) remote.Arrival {
	return func(c net.Conn) remote.Arrival {
		return remote.Arrival{
			Way: remote.Tailnet, Secure: secure,
			Address:  remote.AddressOf(c.RemoteAddr()),
			Identity: n.identity(c.RemoteAddr().String()),
		}
	}
}

// identity is whom the tailnet vouches for at an address; nobody where the node
// does not know, and for a machine that belongs to no person.
func (n *Node) identity(at string) remote.Identity {
	n.mu.Lock()
	e := n.engine
	n.mu.Unlock()
	if e == nil {
		return remote.Identity{}
	}
	lc, err := e.client()
	if err != nil {
		return remote.Identity{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	who, err := lc.WhoIs(ctx, at)
	if err != nil {
		e.o.Log.Warn("the tailnet does not know a visitor", "address", at, "err", err)
		return remote.Identity{}
	}
	return identityOf(who)
}

func identityOf(who *apitype.WhoIsResponse) remote.Identity {
	if who == nil || who.Node == nil || who.Node.IsTagged() || who.UserProfile == nil || who.UserProfile.LoginName == "" {
		return remote.Identity{}
	}
	id := remote.Identity{Login: who.UserProfile.LoginName, Name: who.UserProfile.DisplayName}
	grants, err := tailcfg.UnmarshalCapJSON[struct{ Role string }](who.CapMap, Capability)
	if err != nil {
		return id // a grant that nobody can read grants nothing
	}
	for _, g := range grants {
		if roles[g.Role] > roles[id.Role] {
			id.Role = g.Role
		}
	}
	return id
}

// unlisted handles connections to what is no door of the node: ports that lead to
// this machine, and devices in the home. What is on no list is refused.
func (n *Node) unlisted(src, dst netip.AddrPort) (func(net.Conn), bool) {
	o := n.o.Load()
	if o == nil {
		return nil, true
	}
	to, role := "", ""
	n.mu.Lock()
	own := false
	for _, a := range n.view.Addresses {
		own = own || a == dst.Addr().String()
	}
	n.mu.Unlock()
	switch {
	case own && o.Forward[dst.Port()] != "":
		to = o.Forward[dst.Port()]
	case own && o.Guarded[dst.Port()] != "":
		to, role = o.Guarded[dst.Port()], "owner"
	default:
		for _, d := range o.Devices {
			if d == dst {
				to, role = d.String(), "member"
			}
		}
	}
	if to == "" {
		return nil, true
	}
	return func(c net.Conn) {
		defer c.Close()
		if role != "" {
			if who := n.identity(src.String()); who.Login == "" || o.Allowed == nil || !o.Allowed(who, role) {
				o.Log.Warn("a visitor of the tailnet was refused", "login", who.Login, "to", dst, "needs", role)
				return
			}
		}
		n.carry(c, to, *o)
	}, true
}

// carry passes bytes both ways until either end has gone.
func (n *Node) carry(c net.Conn, to string, o Options) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	d, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		o.Log.Info("a visitor of the tailnet found nothing", "to", to, "err", err)
		return
	}
	defer d.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(d, c)
		endWrites(d)
	}()
	_, _ = io.Copy(c, d)
	endWrites(c)
	select {
	case <-done:
	case <-time.After(time.Minute): // who goes on sending to somebody that is done
	}
}

func endWrites(c net.Conn) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}

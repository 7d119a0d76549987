// Package mdns answers to the appliance's name on the home's network, such as
// hems.local (RFC 6762), with the addresses of the interface that was asked on, and
// to who looks for encrypted web servers (RFC 6763, "_https._tcp") with its name and
// port. It knows interfaces, names, addresses and a port, and must never know what
// is served there nor who comes.
package mdns

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Options are what Run needs.
type Options struct {
	Host     string        // one label of a name: "hems" answers to hems.local
	HTTPS    uint16        // the port at which it is a web server with TLS; 0: nowhere
	Log      *slog.Logger  // required
	Loopback bool          // the loopback interface counts too: for tests
	Look     time.Duration // between two looks at the interfaces; 0: 5 s
	Ask      time.Duration // between two looks for another of that name; 0: 1 min
}

// Run answers until ctx ends. Interfaces may come, go and change their addresses.
// A network that is not there, and another machine of the same name, are said
// once; the machine that had the name first keeps it.
func Run(ctx context.Context, o Options) {
	if o.Look == 0 {
		o.Look = 5 * time.Second
	}
	if o.Ask == 0 {
		o.Ask = time.Minute
	}
	a := announcer{Options: o, name: o.Host + ".local"}
	defer a.stop()
	tick := time.NewTicker(o.Look)
	defer tick.Stop()
	for {
		a.step(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// announcer is what runs, and on which interfaces.
type announcer struct {
	Options
	name      string
	on        []iface // as they were when the responder was started
	responder *responder
	asked     time.Time // when another of that name was looked for last
	said      string    // the last trouble that was logged
}

// iface is an interface that can be asked on.
type iface struct {
	net.Interface
	addrs []netip.Addr
}

func (a *announcer) step(ctx context.Context, now time.Time) {
	on, err := interfaces(a.Loopback)
	if err == nil && len(on) == 0 {
		err = fmt.Errorf("there is no network: connect the appliance; it is looked for every few seconds")
	}
	if err != nil {
		a.stop()
		a.trouble(err)
		return
	}
	changed := !same(on, a.on)
	if !changed && now.Sub(a.asked) < a.Ask && (a.responder != nil || a.said != "") {
		return
	}
	a.asked, a.on = now, on
	if other := rival(ctx, a.name, on); other.IsValid() && (a.responder == nil || !first(on, other)) {
		a.stop()
		a.on = on
		a.trouble(fmt.Errorf("another machine, at %v, is called %s: give one of them another name (home.host_name in hems.yaml)", other, a.name))
		return
	}
	if a.responder != nil && !changed || ctx.Err() != nil {
		return
	}
	a.stop()
	r, err := respond(a.name, a.HTTPS, on, a.Loopback, a.Log)
	if err != nil {
		a.trouble(fmt.Errorf("answering to %s: %w", a.name, err))
		return
	}
	a.responder, a.on, a.said = r, on, ""
	a.Log.Info("this appliance answers to its name on the network", "name", a.name, "on", names(on))
}

func (a *announcer) stop() {
	if a.responder != nil {
		a.responder.close()
	}
	a.responder, a.on = nil, nil
}

// trouble says an error once.
func (a *announcer) trouble(err error) {
	if s := err.Error(); s != a.said {
		a.said = s
		a.Log.Warn("this appliance does not answer to its name on the network", "name", a.name, "err", err)
	}
}

// interfaces are those that are up, can be asked on, and have an address.
func interfaces(loopback bool) ([]iface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("looking at the network: %w", err)
	}
	var on []iface
	for _, i := range all {
		isLoopback := i.Flags&net.FlagLoopback != 0
		if i.Flags&net.FlagUp == 0 || isLoopback && !loopback || !isLoopback && i.Flags&net.FlagMulticast == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		f := iface{Interface: i}
		for _, addr := range addrs {
			if p, err := netip.ParsePrefix(addr.String()); err == nil {
				f.addrs = append(f.addrs, p.Addr().Unmap().WithZone(""))
			}
		}
		slices.SortFunc(f.addrs, netip.Addr.Compare)
		if len(f.addrs) > 0 {
			on = append(on, f)
		}
	}
	return on, nil
}

func same(a, b []iface) bool {
	return slices.EqualFunc(a, b, func(x, y iface) bool { return x.Index == y.Index && slices.Equal(x.addrs, y.addrs) })
}

func names(on []iface) string {
	var s []string
	for _, f := range on {
		s = append(s, f.Name)
	}
	return strings.Join(s, ", ")
}

// own reports whether an address is this machine's.
func own(on []iface, addr netip.Addr) bool {
	return slices.ContainsFunc(on, func(f iface) bool { return slices.Contains(f.addrs, addr) })
}

// first reports whether this machine keeps a name that both it and other answer
// to, because they looked for each other at the same moment: the lower address
// does. Both come to the same result.
func first(on []iface, other netip.Addr) bool {
	for _, f := range on {
		for _, addr := range f.addrs {
			if addr.Is4() == other.Is4() && !addr.IsLoopback() {
				return addr.Less(other)
			}
		}
	}
	return false
}

package remote

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
)

// OnLAN is a door on the home's own network, which vouches for nobody. With a
// configuration it speaks TLS.
func OnLAN(name string, to Target, secure *tls.Config, listen func(context.Context) (net.Listener, error)) Door {
	return Door{
		Way: LAN, Name: name, Target: to, Listen: listen, TLS: secure,
		Arrive: func(c net.Conn) Arrival {
			return Arrival{Way: LAN, Address: AddressOf(c.RemoteAddr()), Secure: secure != nil}
		},
	}
}

// FromLAN gives each request the arrival of one that came over the home's own
// network on the server's own connection.
func FromLAN(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := Arrival{Way: LAN, Secure: r.TLS != nil}
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			a.Address = clean(ap.Addr())
		}
		h.ServeHTTP(w, r.WithContext(With(r.Context(), a)))
	})
}

// AddressOf is the IP address in a; the zero one when it has none.
func AddressOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return clean(t.AddrPort().Addr())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return clean(ap.Addr())
}

// clean is an IPv4 address as such, and one without the name of an interface.
func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

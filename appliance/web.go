package appliance

import (
	"net"
	"strconv"
)

// Web is where the gateway listens, as "host:port".
type Web struct {
	Dashboard, DashboardTLS []string
	Home, HomeTLS           []string // Home Assistant's front; none when there is none

	// The ports of the dashboard, for who is led there; TLS 0: there is none.
	Port, PortTLS int
}

// The dashboard's ports on a card on which Home Assistant has the usual ones.
const (
	besidePort    = 8080
	besidePortTLS = 8443
)

// Web is where the gateway listens with that configuration. On a card, Home
// Assistant has the ports that a browser takes by itself, so that one address
// does for its app; the dashboard is beside it then. In development the dashboard
// stays where it is.
func (e Env) Web(c Config) Web {
	var w Web
	w.Port, w.PortTLS = e.Number(PortDashboard), e.Number(PortDashboardTLS)
	if c.Hass.URL.URL != nil {
		w.Home, w.HomeTLS = []string{e.Address(PortHome)}, []string{e.Address(PortHomeTLS)}
		if e.Card && e.PortBase == 0 {
			w.Port, w.PortTLS = besidePort, besidePortTLS
		}
	}
	at := func(port int) []string { return []string{net.JoinHostPort(e.Listen, strconv.Itoa(port))} }
	w.Dashboard, w.DashboardTLS = at(w.Port), at(w.PortTLS)
	if len(c.Gateway.Listen) > 0 {
		w.Dashboard, w.DashboardTLS = c.Gateway.Listen, c.Gateway.ListenHTTPS
		w.Port, w.PortTLS = firstPort(w.Dashboard), firstPort(w.DashboardTLS)
	} else if len(c.Gateway.ListenHTTPS) > 0 {
		w.DashboardTLS = c.Gateway.ListenHTTPS
		w.PortTLS = firstPort(w.DashboardTLS)
	}
	return w
}

// firstPort is the port of the first address; 0: there is none.
func firstPort(addresses []string) int {
	if len(addresses) == 0 {
		return 0
	}
	_, port, _ := net.SplitHostPort(addresses[0])
	n, _ := net.LookupPort("tcp", port) // the gateway says what is wrong with it
	return n
}

package gateway

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
)

// guarded is a door whose visitors are asked for their phone's certificate as the
// settings say.
func (g *Gateway) guarded(d remote.Door) remote.Door {
	switch {
	case g.o.Phones == nil:
		return d
	case d.Way == remote.LAN && d.TLS == nil:
		return g.onlyInTheClear(d)
	}
	return g.o.Phones.Door(d)
}

// onlyInTheClear is a door on the home's network without TLS. While a certificate
// is required there, which needs TLS, it gives what a phone needs to get one, what
// an appliance without an owner needs, and a word to the machine itself of whether
// all is well; whoever wants more is led to the encrypted address.
func (g *Gateway) onlyInTheClear(d remote.Door) remote.Door {
	d.Admit = func(r *http.Request, a remote.Arrival) (remote.Arrival, error) {
		if g.o.Phones.Mode(remote.LAN) != phones.Required || d.Target == remote.Dashboard && openInTheClear(r.URL.Path) {
			return a, nil
		}
		no := &remote.Refusal{Status: http.StatusForbidden, Text: "this address wants HTTPS and the certificate of a phone that its owner has added"}
		if to := g.encryptedOrigin(r, d.Target); to != "" {
			no.Location = to + r.URL.RequestURI()
		}
		return a, no
	}
	return d
}

func openInTheClear(path string) bool {
	switch {
	case path == "/claim", path == "/healthz":
		return true
	case strings.HasPrefix(path, "/trust/"), strings.HasPrefix(path, "/phone/"), strings.HasPrefix(path, "/static/"):
		return !strings.Contains(path, "..")
	}
	return false
}

// encryptedOrigin is where a door's target is over TLS under the visitor's name for
// this machine; empty: nowhere.
func (g *Gateway) encryptedOrigin(r *http.Request, to remote.Target) string {
	if to == remote.Dashboard {
		return g.origin(r, true)
	}
	host := hostOf(r)
	if host == "" || len(g.o.HomeAssistant.ListenTLS) == 0 {
		return ""
	}
	_, port, _ := net.SplitHostPort(g.o.HomeAssistant.ListenTLS[0])
	if n, err := strconv.Atoi(port); err != nil || n == 443 {
		return "https://" + host
	}
	return "https://" + host + ":" + port
}

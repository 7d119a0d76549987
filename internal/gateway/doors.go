package gateway

import (
	"context"
	"crypto/tls"
	"net"
)

// maxStreams is how many requests one HTTP/2 connection may have under way.
const maxStreams = 64

// door is an address at which visitors come, and what is behind it.
type door struct {
	what  string // for the log
	addr  string
	serve func(context.Context, net.Listener) error
}

// doors are all of them.
func (g *Gateway) doors() []door {
	var all []door
	add := func(what string, addrs []string, serve func(context.Context, net.Listener) error) {
		for _, a := range addrs {
			all = append(all, door{what, a, serve})
		}
	}
	add("the dashboard", g.o.Listen, g.serve)
	add("the dashboard with HTTPS", g.o.ListenTLS, g.serveTLS)
	if h := g.o.HomeAssistant; h.Front != nil {
		add("Home Assistant", h.Listen, func(ctx context.Context, l net.Listener) error { return h.Front.Serve(ctx, l, nil) })
		add("Home Assistant with HTTPS", h.ListenTLS, func(ctx context.Context, l net.Listener) error { return h.Front.Serve(ctx, l, g.tls()) })
	}
	return all
}

// tls is how the appliance's own certificate is shown.
func (g *Gateway) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.o.Certificates}
}

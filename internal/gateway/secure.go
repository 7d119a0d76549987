package gateway

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// hostOf is the host by which the visitor calls this server, without its port and
// with brackets where an address needs them; empty: it is none.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok {
			return ""
		}
	}
	if ip := net.ParseIP(host); ip != nil {
		if ip.To4() == nil {
			return "[" + ip.String() + "]"
		}
		return ip.String()
	}
	if !hostName.MatchString(host) {
		return ""
	}
	return host
}

// origin is this server under the visitor's name for it, over TLS or not; empty:
// it is not there.
func (g *Gateway) origin(r *http.Request, secure bool) string {
	host, scheme, port, usual := hostOf(r), "http", g.o.Port, 80
	if secure {
		scheme, port, usual = "https", g.o.PortTLS, 443
	}
	switch {
	case host == "" || port == 0:
		return ""
	case port == usual:
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + strconv.Itoa(port)
}

// betterOrigin is where a page that came in the clear looks whether the visitor's
// browser trusts this appliance's certificate; empty: nowhere.
func (g *Gateway) betterOrigin(r *http.Request) string {
	if encrypted(r) || g.o.Authority == "" {
		return ""
	}
	return g.origin(r, true)
}

// secure sets what every answer carries. Everything comes from this origin, but
// that a page in the clear may ask whether it can be had over TLS; nothing inline
// runs, nothing frames these pages, nothing learns where a visitor came from.
// There is no Strict-Transport-Security: the plain address must go on working for
// who has not installed the certificate yet, and a browser would hold it against
// every port of the name.
func (g *Gateway) secure(h http.Header, r *http.Request) {
	connect := "'self'"
	if to := g.betterOrigin(r); to != "" {
		connect += " " + to
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src "+connect+"; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// allowPlain lets this server's own pages in the clear read an answer: that it
// arrives shows them that the certificate is trusted.
func (g *Gateway) allowPlain(w http.ResponseWriter, r *http.Request) {
	from, err := url.Parse(r.Header.Get("Origin"))
	if !encrypted(r) || err != nil || from.Scheme != "http" || from.Host == "" || hostOf(&http.Request{Host: from.Host}) != hostOf(r) {
		return
	}
	w.Header().Add("Vary", "Origin")
	w.Header().Set("Access-Control-Allow-Origin", "http://"+from.Host)
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
}

package front

import (
	"bytes"
	"errors"
	"html"
	"net"
	"strconv"
	"strings"
)

// page is an answer of this server's own. It names no address, no version and no
// error: a stranger may read it.
type page struct {
	status      int
	title, text string
	again       bool // it looks again by itself
}

var (
	pageAway = page{502, "Home Assistant does not answer",
		"It may be restarting. This page looks again by itself.", true}
	pageUntrusted = page{502, "Home Assistant does not let this appliance pass visitors on",
		"Its configuration.yaml must name the appliance under trusted_proxies. The lines are on the dashboard, under More, Home Assistant.", true}
	pageLoop = page{508, "Home Assistant’s address leads back here",
		"home_assistant.url in the appliance’s settings must be the address of the machine that Home Assistant runs on.", false}
)

// local answers the request with a page, or for a program in a line; false: the
// connection ends, because the request's body was not read.
func (s *session) local(p page) bool {
	r := &s.request
	if r.chunked || r.length > 0 { // also one that was read: it is rare
		r.last = true
	}
	body, kind := p.line(), "application/json"
	if r.page {
		body, kind = p.html(), "text/html; charset=utf-8"
	}
	out := head(s.out[:0], p.status)
	out = append(out, "Content-Type: "+kind+"\r\nRetry-After: 5\r\n"...)
	return s.say(out, body)
}

// redirect leads to another address.
func (s *session) redirect(to string) bool {
	if s.request.chunked || s.request.length > 0 {
		s.request.last = true
	}
	return s.say(append(head(s.out[:0], 302), "Location: "+to+"\r\n"...), "")
}

// refuse tells why a request is not taken, and ends the connection. Whoever is
// there no more is told nothing.
func (s *session) refuse(err error) bool {
	f, ok := errors.AsType[*fault](err)
	if !ok {
		if ne, is := errors.AsType[net.Error](err); !is || !ne.Timeout() || s.in.buffered() == 0 {
			return false
		}
		f = faultSlow
	}
	if s.began {
		return false
	}
	s.request = request{last: true}
	s.head = false
	s.say(append(head(s.out[:0], f.status), "Content-Type: text/plain; charset=utf-8\r\n"...), f.text+"\n")
	s.linger()
	return false
}

// say sends an answer of this server's own, of which head is the beginning.
func (s *session) say(head []byte, body string) bool {
	s.began = true
	head = append(head, "Content-Length: "...)
	head = strconv.AppendInt(head, int64(len(body)), 10)
	head = append(head, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: SAMEORIGIN\r\n"+
		"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"...)
	if s.request.last {
		head = append(head, "Connection: close\r\n"...)
	}
	head = append(head, "\r\n"...)
	if !s.head {
		head = append(head, body...)
	}
	_, err := s.line.Write(head)
	s.out = head[:0]
	if s.request.last && err == nil && (s.request.chunked || s.request.length > 0) {
		s.linger()
	}
	if err != nil || s.request.last {
		return false
	}
	s.visitor.rest()
	return true
}

var reasons = map[int]string{
	302: "Found", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 414: "URI Too Long", 417: "Expectation Failed",
	421: "Misdirected Request", 429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 505: "HTTP Version Not Supported", 508: "Loop Detected",
}

func head(out []byte, status int) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, reasons[status]...)
	return append(out, "\r\n"...)
}

func (p page) line() string {
	return `{"error":` + strconv.Quote(strings.ToLower(p.title[:1])+p.title[1:]) + "}\n"
}

func (p page) html() string {
	again := ""
	if p.again {
		again = `<meta http-equiv="refresh" content="5">`
	}
	return `<!doctype html>
<html lang="en-IE"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">` + again + `
<title>` + html.EscapeString(p.title) + `</title>
<style>
:root{color-scheme:light dark;--paper:#f8f7f3;--ink:#1b1d1f;--soft:#5d6166}
@media(prefers-color-scheme:dark){:root{--paper:#131517;--ink:#eceae4;--soft:#a2a6aa}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:28rem;padding:2rem}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 .75rem;font-weight:600}
p{margin:0;color:var(--soft)}
</style></head>
<body><main><h1>` + html.EscapeString(p.title) + `</h1><p>` + html.EscapeString(p.text) + `</p></main></body></html>
`
}

// toDashboard is where the dashboard is, for who asks for /hems here.
func (s *session) toDashboard() (string, bool) {
	port, scheme := s.front.o.DashboardPort, "http"
	if s.arrival.Secure && s.front.o.DashboardTLSPort != 0 {
		port, scheme = s.front.o.DashboardTLSPort, "https"
	}
	rest, ok := bytes.CutPrefix(s.request.target, []byte("/hems"))
	if !ok || port == 0 || len(s.request.host) == 0 || len(rest) > 0 && rest[0] != '/' && rest[0] != '?' {
		return "", false
	}
	host := hostOf(s.request.host)
	if host == "" {
		return "", false
	}
	to := scheme + "://" + host + ":" + strconv.Itoa(port)
	if len(rest) == 0 || rest[0] == '?' {
		to += "/"
	}
	return to + string(rest), true
}

// hostOf is the host without its port; empty: it is not one.
func hostOf(host []byte) string {
	h := string(host)
	if strings.HasPrefix(h, "[") {
		end := strings.IndexByte(h, ']')
		if end < 0 || net.ParseIP(h[1:end]) == nil {
			return ""
		}
		return h[:end+1]
	}
	h, _, _ = strings.Cut(h, ":")
	if strings.ContainsAny(h, "[]") {
		return ""
	}
	return h
}

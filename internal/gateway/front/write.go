package front

import (
	"bytes"
	"strconv"
)

// named says whether a header is for this hop alone because Connection says so.
func named(names [][]byte, name []byte) bool {
	for _, n := range names {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// forward appends the head for Home Assistant: the request with what this hop
// knows of it in the place of what the client said.
func (s *session) forward(out []byte) []byte {
	r := &s.request
	out = append(out, r.method...)
	out = append(out, ' ')
	out = append(out, r.target...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	host := r.host
	if len(host) == 0 { // HTTP/1.0 need not say it
		host = s.front.upstream.host
	}
	out = append(out, host...)
	out = append(out, "\r\n"...)
	for i := range r.fields {
		f := &r.fields[i]
		switch f.kind {
		case kindPlain, kindAccept, kindSocketKey, kindSocketVersion, kindSetCookie, kindStrict:
			if len(r.named) > 0 && named(r.named, f.name) {
				continue
			}
			out = appendField(out, f.name, f.value)
		case kindCookie:
			out = appendCookies(out, f.name, f.value, s.front.o.Cookies)
		}
	}
	switch {
	case r.chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case r.hasLength:
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, r.length, 10)
		out = append(out, "\r\n"...)
	}
	if r.websocket {
		out = append(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	}
	out = append(out, "X-Forwarded-For: "...)
	out = append(out, s.client...)
	if s.arrival.Secure {
		out = append(out, "\r\nX-Forwarded-Proto: https\r\n"...)
	} else {
		out = append(out, "\r\nX-Forwarded-Proto: http\r\n"...)
	}
	if len(r.host) > 0 { // an empty one would be refused
		out = append(out, "X-Forwarded-Host: "...)
		out = append(out, r.host...)
		out = append(out, "\r\n"...)
	}
	out = append(out, "Via: 1.1 "...)
	out = append(out, s.front.mark...)
	return append(out, "\r\n\r\n"...)
}

// framing is how the body of an answer goes to the visitor.
type framing uint8

const (
	framedNot     framing = iota // there is none
	framedLength                 // as long as the head says
	framedChunked                //
	framedClose                  // until the connection is closed: to an old client
)

// reply appends the head for the visitor.
func (s *session) reply(out []byte, how framing) []byte {
	a := &s.answer
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(a.status), 10)
	out = append(out, ' ')
	out = append(out, a.reason...)
	out = append(out, "\r\n"...)
	for i := range a.fields {
		f := &a.fields[i]
		switch f.kind {
		case kindHop, kindConnection, kindUpgrade, kindCoding, kindStrict, kindVia:
			continue
		case kindLength:
			if how == framedChunked || how == framedClose {
				continue
			}
		case kindSetCookie:
			if hasPrefix(f.value, s.front.o.Cookies) {
				continue
			}
		}
		if len(a.named) > 0 && named(a.named, f.name) {
			continue
		}
		out = appendField(out, f.name, f.value)
	}
	if how == framedChunked {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case a.socket:
		out = append(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case s.request.last:
		out = append(out, "Connection: close\r\n"...)
	case s.request.old:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "\r\n"...)
}

func appendField(out, name, value []byte) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	out = append(out, value...)
	return append(out, "\r\n"...)
}

// appendCookies writes the cookies that are not the dashboard's.
func appendCookies(out, name, value []byte, ours []string) []byte {
	before := len(out)
	first := true
	for len(value) > 0 {
		var one []byte
		one, value, _ = bytes.Cut(value, []byte{';'})
		if one = trim(one); len(one) == 0 || hasPrefix(one, ours) {
			continue
		}
		if first {
			out = append(out, name...)
			out = append(out, ": "...)
			first = false
		} else {
			out = append(out, "; "...)
		}
		out = append(out, one...)
	}
	if first {
		return out[:before]
	}
	return append(out, "\r\n"...)
}

// hasPrefix compares as browsers do for the names that they protect: in whatever
// letters.
func hasPrefix(b []byte, prefixes []string) bool {
	for _, p := range prefixes {
		if len(b) >= len(p) && bytes.EqualFold(b[:len(p)], []byte(p)) {
			return true
		}
	}
	return false
}

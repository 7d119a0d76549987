package front

import (
	"bytes"
	"strings"
)

// field is a line of a head; both are views into the buffer it was read into.
type field struct {
	name, value []byte
	kind        kind
}

// request is the head of a request that has one meaning alone.
type request struct {
	method, target, host []byte
	old                  bool // HTTP/1.0
	fields               []field
	named                [][]byte // by Connection: for the next hop alone
	hasLength            bool
	length               int64
	chunked              bool
	last                 bool // the visitor wants the connection closed
	websocket            bool
	expects              bool // waits to be asked for the body
	page                 bool // a browser that shows the answer
}

// fault is why a request is refused.
type fault struct {
	status int
	text   string
}

func (f *fault) Error() string { return f.text }

func bad(text string) *fault { return &fault{400, text} }

var (
	faultLarge   = &fault{431, "the headers are larger than this server takes"}
	faultLong    = &fault{414, "the address is longer than this server takes"}
	faultVersion = &fault{505, "this server speaks HTTP/1.1"}
	faultMethod  = &fault{405, "this method is not taken"}
	faultExpect  = &fault{417, "only 100-continue can be expected"}
	faultSlow    = &fault{408, "the request did not come in time"}
	faultCoding  = &fault{501, "only chunked is taken as a transfer coding"}
)

// maxTarget bounds the address in a request, in bytes: sign-in at Home Assistant
// carries whole addresses in it.
const maxTarget = 8 << 10

// endOfHead is the length of the head at the beginning of b, with its empty line;
// 0: it is not all there. A line that ends otherwise than by CR LF is an error:
// two servers would not agree where it ends.
func endOfHead(b []byte, from int) (int, *fault) {
	from = max(0, from-3)
	for i := from; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0, nil
		}
		i += n
		if i == 0 || b[i-1] != '\r' {
			return 0, bad("a line ends without a carriage return")
		}
		if i >= 3 && b[i-2] == '\n' || i == 1 {
			return i + 1, nil
		}
		i++
	}
}

var crlf = []byte("\r\n")

// parse reads a head, with its empty line. Fields of r are used again.
func (r *request) parse(b []byte, maxFields int) *fault {
	*r = request{fields: r.fields[:0], named: r.named[:0]}
	line, rest, _ := bytes.Cut(b, crlf)
	if bytes.IndexByte(line, '\r') >= 0 {
		return bad("a line has a carriage return in it")
	}
	if f := r.parseLine(line); f != nil {
		return f
	}
	rest, f := splitFields(rest, &r.fields, maxFields)
	if f != nil {
		return f
	}
	if len(rest) != 0 {
		return bad("a line ends twice")
	}
	return r.understand()
}

// parseLine reads "GET /path HTTP/1.1".
func (r *request) parseLine(line []byte) *fault {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	target, version, ok2 := bytes.Cut(rest, []byte{' '})
	if !ok || !ok2 || !isToken(method) || len(method) > 32 {
		return bad("the request has no method, address and version")
	}
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		r.old = true
	default:
		if bytes.HasPrefix(version, []byte("HTTP/")) {
			return faultVersion
		}
		return bad("the request has no method, address and version")
	}
	switch string(method) {
	case "CONNECT", "TRACE", "TRACK":
		return faultMethod
	}
	if len(target) > maxTarget {
		return faultLong
	}
	if f := checkTarget(method, target); f != nil {
		return f
	}
	r.method, r.target = method, target
	return nil
}

// checkTarget takes a path alone, with or without a query: of an address with a
// host in it, nobody could say which of the two hosts counts.
func checkTarget(method, target []byte) *fault {
	if string(target) == "*" && string(method) == "OPTIONS" {
		return nil
	}
	if len(target) == 0 || target[0] != '/' {
		return bad("the address is not a path")
	}
	path := true
	for i, c := range target {
		switch {
		case c <= ' ' || c >= 0x7f || c == '#':
			return bad("the address has a character that must be escaped")
		case c == '?':
			path = false
		case c == '\\' && path:
			return bad("the address has a backslash")
		case c == '%' && path && i+2 < len(target) && target[i+1] == '0' && target[i+2] == '0':
			return bad("the address has a NUL")
		}
	}
	return nil
}

// splitFields reads lines up to the empty one, and returns what is behind it.
func splitFields(b []byte, into *[]field, most int) ([]byte, *fault) {
	for {
		end := bytes.IndexByte(b, '\r')
		if end < 0 || end+1 >= len(b) || b[end+1] != '\n' {
			return nil, bad("a line has a carriage return in it")
		}
		line := b[:end]
		b = b[end+2:]
		if len(line) == 0 {
			return b, nil
		}
		if len(*into) == most {
			return nil, faultLarge
		}
		colon := bytes.IndexByte(line, ':')
		if line[0] == ' ' || line[0] == '\t' {
			return nil, bad("a header goes on in a second line")
		}
		if colon <= 0 || !isToken(line[:colon]) {
			return nil, bad("a header has no name")
		}
		value := trim(line[colon+1:])
		if !isValue(value) {
			return nil, bad("a header has a control character in it")
		}
		*into = append(*into, field{line[:colon], value, kindOf(line[:colon])})
	}
}

// understand finds what the request says about itself.
func (r *request) understand() *fault {
	hosts, codings, upgrade := 0, 0, false
	key, version := false, false
	for i := range r.fields {
		f := &r.fields[i]
		switch f.kind {
		case kindHost:
			hosts++
			r.host = f.value
		case kindLength:
			n, ok := parseLength(f.value)
			if !ok || r.hasLength {
				return bad("the length of the body is not one number")
			}
			r.hasLength, r.length = true, n
		case kindCoding:
			if codings++; codings > 1 || r.old {
				return bad("the transfer coding is not one")
			}
			if !equalFold(f.value, "chunked") {
				return faultCoding
			}
			r.chunked = true
		case kindConnection:
			for option := range elements(f.value) {
				switch {
				case equalFold(option, "close"):
					r.last = true
				case equalFold(option, "upgrade"):
					upgrade = true
				default:
					r.named = append(r.named, option)
				}
			}
		case kindUpgrade:
			r.websocket = equalFold(f.value, "websocket")
		case kindSocketKey:
			key = true
		case kindSocketVersion:
			version = true
		case kindExpect:
			if !equalFold(f.value, "100-continue") {
				return faultExpect
			}
			r.expects = !r.old
		case kindAccept:
			r.page = r.page || bytes.Contains(f.value, []byte("text/html"))
		}
	}
	if hosts > 1 || hosts == 0 && !r.old || hosts == 1 && !isHost(r.host) {
		return bad("the request does not name one host")
	}
	if r.chunked && r.hasLength {
		return bad("the body has a length and is chunked")
	}
	if r.old {
		r.last = !r.keepsAlive()
	}
	// Another protocol than this would carry what nobody here looks at.
	r.websocket = r.websocket && upgrade && key && version && !r.old && string(r.method) == "GET" && r.length == 0 && !r.chunked
	return nil
}

// keepsAlive: an old client may ask for what is the rule today.
func (r *request) keepsAlive() bool {
	for _, option := range r.named {
		if equalFold(option, "keep-alive") {
			return !r.last
		}
	}
	return false
}

// safe says whether asking twice does no harm (RFC 9110, 9.2.2).
func (r *request) safe() bool {
	switch string(r.method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}

// parseLength reads the digits of a length; a list of equal ones is none.
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// elements are those of a list with commas.
func elements(list []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(list) > 0 {
			var e []byte
			e, list, _ = bytes.Cut(list, []byte{','})
			if e = trim(e); len(e) > 0 && !yield(e) {
				return
			}
		}
	}
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// Classes of characters (RFC 9110, 5.6.2 and 5.5).
var tokens, values, hosts, lower [256]byte

func init() {
	for c := range 256 {
		b := byte(c)
		lower[c] = b
		if b >= 'A' && b <= 'Z' {
			lower[c] = b + 'a' - 'A'
		}
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0 {
			tokens[c] = 1
		}
		if b >= ' ' && b != 0x7f || b == '\t' {
			values[c] = 1
		}
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("-._[]:", b) >= 0 {
			hosts[c] = 1
		}
	}
}

func isToken(b []byte) bool { return len(b) > 0 && all(b, &tokens) }
func isValue(b []byte) bool { return all(b, &values) }
func isHost(b []byte) bool  { return len(b) > 0 && len(b) <= 261 && all(b, &hosts) }

func all(b []byte, class *[256]byte) bool {
	for _, c := range b {
		if class[c] == 0 {
			return false
		}
	}
	return true
}

// equalFold compares with a lower-case word.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if lower[c] != word[i] {
			return false
		}
	}
	return true
}

package front

import "bytes"

// kind is what a header is to this server.
type kind uint8

const (
	kindPlain      kind = iota // passed on
	kindHop                    // for this hop alone: not passed on
	kindClaim                  // what a client says about where it comes from or who it is: not passed on
	kindHost                   // and below: read, and written anew
	kindLength                 //
	kindCoding                 //
	kindConnection             //
	kindUpgrade                //
	kindExpect                 //
	kindVia                    //
	kindCookie                 // passed on without those of the dashboard
	kindSetCookie              // the same of answers
	kindAccept                 // and below: read, and passed on
	kindSocketKey              //
	kindSocketVersion
	kindStrict // an answer's wish that its host be asked over TLS alone: not passed on
)

// claims begin the names of headers by which a proxy says who its client is. One
// that comes from outside was made up.
var claims = [][]byte{
	[]byte("x-forwarded"), []byte("x-real-"), []byte("x-client-"), []byte("x-cluster-client-"), []byte("x-original-"),
	[]byte("x-remote-"), []byte("x-webauth-"), []byte("x-auth-request-"), []byte("x-authentik-"), []byte("x-hass-"), []byte("x-ingress-"), []byte("x-supervisor-"),
	[]byte("x-ssl-"), []byte("x-tls-"), []byte("x-arr-"), []byte("ssl-"), []byte("client-cert"),
	[]byte("remote-"), []byte("tailscale-"), []byte("cf-"), []byte("true-client-"), []byte("fastly-client-"), []byte("hems-"), []byte("x-hems-"),
}

const longestKnown = 40

// kindOf tells a header by its name, in whatever letters. A name with an
// underscore is another one to some servers than to others.
func kindOf(name []byte) kind {
	if len(name) > longestKnown {
		return kindPlain
	}
	var buf [longestKnown]byte
	low := buf[:len(name)]
	for i, c := range name {
		if c == '_' {
			return kindClaim
		}
		low[i] = lower[c]
	}
	switch string(low) {
	case "host":
		return kindHost
	case "content-length":
		return kindLength
	case "transfer-encoding":
		return kindCoding
	case "connection":
		return kindConnection
	case "upgrade":
		return kindUpgrade
	case "expect":
		return kindExpect
	case "via":
		return kindVia
	case "cookie":
		return kindCookie
	case "set-cookie":
		return kindSetCookie
	case "accept":
		return kindAccept
	case "sec-websocket-key":
		return kindSocketKey
	case "sec-websocket-version":
		return kindSocketVersion
	case "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info", "te", "trailer", "http2-settings":
		return kindHop
	case "forwarded", "client-ip", "x-forwarded":
		return kindClaim
	case "strict-transport-security":
		return kindStrict
	}
	switch low[0] {
	case 'x', 'r', 't', 'c', 'f', 'h', 's':
		for _, c := range claims {
			if bytes.HasPrefix(low, c) {
				return kindClaim
			}
		}
	}
	return kindPlain
}

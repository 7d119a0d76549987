package front

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"
)

// FuzzHead: a head that is taken says to net/http what it says here.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r@Host: x\r\n\r\n", "POST /a?b HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, fault := endOfHead(raw, 0)
		if fault != nil || n == 0 {
			return
		}
		var r request
		if r.parse(raw[:n], 100) != nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(raw), 64<<10))
		if err != nil {
			// It knows rules about addresses and hosts that say nothing of the framing.
			for _, known := range []string{"invalid URL escape", "malformed Host", "invalid port", "invalid character", "missing ']'", "invalid method", "cannot parse"} {
				if strings.Contains(err.Error(), known) {
					return
				}
			}
			t.Fatalf("net/http refuses what is taken here: %v\n%q", err, raw[:n])
		}
		if theirs.Method != string(r.method) || theirs.RequestURI != string(r.target) || theirs.ProtoAtLeast(1, 1) == r.old {
			t.Errorf("got %s %s, net/http says %s %s", r.method, r.target, theirs.Method, theirs.RequestURI)
		}
		if chunked := len(theirs.TransferEncoding) > 0; chunked != r.chunked || !chunked && theirs.ContentLength != r.length {
			t.Errorf("got %d bytes, chunked %v, net/http says %d, %v\n%q", r.length, r.chunked, theirs.ContentLength, chunked, raw[:n])
		}
		if string(r.host) != theirs.Host && len(r.host) > 0 {
			t.Errorf("got the host %q, net/http says %q", r.host, theirs.Host)
		}
	})
}

// FuzzChunks: what is passed on of a chunked body reads as what came, and ends
// where that ended.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{"0\r\n\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\nGET", "A\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n", "5;a\r\nhello\r\n0\r\n\r\n"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, raw []byte, step int) {
		from := &reader{}
		from.reset(&slowly{raw, max(1, step%100)})
		var out bytes.Buffer
		if err := copyChunks(&out, from, nil, false); err != nil {
			return
		}
		in := bufio.NewReader(bytes.NewReader(raw))
		want, err := io.ReadAll(httputil.NewChunkedReader(in))
		if err != nil {
			t.Fatalf("net/http refuses what is taken here: %v\n%q", err, raw)
		}
		got, err := io.ReadAll(httputil.NewChunkedReader(&out))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}

// slowly is a source that gives few bytes at a time.
type slowly struct {
	b []byte
	n int
}

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(s.n, len(s.b))])
	s.b = s.b[n:]
	return n, nil
}

// FuzzAnswer: whatever Home Assistant says, an answer that is taken has one
// framing.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.0 304\r\n\r\n", "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, fault := endOfHead(raw, 0)
		if fault != nil || n == 0 {
			return
		}
		var a answer
		if err := a.parse(raw[:n], 100); err != nil {
			if !errors.Is(err, errAnswer) {
				t.Errorf("the error %v is of another kind", err)
			}
			return
		}
		if a.chunked && a.length >= 0 || a.status < 100 || a.status > 999 || len(strconv.Itoa(a.status)) != 3 {
			t.Errorf("got %+v", a)
		}
	})
}

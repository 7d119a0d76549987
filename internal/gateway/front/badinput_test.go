package front

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequestsWithTwoMeanings: what two servers could read in two ways is refused
// by the first, ends the connection, and nothing of it gets to the second.
func TestRequestsWithTwoMeanings(t *testing.T) {
	var mu sync.Mutex
	var arrived []string
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		arrived = append(arrived, r.Method+" "+r.RequestURI)
	}))
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(headers, body string) string {
		return "POST /first HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body + smuggled
	}
	for _, tt := range []struct {
		name, raw string
		want      int
		first     bool // the first request may have begun before its body showed what it is
	}{
		{"LengthAndChunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, false},
		{"ChunkedAndLength", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400, false},
		{"TwoLengths", post("Content-Length: 0\r\nContent-Length: 5\r\n", ""), 400, false},
		{"TwoEqualLengths", post("Content-Length: 0\r\nContent-Length: 0\r\n", ""), 400, false},
		{"ListOfLengths", post("Content-Length: 0, 0\r\n", ""), 400, false},
		{"LengthWithSign", post("Content-Length: +0\r\n", ""), 400, false},
		{"LengthInHex", post("Content-Length: 0x0\r\n", ""), 400, false},
		{"LengthNegative", post("Content-Length: -1\r\n", ""), 400, false},
		{"LengthTooLong", post("Content-Length: 99999999999999999999\r\n", ""), 400, false},
		{"LengthEmpty", post("Content-Length:\r\n", ""), 400, false},
		{"LengthWithSpaceInIt", post("Content-Length: 1 0\r\n", ""), 400, false},
		{"TwoCodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 400, false},
		{"ListOfCodings", post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"), 501, false},
		{"CodingQuoted", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 501, false},
		{"CodingMisspelt", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501, false},
		{"CodingWithControl", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), 400, false},
		{"CodingGzip", post("Transfer-Encoding: gzip\r\n", "0\r\n\r\n"), 501, false},
		{"CodingOfAnOldClient", "POST /first HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 400, false},
		{"SpaceBeforeColon", post("Content-Length : 5\r\n", ""), 400, false},
		{"SpaceBeforeCodingsColon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400, false},
		{"SpaceBeforeName", post(" Content-Length: 5\r\n", ""), 400, false},
		{"LineGoesOn", post("X-A: 1\r\n Content-Length: 5\r\n", ""), 400, false},
		{"LineGoesOnWithTab", post("Transfer-Encoding:\r\n\tchunked\r\n", "0\r\n\r\n"), 400, false},
		{"BareLineFeed", "GET /first HTTP/1.1\nHost: x\n\n" + smuggled, 400, false},
		{"BareLineFeedInHead", "GET /first HTTP/1.1\r\nHost: x\nX-A: 1\r\n\r\n" + smuggled, 400, false},
		{"BareLineFeedAtTheEnd", "GET /first HTTP/1.1\r\nHost: x\r\n\n" + smuggled, 400, false},
		{"BareCarriageReturn", "GET /first HTTP/1.1\r\nHost: x\r\nX-A: 1\rContent-Length: 5\r\n\r\n" + smuggled, 400, false},
		{"CarriageReturnInFirstLine", "GET /first HTTP/1.1\rXHost: x\r\n\r\n" + smuggled, 400, false},
		{"NULInValue", post("X-A: a\x00b\r\n", ""), 400, false},
		{"NULInName", post("X\x00A: b\r\n", ""), 400, false},
		{"ControlInValue", post("X-A: a\x7fb\r\n", ""), 400, false},
		{"NoColon", post("Content-Length 5\r\n", ""), 400, false},
		{"NoName", post(": 5\r\n", ""), 400, false},
		{"TwoHosts", "GET /first HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + smuggled, 400, false},
		{"NoHost", "GET /first HTTP/1.1\r\nX-A: 1\r\n\r\n" + smuggled, 400, false},
		{"HostWithPath", "GET /first HTTP/1.1\r\nHost: x/y\r\n\r\n" + smuggled, 400, false},
		{"HostWithAt", "GET /first HTTP/1.1\r\nHost: a@x\r\n\r\n" + smuggled, 400, false},
		{"HostEmpty", "GET /first HTTP/1.1\r\nHost:\r\n\r\n" + smuggled, 400, false},
		{"AbsoluteTarget", "GET http://y/first HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"TargetWithoutSlash", "GET first HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"StarOfGet", "GET * HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"TwoSpaces", "GET  /first HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"SpaceInTarget", "GET /first /x HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"TabInTarget", "GET /first\t/x HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"Fragment", "GET /first#x HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"Backslash", "GET /..\\first HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"NULInTarget", "GET /first\x00 HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"EscapedNUL", "GET /first%00.html HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"NotASCII", "GET /first\xff HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"NoVersion", "GET /first\r\n\r\n" + smuggled, 400, false},
		{"AnotherVersion", "GET /first HTTP/1.2\r\nHost: x\r\n\r\n" + smuggled, 505, false},
		{"LowerCaseVersion", "GET /first http/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"PriorKnowledgeOfHTTP2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, false},
		{"Connect", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 405, false},
		{"Trace", "TRACE /first HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 405, false},
		{"BadMethod", "G(T /first HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, 400, false},
		{"ExpectsSomethingElse", post("Expect: 200-ok\r\nContent-Length: 0\r\n", ""), 417, false},
		{"ChunkSizeWithPrefix", post("Transfer-Encoding: chunked\r\n", "0x5\r\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkSizeWithSign", post("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkSizeWithSpace", post("Transfer-Encoding: chunked\r\n", "5 \r\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkSizeEmpty", post("Transfer-Encoding: chunked\r\n", "\r\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkSizeTooLong", post("Transfer-Encoding: chunked\r\n", "0000000000000000005\r\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkSizeOverflows", post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkExtension", post("Transfer-Encoding: chunked\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkEndsWithLineFeed", post("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n"), 400, true},
		{"ChunkTooLong", post("Transfer-Encoding: chunked\r\n", "5\r\nhello!\r\n0\r\n\r\n"), 400, true},
		{"ChunkWithoutEnd", post("Transfer-Encoding: chunked\r\n", "5\r\nhello0\r\n\r\n"), 400, true},
		{"TrailerGoesOn", post("Transfer-Encoding: chunked\r\n", "0\r\nX: 1\r\n y\r\n\r\n"), 400, true},
		{"TrailerWithLineFeed", post("Transfer-Encoding: chunked\r\n", "0\r\nX: 1\n\r\n"), 400, true},
		{"Garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := h.dial()
			if _, err := io.WriteString(c, strings.Replace(tt.raw, "/first", "/"+tt.name, 1)); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(c)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body := read(t, res); res.StatusCode != tt.want || !res.Close {
				t.Errorf("got %s (closes: %v) %q, want %d and the connection's end", res.Status, res.Close, body, tt.want)
			}
			if _, err := in.ReadByte(); err == nil {
				t.Error("a second answer follows")
			}
			mu.Lock()
			defer mu.Unlock()
			for _, a := range arrived {
				if strings.HasSuffix(a, "/smuggled") || !tt.first && strings.HasSuffix(a, "/"+tt.name) {
					t.Errorf("%s got to Home Assistant", a)
				}
			}
		})
	}
}

func TestTooLargeHeads(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(echo))
	large := strings.Repeat("x", 40_000)
	for name, tt := range map[string]struct {
		head string
		want int
	}{
		"Cookies":           {"GET / HTTP/1.1\r\nHost: x\r\nCookie: a=" + large + "\r\n\r\n", 431},
		"OneHeader":         {"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + large + "\r\n\r\n", 431},
		"ManyHeaders":       {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 200) + "\r\n", 431},
		"Address":           {"GET /" + large[:9000] + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
		"Name":              {"GET / HTTP/1.1\r\nHost: x\r\n" + large + ": 1\r\n\r\n", 431},
		"NoEnd":             {"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + large, 431},
		"LongMethod":        {strings.Repeat("G", 100) + " / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"LargeAndStillWell": {"GET /" + large[:7000] + " HTTP/1.1\r\nHost: x\r\nCookie: a=" + large[:20_000] + "\r\n\r\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			if res := h.ask(tt.head); res.StatusCode != tt.want {
				t.Errorf("got %s, want %d", res.Status, tt.want)
			}
		})
	}
}

// pipes is a listener for connections within one process, whose time a test can
// have to itself.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// TestSlowVisitors: who sends a head or a body byte by byte, or nothing at all, is
// let go; a slow line that moves is not.
func TestSlowVisitors(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	piece := strings.Repeat("a", pieceOfBody)
	for _, tt := range []struct {
		name, begin, drip string
		every             time.Duration
		want              string        // the beginning of the answer; empty: there is none
		after             time.Duration // it is over
		body              string        // what Home Assistant's reading of the body ends with; empty: it hears nothing of it
	}{
		{"Nothing", "", "", 0, "", 75 * time.Second, ""},
		{"HalfAHead", "GET / HT", "", 0, "408", 10 * time.Second, ""},
		{"HeadDrips", "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", "a", time.Second, "408", 10 * time.Second, ""},
		{"HalfABody", post + "Content-Length: 100\r\n\r\nhello", "", 0, "408", time.Minute, "unexpected EOF"},
		{"BodyDrips", post + "Content-Length: 100000\r\n\r\nhello", "a", time.Second, "408", time.Minute, "unexpected EOF"},
		{"HalfAChunk", post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "", 0, "408", time.Minute, "unexpected EOF"},
		{"ChunksDrip", post + "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", time.Second, "408", time.Minute, "unexpected EOF"},
		{"SlowButMoving", fmt.Sprintf("%sContent-Length: %d\r\n\r\n", post, 10*pieceOfBody), piece, 50 * time.Second, "200", 500 * time.Second, "<nil>"},
		{"NothingAfterTheAnswer", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", 0, "200", 75 * time.Second, "<nil>"},
	} {
		for way, door := range wayDoors {
			t.Run(tt.name+"/"+string(way), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					read := "" // by Home Assistant
					home := newPipes()
					srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, err := io.Copy(io.Discard, r.Body)
						read = fmt.Sprint(err)
					})}
					go srv.Serve(home)
					f, err := New(Options{To: &url.URL{Scheme: "http", Host: "home"}, Log: slog.New(slog.DiscardHandler)})
					if err != nil {
						t.Fatal(err)
					}
					f.upstream.dial = func(context.Context, string, string) (net.Conn, error) { return home.dial(), nil }
					l := newPipes()
					ctx, cancel := context.WithCancel(t.Context())
					served := make(chan error, 1)
					go func() { served <- f.Serve(ctx, l, door) }()
					defer func() {
						cancel()
						<-served
						f.upstream.close()
						srv.Close()
					}()
					c := l.dial()
					start := time.Now()
					var sending sync.WaitGroup
					sending.Go(func() {
						var err error
						if tt.begin != "" { // a pipe hands nothing on, too
							_, err = io.WriteString(c, tt.begin)
						}
						for err == nil && tt.drip != "" {
							time.Sleep(tt.every)
							_, err = io.WriteString(c, tt.drip)
						}
					})
					all, err := io.ReadAll(c)
					took := time.Since(start)
					if err != nil {
						t.Errorf("reading the answer: %v", err)
					}
					c.Close()
					sending.Wait()
					if got := strings.TrimPrefix(string(all), "HTTP/1.1 "); tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
						t.Errorf("got %.60q, want %q", got, tt.want)
					}
					// A deadline may be a fifth early, and who is told why has two seconds more.
					if took < tt.after*4/5 || took > tt.after+3*time.Second {
						t.Errorf("it was over after %v, want %v", took, tt.after)
					}
					synctest.Wait()
					if read != tt.body {
						t.Errorf("Home Assistant's reading of the body ended with %q, want %q", read, tt.body)
					}
				})
			})
		}
	}
}

// from dials from an address of the loopback network.
func (h *house) from(n int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n))}}
	return d.DialContext(context.Background(), "tcp", h.addr)
}

// TestManyIdleConnections: 10,000 of them from as many addresses hold a bounded
// part of the memory, and keep nobody out.
func TestManyIdleConnections(t *testing.T) {
	const most = 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < most+4096 {
		t.Fatalf("this needs %d open files, and %d may be (%v): ulimit -n 20000", most+4096, limit.Cur, err)
	}
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS=%v", secure), func(t *testing.T) {
			h, many := newHouse(t, http.HandlerFunc(echo)), most
			if secure {
				h, many = newTLSHouse(t, http.HandlerFunc(echo)), most/4 // it is the same list
			}
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var conns []net.Conn
			defer func() {
				for _, c := range conns {
					c.Close()
				}
			}()
			for n := range many {
				c, err := h.from(n)
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
				if n%2 == 0 { // half of them begin something
					_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
				}
			}
			if res := h.askSomehow(secure); res.StatusCode != http.StatusOK {
				t.Errorf("another visitor: got %s, want 200", res.Status)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			used := int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse)
			t.Logf("%d connections: %.1f MB, this test's side of them included", many, float64(used)/1e6)
			// The test's own side is some 500 bytes each.
			if bound := int64(48 << 20); used > bound {
				t.Errorf("they hold %d bytes, want at most %d", used, bound)
			}
			h.visitors.mu.Lock()
			open := len(h.visitors.open)
			h.visitors.mu.Unlock()
			if open > h.limits.conns {
				t.Errorf("%d are open, want at most %d", open, h.limits.conns)
			}
		})
	}
}

func (h *house) askSomehow(secure bool) *http.Response {
	if !secure {
		return h.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	h.t.Helper()
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	res, err := c.Get("https://" + h.addr + "/")
	if err != nil {
		h.t.Fatal(err)
	}
	res.Body.Close()
	return res
}

// TestOneAddressHoldsItsShare: a machine with as many connections as it gets
// leaves the rest to others, and those of its own that ask something make its idle
// ones go.
func TestOneAddressHoldsItsShare(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(echo), func(f *Front) { f.limits.conns, f.limits.each = 20, 5 })
	for range 50 {
		c, err := h.from(1)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for n := range 3 {
		c, err := h.from(1 + n)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if err == nil {
			_, err = http.ReadResponse(bufio.NewReader(c), nil)
		}
		if err != nil {
			t.Errorf("address %d: %v", 1+n, err)
		}
	}
	h.visitors.mu.Lock()
	defer h.visitors.mu.Unlock()
	for a, n := range h.visitors.from {
		if n > 5 {
			t.Errorf("%v has %d connections, want at most 5", a, n)
		}
	}
}

// TestSocketFlood: a WebSocket whose visitor sends and never reads fills the
// buffers between, and nothing more; it is let go, and others go on.
func TestSocketFlood(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(echoSocket), func(f *Front) {
		f.limits.still, f.limits.linger = 500*time.Millisecond, 100*time.Millisecond
	})
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	c := h.dial()
	if _, err := io.WriteString(c, "GET /api/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	frame := append([]byte{0x82, 0x80 | 126, 0x40, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), 0x4000)...)
	sent := 0
	for { // until it is let go
		n, err := c.Write(frame)
		sent += n
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("after %d bytes the connection stands still for good", sent)
			}
			break
		}
	}
	runtime.ReadMemStats(&during)
	if used := int64(during.HeapAlloc) - int64(before.HeapAlloc); used > 16<<20 {
		t.Errorf("%d bytes of flood hold %d bytes of memory", sent, used)
	}
	if res := h.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != http.StatusBadRequest { // what the echo says to who is no WebSocket
		t.Errorf("another visitor: got %s", res.Status)
	}
}

// TestAnswersWithTwoMeanings: a Home Assistant, or what took its place, whose
// answers are not what HTTP is gets a page in their place.
func TestAnswersWithTwoMeanings(t *testing.T) {
	for name, answer := range map[string]string{
		"LengthAndChunked":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"TwoLengths":             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"LineGoesOn":             "HTTP/1.1 200 OK\r\nX: 1\r\n y\r\n\r\n",
		"BareLineFeed":           "HTTP/1.1 200 OK\nX: 1\n\n",
		"NoHTTP":                 "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"NoStatus":               "HTTP/1.1 2000 OK\r\n\r\n",
		"UpgradeThatNobodyAsked": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"Nothing":                "",
		"HeadWithoutEnd":         "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 40_000),
		"InterimsWithoutEnd":     strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 50),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
							_, _ = io.WriteString(c, answer)
						}
					}()
				}
			}()
			h := newHouseBefore(t, "http://"+l.Addr().String())
			if res := h.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != http.StatusBadGateway {
				t.Errorf("got %s, want 502", res.Status)
			}
		})
	}
}

// TestAnswerThatEndsEarly must not look like a whole one.
func TestAnswerThatEndsEarly(t *testing.T) {
	for name, answer := range map[string]string{
		"Length":  "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
		"Chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(c, answer)
				c.Close()
			}
		}))
		defer srv.Close()
		h := newHouseBefore(t, srv.URL)
		res, err := http.Get("http://" + h.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil {
			t.Errorf("%s: got %q as a whole answer", name, b)
		}
	}
}

// TestAddressThatLeadsBackHere ends at the first turn.
func TestAddressThatLeadsBackHere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	h := newHouseBefore(t, "http://"+addr)
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.Serve(ctx, l, onLAN(nil)) }()
	defer func() { cancel(); <-served }()
	if res := h.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != http.StatusLoopDetected {
		t.Errorf("got %s, want 508", res.Status)
	}
}

package front

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// house is a Front before a server that stands for Home Assistant.
type house struct {
	*Front
	t    *testing.T
	addr string
	stop func()
}

// newHouse serves on a port of the loopback interface.
func newHouse(t *testing.T, home http.Handler, settings ...func(*Front)) *house {
	t.Helper()
	srv := httptest.NewServer(home)
	t.Cleanup(srv.Close)
	return newHouseBefore(t, srv.URL, settings...)
}

func newHouseBefore(t *testing.T, to string, settings ...func(*Front)) *house {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Options{To: u, DashboardPort: 8080, DashboardTLSPort: 8443, Cookies: []string{"hems_", "__Host-hems_"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		s(f)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, l, onLAN(nil)) }()
	h := &house{Front: f, t: t, addr: l.Addr().String()}
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: got %v, want nil after its context ended", err)
		}
		f.upstream.close()
	})
	t.Cleanup(h.stop)
	return h
}

// dial is a connection to the front that ends with the test.
func (h *house) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// ask sends bytes as they are, and returns all that comes until the connection
// is closed or, with one, the first answer.
func (h *house) ask(raw string) *http.Response {
	h.t.Helper()
	c := h.dial()
	if _, err := io.WriteString(c, raw); err != nil {
		h.t.Fatal(err)
	}
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		h.t.Fatalf("the answer to %.80q: %v", raw, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatalf("the answer's body to %.80q: %v", raw, err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// echo answers with the request as it arrived.
func echo(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nHost: %s\n", r.Method, r.RequestURI, r.Host)
	_ = r.Header.Write(&b)
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(&b, "\n%s%v", body, err)
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, strings.ReplaceAll(b.String(), "\r\n", "\n"))
}

func TestRequestArrivesWithWhereItCameFrom(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(echo))
	via := "Via: 1.1 " + h.mark + "\n"
	forwarded := "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Host: home.example:80\nX-Forwarded-Proto: http\n"
	for _, tt := range []struct{ name, raw, want string }{
		{"Plain", "GET /a?b=c HTTP/1.1\r\nHost: home.example:80\r\n\r\n", "GET /a?b=c\nHost: home.example:80\n" + via + forwarded + "\n<nil>"},
		{"SpoofedAddress",
			"GET / HTTP/1.1\r\nHost: home.example:80\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n" +
				"X-Forwarded-Server: x\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n" +
				"X-Client-IP: 6.6.6.6\r\nX-Cluster-Client-IP: 6.6.6.6\r\nX-Original-URL: /admin\r\n\r\n",
			"GET /\nHost: home.example:80\n" + via + forwarded + "\n<nil>"},
		{"SpoofedIdentity",
			"GET / HTTP/1.1\r\nHost: home.example:80\r\nRemote-User: admin\r\nX-Forwarded-User: admin\r\nX-Remote-User: admin\r\nX-Webauth-User: admin\r\nTailscale-User-Login: a@b\r\n" +
				"Cf-Access-Jwt-Assertion: x\r\nCf-Access-Authenticated-User-Email: a@b\r\nX-Auth-Request-User: admin\r\nX-Authentik-Username: admin\r\nX-Hass-Source: core.ingress\r\nX-Ingress-Path: /x\r\nHems-By: owner\r\n\r\n",
			"GET /\nHost: home.example:80\n" + via + forwarded + "\n<nil>"},
		{"OurCookiesStay",
			"GET / HTTP/1.1\r\nHost: home.example:80\r\nCookie: a=1; hems_session_1=secret; __Host-hems_session_1=secret; b=2;HEMS_theme=dark\r\nCookie: hems_theme=dark\r\n\r\n",
			"GET /\nHost: home.example:80\nCookie: a=1; b=2\n" + via + forwarded + "\n<nil>"},
		{"HopByHop",
			"GET / HTTP/1.1\r\nHost: home.example:80\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: 1\r\nX-Mine: 1\r\nX-Other: 2\r\nTE: trailers\r\nProxy-Authorization: x\r\nProxy-Connection: x\r\n\r\n",
			"GET /\nHost: home.example:80\n" + via + "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Host: home.example:80\nX-Forwarded-Proto: http\nX-Other: 2\n\n<nil>"},
		{"ConnectionDoesNotTakeOurs",
			"GET / HTTP/1.1\r\nHost: home.example:80\r\nConnection: X-Forwarded-For, Host, X-Forwarded-Proto\r\n\r\n",
			"GET /\nHost: home.example:80\n" + via + forwarded + "\n<nil>"},
		{"AnotherProtocolIsNotUpgradedTo",
			"GET / HTTP/1.1\r\nHost: home.example:80\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
			"GET /\nHost: home.example:80\n" + via + forwarded + "\n<nil>"},
		{"Body", "POST /api/webhook/x HTTP/1.1\r\nHost: home.example:80\r\nContent-Length: 5\r\n\r\nhello",
			"POST /api/webhook/x\nHost: home.example:80\nContent-Length: 5\n" + via + forwarded + "\nhello<nil>"},
		{"Chunked", "POST / HTTP/1.1\r\nHost: home.example:80\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
			"POST /\nHost: home.example:80\n" + via + forwarded + "\nhello world<nil>"},
		{"Expect", "POST / HTTP/1.1\r\nHost: home.example:80\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
			"POST /\nHost: home.example:80\nContent-Length: 5\n" + via + forwarded + "\nhello<nil>"},
		{"PathsAsTheyAre", "GET /a/%2e%2e/b//c/./..;/d%2Fe%5c?x=\\&y=%00 HTTP/1.1\r\nHost: home.example:80\r\n\r\n",
			"GET /a/%2e%2e/b//c/./..;/d%2Fe%5c?x=\\&y=%00\nHost: home.example:80\n" + via + forwarded + "\n<nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := h.ask(tt.raw)
			if res.StatusCode != http.StatusOK {
				t.Fatalf("got %s: %s", res.Status, read(t, res))
			}
			if diff := cmp.Diff(tt.want, read(t, res)); diff != "" {
				t.Errorf("the request at Home Assistant (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOldClients(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-Host") != r.Host && r.Header.Get("X-Forwarded-Host") != "" {
			t.Errorf("X-Forwarded-Host: got %q with Host %q", r.Header.Get("X-Forwarded-Host"), r.Host)
		}
		_, _ = io.WriteString(w, "one")
		w.(http.Flusher).Flush() // in chunks
		_, _ = io.WriteString(w, "two")
	}))
	res := h.ask("GET / HTTP/1.0\r\n\r\n")
	if got := read(t, res); got != "onetwo" || res.TransferEncoding != nil || !res.Close {
		t.Errorf("an old client gets %q in %v, want the bytes alone and the end of the connection", got, res.TransferEncoding)
	}
	res = h.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := read(t, res); got != "onetwo" || len(res.TransferEncoding) != 1 {
		t.Errorf("a client of today gets %q in %v, want it in chunks", got, res.TransferEncoding)
	}
}

func TestAnswers(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "ingress_session=1; Path=/")
		w.Header().Add("Set-Cookie", "hems_session_1=planted")
		w.Header().Add("Set-Cookie", "__Host-hems_session_1=planted; Secure; Path=/")
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		w.Header().Set("Connection", "X-Mine")
		w.Header().Set("X-Mine", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/same":
			w.Header().Set("Content-Length", "12")
			w.WriteHeader(http.StatusNotModified)
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "late")
		default:
			_, _ = io.WriteString(w, "hello")
		}
	}))
	c := h.dial()
	in := bufio.NewReader(c)
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
		length       int64
	}{
		{"GET", "/", 200, "hello", 5}, {"HEAD", "/", 200, "", 5}, {"GET", "/empty", 204, "", 0},
		{"GET", "/same", 304, "", 0}, {"GET", "/early", 200, "late", 4}, {"GET", "/", 200, "hello", 5},
	} { // all on one connection
		if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", tt.method, tt.path); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(in, &http.Request{Method: tt.method})
		if err != nil {
			t.Fatalf("%s %s: %v", tt.method, tt.path, err)
		}
		if got := read(t, res); res.StatusCode != tt.status || got != tt.body || tt.status != 204 && res.ContentLength != tt.length {
			t.Errorf("%s %s: got %s %q (%d), want %d %q (%d)", tt.method, tt.path, res.Status, got, res.ContentLength, tt.status, tt.body, tt.length)
		}
		if diff := cmp.Diff([]string{"ingress_session=1; Path=/"}, res.Header["Set-Cookie"]); diff != "" {
			t.Errorf("cookies (-want +got):\n%s", diff)
		}
		for _, name := range []string{"Strict-Transport-Security", "X-Mine", "Keep-Alive"} {
			if got := res.Header.Get(name); got != "" {
				t.Errorf("%s: got %q, want it to stay behind", name, got)
			}
		}
	}
}

func TestDashboardHasItsOwnOrigin(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(echo))
	for target, want := range map[string]string{
		"/hems":             "http://home.local:8080/",
		"/hems/":            "http://home.local:8080/",
		"/hems/devices?a=b": "http://home.local:8080/devices?a=b",
		"/hems?x":           "http://home.local:8080/?x",
		"/hems//evil":       "http://home.local:8080//evil",
		"/hemsX":            "",
		"//hems":            "",
		"/%68ems":           "",
		"/x/../hems":        "",
	} {
		res := h.ask("GET " + target + " HTTP/1.1\r\nHost: home.local:80\r\n\r\n")
		if got := res.Header.Get("Location"); got != want || (want != "") != (res.StatusCode == http.StatusFound) {
			t.Errorf("%s: got %s to %q, want %q", target, res.Status, got, want)
		}
	}
	res := h.ask("GET /hems HTTP/1.1\r\nHost: [fe80::1]:80\r\n\r\n")
	if got, want := res.Header.Get("Location"), "http://[fe80::1]:8080/"; got != want {
		t.Errorf("by an IPv6 address: got %q, want %q", got, want)
	}
	if res := h.ask("GET /hems HTTP/1.1\r\nHost: [x]y\r\n\r\n"); res.Header.Get("Location") != "" {
		t.Errorf("with a host that is none: got %q", res.Header.Get("Location"))
	}
}

// TestUploadIsNotHeld: Home Assistant sees the beginning before the end is sent.
func TestUploadIsNotHeld(t *testing.T) {
	begun := make(chan string, 1)
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 5)
		_, err := io.ReadFull(r.Body, first)
		begun <- fmt.Sprint(string(first), err)
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, n, err)
	}))
	for _, chunked := range []bool{false, true} {
		body, to := io.Pipe()
		r, err := http.NewRequest("POST", "http://"+h.addr+"/api/upload", body)
		if err != nil {
			t.Fatal(err)
		}
		const more = 4 << 20
		if !chunked {
			r.ContentLength = 5 + more
		}
		go func() {
			_, _ = io.WriteString(to, "first")
			if got := <-begun; got != "first<nil>" {
				t.Errorf("the beginning: got %q", got)
			}
			_, _ = io.CopyN(to, rand.Reader, more)
			to.Close()
		}()
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := read(t, res), fmt.Sprintln(more, "<nil>"); got != want {
			t.Errorf("chunked %v: got %q, want %q", chunked, got, want)
		}
	}
}

// TestAnswerIsNotHeld: what Home Assistant says arrives before it says more.
func TestAnswerIsNotHeld(t *testing.T) {
	next := make(chan struct{})
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	}))
	for _, path := range []string{"/events", "/camera"} {
		res, err := http.Get("http://" + h.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(res.Body)
		for i := range 3 {
			line, err := in.ReadString('\n')
			if _, err2 := in.Discard(1); err != nil || err2 != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("%s: piece %d: got %q, %v", path, i, line, err)
			}
			next <- struct{}{}
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("%s: after the end: %v", path, err)
		}
		res.Body.Close()
	}
}

// TestEarlyAnswerToAnUpload: a refusal that does not wait for the body arrives.
func TestEarlyAnswerToAnUpload(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}))
	r, err := http.NewRequest("POST", "http://"+h.addr+"/", io.LimitReader(rand.Reader, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %s, want 413", res.Status)
	}
}

func echoSocket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, msg, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, msg) != nil {
			return
		}
	}
}

func TestWebSocket(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(echoSocket), func(f *Front) {
		f.limits.idle, f.limits.head = 50*time.Millisecond, 50*time.Millisecond // not for WebSockets
	})
	c, _, err := websocket.DefaultDialer.Dial("ws://"+h.addr+"/api/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	big := bytes.Repeat([]byte("x"), 300_000)
	for i, msg := range [][]byte{[]byte("hello"), big, {}} {
		if i == 1 { // longer than a connection without a request may last
			quiet, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			<-quiet.Done()
			cancel()
		}
		if err := c.WriteMessage(websocket.BinaryMessage, msg); err != nil {
			t.Fatal(err)
		}
		_, got, err := c.ReadMessage()
		if err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("message %d: got %d bytes, %v, want %d", i, len(got), err, len(msg))
		}
	}
	if err := c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after closing: got %v, want Home Assistant's own close", err)
	}
}

func TestSocketThatIsRefused(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusUpgradeRequired)
	}))
	c := h.dial()
	in := bufio.NewReader(c)
	// A client that takes it for granted that it was upgraded cannot smuggle.
	_, err := io.WriteString(c, "GET /api/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 1\r\n\r\n"+
		"GET /second HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if read(t, res); res.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("got %s, want 426", res.Status)
		}
	}
}

func TestHomeAssistantIsAwayAndComesBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	home := &http.Server{Handler: http.HandlerFunc(echo)}
	go home.Serve(l)
	h := newHouseBefore(t, "http://"+addr)
	get := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	if res := h.ask(get); res.StatusCode != http.StatusOK {
		t.Fatalf("at first: got %s", res.Status)
	}
	home.Close()
	res := h.ask("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*\r\n\r\n")
	page := read(t, res)
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(page, "Home Assistant does not answer") || !strings.Contains(page, "refresh") {
		t.Errorf("a browser: got %s %q", res.Status, page)
	}
	_, port, _ := net.SplitHostPort(addr)
	for _, secret := range []string{"127.0.0.1", port, "refused", "dial", "Go-", "hems-"} {
		if strings.Contains(page, secret) || strings.Contains(fmt.Sprint(res.Header), secret) {
			t.Errorf("the page tells a stranger %q", secret)
		}
	}
	res = h.ask(get)
	if got, want := read(t, res), `{"error":"home Assistant does not answer"}`+"\n"; res.StatusCode != http.StatusBadGateway || got != want {
		t.Errorf("a program: got %s %q, want 502 %q", res.Status, got, want)
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	home = &http.Server{Handler: http.HandlerFunc(echo)}
	go home.Serve(l)
	defer home.Close()
	if res := h.ask(get); res.StatusCode != http.StatusOK {
		t.Errorf("as soon as it is back: got %s, want 200", res.Status)
	}
}

// newTLSHouse is newHouse over TLS.
func newTLSHouse(t *testing.T, home http.Handler) *house {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS() // for its certificate
	defer srv.Close()
	h := newHouse(t, home)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	secure := &tls.Config{Certificates: srv.TLS.Certificates}
	go func() { served <- h.Serve(ctx, l, onLAN(secure)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve with TLS: %v", err)
		}
	})
	h.addr = l.Addr().String()
	return h
}

func TestOverTLS(t *testing.T) {
	h := newTLSHouse(t, http.HandlerFunc(echo))
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	for range 2 {
		res, err := c.Get("https://" + h.addr + "/x")
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, res)
		if res.ProtoMajor != 1 || !strings.Contains(got, "X-Forwarded-Proto: https\n") || !strings.Contains(got, "X-Forwarded-For: 127.0.0.1\n") {
			t.Errorf("got %s with\n%s", res.Proto, got)
		}
	}
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if _, res, err := d.Dial("wss://"+h.addr+"/", nil); err == nil || res.StatusCode != http.StatusOK {
		t.Errorf("a WebSocket to what is none: got %v", err)
	}
}

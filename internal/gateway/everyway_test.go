package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/smartcore-ireland/hems/internal/gateway/front"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// street is a house with doors of all ways in, to both of what is behind them, and
// a Home Assistant that answers with what it is told. The ways' own ends are the
// test's: what matters here is that the gateway is the same at each.
type street struct {
	*house
	doors []streetDoor
}

// streetDoor is one of them, and how a visitor comes to it.
type streetDoor struct {
	remote.Door
	name    string
	secure  bool
	visitor string                                   // the address that the way vouches for; empty: the one that is dialled from
	headers string                                   // that the way's end adds to each request, or writes over
	dial    func(t *testing.T, from string) net.Conn // as the browser's bytes arrive there
	idle    func(t *testing.T, from string) net.Conn // before anything is said on it
}

func newStreet(t *testing.T, l limits) *street {
	t.Helper()
	up := websocket.Upgrader{}
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/websocket" {
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
		_, _ = io.Copy(io.Discard, r.Body)
		_ = json.NewEncoder(w).Encode(hassTold{r.Method, r.RequestURI, r.Host, r.Header})
	}))
	t.Cleanup(home.Close)
	f, err := front.New(front.Options{To: must(url.Parse(home.URL)), Cookies: Cookies, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	authority := newAuthority(t)
	s := &street{house: newHouse(t, func(o *Options) { o.HomeAssistant.Front = f })}
	s.limits = l
	ours := &tls.Config{GetCertificate: pki.NewCertificates(pki.HolderDir(authority, "gateway")).GetCertificate}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	t.Cleanup(func() { cancel(); served.Wait() })
	for _, to := range []remote.Target{remote.Dashboard, remote.HomeAssistant} {
		behind := map[remote.Target]string{remote.Dashboard: "dashboard", remote.HomeAssistant: "home"}[to]
		for _, d := range []streetDoor{
			{Door: remote.OnLAN("", to, nil, nil), name: "lan"},
			{Door: remote.OnLAN("", to, ours, nil), name: "lan-tls", secure: true},
			{Door: remote.Door{Way: remote.Tailnet, Arrive: func(c net.Conn) remote.Arrival {
				return remote.Arrival{Way: remote.Tailnet, Address: remote.AddressOf(c.RemoteAddr())}
			}}, name: "tailnet"},
			{Door: remote.Door{Way: remote.Funnel, Arrive: func(net.Conn) remote.Arrival { // not where the connection comes from
				return remote.Arrival{Way: remote.Funnel, Secure: true, Address: netip.MustParseAddr("203.0.113.9")}
			}}, name: "funnel", secure: true, visitor: "203.0.113.9"},
			{Door: remote.Door{Way: remote.Cloudflare, Arrive: func(net.Conn) remote.Arrival {
				return remote.Arrival{Way: remote.Cloudflare, Secure: true}
			}, Admit: func(r *http.Request, a remote.Arrival) (remote.Arrival, error) {
				var err error
				if a.Address, err = netip.ParseAddr(r.Header.Get("Cf-Connecting-Ip")); err != nil {
					return a, &remote.Refusal{Status: http.StatusForbidden, Text: "not from the tunnel"}
				}
				return a, nil
			}}, name: "cloudflare", secure: true, visitor: "198.51.100.4", headers: "Cf-Connecting-Ip: 198.51.100.4\r\n"},
		} {
			d.Target, d.Name, d.name = to, behind+" on "+d.name, behind+"/"+d.name
			network, address := "tcp", "127.0.0.1:0"
			if d.Way == remote.Cloudflare {
				network, address = "unix", filepath.Join(t.TempDir(), "s")
			}
			l := must(net.Listen(network, address))
			address = l.Addr().String()
			d.idle = func(t *testing.T, from string) net.Conn {
				t.Helper()
				dial := net.Dialer{Timeout: time.Minute}
				if network == "tcp" {
					dial.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
				}
				c, err := dial.Dial(network, address)
				for errors.Is(err, syscall.EAGAIN) { // of a unix socket whose queue is full
					runtime.Gosched()
					c, err = dial.Dial(network, address)
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
				return c
			}
			d.dial = d.idle
			if d.TLS != nil || d.Way == remote.Funnel {
				d.dial = func(t *testing.T, from string) net.Conn {
					return tls.Client(d.idle(t, from), &tls.Config{InsecureSkipVerify: true, ServerName: "hems.local"})
				}
			}
			if d.Way == remote.Funnel { // it speaks TLS itself
				l = tls.NewListener(l, ours)
			}
			s.doors = append(s.doors, d)
			served.Go(func() {
				if err := s.serve(ctx, l, s.guarded(d.Door)); err != nil {
					t.Errorf("%s: %v", d.name, err)
				}
			})
		}
	}
	return s
}

// hassTold is what Home Assistant was told.
type hassTold struct {
	Method, URI, Host string
	Header            http.Header
}

// each runs a test at each door, or at those of one target.
func (s *street) each(t *testing.T, test func(t *testing.T, d streetDoor), only ...remote.Target) {
	for _, d := range s.doors {
		if len(only) == 0 || only[0] == d.Target {
			t.Run(d.name, func(t *testing.T) { test(t, d) })
		}
	}
}

// say sends bytes as a visitor's arrive, with what the way's end adds after the
// first line of each head, and returns the first answer.
func (d streetDoor) say(t *testing.T, raw string) (*http.Response, string, *bufio.Reader) {
	t.Helper()
	c := d.dial(t, "127.0.0.1")
	line, rest, _ := strings.Cut(raw, "\r\n")
	if _, err := io.WriteString(c, line+"\r\n"+d.headers+rest); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("the answer to %.80q: %v", raw, err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("the answer's body to %.80q: %v", raw, err)
	}
	return res, string(b), in
}

// from is the visitor's address, as the gateway must take it.
func (d streetDoor) from() string {
	if d.visitor != "" {
		return d.visitor
	}
	return "127.0.0.1"
}

// TestAllWaysAtOnce: each of them is what it is while all the others are used.
func TestAllWaysAtOnce(t *testing.T) {
	s := newStreet(t, defaultLimits)
	var visits sync.WaitGroup
	for _, d := range s.doors {
		for range 4 {
			visits.Go(func() {
				c := d.dial(t, "127.0.0.1")
				in := bufio.NewReader(c)
				for n := range 20 { // over one connection
					path := fmt.Sprintf("/hello/%d", n)
					if d.Target == remote.Dashboard {
						path = "/login"
					}
					if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: hems.example\r\n"+d.headers+"\r\n"); err != nil {
						t.Errorf("%s: %v", d.name, err)
						return
					}
					res, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Errorf("%s: %v", d.name, err)
						return
					}
					b, err := io.ReadAll(res.Body)
					if err != nil || res.StatusCode != http.StatusOK {
						t.Errorf("%s: got %s, %v", d.name, res.Status, err)
						return
					}
					if d.Target == remote.Dashboard {
						continue
					}
					var got hassTold
					if err := json.Unmarshal(b, &got); err != nil {
						t.Errorf("%s: %v", d.name, err)
						return
					}
					want := hassTold{"GET", path, "hems.example", http.Header{"X-Forwarded-For": {d.from()}, "X-Forwarded-Proto": {proto(d)}, "X-Forwarded-Host": {"hems.example"}}}
					got.Header.Del("Via")
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s (-want +got):\n%s", d.name, diff)
						return
					}
				}
			})
		}
	}
	visits.Wait()
}

func proto(d streetDoor) string {
	if d.secure {
		return "https"
	}
	return "http"
}

// spoofed are headers by which a visitor would say who or where they are, had
// anybody asked them.
var spoofed = []string{
	"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 6.6.6.7, 6.6.6.8", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 6666", "X-Forwarded-Server: evil.example",
	"X-Forwarded-User: spoof-owner", "X-Forwarded-Email: spoof-owner", "X-Forwarded-Preferred-Username: spoof-owner", "Forwarded: for=6.6.6.6;proto=https;host=evil.example", "X_Forwarded_For: 6.6.6.6",
	"X-Real-Ip: 6.6.6.6", "X-Client-Ip: 6.6.6.6", "Client-Ip: 6.6.6.6", "True-Client-Ip: 6.6.6.6", "Fastly-Client-Ip: 6.6.6.6", "X-Cluster-Client-Ip: 6.6.6.6", "X-Original-Url: /spoof", "X-Original-Forwarded-For: 6.6.6.6",
	"Cf-Connecting-Ipv6: ::6", "Cf-Pseudo-Ipv4: 6.6.6.6", "Cf-Ipcountry: XX", "Cf-Access-Authenticated-User-Email: spoof-owner", "Cf-Access-Jwt-Assertion: spoof", "Cf-Client-Cert-Verified: true",
	"Cf-Client-Cert-Presented: true", "Cf-Client-Cert-Sha256: spoof", "Cf-Cert-Verified: true", "Cf-Visitor: {\"scheme\":\"https\"}", "Cf-Warp-Tag-Id: spoof",
	"Tailscale-User-Login: spoof-owner", "Tailscale-User-Name: spoof-owner", "Tailscale-User-Profile-Pic: spoof", "Tailscale-Headers-Info: spoof", "Tailscale-App-Capabilities: {}", "Tailscale-Ingress-Src: 6.6.6.6:6", "Tailscale-Funnel-Request: ?1",
	"X-Webauth-User: spoof-owner", "X-Webauth-Role: owner", "X-Remote-User: spoof-owner", "Remote-User: spoof-owner", "Remote-Groups: owners", "X-Auth-Request-User: spoof-owner", "X-Authentik-Username: spoof-owner",
	"X-Hass-User-Id: spoof", "X-Ingress-Path: /spoof", "X-Supervisor-Token: spoof", "Hems-By: spoof-owner", "X-Hems-Role: owner",
	"Client-Cert: :c3Bvb2Y=:", "Client-Cert-Chain: :c3Bvb2Y=:", "X-Forwarded-Client-Cert: Subject=\"CN=spoof\"", "X-Forwarded-Tls-Client-Cert: spoof", "X-Client-Cert: spoof", "X-Ssl-Client-Verify: SUCCESS", "X-Ssl-Client-S-Dn: CN=spoof",
	"Ssl-Client-Cert: spoof", "Ssl-Client-Verify: SUCCESS", "Ssl_Client_Verify: SUCCESS", "X-Arr-Clientcert: spoof", "X-Tls-Client-Subject: CN=spoof",
}

// TestNoWayBelievesItsVisitors: whatever is said in headers, Home Assistant is told
// what the way in knows and none of the rest, and the dashboard takes nobody for
// somebody, nor from elsewhere, nor a plain connection for an encrypted one.
func TestNoWayBelievesItsVisitors(t *testing.T) {
	s := newStreet(t, defaultLimits)
	headers := strings.Join(spoofed, "\r\n") + "\r\n"
	s.each(t, func(t *testing.T, d streetDoor) {
		if d.Target == remote.HomeAssistant {
			res, body, _ := d.say(t, "GET /api/ HTTP/1.1\r\nHost: hems.example\r\nX-Plain: passed on\r\n"+headers+"\r\n")
			var got hassTold
			if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("got %s %q", res.Status, body)
			}
			got.Header.Del("Via")
			want := http.Header{"X-Forwarded-For": {d.from()}, "X-Forwarded-Proto": {proto(d)}, "X-Forwarded-Host": {"hems.example"}, "X-Plain": {"passed on"}}
			if diff := cmp.Diff(want, got.Header); diff != "" {
				t.Errorf("Home Assistant was told (-want +got):\n%s", diff)
			}
			return
		}
		for path, want := range map[string]int{"/": http.StatusSeeOther, "/phones": http.StatusSeeOther, "/api/v1/now": http.StatusUnauthorized, "/events": http.StatusUnauthorized, "/api/v1/phones": http.StatusUnauthorized} {
			if res, body, _ := d.say(t, "GET "+path+" HTTP/1.1\r\nHost: hems.example\r\n"+headers+"\r\n"); res.StatusCode != want {
				t.Errorf("%s: got %s, want %d\n%.200s", path, res.Status, want, body)
			}
		}
		form := "user=nobody&password=wrong"
		before := len(s.log.String())
		res, _, _ := d.say(t, fmt.Sprintf("POST /login HTTP/1.1\r\nHost: hems.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n%s\r\n%s", len(form), headers, form))
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a wrong password: got %s, want 401", res.Status)
		}
		if said := s.log.String()[before:]; !strings.Contains(said, "address="+d.from()) || strings.Contains(said, "6.6.6") {
			t.Errorf("the log says of a refused sign-in:\n%s", said)
		}
		if res, _, _ = d.say(t, "GET /theme HTTP/1.1\r\nHost: hems.example\r\n"+headers+"\r\n"); strings.Contains(res.Header.Get("Location"), "evil") {
			t.Errorf("a redirect leads to %q", res.Header.Get("Location"))
		}
	})
}

// TestRequestsWithTwoMeaningsOnEveryWay: what two servers could read in two ways is
// refused and ends the connection; what follows on it is never answered.
func TestRequestsWithTwoMeaningsOnEveryWay(t *testing.T) {
	s := newStreet(t, defaultLimits)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(headers, body string) string {
		return "POST /first HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body + smuggled
	}
	for name, tt := range map[string]struct {
		raw       string
		dashboard bool // not of one meaning to net/http either, behind which there is no other server
	}{
		"LengthAndChunked":  {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), false},
		"TwoLengths":        {post("Content-Length: 0\r\nContent-Length: 5\r\n", ""), true},
		"ListOfLengths":     {post("Content-Length: 0, 0\r\n", ""), true},
		"LengthWithSign":    {post("Content-Length: +0\r\n", ""), true},
		"LengthNegative":    {post("Content-Length: -1\r\n", ""), true},
		"TwoCodings":        {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), true},
		"CodingMisspelt":    {post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), true},
		"SpaceBeforeColon":  {post("Content-Length : 5\r\n", ""), true},
		"SpaceBeforeCoding": {post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), true},
		"BareLineFeed":      {"GET /first HTTP/1.1\r\nX-A: 1\nHost: x\n\n" + smuggled, false},
		"NULInValue":        {post("X-A: a\x00b\r\n", ""), true},
		"TwoHosts":          {"GET /first HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + smuggled, true},
		"NoHost":            {"GET /first HTTP/1.1\r\nX-A: 1\r\n\r\n" + smuggled, true},
		"HostWithPath":      {"GET /first HTTP/1.1\r\nHost: x/y\r\n\r\n" + smuggled, true},
		"Garbage":           {"\x16\x03\x01\x02\r\n\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + smuggled, true},
	} {
		t.Run(name, func(t *testing.T) {
			s.each(t, func(t *testing.T, d streetDoor) {
				if d.Target == remote.Dashboard && !tt.dashboard {
					return
				}
				res, body, in := d.say(t, tt.raw)
				if res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusNotImplemented {
					t.Errorf("got %s %.100q, want 400 or 501", res.Status, body)
				}
				if rest, err := io.ReadAll(in); err == nil && len(rest) > 0 {
					t.Errorf("a second answer follows: %.100q", rest)
				}
			})
		})
	}
}

// TestLargeHeadsOnEveryWay are refused before they are read.
func TestLargeHeadsOnEveryWay(t *testing.T) {
	s := newStreet(t, defaultLimits)
	large := strings.Repeat("x", 40_000)
	for name, raw := range map[string]string{
		"Cookie":  "GET /login HTTP/1.1\r\nHost: x\r\nCookie: a=" + large + "\r\n\r\n",
		"Cookies": "GET /login HTTP/1.1\r\nHost: x\r\nCookie: " + strings.Repeat("hems_session_x=y; ", 3000) + "\r\n\r\n",
		"Header":  "GET /login HTTP/1.1\r\nHost: x\r\nX-A: " + large + "\r\n\r\n",
		"Headers": "GET /login HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: bcdefghijklmnop\r\n", 2000) + "\r\n",
		"Address": "GET /login?" + large + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"Name":    "GET /login HTTP/1.1\r\nHost: x\r\n" + large + ": 1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s.each(t, func(t *testing.T, d streetDoor) {
				res, body, _ := d.say(t, raw)
				if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge && res.StatusCode != http.StatusRequestURITooLong {
					t.Errorf("got %s %.100q, want 431 or 414", res.Status, body)
				}
			})
		})
	}
}

// TestPathTricksOnEveryWay: however a path is written, a stranger gets the sign-in
// page or a refusal, and is led nowhere else; Home Assistant is told it as it was
// written, or not at all.
func TestPathTricksOnEveryWay(t *testing.T) {
	s := newStreet(t, defaultLimits)
	for _, target := range []string{
		"//evil.example/", "//evil.example/%2e%2e", "/\\evil.example/", "/%5cevil.example/", "/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2faccounts.json", "/static/%2e%2e/phones", "/static/../phones",
		"/api/v1/../v1/now", "/api//v1/now", "/API/V1/NOW", "/api/v1/now/", "/api/v1/now%00", "/api/v1/now;/login", "/login/../api/v1/now", "/login%2f..%2fapi/v1/now", "/login;/../phones",
		"/trust/../phones", "/trust/x/../../phones", "/phone/..%2fphones", "/phone/../phones", "/phone/.", "/.git/config", "/..;/phones", "/./phones", "/%70hones", "http://evil.example/phones", "*",
	} {
		s.each(t, func(t *testing.T, d streetDoor) {
			res, body, _ := d.say(t, "GET "+target+" HTTP/1.1\r\nHost: hems.example\r\n\r\n")
			if d.Target == remote.HomeAssistant {
				var got hassTold
				if res.StatusCode == http.StatusBadRequest {
					return
				}
				if err := json.Unmarshal([]byte(body), &got); err != nil || got.URI != target || got.Host != "hems.example" {
					t.Errorf("%s: Home Assistant was told %+v (%s, %v)", target, got, res.Status, err)
				}
				return
			}
			switch to := res.Header.Get("Location"); res.StatusCode {
			case http.StatusSeeOther:
				if !strings.HasPrefix(to, "/login") {
					t.Errorf("%s leads to %q, want the sign-in page", target, to)
				}
			case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
				if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\") {
					t.Errorf("%s leads to %q", target, to)
				}
			case http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed:
			default:
				t.Errorf("%s: got %s\n%.200s", target, res.Status, body)
			}
		})
	}
}

// TestSlowVisitorsOnEveryWay: who sends nothing, half a head, or half a body to the
// dashboard is let go. (Those of Home Assistant's front are in its own tests.)
func TestSlowVisitorsOnEveryWay(t *testing.T) {
	s := newStreet(t, limits{header: 200 * time.Millisecond, read: 300 * time.Millisecond, write: time.Second, idle: 200 * time.Millisecond, conns: 64, each: 64})
	s.each(t, func(t *testing.T, d streetDoor) {
		for name, begin := range map[string]string{
			"nothing": "", "half a line": "GET /lo", "half a head": "GET /login HTTP/1.1\r\nHost: x\r\n" + d.headers + "X-A: ",
			"half a body":          "POST /login HTTP/1.1\r\nHost: x\r\n" + d.headers + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nuser=",
			"half a chunk":         "POST /login HTTP/1.1\r\nHost: x\r\n" + d.headers + "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nuser=",
			"one and then nothing": "GET /login HTTP/1.1\r\nHost: x\r\n" + d.headers + "\r\n",
		} {
			c := d.dial(t, "127.0.0.1")
			if _, err := io.WriteString(c, begin); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil { // until it is closed
				if ne, ok := err.(net.Error); ok && ne.Timeout() {
					t.Errorf("%s: the connection is held for two minutes", name)
				}
			}
		}
	}, remote.Dashboard)
}

// TestTenThousandIdleConnections hold a bounded share of each way, and nobody else
// up.
func TestTenThousandIdleConnections(t *testing.T) {
	const most = 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < most+4096 {
		t.Fatalf("this needs %d open files, and %d may be (%v): ulimit -n 20000", most+4096, limit.Cur, err)
	}
	s := newStreet(t, defaultLimits)
	s.each(t, func(t *testing.T, d streetDoor) {
		for n := range most {
			c := d.idle(t, fmt.Sprintf("127.1.%d.%d", n/250, 1+n%250))
			if n%2 == 0 { // half of them begin something
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-A: ") // it may have had to make way already
			}
		}
		if res, body, _ := d.say(t, "GET /login HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != http.StatusOK {
			t.Errorf("another visitor: got %s %.100q, want 200", res.Status, body)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for in := range s.guests {
			in.mu.Lock()
			if n := len(in.open); n > s.limits.conns {
				t.Errorf("%s: %d connections are open, want at most %d", in.door.Name, n, s.limits.conns)
			}
			in.mu.Unlock()
		}
	})
}

// TestWebSocketFloodOnEveryWay: a hundred of them, and one that sends and never
// reads, leave the others as they are; the dashboard, which has none, opens none.
func TestWebSocketFloodOnEveryWay(t *testing.T) {
	s := newStreet(t, defaultLimits)
	const upgrade = " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	s.each(t, func(t *testing.T, d streetDoor) {
		if d.Target == remote.Dashboard {
			for _, path := range []string{"/api/websocket", "/events", "/login", "/"} {
				if res, _, _ := d.say(t, "GET "+path+upgrade); res.StatusCode == http.StatusSwitchingProtocols {
					t.Errorf("%s: a WebSocket is open", path)
				}
			}
			return
		}
		header := http.Header{}
		if name, value, ok := strings.Cut(strings.TrimSpace(d.headers), ": "); ok {
			header.Set(name, value)
		}
		open := func() *websocket.Conn {
			t.Helper()
			dial := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return d.dial(t, "127.0.0.1"), nil }}
			c, _, err := dial.Dial("ws://hems.example/api/websocket", header)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		var all []*websocket.Conn
		for range 100 {
			all = append(all, open())
		}
		flood := all[0]
		_ = flood.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		for message := make([]byte, 64<<10); flood.WriteMessage(websocket.BinaryMessage, message) == nil; { // until nothing moves
		}
		for n, c := range all[1:] {
			err := c.WriteMessage(websocket.TextMessage, []byte("hello"))
			if err == nil {
				_, _, err = c.ReadMessage()
			}
			if err != nil {
				t.Fatalf("WebSocket %d: %v", n+1, err)
			}
		}
		if res, _, _ := d.say(t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != http.StatusOK {
			t.Errorf("another visitor: got %s, want 200", res.Status)
		}
	})
}

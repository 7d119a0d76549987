package front

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/smartcore-ireland/hems/internal/remote"
)

func onLAN(secure *tls.Config) remote.Door {
	return remote.OnLAN("Home Assistant", remote.HomeAssistant, secure, nil)
}

// from is a door through which all visitors come from one address.
func from(address string) remote.Door {
	return remote.Door{Way: remote.LAN, Target: remote.HomeAssistant, Arrive: func(net.Conn) remote.Arrival {
		return remote.Arrival{Way: remote.LAN, Address: netip.MustParseAddr(address)}
	}}
}

// wayDoors are doors as each way in has them: with an address from the connection or
// from the way's own word, and with or without a say about each request. (A pipe,
// which some tests come by, has no address.)
var wayDoors = map[remote.Way]remote.Door{
	remote.LAN:     from("192.0.2.7"),
	remote.Tailnet: from("100.64.0.7"),
	remote.Funnel:  from("203.0.113.7"),
	remote.Cloudflare: {Way: remote.Cloudflare, Target: remote.HomeAssistant,
		Arrive: func(net.Conn) remote.Arrival { return remote.Arrival{Way: remote.Cloudflare, Secure: true} },
		Admit: func(_ *http.Request, a remote.Arrival) (remote.Arrival, error) {
			a.Address = netip.MustParseAddr("198.51.100.7")
			return a, nil
		}},
}

// atDoor serves at a door of the test's until its end, and says where.
func (h *house) atDoor(d remote.Door) string {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.Serve(ctx, l, d) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			h.t.Errorf("serving: %v", err)
		}
	})
	return l.Addr().String()
}

// tunnelDoor is a door like a tunnel's: all connections come from one place, and a
// header that only the tunnel can set says who a request is of.
func tunnelDoor() remote.Door {
	return remote.Door{
		Way: remote.Cloudflare, Target: remote.HomeAssistant,
		Arrive: func(net.Conn) remote.Arrival { return remote.Arrival{Way: remote.Cloudflare, Secure: true} },
		Admit: func(r *http.Request, a remote.Arrival) (remote.Arrival, error) {
			if a.Certificate != "" || a.Address.IsValid() {
				return a, errors.New("the request before told something of this one")
			}
			switch r.URL.Path {
			case "/elsewhere":
				return a, &remote.Refusal{Status: http.StatusForbidden, Text: "not here", Location: "https://elsewhere.example/"}
			case "/no":
				return a, &remote.Refusal{Status: http.StatusMisdirectedRequest, Text: "no rule for this name"}
			}
			a.Address, _ = netip.ParseAddr(r.Header.Get("Cf-Connecting-Ip"))
			a.Certificate = r.Header.Get("Cf-Test-Phone")
			return a, nil
		},
	}
}

// TestEachRequestIsJudgedByItself: a tunnel carries the requests of many visitors
// over one connection.
func TestEachRequestIsJudgedByItself(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("X-Forwarded-For")+" "+r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("Cf-Connecting-Ip")+r.Header.Get("Cf-Test-Phone"))
	}))
	c, err := net.Dial("tcp", h.atDoor(tunnelDoor()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	ask := func(method, path, headers string) string {
		t.Helper()
		if _, err := io.WriteString(c, method+" "+path+" HTTP/1.1\r\nHost: ha.example\r\n"+headers+"\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := read(t, res)
		return strings.TrimSpace(res.Status[:3] + " " + res.Header.Get("Location") + body)
	}
	for _, tt := range []struct{ method, path, headers, want string }{
		{"GET", "/", "Cf-Connecting-Ip: 203.0.113.7\r\nCf-Test-Phone: Alice\r\n", "200 203.0.113.7 https"},
		{"GET", "/", "Cf-Connecting-Ip: 2001:db8::9\r\nX-Forwarded-For: 10.0.0.1\r\n", "200 2001:db8::9 https"},
		{"GET", "/elsewhere", "", "302 https://elsewhere.example/"},
		{"GET", "/", "Cf-Connecting-Ip: 203.0.113.8\r\n", "200 203.0.113.8 https"},
		{"GET", "/", "", "403 nobody knows where this request came from"}, // it ends the connection
	} {
		if diff := cmp.Diff(tt.want, ask(tt.method, tt.path, tt.headers)); diff != "" {
			t.Errorf("%s %s with %q (-want +got):\n%s", tt.method, tt.path, tt.headers, diff)
		}
	}
	for _, method := range []string{"GET /no", "POST /elsewhere"} {
		if c, err = net.Dial("tcp", c.RemoteAddr().String()); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		in = bufio.NewReader(c)
		verb, path, _ := strings.Cut(method, " ")
		want := map[string]string{"/no": "421 no rule for this name", "/elsewhere": "403 not here"}[path]
		if diff := cmp.Diff(want, ask(verb, path, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
}

// TestDroppedVisitorsAreGoneAtOnce: also from a WebSocket, and nobody else is.
func TestDroppedVisitorsAreGoneAtOnce(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(echoSocket))
	at := h.atDoor(tunnelDoor())
	open := func(phone string) *websocket.Conn {
		t.Helper()
		c, _, err := websocket.DefaultDialer.Dial("ws://"+at+"/api/websocket", http.Header{"Cf-Connecting-Ip": {"203.0.113.7"}, "Cf-Test-Phone": {phone}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	say := func(c *websocket.Conn) error {
		if err := c.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			return err
		}
		_, _, err := c.ReadMessage()
		return err
	}
	alice, bob := open("Alice"), open("Bob")
	for _, c := range []*websocket.Conn{alice, bob} {
		if err := say(c); err != nil {
			t.Fatal(err)
		}
	}
	h.Drop(func(a remote.Arrival) bool { return a.Certificate == "Alice" })
	if _, _, err := alice.ReadMessage(); err == nil {
		t.Error("who was dropped is still there")
	}
	if err := say(bob); err != nil {
		t.Errorf("somebody else was dropped too: %v", err)
	}
}

package listen

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func open(l *Listener, path string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: 5 * time.Second}
	return d.Dial("ws://"+l.Addr().String()+path, header)
}

func mustOpen(t *testing.T, l *Listener) *websocket.Conn {
	t.Helper()
	ws, _, err := open(l, "/mqtt", nil, "mqtt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	return ws
}

// receive reads so many bytes, however they come in messages.
func receive(t *testing.T, ws *websocket.Conn, n int) (got []byte) {
	t.Helper()
	for len(got) < n {
		kind, b, err := ws.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage {
			t.Fatalf("after %d bytes: kind %d, %v", len(got), kind, err)
		}
		got = append(got, b...)
	}
	return got
}

func TestMessagesAreAStream(t *testing.T) {
	l, _, taken := start(t, Options{WebSocket: &WebSocket{}})
	ws := mustOpen(t, l)
	if got := ws.Subprotocol(); got != "mqtt" {
		t.Errorf("subprotocol %q", got)
	}
	<-taken
	long := bytes.Repeat([]byte("0123456789"), 30000)
	for _, part := range [][]byte{[]byte("a"), {}, []byte("bc"), long[:1], long[1:]} {
		if err := ws.WriteMessage(websocket.BinaryMessage, part); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := receive(t, ws, 3+len(long)), append([]byte("abc"), long...); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d, or others", len(got), len(want))
	}
	// In fragments, with a ping between them.
	w, err := ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "frag")
	pong := make(chan string, 1)
	ws.SetPongHandler(func(s string) error { pong <- s; return nil })
	if err := ws.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "ment")
	w.Close()
	if got := receive(t, ws, 8); string(got) != "fragment" {
		t.Errorf("got %q", got)
	}
	select {
	case s := <-pong:
		if s != "hello" {
			t.Errorf("pong %q", s)
		}
	default:
		t.Error("no pong")
	}
}

func TestTextEndsTheConnection(t *testing.T) {
	l, _, _ := start(t, Options{WebSocket: &WebSocket{}})
	ws := mustOpen(t, l)
	if err := ws.WriteMessage(websocket.TextMessage, []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, b, err := ws.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseUnsupportedData) {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestAMessageHasALimit(t *testing.T) {
	l, _, _ := start(t, Options{WebSocket: &WebSocket{MaxMessage: 10}})
	ws := mustOpen(t, l)
	if err := ws.WriteMessage(websocket.BinaryMessage, make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	_, _, err := ws.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("got %v", err)
	}
}

func TestAClientThatGoesIsTheEnd(t *testing.T) {
	l, err := Listen(Options{Network: "tcp", Address: "127.0.0.1:0", WebSocket: &WebSocket{}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ws := mustOpen(t, l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 2000 { // for ever the same
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("got %v, want EOF", err)
		}
	}
}

func TestDeadlines(t *testing.T) {
	l, err := Listen(Options{Network: "tcp", Address: "127.0.0.1:0", WebSocket: &WebSocket{}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustOpen(t, l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading: %v", err)
	}
	_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	block := make([]byte, 1<<20)
	for {
		if _, err = c.Write(block); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to a client that does not read: %v", err)
	}
	begin := time.Now()
	c.Close()
	if d := time.Since(begin); d > time.Second {
		t.Errorf("closing it took %v", d)
	}
}

func TestWhoMayUpgrade(t *testing.T) {
	l, r, _ := start(t, Options{WebSocket: &WebSocket{Origins: []string{"https://panel.example"}}})
	host := "http://" + l.Addr().String()
	for name, tt := range map[string]struct {
		path      string
		origin    string
		protocols []string
		want      int
	}{
		"NoBrowser":     {"/mqtt", "", []string{"mqtt"}, 101},
		"OldProtocol":   {"/", "", []string{"mqttv3.1"}, 101},
		"Several":       {"/ws", "", []string{"x", "mqtt"}, 101},
		"OwnPage":       {"/mqtt", host, []string{"mqtt"}, 101},
		"OwnOtherPort":  {"/mqtt", "http://127.0.0.1:8080", []string{"mqtt"}, 101},
		"AllowedPage":   {"/mqtt", "https://panel.example", []string{"mqtt"}, 101},
		"ForeignPage":   {"/mqtt", "https://evil.example", []string{"mqtt"}, 403},
		"ForeignScheme": {"/mqtt", "http://panel.example", []string{"mqtt"}, 403},
		"NoPage":        {"/mqtt", "null", []string{"mqtt"}, 403},
		"NoSubprotocol": {"/mqtt", "", nil, 400},
		"Subprotocol":   {"/mqtt", "", []string{"chat"}, 400},
		"Path":          {"/admin", "", []string{"mqtt"}, 404},
	} {
		header := http.Header{}
		if tt.origin != "" {
			header.Set("Origin", tt.origin)
		}
		ws, resp, err := open(l, tt.path, header, tt.protocols...)
		if err == nil {
			ws.Close()
		}
		if resp == nil || resp.StatusCode != tt.want {
			t.Errorf("%s: %v, %v, want %d", name, resp, err, tt.want)
		}
	}
	resp, err := http.Get(host + "/mqtt")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a plain request: %v", resp.Status)
	}
	eventually(t, "all released", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.open == 0 })
	if r.text() == "" {
		t.Error("refusals are not told")
	}
}

func TestWebSocketOverTLS(t *testing.T) {
	a := newAuthority(t)
	h := &holder{pair: a.pair("hems.local", x509.ExtKeyUsageServerAuth)}
	l, _, taken := start(t, Options{WebSocket: &WebSocket{}, TLS: &TLS{GetCertificate: h.get, Trust: a.trust()}})
	d := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: a.client(a.pair("panel", x509.ExtKeyUsageClientAuth))}
	ws, _, err := d.Dial("wss://"+l.Addr().String()+"/mqtt", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if c := <-taken; c.Name() != "panel" {
		t.Errorf("name %q, want panel", c.Name())
	}
	if err := ws.WriteMessage(websocket.BinaryMessage, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, ws, 1); string(got) != "x" {
		t.Errorf("got %q", got)
	}
}

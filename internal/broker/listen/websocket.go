package listen

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// WebSocket is how the stream is carried in messages. (MQTT 5, 6.)
type WebSocket struct {
	// Paths are answered, others are not there; nil: "/", "/mqtt" and "/ws".
	Paths []string
	// Origins are the pages that may connect from a browser, such as
	// "https://example.com", beside those of the appliance's own host; "*": all.
	// What is no browser names no origin.
	Origins []string
	// MaxMessage bounds a message in bytes; 0: 268,435,460, the longest packet
	// of MQTT. Nothing of it is kept beyond what is read.
	MaxMessage int64
}

const (
	longestPacket = 1<<28 + 4
	maxHeaders    = 8 << 10 // bytes, of the request
	closeTime     = 100 * time.Millisecond
)

var subprotocols = []string{"mqtt", "mqttv3.1"}

// webLayer is WebSocket on one listener: an HTTP server whose only answer is the
// upgrade.
type webLayer struct {
	l        *Listener
	o        WebSocket
	server   *http.Server
	conns    chan net.Conn
	upgrader websocket.Upgrader
}

func newWebLayer(l *Listener, o WebSocket) *webLayer {
	if o.Paths == nil {
		o.Paths = []string{"/", "/mqtt", "/ws"}
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = longestPacket
	}
	w := &webLayer{l: l, o: o, conns: make(chan net.Conn)}
	w.upgrader = websocket.Upgrader{Subprotocols: subprotocols, CheckOrigin: w.originMay, Error: refuse}
	w.server = &http.Server{
		Handler: http.HandlerFunc(w.upgrade), ReadHeaderTimeout: l.o.Handshake, MaxHeaderBytes: maxHeaders,
		ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				l.drop(connOf(c), "its WebSocket handshake")
			}
		},
	}
	w.server.SetKeepAlivesEnabled(false) // there is no second request
	go w.server.Serve(w)
	return w
}

// webConn is a connection as net/http and the WebSocket have it. It remembers what
// the socket said: the WebSocket hides errors of the network behind its own.
type webConn struct {
	net.Conn // the socket, or TLS on it
	c        *Conn

	reading, writing atomic.Pointer[error]
}

func (w *webConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.reading.Store(&err)
	}
	return n, err
}

func (w *webConn) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.writing.Store(&err)
	}
	return n, err
}

func connOf(c net.Conn) *Conn { return c.(*webConn).c }

// shake gives the connection to the HTTP server.
func (w *webLayer) shake(c *Conn) {
	select {
	case w.conns <- &webConn{Conn: c.Conn, c: c}:
	case <-w.l.closed:
		c.Close()
	}
}

// Accept, Close and Addr make it the HTTP server's listener.
func (w *webLayer) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.l.closed:
		return nil, net.ErrClosed
	}
}

func (w *webLayer) Close() error   { return nil }
func (w *webLayer) Addr() net.Addr { return w.l.Addr() }

func refuse(w http.ResponseWriter, _ *http.Request, status int, reason error) {
	http.Error(w, "this is MQTT over WebSocket: "+reason.Error(), status)
}

func (w *webLayer) upgrade(rw http.ResponseWriter, r *http.Request) {
	switch {
	case !slices.Contains(w.o.Paths, r.URL.Path):
		http.NotFound(rw, r)
		return
	case !websocket.IsWebSocketUpgrade(r):
		refuse(rw, r, http.StatusUpgradeRequired, errors.New("connect with a client of MQTT"))
		return
	case !slices.ContainsFunc(websocket.Subprotocols(r), func(s string) bool { return slices.Contains(subprotocols, s) }):
		refuse(rw, r, http.StatusBadRequest, errors.New("the client must ask for the subprotocol mqtt"))
		return
	}
	ws, err := w.upgrader.Upgrade(rw, r, nil)
	if err != nil {
		return // it was answered, and is told by ConnState
	}
	below := ws.NetConn().(*webConn)
	ws.SetReadLimit(w.o.MaxMessage)
	below.c.Conn = &webStream{webConn: below, ws: ws}
	w.l.shaken(below.c)
}

// originMay tells whether a page may connect. Ports do not count: the dashboard
// has another.
func (w *webLayer) originMay(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	if err != nil || len(origins) > 1 {
		return false
	}
	for _, o := range w.o.Origins {
		if o == "*" || strings.EqualFold(o, u.Scheme+"://"+u.Host) {
			return true
		}
	}
	own := &url.URL{Host: r.Host}
	return u.Hostname() != "" && strings.EqualFold(u.Hostname(), own.Hostname())
}

// webStream makes a stream of binary messages, wherever a packet begins and ends
// in them.
type webStream struct {
	*webConn // for addresses and deadlines
	ws       *websocket.Conn

	message  io.Reader
	fault    error // of reading, for ever
	write    sync.Mutex
	deadline atomic.Pointer[time.Time] // of writing
}

func (s *webStream) Read(p []byte) (int, error) {
	for s.fault == nil {
		if s.message == nil {
			kind, r, err := s.ws.NextReader()
			switch {
			case err != nil:
				s.fault = s.ended(err)
			case kind != websocket.BinaryMessage:
				s.fault = errors.New("MQTT comes in binary messages, this is text")
				s.goodbye(websocket.CloseUnsupportedData)
			default:
				s.message = r
			}
			continue
		}
		n, err := s.message.Read(p)
		switch {
		case errors.Is(err, io.EOF):
			s.message = nil
		case err != nil:
			s.fault = s.ended(err)
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, s.fault
}

// ended is io.EOF for a client that has gone as it should, otherwise what the
// socket says, or the WebSocket.
func (s *webStream) ended(err error) error {
	if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived) {
		return io.EOF
	}
	if below := s.reading.Load(); below != nil {
		return *below
	}
	return err
}

func (s *webStream) Write(p []byte) (int, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if t := s.deadline.Load(); t != nil {
		_ = s.ws.SetWriteDeadline(*t)
	}
	if err := s.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		if below := s.writing.Load(); below != nil {
			err = *below
		}
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline is also for a write under way. The WebSocket sets the socket's
// deadline anew before each write, to its own.
func (s *webStream) SetWriteDeadline(t time.Time) error {
	s.deadline.Store(&t)
	return s.Conn.SetWriteDeadline(t)
}

// SetDeadline is for both directions.
func (s *webStream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *webStream) goodbye(code int) {
	_ = s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(closeTime))
}

func (s *webStream) Close() error {
	s.goodbye(websocket.CloseNormalClosure)
	return s.Conn.Close()
}

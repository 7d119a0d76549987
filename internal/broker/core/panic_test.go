package core_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/core"
)

// bomb is an authority and an identity that fail wherever their name says.
type bomb string

func (b bomb) at(place, text string) {
	if strings.HasPrefix(text, "boom/"+place) {
		panic("a fault at " + place)
	}
}

func (b bomb) SignIn(c core.Credentials) (core.Identity, error) {
	b.at("signin", c.User)
	return b, nil
}
func (b bomb) Identify(string, string) core.Identity { return b }
func (b bomb) User() string                          { return "u" }
func (b bomb) QueueQoS0() bool                       { return false }
func (b bomb) MayWrite(topic string) bool            { b.at("write", topic); return true }
func (b bomb) MaySubscribe(filter string) bool       { b.at("subscribe", filter); return true }
func (b bomb) MayRead(topic string) bool             { b.at("read", topic); return true }

// peer is a client that speaks MQTT 5 in bytes.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func frame(first byte, parts ...string) []byte {
	body := strings.Join(parts, "")
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

func serve(t *testing.T, s *core.Server) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(server, core.Listener{Name: "test", Anonymous: true})
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return &peer{t, c, bufio.NewReader(c)}
}

// connect signs in; a will waits a second after the connection.
func (p *peer) connect(id, user, will string) {
	flags, more := byte(0x82), ""
	if will != "" {
		flags |= 4
		more = "\x05\x18\x00\x00\x00\x01" + string(text(will)) + string(text("gone"))
	}
	p.Write(frame(0x10, string(text("MQTT")), string([]byte{5, flags, 0, 60}), "\x05\x11\x00\x00\x00\x3c", string(text(id)), more, string(text(user))))
}

func (p *peer) publish(topic string) { p.Write(frame(0x30, string(text(topic)), "\x00m")) }

// next is the next packet; nil at the end.
func (p *peer) next() []byte {
	p.t.Helper()
	first, err := p.r.ReadByte()
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		p.t.Fatal("the server says nothing")
	}
	if err != nil {
		return nil
	}
	n, err := binary.ReadUvarint(p.r)
	if err != nil {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(p.r, b); err != nil {
		return nil
	}
	return append([]byte{first}, b...)
}

func (p *peer) want(first byte, holds string) {
	p.t.Helper()
	if b := p.next(); len(b) == 0 || b[0] != first || !strings.Contains(string(b), holds) {
		p.t.Fatalf("got %x %q, want %x with %q", b, b, first, holds)
	}
}

// TestAPanicEndsOneConnection has the authority fail in the middle of a packet:
// that client's connection ends, what others share is as good as before.
func TestAPanicEndsOneConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(p *peer)
		ends bool // the connection of whoever did it
	}{
		"SignIn":    {func(p *peer) { p.connect("bad", "boom/signin", "") }, true},
		"Publish":   {func(p *peer) { p.connect("bad", "u", ""); p.want(0x20, ""); p.publish("boom/write") }, true},
		"Will":      {func(p *peer) { p.connect("bad", "u", "boom/write") }, true},
		"Deliver":   {func(p *peer) { p.connect("bad", "u", ""); p.want(0x20, ""); p.publish("boom/read") }, true},
		"LaterWill": {func(p *peer) { p.connect("bad", "u", "boom/read"); p.want(0x20, ""); p.Close() }, false},
		"Subscribe": {func(p *peer) {
			p.connect("bad", "u", "")
			p.want(0x20, "")
			p.Write(frame(0x82, "\x00\x01\x00", string(text("boom/subscribe")), "\x00"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := core.New(core.Options{Authority: bomb(""), SysInterval: -1})
			if err != nil {
				t.Fatal(err)
			}
			s.Start(nil)
			ears, mouth := serve(t, s), serve(t, s)
			ears.connect("ears", "u", "")
			ears.want(0x20, "")
			ears.Write(frame(0x82, "\x00\x01\x00", string(text("#")), "\x00"))
			ears.want(0x90, "")
			mouth.connect("mouth", "u", "")
			mouth.want(0x20, "")
			bad := serve(t, s)
			tt.do(bad)
			if tt.ends {
				for p := bad.next(); p != nil; p = bad.next() {
					if p[0] != 0xe0 && p[0] != 0x20 {
						t.Errorf("the client was sent %x", p)
					}
				}
			}
			for deadline := time.Now().Add(time.Minute); s.Stats().Panics != 1; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d panics counted, want 1", s.Stats().Panics)
				}
			}
			for i := range 3 {
				mouth.publish(fmt.Sprint("after/", i))
				ears.want(0x30, fmt.Sprint("after/", i))
			}
			again := serve(t, s)
			again.connect("bad", "u", "")
			again.want(0x20, "")
		})
	}
}

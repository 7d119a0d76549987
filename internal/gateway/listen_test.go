package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// TestOneAddressCannotTakeEveryConnection: a machine that holds as many
// connections as it gets leaves room for the others, and gets new ones when it
// has closed some.
func TestOneAddressCannotTakeEveryConnection(t *testing.T) {
	inner, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newGuests(inner, remote.OnLAN("the dashboard", remote.Dashboard, nil, nil), 8, 2)
	defer l.Close()
	go func() { // greets whom it lets in, and holds the connection
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer l.noteState(c, http.StateClosed)
				defer c.Close()
				_, _ = c.Write([]byte("in"))
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(inner.Addr().String())
	visit := func(from string) (net.Conn, bool) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.DialContext(context.Background(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(time.Minute))
		_, err = io.ReadFull(c, make([]byte, 2))
		return c, err == nil
	}
	var held []net.Conn
	for range 20 {
		if c, in := visit("127.0.0.2"); in {
			held = append(held, c)
		}
	}
	if len(held) != 2 {
		t.Errorf("one address holds %d of 8 connections, want 2", len(held))
	}
	if _, in := visit("127.0.0.3"); !in {
		t.Error("another address is kept out")
	}
	held[0].Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, in := visit("127.0.0.2"); in {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a closed connection does not count as closed")
		}
	}
}

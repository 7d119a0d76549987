package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// TestOneAddressCannotTakeEveryConnection: a machine that opens one connection after
// the other keeps as many as it gets and leaves the rest to others; who is busy
// stays.
func TestOneAddressCannotTakeEveryConnection(t *testing.T) {
	inner, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newGuests(inner, remote.OnLAN("the dashboard", remote.Dashboard, nil, nil), 6, 2)
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
				said := make([]byte, 4)
				if _, err := io.ReadFull(c, said); err != nil {
					return
				}
				if string(said) == "busy" {
					defer stay(l.context(context.Background(), c))()
				}
				_, _ = c.Write([]byte("in"))
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(inner.Addr().String())
	visit := func(from, say string) net.Conn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.DialContext(context.Background(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(c, say); err != nil {
			return c // it is closed already
		}
		return c
	}
	in := func(c net.Conn) bool {
		_, err := io.ReadFull(c, make([]byte, 2))
		return err == nil
	}
	gone := func(c net.Conn) bool {
		_, err := c.Read(make([]byte, 1))
		return err != nil
	}
	worker := visit("127.0.0.2", "busy")
	if !in(worker) {
		t.Fatal("the first is kept out")
	}
	var last net.Conn
	for n := range 20 {
		c := visit("127.0.0.2", "idle")
		if !in(c) {
			t.Fatalf("connection %d is kept out by idle ones", n)
		}
		if last != nil && !gone(last) {
			t.Errorf("connection %d did not make way", n-1)
		}
		last = c
	}
	other := visit("127.0.0.3", "busy")
	if !in(other) {
		t.Error("another address is kept out")
	}
	for n := range 4 { // one place is left besides: of one who is idle
		if c := visit("127.0.0."+string(rune('4'+n)), "busy"); !in(c) {
			t.Errorf("address %d is kept out while somebody is idle", n)
		}
	}
	if c := visit("127.0.0.9", "idle"); !gone(c) {
		t.Error("there is room for more than there is room for")
	}
	if c := visit("127.0.0.2", "busy"); !gone(c) {
		t.Error("an address whose connections are all busy has another")
	}
	for what, c := range map[string]net.Conn{"the worker": worker, "the other": other} {
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s had to make way: %v", what, err)
		}
	}
	worker.Close()
	for deadline := time.Now().Add(time.Minute); !in(visit("127.0.0.9", "idle")); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection does not count as closed")
		}
	}
}

package nonblock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// pair is a connection over a Unix socket, and what is made of its near end.
func pair(t *testing.T) (near *Conn, nearConn, far net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nearConn, err = net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nearConn.Close() })
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err = New(nearConn.(syscall.Conn))
	if err != nil {
		t.Fatal(err)
	}
	return near, nearConn, far
}

func TestWritesMoreThanFits(t *testing.T) {
	near, _, far := pair(t)
	want := bytes.Repeat([]byte("0123456789"), 400_000)
	got := make(chan []byte, 1)
	go func() {
		b, err := io.ReadAll(io.LimitReader(far, int64(len(want))))
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	if n, err := near.Write(want); n != len(want) || err != nil {
		t.Fatalf("got %d, %v; want %d", n, err, len(want))
	}
	if !bytes.Equal(<-got, want) {
		t.Error("other bytes came")
	}
}

func TestReadsWhatIsThere(t *testing.T) {
	near, _, far := pair(t)
	b := make([]byte, 100)
	if n, err := near.Read(nil); n != 0 || err != nil {
		t.Errorf("a read of nothing: %d, %v", n, err)
	}
	go far.Write([]byte("hello")) // most likely while Read waits
	n, err := near.Read(b)
	if err != nil || string(b[:n]) != "hello" {
		t.Errorf("got %q, %v", b[:n], err)
	}
	far.Close()
	if n, err := near.Read(b); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v; want io.EOF", n, err)
	}
	if _, err := near.Write(b); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a write to nobody: %v, want EPIPE", err)
	}
}

func TestEndsWithItsConnection(t *testing.T) {
	near, conn, _ := pair(t)
	if err := conn.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("at the deadline: %v", err)
	}
	if _, err := near.Write(make([]byte, 1<<24)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write at the deadline: %v", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() {
		_, err := near.Read(make([]byte, 1))
		end <- err
	}()
	conn.Close()
	if err := <-end; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A write that had to wait goes on where it was.
func TestReadsAndWritesAtOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reader, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := New(w)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("abcdefg"), 100_000)
	go func() {
		if _, err := writer.Write(want); err != nil {
			t.Error(err)
		}
		w.Close()
	}()
	got, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
}

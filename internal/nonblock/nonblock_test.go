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

	"golang.org/x/sys/unix"
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

// ends are both ends of a socket pair, which do not block.
func ends(t *testing.T) (*File, *File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var files [2]*File
	for i, fd := range fds {
		if files[i], err = NewFile(fd, "test"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { files[i].Close() })
	}
	return files[0], files[1]
}

func TestFileCarriesMoreThanFits(t *testing.T) {
	near, far := ends(t)
	want := bytes.Repeat([]byte("0123456789"), 400_000)
	done := make(chan error, 1)
	go func() {
		_, err := near.Write(want)
		done <- errors.Join(err, near.Close())
	}()
	got, err := io.ReadAll(far)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := far.Write(want); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a write to nobody: %v, want EPIPE", err)
	}
}

func TestFileAnswersByteByByte(t *testing.T) {
	near, far := ends(t)
	go func() {
		b := make([]byte, 1)
		for {
			if _, err := far.Read(b); err != nil {
				return
			}
			b[0]++
			if _, err := far.Write(b); err != nil {
				return
			}
		}
	}()
	b := make([]byte, 10)
	for i := range 1000 {
		if _, err := near.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if n, err := near.Read(b); n != 1 || b[0] != byte(i+1) || err != nil {
			t.Fatalf("turn %d: got %d %v, %v", i, n, b[:n], err)
		}
	}
}

func TestFileEndsWithClose(t *testing.T) {
	near, _ := ends(t)
	end := make(chan error, 2)
	go func() {
		_, err := near.Read(make([]byte, 1))
		end <- err
	}()
	go func() {
		_, err := near.Write(make([]byte, 1<<24)) // nobody reads
		end <- err
	}()
	time.Sleep(10 * time.Millisecond)
	if err := near.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-end; !errors.Is(err, os.ErrClosed) {
			t.Errorf("under way: %v, want os.ErrClosed", err)
		}
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("afterwards: %v, want os.ErrClosed", err)
	}
	if err := near.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestNoFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewFile(fd, "a regular file"); !errors.Is(err, unix.EPERM) {
		t.Errorf("got %v, want EPERM: a file blocks", err)
	}
}

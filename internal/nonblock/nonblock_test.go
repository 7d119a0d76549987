package nonblock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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

func TestReadsWhatIsThere(t *testing.T) {
	near, far := ends(t)
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

func TestReadDeadline(t *testing.T) {
	near, far := ends(t)
	if err := near.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if _, err := near.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("at the deadline: %v", err)
	}
	if err := near.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	if n, err := near.Read(b); err != nil || string(b[:n]) != "late" {
		t.Errorf("without it: %q, %v", b[:n], err)
	}
}

// A write gives up when its patience is at its end, and the next one has the same
// again.
func TestPatience(t *testing.T) {
	near, far := ends(t)
	near.Patience = 20 * time.Millisecond
	for range 2 {
		start := time.Now()
		if _, err := near.Write(make([]byte, 1<<24)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("nobody reads: %v, want os.ErrDeadlineExceeded", err)
		}
		if took := time.Since(start); took < near.Patience {
			t.Errorf("it gave up after %v", took)
		}
	}
	go io.Copy(io.Discard, far)
	if _, err := near.Write(make([]byte, 1<<20)); err != nil {
		t.Errorf("somebody reads: %v", err)
	}
}

func TestTriesToWrite(t *testing.T) {
	near, far := ends(t)
	want := make([]byte, 1<<24)
	n, err := near.TryWrite(want)
	if n == 0 || n == len(want) || err != nil {
		t.Fatalf("got %d, %v; want some of it", n, err)
	}
	if more, err := near.TryWrite(want); more != 0 || err != nil {
		t.Errorf("of what is full: %d, %v", more, err)
	}
	if _, err := io.ReadFull(far, want[:n]); err != nil {
		t.Fatal(err)
	}
	if more, err := near.TryWrite(want[:10]); more != 10 || err != nil {
		t.Errorf("of what was emptied: %d, %v", more, err)
	}
	near.Close()
	if _, err := near.TryWrite(want[:1]); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v, want os.ErrClosed", err)
	}
}

func TestTakesASocketOver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := FromSocket(c.(*net.TCPConn), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("what it was made of still works: %v", err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if _, err := near.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := near.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(far); err != nil || string(b) != "question" {
		t.Fatalf("got %q, %v", b, err)
	}
	if _, err := far.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := near.Read(b); err != nil || string(b[:n]) != "answer" {
		t.Errorf("got %q, %v", b[:n], err)
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

// A descriptor's number is given away again: what comes after Close must not
// reach who has it now.
func TestAClosedFileTouchesNobodyElse(t *testing.T) {
	near, _ := ends(t)
	number := int(near.Fd())
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	taken := map[int]bool{}
	for i := 0; !taken[number]; i++ { // the lowest numbers are given first
		if i == 100 {
			t.Fatalf("descriptor %d is not given away again", number)
		}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range pair {
			taken[fd] = true
			defer unix.Close(fd)
		}
	}
	if err := near.CloseWrite(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("CloseWrite: got %v, want os.ErrClosed", err)
	}
	for name, write := range map[string]func([]byte) (int, error){"Write": near.Write, "TryWrite": near.TryWrite} {
		if n, err := write([]byte("x")); n != 0 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: got %d, %v; want os.ErrClosed", name, n, err)
		}
	}
	if n, err := near.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: got %d, %v; want os.ErrClosed", n, err)
	}
	if n, err := unix.Write(number, []byte("y")); n != 1 || err != nil {
		t.Errorf("the new owner's write: %d, %v", n, err)
	}
}

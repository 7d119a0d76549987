package nonblock

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// File is a terminal, a socket, or another descriptor that does not block, of which
// nothing is heard but that it can be read. The runtime itself waits for
// reading and for writing at once, so that it would wake each time the other
// end has taken what was written, for nothing. At most one Read and one Write
// may be under way at the same time; Close ends both.
type File struct {
	// Patience is how long a Write may wait for the other end to take bytes; then
	// it fails with os.ErrDeadlineExceeded. 0: for ever. It is set before use.
	Patience time.Duration

	fd        int
	inUse     sync.RWMutex // held by Read and Write, taken by Close
	in, out   *os.File     // epoll instances that hold fd alone, waited for by the runtime
	reads     waiter
	writes    waiter
	mayRead   func(uintptr) bool
	read      call
	write     call
	gone      bool // guarded by inUse: fd is closed
	closeOnce sync.Once
	closeErr  error
}

// waiter calls try now, and each time there is an event, until it is done.
type waiter func(try func(epoll uintptr) (done bool)) error

// NewFile takes a descriptor that was opened with O_NONBLOCK; it is closed with
// the File, and at an error.
func NewFile(fd int, name string) (*File, error) {
	f := &File{fd: fd}
	f.read.number, f.write.number = syscall.SYS_READ, syscall.SYS_WRITE
	f.mayRead = func(uintptr) bool { return f.read.once(uintptr(f.fd)) } // made once: it is called often
	var err error
	// The second is asked for an event only when a write did not fit.
	f.in, f.reads, err = watch(fd, name, unix.EPOLLIN)
	if err == nil {
		f.out, f.writes, err = watch(fd, name, unix.EPOLLONESHOT)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for %s: %w", name, err), f.Close())
	}
	return f, nil
}

// watch makes an epoll instance that can be read when fd has one of the events,
// or is gone.
func watch(fd int, name string, events uint32) (*os.File, waiter, error) {
	e, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	err = unix.EpollCtl(e, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events})
	if err == nil {
		err = unix.SetNonblock(e, true) // or the runtime would not wait for it
	}
	if err != nil {
		unix.Close(e)
		return nil, nil, err
	}
	file := os.NewFile(uintptr(e), name)
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, raw.Read, nil
}

// FromSocket takes a connection of net's over, which is closed.
func FromSocket(c interface {
	syscall.Conn
	io.Closer
}, name string) (*File, error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var dup error
	err = raw.Control(func(theirs uintptr) { fd, dup = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, dup); err != nil {
		return nil, fmt.Errorf("taking over the connection %s: %w", name, err)
	}
	return NewFile(fd, name)
}

// Read reads what is there, waiting for the first byte. The error is io.EOF at
// the end, a syscall.Errno, os.ErrDeadlineExceeded, or os.ErrClosed after Close.
func (f *File) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	f.inUse.RLock()
	defer f.inUse.RUnlock()
	f.read.begin(p)
	n, err := f.read.end(f.reads(f.mayRead))
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, closed(err)
}

// SetReadDeadline is when Reads fail; the zero time is never.
func (f *File) SetReadDeadline(t time.Time) error { return f.in.SetReadDeadline(t) }

// Write writes all of p. The errors are those of Read, but for io.EOF.
func (f *File) Write(p []byte) (int, error) {
	f.inUse.RLock()
	defer f.inUse.RUnlock()
	if f.gone {
		return 0, os.ErrClosed
	}
	f.write.begin(p)
	if f.write.all(uintptr(f.fd)) { // as most are
		n, err := f.write.end(nil)
		return n, closed(err)
	}
	n, err := f.write.end(f.writeOn())
	return n, closed(err)
}

// TryWrite writes what of p the other end takes at once. Like Write it may not be
// under way at the same time as another one.
func (f *File) TryWrite(p []byte) (int, error) {
	f.inUse.RLock()
	defer f.inUse.RUnlock()
	if f.gone {
		return 0, os.ErrClosed
	}
	f.write.begin(p)
	f.write.all(uintptr(f.fd))
	n, err := f.write.end(nil)
	return n, closed(err)
}

// writeOn goes on with the Write under way as the other end takes what came
// before.
func (f *File) writeOn() error {
	if f.Patience > 0 {
		if err := f.out.SetReadDeadline(time.Now().Add(f.Patience)); err != nil {
			return err
		}
	}
	err := f.writes(f.mayWriteOn)
	if err == nil { // or the other end's taking what comes later would wake us too
		err = f.writes(func(epoll uintptr) bool {
			f.write.err = cmp.Or(f.write.err, heed(epoll, f.fd, unix.EPOLLONESHOT))
			return true
		})
	}
	return err
}

func (f *File) mayWriteOn(epoll uintptr) bool {
	if f.write.all(uintptr(f.fd)) {
		return true
	}
	f.write.err = heed(epoll, f.fd, unix.EPOLLOUT|unix.EPOLLONESHOT)
	return f.write.err != nil
}

// CloseWrite says to the other end of a socket that nothing more comes.
func (f *File) CloseWrite() error {
	f.inUse.RLock()
	defer f.inUse.RUnlock()
	if f.gone { // its number may be another's by now
		return os.ErrClosed
	}
	return unix.Shutdown(f.fd, unix.SHUT_WR)
}

// closed gives the runtime's error of a file that was closed its public name.
func closed(err error) error {
	var errno syscall.Errno
	if err == nil || err == io.EOF || errors.As(err, &errno) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return os.ErrClosed
}

// heed says which events of fd an epoll instance that has it waits for.
func heed(epoll uintptr, fd int, events uint32) error {
	return unix.EpollCtl(int(epoll), unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events})
}

// Fd is the descriptor, for its settings.
func (f *File) Fd() uintptr { return uintptr(f.fd) }

// Close ends the Read and the Write that are under way, with os.ErrClosed, and
// closes the descriptor.
func (f *File) Close() error {
	f.closeOnce.Do(func() {
		for _, e := range []*os.File{f.in, f.out} {
			if e != nil {
				f.closeErr = errors.Join(f.closeErr, e.Close())
			}
		}
		f.inUse.Lock()
		defer f.inUse.Unlock()
		f.gone = true
		f.closeErr = errors.Join(f.closeErr, unix.Close(f.fd))
	})
	return f.closeErr
}

package nonblock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is a terminal, or another descriptor that does not block, of which
// nothing is heard but that it can be read. The runtime itself waits for
// reading and for writing at once, so that it would wake each time the other
// end has taken what was written, for nothing. At most one Read and one Write
// may be under way at the same time; Close ends both.
type File struct {
	fd        int
	inUse     sync.RWMutex // held by Read and Write, taken by Close
	in, out   *os.File     // epoll instances that hold fd alone, waited for by the runtime
	reads     syscall.RawConn
	writes    syscall.RawConn
	read      call
	write     call
	closeOnce sync.Once
	closeErr  error
}

// NewFile takes a descriptor that was opened with O_NONBLOCK; it is closed with
// the File, and at an error.
func NewFile(fd int, name string) (*File, error) {
	f := &File{fd: fd}
	f.read.number, f.write.number = syscall.SYS_READ, syscall.SYS_WRITE
	f.read.try, f.write.try = f.mayRead, f.mayWrite
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
func watch(fd int, name string, events uint32) (*os.File, syscall.RawConn, error) {
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
	return file, raw, nil
}

// Read reads what is there, waiting for the first byte. The error is io.EOF at
// the end, a syscall.Errno, or os.ErrClosed after Close.
func (f *File) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	f.inUse.RLock()
	defer f.inUse.RUnlock()
	n, err := f.read.do(f.reads.Read, p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, closed(err)
}

// Write writes all of p. The errors are those of Read, but for io.EOF.
func (f *File) Write(p []byte) (int, error) {
	f.inUse.RLock()
	defer f.inUse.RUnlock()
	n, err := f.write.do(f.writes.Read, p)
	return n, closed(err)
}

// closed gives the runtime's error of a file that was closed its public name.
func closed(err error) error {
	var errno syscall.Errno
	if err == nil || err == io.EOF || errors.As(err, &errno) {
		return err
	}
	return os.ErrClosed
}

func (f *File) mayRead(uintptr) bool { return f.read.once(uintptr(f.fd)) }

func (f *File) mayWrite(epoll uintptr) bool {
	if f.write.all(uintptr(f.fd)) {
		return true
	}
	if err := unix.EpollCtl(int(epoll), unix.EPOLL_CTL_MOD, f.fd, &unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT}); err != nil {
		f.write.err = err
		return true
	}
	return false
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
		f.closeErr = errors.Join(f.closeErr, unix.Close(f.fd))
	})
	return f.closeErr
}

// Package nonblock reads and writes descriptors that never block, such as
// sockets, pipes and terminals opened with O_NONBLOCK, without announcing each
// system call to Go's scheduler. os and net announce them, since they cannot
// know how long one takes, and the announcement wakes a thread of the runtime
// whenever the process had nothing to do before. In a process that wakes for a
// few bytes, hundreds of times a second, that is half of its work. It must
// never know what the bytes are, and is nothing for files, which do block.
package nonblock

import (
	"io"
	"syscall"
	"unsafe"
)

// Conn is one descriptor. At most one Read and one Write may be under way at
// the same time.
type Conn struct {
	raw         syscall.RawConn
	read, write call
}

// call is a system call that is repeated until it is done.
type call struct {
	number uintptr
	p      []byte
	n      int
	err    error
	try    func(fd uintptr) (done bool)
}

// New takes a connection or file whose descriptor the runtime waits for: an
// *os.File that was opened non-blocking, or one of net's. Deadlines and Close
// of c work on reads and writes here as on its own.
func New(c syscall.Conn) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	n := &Conn{raw: raw}
	n.read.number, n.write.number = syscall.SYS_READ, syscall.SYS_WRITE
	n.read.try, n.write.try = n.read.once, n.write.all
	return n, nil
}

// Read reads what is there, waiting for the first byte. The error is io.EOF at
// the end, a syscall.Errno, or that of the connection's deadline or Close.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.read.do(c.raw.Read, p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write writes all of p. The errors are those of Read, but for io.EOF.
func (c *Conn) Write(p []byte) (int, error) {
	return c.write.do(c.raw.Write, p)
}

func (c *call) do(wait func(func(uintptr) bool) error, p []byte) (int, error) {
	c.p, c.n, c.err = p, 0, nil
	err := wait(c.try)
	c.p = nil
	if c.err != nil {
		err = c.err
	}
	return c.n, err
}

// once is done when there were bytes, the end or an error.
func (c *call) once(fd uintptr) bool {
	n, errno := c.syscall(fd, c.p)
	if errno == syscall.EAGAIN {
		return false
	}
	if c.n = n; errno != 0 {
		c.err = errno
	}
	return true
}

// all is done when every byte is gone, or at an error.
func (c *call) all(fd uintptr) bool {
	for c.n < len(c.p) {
		n, errno := c.syscall(fd, c.p[c.n:])
		if errno == syscall.EAGAIN {
			return false
		}
		if errno != 0 {
			c.err = errno
			return true
		}
		c.n += n
	}
	return true
}

// syscall makes the system call once, or again when a signal interrupted it.
func (c *call) syscall(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(c.number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case syscall.EINTR:
		case 0:
			return int(n), 0
		default:
			return 0, errno
		}
	}
}

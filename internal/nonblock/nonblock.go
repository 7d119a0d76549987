// Package nonblock reads and writes descriptors that never block, such as
// sockets, pipes and terminals opened with O_NONBLOCK, without announcing each
// system call to Go's scheduler. os and net announce them, since they cannot
// know how long one takes, and the announcement wakes a thread of the runtime
// whenever the process had nothing to do before. In a process that wakes for a
// few bytes, hundreds of times a second, that is half of its work. It must
// never know what the bytes are, and is nothing for files, which do block.
package nonblock

import (
	"syscall"
	"unsafe"
)

// call is a system call that is repeated until it is done.
type call struct {
	number uintptr
	p      []byte
	n      int
	err    error
}

func (c *call) begin(p []byte) { c.p, c.n, c.err = p, 0, nil }

// end gives what the call has done. Err is that of waiting for it.
func (c *call) end(err error) (int, error) {
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

package journal

import (
	"os"
	"syscall"
)

// datasync leaves out the times of the file, which alone would cost a write to
// the file system's own journal each time.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

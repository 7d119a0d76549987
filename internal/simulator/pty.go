package simulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a pseudo-terminal in raw mode with a symbolic link to its host's end.
// It keeps that end open itself, so that the line outlives hosts.
type pty struct {
	*os.File          // the dongle's end
	host     *os.File // the host's end
	link     string
}

// hostSlow is how long the line waits for a host that does not read; a UART
// would not wait at all.
const hostSlow = 100 * time.Millisecond

func openPty(link string) (*pty, error) {
	fail := func(err error) error {
		return fmt.Errorf("opening a pseudo-terminal for %s: %w", link, err)
	}
	// Non-blocking from the beginning, so that Close and deadlines work.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fail(err)
	}
	p := &pty{File: os.NewFile(uintptr(fd), "/dev/ptmx"), link: link}
	if err := p.setUp(fd); err != nil {
		p.File.Close()
		if p.host != nil {
			p.host.Close()
		}
		return nil, fail(err)
	}
	return p, nil
}

func (p *pty) setUp(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("/dev/pts/%d", number)
	if p.host, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return err
	}
	if err := makeRaw(int(p.host.Fd())); err != nil {
		return err
	}
	return relink(name, p.link)
}

func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON | unix.IXOFF
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// relink points the symbolic link at the terminal. It replaces a link that an
// earlier simulator left, and nothing else.
func relink(target, link string) error {
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if info, err := os.Lstat(link); err == nil && info.Mode()&os.ModeSymlink == 0 {
		return errors.New("something that is no symbolic link is in the way: remove it or choose another path")
	}
	temporary := fmt.Sprintf("%s.%d", link, os.Getpid())
	os.Remove(temporary)
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, link)
}

// Write gives bytes to the host. What a host does not read in time is lost, as
// on a serial line.
func (p *pty) Write(b []byte) (int, error) {
	p.SetWriteDeadline(time.Now().Add(hostSlow))
	_, err := p.File.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return len(b), nil
	}
	return len(b), err
}

// flush drops what no host has read.
func (p *pty) flush() {
	unix.IoctlSetInt(int(p.host.Fd()), unix.TCFLSH, unix.TCIFLUSH)
}

// Close ends both ends.
func (p *pty) Close() error {
	return errors.Join(p.File.Close(), p.host.Close())
}

// remove takes the link away, if it is still ours.
func (p *pty) remove() {
	p.Close()
	if target, err := os.Readlink(p.link); err == nil && target == p.host.Name() {
		os.Remove(p.link)
	}
}

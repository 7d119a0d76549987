package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

func bindUnix(o Options) (net.Listener, error) {
	if err := removeStale(o.Address); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", o.Address)
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("listening on %s: the path of a unix socket has at most 107 bytes: use a shorter data directory", o.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", o.Address, err)
	}
	mode := o.Mode
	if mode == 0 {
		mode = 0o660
	}
	err = os.Chmod(o.Address, mode)
	if err == nil && o.Group != 0 {
		err = os.Chown(o.Address, -1, o.Group)
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("listening on %s: %w", o.Address, err)
	}
	return ln, nil
}

// removeStale removes a socket that a killed broker left, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("listening on %s: there is a file that is no socket: move it away", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("listening on %s: another broker answers there: stop it, or set HEMS_DATA to another directory", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	return os.Remove(path)
}

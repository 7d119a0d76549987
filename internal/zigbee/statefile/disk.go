package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// disk is all that is done to files, so that a test can cut the power at each
// step. Each of them is whole or has not happened when it is cut.
type disk interface {
	write(path string, data []byte) error // durable when it returns
	link(from, to string) error           // to is what from is, whatever it was; kept by the next syncDir
	rename(from, to string) error         // kept by the next syncDir
	remove(path string) error             // kept by the next syncDir
	syncDir(dir string) error
}

type osDisk struct{}

func (osDisk) write(path string, data []byte) error { return atomicfile.Write(path, data, 0o600) }

func (osDisk) link(from, to string) error {
	a, err := os.Stat(from)
	if err != nil {
		return err
	}
	if b, err := os.Stat(to); err == nil && os.SameFile(a, b) {
		return nil // to rename one to the other would leave both
	}
	tmp := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".link.tmp")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(from, tmp); err == nil {
		return os.Rename(tmp, to)
	}
	b, err := readBounded(from) // a file system without links
	if err != nil {
		return err
	}
	return atomicfile.Write(to, b, 0o600)
}

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) remove(path string) error { return os.Remove(path) }

func (osDisk) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lock takes the coordinator's directory for this process until unlock is
// called or the process ends: it is for whoever writes into the state. The
// error is an *Error when another process has it.
func Lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &Error{Message: "the zigbee data directory cannot be made", Advice: "check its permissions", Err: err}
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, &Error{Message: dir + " cannot be opened", Advice: "check its permissions", Err: err}
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &Error{
				Message: fmt.Sprintf("the zigbee state in %s is in use by another process", dir),
				Advice:  "stop the other hems-zigbee first; only one can run on a data directory",
			}
		}
		return nil, &Error{Message: dir + " cannot be locked", Advice: "check the file system it is on", Err: err}
	}
	return func() { d.Close() }, nil
}

// staleAfter is the age at which a temporary file is nobody's any more.
const staleAfter = time.Hour

// sweep removes what writes that were cut have left behind, if that is long ago:
// what is young may be another process's.
func sweep(path string) {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp"))
	if err != nil {
		return
	}
	for _, p := range left {
		if fi, err := os.Lstat(p); err == nil && fi.Mode().IsRegular() && time.Since(fi.ModTime()) > staleAfter {
			os.Remove(p)
		}
	}
}

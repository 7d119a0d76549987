package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// FS is the file system below a log: the operating system's, or a test's that
// refuses, or cuts the power. Names are paths.
type FS interface {
	// MkdirAll makes a directory that stays.
	MkdirAll(dir string) error
	// Lock takes dir for this process until the closer is closed; ErrInUse when
	// another one has it.
	Lock(dir string) (io.Closer, error)
	Names(dir string) ([]string, error)
	// Open opens a file to read and write; create makes it if it is not there.
	Open(name string, create bool) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	SyncDir(dir string) error
}

// File is a file of an FS.
type File interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	// Sync is fdatasync: the content, and what is needed to read it back.
	Sync() error
	Close() error
}

type osFS struct{}

func (f osFS) MkdirAll(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return f.SyncDir(filepath.Dir(dir))
}

func (osFS) Lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, err
	}
	return f, nil
}

func (osFS) Names(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (osFS) Open(name string, create bool) (File, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

func (f osFile) Sync() error { return datasync(f.File) }

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Errors of Snapshot.
var (
	// ErrBusy: another snapshot is being taken or read.
	ErrBusy = errors.New("another copy of the store is being made")
	// ErrNoSpace: a copy would fill the disk.
	ErrNoSpace = errors.New("there is not enough free space for a copy of the store")
)

// spare is how much a snapshot leaves free: readings go on being stored.
const spare = 64 << 20

// Snapshot is a whole and unchanging copy of the store, in a file that is
// already removed and goes when it is closed.
type Snapshot struct {
	*os.File
	Size    int64 // bytes
	release func()
}

// Close gives the space back.
func (s *Snapshot) Close() error {
	defer s.release()
	return s.File.Close()
}

// Snapshot copies the store as it is now, with the readings that wait, while
// it goes on. Beside the file there must be room for it once more. One is made
// at a time (ErrBusy).
func (s *Store) Snapshot(ctx context.Context) (_ *Snapshot, err error) {
	if !s.copying.TryLock() {
		return nil, fmt.Errorf("copying the store: %w", ErrBusy)
	}
	defer func() {
		if err != nil {
			s.copying.Unlock()
			err = fmt.Errorf("copying the store: %w", err)
		}
	}()
	// When it fails, which Failure tells, the copy has what is in the file.
	_ = s.Commit(ctx)
	if err := s.roomForCopy(); err != nil {
		return nil, err
	}
	s.removeCopies()
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+copySuffix)
	if err != nil {
		return nil, err
	}
	defer func() {
		// Its name goes in any case; the space when it is closed.
		err = errors.Join(err, os.Remove(f.Name()))
		if err != nil {
			f.Close()
		}
	}()
	if err := copyInto(ctx, s.path, f.Name()); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &Snapshot{File: f, Size: info.Size(), release: sync.OnceFunc(s.copying.Unlock)}, nil
}

// copySuffix is between the store's name and a random end in the names of
// unfinished copies.
const copySuffix = ".copy-"

// removeCopies removes what copies left that a power cut interrupted.
func (s *Store) removeCopies() {
	old, err := filepath.Glob(s.path + copySuffix + "*")
	if err != nil {
		return // a data directory with the signs of a pattern: nothing is found
	}
	for _, path := range old {
		os.Remove(path)
	}
}

// roomForCopy says whether the disk has room for the file once more.
func (s *Store) roomForCopy() error {
	var size int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(s.path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err == nil {
			size += info.Size()
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(s.path), &st); err != nil {
		return err
	}
	if free := int64(st.Bavail) * st.Bsize; free < size+spare {
		return fmt.Errorf("%w: it has %d MB and needs %d MB: make room, or keep readings for fewer days", ErrNoSpace, free>>20, (size+spare)>>20)
	}
	return nil
}

// copyInto writes the database at from, which another connection may be writing,
// into the empty file at to.
func copyInto(ctx context.Context, from, to string) error {
	name, err := dsn(from, "mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	return err
}

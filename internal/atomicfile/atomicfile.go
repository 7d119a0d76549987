// Package atomicfile replaces a file so that a power cut leaves either the old
// or the new content whole. It knows file systems and must never know what is
// in the files.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Write replaces the file at path with data and mode perm: a temporary file in
// the same directory is written and fsynced, renamed over path, and the
// directory is fsynced. When it returns nil the new content survives a power
// cut; when it returns an error the old content is still there.
func Write(path string, data []byte, perm os.FileMode) error {
	dir := filepath.Dir(path)
	tmp, err := writeTemp(dir, filepath.Base(path), data, perm)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// Replace is Write for a file that may be somebody else's: one that is there
// keeps its owner, group and mode; perm is for one that is not.
func Replace(path string, data []byte, perm os.FileMode) error {
	var like syscall.Stat_t
	err := syscall.Lstat(path, &like)
	if errors.Is(err, os.ErrNotExist) || err == nil && like.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return Write(path, data, perm)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	dir := filepath.Dir(path)
	tmp, err := writeTemp(dir, filepath.Base(path), data, os.FileMode(like.Mode&0o777))
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	err = os.Chown(tmp, int(like.Uid), int(like.Gid)) // to itself anybody may, to others root
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// Create is Write for a file that must not exist yet. Where two callers race,
// one wins and the other gets an error for which errors.Is(err, os.ErrExist)
// holds; both then read the same whole content.
func Create(path string, data []byte, perm os.FileMode) error {
	dir := filepath.Dir(path)
	tmp, err := writeTemp(dir, filepath.Base(path), data, perm)
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	defer os.Remove(tmp)
	if err := os.Link(tmp, path); err != nil { // unlike rename, link never replaces
		return fmt.Errorf("creating %s: %w", path, err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	return nil
}

func writeTemp(dir, base string, data []byte, perm os.FileMode) (name string, err error) {
	f, err := os.CreateTemp(dir, "."+base+".*.tmp")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(perm); err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

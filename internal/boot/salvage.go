package boot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
)

// maxSalvaged is the size of the largest file that is salvaged, in bytes:
// settings, secrets and the network's state are far smaller, what was measured is
// larger.
const maxSalvaged = 1 << 20

// salvage copies the files and directories below a directory that can be read, at
// most room bytes in all, with their modes and owners. It passes over what it
// cannot read, and what is large. It returns how many files it copied, and what
// went wrong on the way.
func salvage(from, to string, room int64) (files int, err error) {
	var lost []error
	walk := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			lost = append(lost, err)
			return nil // a directory that cannot be read
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			lost = append(lost, err)
			return nil
		}
		if rel == staged.Dir { // it is all or nothing
			return fs.SkipDir
		}
		name := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			err = os.MkdirAll(name, 0o700)
		case !info.Mode().IsRegular() || info.Size() > maxSalvaged:
			return nil
		case info.Size() > room:
			return fmt.Errorf("%s: there is no room for it", path)
		default:
			if err = copyFile(path, name); err == nil {
				files++
				room -= info.Size()
			}
		}
		if err == nil {
			err = alike(name, info)
		}
		if err != nil {
			lost = append(lost, err)
		}
		return nil
	})
	if len(lost) > 5 {
		lost = append(lost[:5], fmt.Errorf("and %d more", len(lost)-5))
	}
	return files, errors.Join(append(lost, walk)...)
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, maxSalvaged))
	err = errors.Join(err, out.Close())
	if err != nil { // half a file is worse than none
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// alike gives a copy the owner and mode of its original.
func alike(name string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Lchown(name, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(name, info.Mode().Perm())
}

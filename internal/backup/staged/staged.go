// Package staged knows a set of files that waits to take the place of those in
// the data directory, and how it takes their place so that a power cut at any
// moment leaves the old set or the new one whole. It is small, because the
// first program of the system links it, and must never know where the set came
// from or what is in the files.
//
// Under the data directory:
//
//	.restore/files/<item>   the new set while it waits
//	.restore/ready          a List; while it is there the new set is to be used
//	.restore/undo           the same, renamed: the old set is to be put back
//	.replaced/<item>        what was in an item's place before
package staged

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// Names under the data directory. No item may be one of them.
const (
	Dir      = ".restore"
	Replaced = ".replaced"
	files    = "files"
	ready    = "ready"
	undo     = "undo"
	outcome  = "manager/restored.json" // beside the manager's other memories
)

// maxList bounds the file ready, and maxItems what it may name.
const (
	maxList  = 1 << 20
	maxItems = 256
)

// ErrHalf is of a Begin while an earlier restore is neither done nor undone.
var ErrHalf = errors.New("an earlier restore is half done: restart the appliance, so that it is finished first")

// List is what a set that waits is made of.
type List struct {
	Items    []string  `json:"items"`     // relative to the data directory, with /
	MadeAt   time.Time `json:"made_at"`   // when the set was the current one
	HostName string    `json:"host_name"` // of the appliance it is from
	Version  string    `json:"version"`   // that wrote it
	StagedAt time.Time `json:"staged_at"`
}

// CheckItem says what is wrong with an item's path: it is relative, clean, at
// most four names deep, and neither hidden nor this package's own.
func CheckItem(item string) error {
	if item == "" || item == "." || path.Clean(item) != item || !filepath.IsLocal(item) || len(item) > 255 {
		return fmt.Errorf("%q is not the path of a file under the data directory", item)
	}
	names := strings.Split(item, "/")
	if len(names) > 4 {
		return fmt.Errorf("%q lies deeper than four directories", item)
	}
	for _, n := range names {
		if strings.HasPrefix(n, ".") || strings.ContainsFunc(n, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
			return fmt.Errorf("%q is not a name for what is kept", item)
		}
	}
	return nil
}

// check refuses items that overlap: one could not be moved without the other.
func (l List) check() error {
	if len(l.Items) > maxItems {
		return fmt.Errorf("%d items are more than there may be (%d)", len(l.Items), maxItems)
	}
	for i, a := range l.Items {
		if err := CheckItem(a); err != nil {
			return err
		}
		for _, b := range l.Items[:i] {
			if a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/") {
				return fmt.Errorf("the items %q and %q overlap", a, b)
			}
		}
	}
	return nil
}

// Begin makes the empty directory for the files of a new set and returns its
// path. A set that waited before is gone.
func Begin(dataDir string) (dir string, err error) {
	if st, _, _ := read(dataDir); st != none {
		if _, err := os.Lstat(filepath.Join(dataDir, Replaced)); err == nil || st == turning {
			return "", ErrHalf // what was there before is in .replaced alone
		}
	}
	if err := Abandon(dataDir); err != nil {
		return "", err
	}
	dir = filepath.Join(dataDir, Dir, files)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making room for the restored files: %w", err)
	}
	return dir, nil
}

// Seal makes the set in the directory from Begin complete: everything in it is
// on the disk before the file that says so is. From then on Apply uses it.
func Seal(dataDir string, l List) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("sealing the restored files: %w", err)
	}
	root := filepath.Join(dataDir, Dir, files)
	for _, item := range l.Items {
		if _, err := os.Lstat(filepath.Join(root, filepath.FromSlash(item))); err != nil {
			return fmt.Errorf("sealing the restored files: %w", err)
		}
	}
	err := filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(p)
	})
	if err == nil {
		err = syncPath(filepath.Join(dataDir, Dir))
	}
	if err == nil {
		err = syncPath(dataDir)
	}
	if err != nil {
		return fmt.Errorf("sealing the restored files: %w", err)
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("sealing the restored files: %w", err)
	}
	return atomicfile.Write(filepath.Join(dataDir, Dir, ready), append(b, '\n'), 0o600)
}

// Abandon removes a set that waits, sealed or not.
func Abandon(dataDir string) error {
	if err := remove(dataDir, filepath.Join(Dir, ready)); err != nil {
		return fmt.Errorf("removing what was to be restored before: %w", err)
	}
	for _, d := range []string{Dir, Replaced} {
		if err := os.RemoveAll(filepath.Join(dataDir, d)); err != nil {
			return fmt.Errorf("removing what was to be restored before: %w", err)
		}
	}
	return nil
}

// remove deletes a file so that it stays deleted; one that is not there is
// deleted already.
func remove(dataDir, name string) error {
	err := os.Remove(filepath.Join(dataDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncPath(filepath.Dir(filepath.Join(dataDir, name)))
	}
	return err
}

// state is how far a restore has come.
type state int

const (
	none    state = iota // nothing waits
	waiting              // ready is there
	turning              // undo is there
)

// read finds the state and its list.
func read(dataDir string) (state, List, error) {
	for _, c := range []struct {
		name  string
		state state
	}{{undo, turning}, {ready, waiting}} {
		name := filepath.Join(dataDir, Dir, c.name)
		fi, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return none, List{}, fmt.Errorf("looking for a restore: %w", err)
		}
		if !fi.Mode().IsRegular() || fi.Size() > maxList {
			return c.state, List{}, fmt.Errorf("reading %s: it is not a list of restored files", name)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return c.state, List{}, fmt.Errorf("looking for a restore: %w", err)
		}
		var l List
		if err := json.Unmarshal(b, &l); err != nil {
			return c.state, List{}, fmt.Errorf("reading %s: %w", name, err)
		}
		if err := l.check(); err != nil {
			return c.state, List{}, fmt.Errorf("reading %s: %w", name, err)
		}
		return c.state, l, nil
	}
	return none, List{}, nil
}

// Waiting tells whether a sealed set waits for Apply.
func Waiting(dataDir string) bool {
	s, _, err := read(dataDir)
	return err == nil && s == waiting
}

func syncPath(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

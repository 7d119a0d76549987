package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
)

// Limits on one archive, when it is made as when it is read.
const (
	maxEntries = 20_000
	maxName    = 512 // bytes
	maxDepth   = 16  // directories
)

// collected is one item on its way into the archive.
type collected struct {
	Item
	// base is the item's own directory (the data directory for a single file),
	// so that a link put there meanwhile leads to nobody else's files.
	base    *os.Root
	entries []entry
	stream  *Stream // of the snapshot's file
	release func()  // gives the lock back; nil: there is none
}

// entry is a file or directory of an item.
type entry struct {
	name string // under the data directory
	rel  string // under the item's base
	info fs.FileInfo
}

// collect finds what there is of each item. Items that do not exist are left
// out; those that cannot be had now are missing.
func collect(ctx context.Context, root *os.Root, items []Item, m *Manifest) (_ []*collected, err error) {
	var all []*collected
	defer func() {
		if err != nil {
			closeAll(all)
		}
	}()
	n := 0
	for _, item := range items {
		if err := staged.CheckItem(item.Path); err != nil {
			return nil, err
		}
		c := &collected{Item: item}
		fi, err := root.Lstat(item.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case !fi.IsDir() && !fi.Mode().IsRegular():
			return nil, fmt.Errorf("%s is neither a file nor a directory", item.Path)
		}
		if item.Snapshot != nil {
			if why := c.snapshot(ctx, root); why != nil {
				m.Missing = append(m.Missing, Missing{Path: item.Path, Owner: item.Owner, What: item.Snapshot.What, Why: why.Error()})
				continue
			}
		}
		all = append(all, c)
		if err := c.walk(root, fi.IsDir()); err != nil {
			return nil, fmt.Errorf("looking through %s: %w", item.Path, err)
		}
		if n += len(c.entries); n > maxEntries {
			return nil, fmt.Errorf("there are more than %d files to copy", maxEntries)
		}
		m.Items = append(m.Items, c.content())
	}
	return all, nil
}

func closeAll(all []*collected) {
	for _, c := range all {
		if c.stream != nil {
			c.stream.Close()
		}
		if c.release != nil {
			c.release()
		}
		if c.base != nil {
			c.base.Close()
		}
	}
}

// snapshot asks the process for its copy, or makes sure that nobody writes.
func (c *collected) snapshot(ctx context.Context, root *os.Root) error {
	s, err := c.Snapshot.Open(ctx)
	if err == nil {
		c.stream = &s
		return nil
	}
	release, lockErr := lock(root, c.Snapshot.Lock)
	if lockErr != nil {
		return fmt.Errorf("%s gave no copy (%w), and its files may be in use (%w)", c.Owner, err, lockErr)
	}
	c.release = release
	return nil
}

// lock takes the lock that a process holds while it may write. Without the file
// there is no telling whether it does.
func lock(root *os.Root, name string) (release func(), err error) {
	f, err := root.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// walk lists the item's directories and files. What is neither, and what is
// only for the moment, is passed over.
func (c *collected) walk(root *os.Root, dir bool) (err error) {
	open, from, prefix := c.Path, ".", c.Path
	if !dir {
		open, from, prefix = ".", c.Path, ""
	}
	if c.base, err = root.OpenRoot(open); err != nil {
		return err
	}
	return fs.WalkDir(c.base.FS(), from, func(rel string, d fs.DirEntry, err error) error {
		name := path.Join(prefix, rel)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has gone meanwhile
		}
		if err != nil {
			return err
		}
		if name != c.Path && c.skips(name, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return nil
		}
		if strings.Count(name, "/") >= maxDepth || len(name) > maxName {
			return fmt.Errorf("%s lies too deep or has too long a name", name)
		}
		if len(c.entries) >= maxEntries {
			return fmt.Errorf("there are more than %d files", maxEntries)
		}
		c.entries = append(c.entries, entry{name: name, rel: rel, info: info})
		return nil
	})
}

// skips tells what is not taken along.
func (c *collected) skips(name string, d fs.DirEntry) bool {
	if c.Snapshot != nil && !d.IsDir() {
		if c.stream != nil {
			return true // the stream stands for them
		}
		return !contains(c.Snapshot.Files, name)
	}
	for _, pattern := range c.Except {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return passing(d.Name())
}

// passing tells the names of files that mean something only for the moment.
func passing(base string) bool {
	return strings.HasPrefix(base, ".") || strings.HasSuffix(base, ".tmp") || strings.HasSuffix(base, ".lock") ||
		strings.HasSuffix(base, ".sock") || base == "lost+found"
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func (c *collected) content() Content {
	out := Content{Path: c.Path, Owner: c.Owner}
	for _, e := range c.entries {
		if e.info.Mode().IsRegular() {
			out.Files++
			out.Bytes += e.info.Size()
		}
	}
	if c.stream != nil {
		out.Files++
		out.Bytes += c.stream.Size
	}
	return out
}

// open opens a file that was found. A state file that has been replaced by a
// newer one since is as good; what is no longer a file is an error. gone: there
// is nothing of that name any more.
func (e entry) open(base *os.Root) (f *os.File, info fs.FileInfo, gone bool, err error) {
	f, err = base.OpenFile(e.rel, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, true, nil
	}
	if err != nil {
		return nil, nil, false, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no longer a file", e.name)
	}
	if err != nil {
		f.Close()
		return nil, nil, false, err
	}
	return f, info, false, nil
}

package journal

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

const (
	asideBytes = 1 << 20 // of damaged bytes that are kept of one opening
	asideFiles = 4       // openings
)

// aside keeps damaged bytes for whoever wants to look at them. It does what it
// can: a disk that does not take them must not keep the log from opening.
type aside struct {
	fs   FS
	dir  string
	path string
	file File
	off  int64
	full bool
}

// keep adds some bytes of a file, with a line that says where they were.
func (a *aside) keep(r io.ReaderAt, name string, from, to int64) {
	n := min(to-from, asideBytes-a.off)
	if n <= 0 || a.full {
		return
	}
	line := fmt.Appendf(nil, "\n%s, %d bytes at %d:\n", name, n, from)
	b := make([]byte, len(line)+int(n))
	got, _ := r.ReadAt(b[copy(b, line):], from)
	b = b[:len(line)+got]
	err := a.open()
	if err == nil {
		_, err = a.file.WriteAt(b, a.off)
	}
	if err != nil {
		a.full = true
		return
	}
	a.off += int64(len(b))
}

// open makes the file, and room for it.
func (a *aside) open() error {
	if a.file != nil {
		return nil
	}
	names, err := a.fs.Names(a.dir)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "damaged-") })
	slices.Sort(names)
	for len(names) >= asideFiles {
		_ = a.fs.Remove(filepath.Join(a.dir, names[0]))
		names = names[1:]
	}
	next := 1
	if n := len(names); n > 0 {
		fmt.Sscanf(names[n-1], "damaged-%d", &next)
		next++
	}
	a.path = filepath.Join(a.dir, fmt.Sprintf("damaged-%06d", next))
	a.file, err = a.fs.Open(a.path, true)
	return err
}

func (a *aside) close() {
	if a.file != nil {
		a.file.Close()
	}
}

// Package pages reads the file of a SQLite database without SQLite: its pages,
// its trees and its records, with the write-ahead log over them, as the file
// format is documented (sqlite.org/fileformat2.html). It is for a file that
// SQLite no longer reads: what is bad is passed over and told, and the rest is
// given. It knows that format and must never know what the tables mean, nor
// write anything.
package pages

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// Size is the size of a page in bytes, SQLite's default. What a damaged header
// says of it is not believed.
const Size = 4096

// magic begins every SQLite database.
const magic = "SQLite format 3\x00"

// maxPages bounds a file: 1 TB. A damaged number is never allocated for.
const maxPages = 1 << 28

// ErrBad is wrapped by every error that is about what lies in the file, and not
// about reading it.
var ErrBad = errors.New("damaged page")

// File is a database with its log, which nobody else writes while it is read.
// It is for one goroutine.
type File struct {
	// Log is what was found out about the write-ahead log.
	Log Log

	main    io.ReaderAt
	size    int64 // bytes of main
	log     io.ReaderAt
	n       uint32 // pages
	seen    []uint64
	closers []io.Closer
}

// Open opens the database at path, with path-wal if that is there.
func Open(path string) (*File, error) {
	main, size, err := open(path)
	if err != nil {
		return nil, err
	}
	log, logSize, err := open(path + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		return New(main, size, nil, 0, main), nil
	}
	if err != nil {
		main.Close()
		return nil, err
	}
	return New(main, size, log, logSize, main, log), nil
}

func open(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// New is a database of main and log (nil: none), of these many bytes.
func New(main io.ReaderAt, size int64, log io.ReaderAt, logSize int64, closers ...io.Closer) *File {
	f := &File{main: main, size: size, log: log, closers: closers}
	if log != nil {
		f.Log = ScanLog(log, logSize)
	}
	f.n = uint32(min((size+Size-1)/Size, maxPages))
	for p := range f.Log.frames {
		f.n = max(f.n, p)
	}
	f.seen = make([]uint64, f.n/64+1)
	return f
}

// Close closes the files.
func (f *File) Close() (err error) {
	for _, c := range f.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}

// Pages is how many pages there are; they count from one.
func (f *File) Pages() uint32 { return f.n }

// Page reads a page into buf, which has Size bytes. What is missing at the end
// of a file that was cut short is zero.
func (f *File) Page(n uint32, buf []byte) error {
	if n == 0 || n > f.n {
		return fmt.Errorf("%w: there is no page %d", ErrBad, n)
	}
	if at, ok := f.Log.frames[n]; ok {
		_, err := f.log.ReadAt(buf[:Size], at)
		return err
	}
	at := int64(n-1) * Size
	if at >= f.size {
		return fmt.Errorf("%w: page %d is behind the end of the file", ErrBad, n)
	}
	have := min(f.size-at, Size)
	clear(buf[have:Size])
	_, err := f.main.ReadAt(buf[:have], at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// Seen reports whether a page was read as part of a tree or of the list of free
// pages.
func (f *File) Seen(n uint32) bool { return f.seen[n/64]&(1<<(n%64)) != 0 }

func (f *File) see(n uint32) {
	if n <= f.n {
		f.seen[n/64] |= 1 << (n % 64)
	}
}

// Header reports whether the first page begins as a database's does.
func (f *File) Header() bool {
	buf := make([]byte, Size)
	return f.Page(1, buf) == nil && string(buf[:len(magic)]) == magic
}

// Entry is a row of the schema.
type Entry struct {
	Kind  string `json:"kind"` // "table", "index", "trigger", "view"
	Name  string `json:"name"`
	Table string `json:"table"` // that it belongs to
	Root  uint32 `json:"root"`  // page of a table's or an index' tree
	SQL   string `json:"sql,omitempty"`
}

// Schema reads the schema, as far as it can be read.
func (f *File) Schema() (all []Entry, holes []Hole) {
	holes, _ = f.Table(1, math.MinInt64, math.MaxInt64, false, func(r Row) error {
		v, err := Values(r.Record)
		if err != nil || len(v) != 5 {
			return nil
		}
		var e Entry
		var ok [5]bool
		e.Kind, ok[0] = v[0].(string)
		e.Name, ok[1] = v[1].(string)
		e.Table, ok[2] = v[2].(string)
		root, isRoot := v[3].(int64)
		e.Root, ok[3] = uint32(root), isRoot && root >= 0 && root <= int64(f.n)
		e.SQL, ok[4] = v[4].(string)
		if v[4] == nil { // an index that SQLite made by itself
			ok[4] = true
		}
		if ok == [5]bool{true, true, true, true, true} {
			all = append(all, e)
		}
		return nil
	})
	return all, holes
}

// Free marks the free pages as seen: what lies there was deleted. An error, which
// wraps ErrBad, says that the list of them is not whole.
func (f *File) Free() error {
	buf := make([]byte, Size)
	if err := f.Page(1, buf); err != nil {
		return err
	}
	next, want := be32(buf[32:]), be32(buf[36:])
	listed := map[uint32]bool{}
	for next != 0 {
		if listed[next] {
			return fmt.Errorf("%w: the list of free pages goes in a circle", ErrBad)
		}
		if err := f.Page(next, buf); err != nil {
			return err
		}
		listed[next] = true
		f.see(next)
		next = be32(buf)
		count := be32(buf[4:])
		if count > Size/4-2 {
			return fmt.Errorf("%w: %d free pages on one page of their list", ErrBad, count)
		}
		for i := range count {
			p := be32(buf[8+4*i:])
			if p == 0 || p > f.n || listed[p] {
				return fmt.Errorf("%w: page %d in the list of free pages", ErrBad, p)
			}
			listed[p] = true
			f.see(p)
		}
	}
	if len(listed) != int(want) {
		return fmt.Errorf("%w: %d pages in the list of free pages, of %d", ErrBad, len(listed), want)
	}
	return nil
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func be16(b []byte) int { return int(b[0])<<8 | int(b[1]) }

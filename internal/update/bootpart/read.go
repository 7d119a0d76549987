package bootpart

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// FS is a FAT file system that is read: this package's, and what others make in
// FAT32 and FAT16, with long names. Names are found whether in capitals or not.
// It may be used by several at once. It keeps the directories it has read: it is
// not for a disk that is being written.
type FS struct {
	v *volume

	mu    sync.Mutex
	dirs  map[uint32]*directory // by their first cluster; 0 is FAT16's root
	items int                   // in all of them
}

// A directory that was read.
type directory struct {
	path   string // it has one: a disk where directories lie in a circle has more
	items  []item
	byName map[string]int // long names and short ones, in lower case
	err    error          // it cannot be read
}

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
)

// maxItems is how many files and directories are believed to be on one disk.
const maxItems = 1 << 16

// MaxFile is the longest file that ReadFile returns, in bytes.
const MaxFile = 256 << 20

// Open reads the boot sector. Whatever the disk holds, reading from the FS gives
// an error rather than a panic, a loop or an absurd amount of memory.
func Open(dev io.ReaderAt) (*FS, error) {
	v, err := readVolume(dev)
	if err != nil {
		return nil, fmt.Errorf("opening the FAT file system: %w", err)
	}
	return &FS{v: v, dirs: map[uint32]*directory{}}, nil
}

// dir reads a directory, once.
func (f *FS) dir(d item) (*directory, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.dirs[d.first]; known != nil {
		if known.path != d.path {
			return nil, errors.New("the directory is in two places")
		}
		return known, known.err
	}
	known := &directory{path: d.path}
	f.dirs[d.first] = known
	known.items, known.err = f.parse(d)
	known.byName = make(map[string]int, 2*len(known.items))
	for i, it := range known.items {
		known.add(it.name, i)
	}
	for i, it := range known.items {
		known.add(it.short, i) // after all long ones, which are what is meant
	}
	return known, known.err
}

func (f *FS) parse(d item) ([]item, error) {
	b, err := f.dirBytes(d)
	if err != nil {
		return nil, err
	}
	items, err := parseDir(b, f.v.fat16)
	if err != nil {
		return nil, err
	}
	if f.items += len(items); f.items > maxItems {
		return nil, errors.New("there are more files than can be")
	}
	return items, nil
}

func (d *directory) add(name string, i int) {
	name = strings.ToLower(name)
	if _, taken := d.byName[name]; !taken {
		d.byName[name] = i
	}
}

// find looks a path up.
func (f *FS) find(op, name string) (item, error) {
	fail := func(err error) (item, error) { return item{}, &fs.PathError{Op: op, Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	at := f.rootNode()
	if name == "." {
		return at, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !at.dir {
			return fail(fs.ErrNotExist)
		}
		d, err := f.dir(at)
		if err != nil {
			return fail(err)
		}
		i, ok := d.byName[strings.ToLower(part)]
		if !ok {
			return fail(fs.ErrNotExist)
		}
		above := at.path
		at = d.items[i]
		at.path = above + "/" + at.name
	}
	return at, nil
}

// runs are where a file's data is.
func (f *FS) runs(it item) ([]run, error) {
	if it.size == 0 {
		return nil, nil
	}
	want := (int64(it.size) + f.v.clusterBytes - 1) / f.v.clusterBytes
	if want > int64(f.v.clusters) {
		return nil, fmt.Errorf("it says it has %d bytes, more than the disk", it.size)
	}
	return f.v.chainRuns(it.first, uint32(want), 0)
}

// Stat describes a file or directory.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	it, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{it}, nil
}

// ReadFile reads a whole file.
func (f *FS) ReadFile(name string) ([]byte, error) {
	it, err := f.find("open", name)
	if err == nil && it.dir {
		err = &fs.PathError{Op: "read", Path: name, Err: errors.New("it is a directory")}
	}
	if err != nil {
		return nil, err
	}
	b, err := f.contents(it)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b, nil
}

func (f *FS) contents(it item) ([]byte, error) {
	if it.size > MaxFile {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", it.size, MaxFile)
	}
	runs, err := f.runs(it)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	// The last byte first: a disk that is too short does not cost the memory of
	// the file it should hold.
	if err := f.v.readRuns(runs, make([]byte, 1), int64(it.size)-1); err != nil {
		return nil, err
	}
	b := make([]byte, it.size)
	return b, f.v.readRuns(runs, b, 0)
}

// ReadDir lists a directory by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	it, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	entries, err := f.list(it)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

func (f *FS) list(it item) ([]fs.DirEntry, error) {
	if !it.dir {
		return nil, errors.New("it is not a directory")
	}
	d, err := f.dir(it)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(d.items))
	for i, it := range d.items {
		entries[i] = fs.FileInfoToDirEntry(info{it})
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Open opens a file or a directory. A file can be read at any place (io.ReaderAt,
// io.Seeker).
func (f *FS) Open(name string) (fs.File, error) {
	it, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	if it.dir {
		entries, err := f.list(it)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &openDir{info: info{it}, name: name, rest: entries}, nil
	}
	runs, err := f.runs(it)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{SectionReader: io.NewSectionReader(&fileData{f.v, runs, int64(it.size)}, 0, int64(it.size)), info: info{it}}, nil
}

// only reports a file in a slot's directory besides the ones that are expected.
func (f *FS) only(s Slot, files []File) error {
	expected := map[string]bool{}
	for _, file := range files {
		expected[s.Dir()+file.Name] = true
	}
	return fs.WalkDir(f, string(s), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !expected[name] {
			err = fmt.Errorf("%s should not be there", name)
		}
		return err
	})
}

// info is what is known of a file without reading it.
type info struct{ item }

func (i info) Name() string       { return i.name }
func (i info) IsDir() bool        { return i.dir }
func (i info) ModTime() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }
func (i info) Sys() any           { return nil }

func (i info) Size() int64 {
	if i.dir {
		return 0
	}
	return int64(i.size)
}

func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

type openFile struct {
	*io.SectionReader
	info info
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// fileData reads a file's clusters.
type fileData struct {
	v    *volume
	runs []run
	size int64
}

func (d *fileData) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), d.size-off)
	if n <= 0 {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	if err := d.v.readRuns(d.runs, p[:n], off); err != nil {
		return 0, err
	}
	return int(n), nil
}

type openDir struct {
	info info
	name string
	rest []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("it is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		all := d.rest
		d.rest = nil
		return all, nil
	}
	if len(d.rest) == 0 {
		return nil, io.EOF
	}
	part := d.rest[:min(n, len(d.rest))]
	d.rest = d.rest[len(part):]
	return part, nil
}

package journal

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// An event is something that happened to a disk.
type event struct {
	kind  string // write, sync, create, rename, remove, syncdir, mark
	inode int
	off   int64
	data  []byte
	name  string
	to    string
	mark  uint64
}

// disk is a file system in memory that notes what is done to it.
type disk struct {
	mu     sync.Mutex
	names  map[string]int
	inodes map[int][]byte
	next   int
	log    []event
	fail   func(op, name string, size int64) error
	lie    bool // a sync does nothing
}

func newDisk() *disk { return &disk{names: map[string]int{}, inodes: map[int][]byte{}} }

func (d *disk) note(e event) {
	if e.kind == "sync" && d.lie {
		return
	}
	d.log = append(d.log, e)
}

func (d *disk) mark(n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note(event{kind: "mark", mark: n})
}

func (d *disk) refuse(op, name string, size int64) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(op, name, size)
}

// apply does an event to the disk; what cannot be done is left out.
func (d *disk) apply(e event) {
	switch e.kind {
	case "write":
		b := d.inodes[e.inode]
		if n := e.off + int64(len(e.data)); n > int64(len(b)) {
			b = append(b, make([]byte, n-int64(len(b)))...)
		}
		copy(b[e.off:], e.data)
		d.inodes[e.inode] = b
	case "create":
		d.names[e.name], d.next = e.inode, max(d.next, e.inode)
	case "rename":
		if i, ok := d.names[e.name]; ok {
			delete(d.names, e.name)
			d.names[e.to] = i
		}
	case "remove":
		delete(d.names, e.name)
	}
}

func (d *disk) clone() *disk {
	c := newDisk()
	c.next = d.next
	for n, i := range d.names {
		c.names[n] = i
	}
	for i, b := range d.inodes {
		c.inodes[i] = slices.Clone(b)
	}
	return c
}

func (d *disk) MkdirAll(string) error          { return nil }
func (d *disk) Lock(string) (io.Closer, error) { return nopCloser{}, nil }

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

func (d *disk) Names(string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := range d.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

func (d *disk) Open(path string, create bool) (File, error) {
	name := filepath.Base(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.names[name]
	if !ok && !create {
		return nil, fs.ErrNotExist
	}
	if !ok {
		if err := d.refuse("create", name, 0); err != nil {
			return nil, err
		}
		for d.next++; d.inodes[d.next] != nil; d.next++ { // what a cut has left of a file without a name
		}
		i = d.next
		d.names[name] = i
		d.note(event{kind: "create", name: name, inode: i})
	}
	return &diskFile{d, i, name}, nil
}

func (d *disk) Rename(from, to string) error {
	return d.change(event{kind: "rename", name: filepath.Base(from), to: filepath.Base(to)})
}

func (d *disk) Remove(name string) error {
	return d.change(event{kind: "remove", name: filepath.Base(name)})
}

func (d *disk) SyncDir(string) error { return d.change(event{kind: "syncdir"}) }

func (d *disk) change(e event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.refuse(e.kind, e.name, 0); err != nil {
		return err
	}
	d.apply(e)
	d.note(e)
	return nil
}

type diskFile struct {
	d    *disk
	i    int
	name string
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	b := f.d.inodes[f.i]
	n := copy(p, b[min(off, int64(len(b))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.refuse("write", f.name, off+int64(len(p))); err != nil {
		if errors.Is(err, syscall.ENOSPC) && len(p) > pageSize { // it takes what there is room for
			e := event{kind: "write", inode: f.i, off: off, data: slices.Clone(p[:pageSize])}
			f.d.apply(e)
			f.d.note(e)
			return pageSize, err
		}
		return 0, err
	}
	e := event{kind: "write", inode: f.i, off: off, data: slices.Clone(p)}
	f.d.apply(e)
	f.d.note(e)
	return len(p), nil
}

func (f *diskFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.d.inodes[f.i])), nil
}

func (f *diskFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.refuse("sync", f.name, 0); err != nil {
		return err
	}
	f.d.note(event{kind: "sync", inode: f.i})
	return nil
}

func (f *diskFile) Close() error { return nil }

// replay goes through what was done to a disk, and calls check with the disks
// that are possible when the power is cut at each place, and the last mark.
type replay struct {
	sure    *disk // what is on it for certain
	pending []event
	mark    uint64
	rnd     *rand.Rand
	samples int
	check   func(d *disk, mark uint64)
}

func (r *replay) run(log []event) {
	for _, e := range log {
		switch e.kind {
		case "mark":
			r.mark = e.mark
			r.cut()
			continue
		case "sync", "syncdir":
			r.cut()
			rest := r.pending[:0]
			for _, p := range r.pending {
				if e.kind == "sync" && p.kind == "write" && p.inode == e.inode || e.kind == "syncdir" && p.kind != "write" {
					r.sure.apply(p)
				} else {
					rest = append(rest, p)
				}
			}
			r.pending = rest
		default:
			r.pending = append(r.pending, e)
		}
		whole := r.sure.clone()
		for _, p := range r.pending {
			whole.apply(p)
		}
		r.check(whole, r.mark)
	}
	r.cut()
}

// cut checks disks on which any of what was not synced has arrived, whole or
// torn, in any order.
func (r *replay) cut() {
	if len(r.pending) == 0 {
		r.check(r.sure.clone(), r.mark)
		return
	}
	for range r.samples {
		d := r.sure.clone()
		for _, p := range r.pending {
			if p.kind != "write" && r.rnd.IntN(3) > 0 { // a directory's changes keep their order
				d.apply(p)
			}
		}
		for _, i := range r.rnd.Perm(len(r.pending)) {
			if p := r.pending[i]; p.kind == "write" {
				for _, w := range r.tear(p) {
					d.apply(w)
				}
			}
		}
		r.check(d, r.mark)
	}
}

// tear is what arrives of a write: nothing, all, or some of its sectors, of which
// some are neither old nor new.
func (r *replay) tear(e event) (out []event) {
	const sector = 512
	switch r.rnd.IntN(3) {
	case 0:
		return nil
	case 1:
		return []event{e}
	}
	missing := r.rnd.Float64()
	for off := 0; off < len(e.data); off += sector {
		one := e
		one.off, one.data = e.off+int64(off), e.data[off:min(off+sector, len(e.data))]
		switch {
		case r.rnd.Float64() >= missing:
		case r.rnd.IntN(4) == 0:
			one.data = make([]byte, len(one.data))
			if r.rnd.IntN(2) == 0 {
				for i := range one.data {
					one.data[i] = byte(r.rnd.Uint32())
				}
			}
		default:
			continue
		}
		out = append(out, one)
	}
	return out
}

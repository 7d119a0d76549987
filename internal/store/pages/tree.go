package pages

import (
	"fmt"
	"math"
)

// Row is a row of a table.
type Row struct {
	ID int64 // its row id; 0 in a tree without them
	// Record is for Values. The bytes are those of the call only.
	Record []byte
	// Cut: the rest of the record could not be read.
	Cut bool
	// Stray: its id is not one that belongs where it lies.
	Stray bool
}

// Hole is a range of row ids, Lo < id ≤ Hi, of which some may be missing.
type Hole struct{ Lo, Hi int64 }

const (
	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13
	maxDepth      = 20
	// maxRecord bounds a record: SQLite's own limit is 1 GB, ours are small.
	maxRecord = 16 << 20
)

// walk is one walk through a tree.
type walk struct {
	f        *File
	lo, hi   int64 // ids that are asked for, both included
	desc     bool
	row      func(Row) error
	holes    []Hole
	bufs     [maxDepth][]byte
	been     map[uint32]bool // pages inside the tree, against circles
	overflow []byte          // a record that lies in several pages
	chain    []byte          // one of them
	links    []uint32
}

// Table calls row for the rows of the tree of a table with lo ≤ id ≤ hi, in
// ascending order or (desc) descending, and passes over what cannot be read,
// which is told as holes. Its error is that of row, which ends it.
func (f *File) Table(root uint32, lo, hi int64, desc bool, row func(Row) error) ([]Hole, error) {
	w := &walk{f: f, lo: lo, hi: hi, desc: desc, row: row, been: map[uint32]bool{}}
	if err := w.table(root, math.MinInt64, math.MaxInt64, 0); err != nil {
		return w.holes, err
	}
	return w.holes, nil
}

func (w *walk) hole(lo, hi int64) {
	if hi < w.lo || lo >= w.hi {
		return
	}
	w.holes = append(w.holes, Hole{lo, hi})
}

// read reads a page of the tree at a depth, and its header.
func (w *walk) read(n uint32, depth int) (p page, ok bool) {
	if depth >= maxDepth {
		return page{}, false
	}
	if w.bufs[depth] == nil {
		w.bufs[depth] = make([]byte, Size)
	}
	buf := w.bufs[depth]
	if w.f.Page(n, buf) != nil {
		return page{}, false
	}
	return parse(n, buf)
}

// page is a page of a tree.
type page struct {
	kind  byte
	b     []byte
	cells int
	at    int    // of the pointers to the cells
	right uint32 // last child, of an interior one
}

func parse(n uint32, b []byte) (p page, ok bool) {
	h := 0
	if n == 1 {
		h = 100
	}
	p = page{kind: b[h], b: b, cells: be16(b[h+3:]), at: h + 8}
	switch p.kind {
	case interiorIndex, interiorTable:
		p.right = be32(b[h+8:])
		p.at = h + 12
	case leafIndex, leafTable:
	default:
		return p, false
	}
	return p, p.at+2*p.cells <= Size
}

// cell is the bytes from the i-th cell to the end of the page; nil when the
// pointer to it is bad.
func (p page) cell(i int) []byte {
	at := be16(p.b[p.at+2*i:])
	if at < p.at+2*p.cells || at > Size-4 {
		return nil
	}
	return p.b[at:]
}

// table walks the tree below page n, whose ids are in (lo, hi].
func (w *walk) table(n uint32, lo, hi int64, depth int) error {
	if hi < w.lo || lo >= w.hi {
		return nil
	}
	p, ok := w.read(n, depth)
	if !ok || p.kind != interiorTable && p.kind != leafTable {
		w.hole(lo, hi)
		return nil
	}
	w.f.see(n)
	if p.kind == leafTable {
		return w.leaf(p, lo, hi)
	}
	if w.been[n] {
		w.hole(lo, hi)
		return nil
	}
	w.been[n] = true
	type child struct {
		page   uint32
		lo, hi int64
	}
	children := make([]child, 0, p.cells+1)
	from := lo
	for i := range p.cells {
		c := p.cell(i)
		if c == nil {
			w.hole(from, hi)
			continue
		}
		key, size := varint(c[4:])
		if size == 0 || key <= from && from != math.MinInt64 || key > hi {
			// The key is nonsense; the child may not be.
			children = append(children, child{be32(c), from, hi})
			continue
		}
		children = append(children, child{be32(c), from, key})
		from = key
	}
	children = append(children, child{p.right, from, hi})
	for i := range children {
		c := children[i]
		if w.desc {
			c = children[len(children)-1-i]
		}
		if err := w.table(c.page, c.lo, c.hi, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leaf(p page, lo, hi int64) error {
	bad := false
	for i := range p.cells {
		if w.desc {
			i = p.cells - 1 - i
		}
		r, ok := w.tableCell(p, i)
		if !ok {
			bad = true
			continue
		}
		r.Stray = r.ID <= lo && lo != math.MinInt64 || r.ID > hi
		bad = bad || r.Cut || r.Stray
		if !r.Stray && (r.ID < w.lo || r.ID > w.hi) {
			continue
		}
		if err := w.row(r); err != nil {
			return err
		}
	}
	if bad {
		w.hole(lo, hi)
	}
	return nil
}

func (w *walk) tableCell(p page, i int) (Row, bool) {
	c := p.cell(i)
	if c == nil {
		return Row{}, false
	}
	size, a := varint(c)
	if a == 0 || size < 0 || size > maxRecord {
		return Row{}, false
	}
	id, b := varint(c[a:])
	if b == 0 {
		return Row{}, false
	}
	record, whole, ok := w.payload(c[a+b:], int(size), Size-35)
	return Row{ID: id, Record: record, Cut: !whole}, ok
}

// payload is a record of size bytes that begins with b, where up to most bytes
// lie in the page itself and the others in a chain of pages.
func (w *walk) payload(b []byte, size, most int) (record []byte, whole, ok bool) {
	if size <= most {
		if size > len(b) {
			return nil, false, false
		}
		return b[:size], true, true
	}
	const least = (Size-12)*32/255 - 23
	local := least + (size-least)%(Size-4)
	if local > most {
		local = least
	}
	if local+4 > len(b) {
		return nil, false, false
	}
	record = append(w.overflow[:0], b[:local]...)
	next := be32(b[local:])
	if w.chain == nil {
		w.chain = make([]byte, Size)
	}
	chain := w.links[:0]
	for len(record) < size && len(chain) < int(w.f.n) {
		if next == 0 || w.f.Page(next, w.chain) != nil {
			break
		}
		chain = append(chain, next)
		record = append(record, w.chain[4:4+min(size-len(record), Size-4)]...)
		next = be32(w.chain)
	}
	w.overflow, w.links = record, chain
	whole = len(record) == size && next == 0
	if whole { // pages that a bad pointer leads to may be others'
		for _, n := range chain {
			w.f.see(n)
		}
	}
	return record, whole, true
}

// Leaf calls row for the rows of page n, which no tree leads to, if it looks
// like a leaf of a table.
func (f *File) Leaf(n uint32, row func(Row) error) error {
	w := &walk{f: f, row: row, lo: math.MinInt64, hi: math.MaxInt64}
	p, ok := w.read(n, 0)
	if !ok || p.kind != leafTable || p.cells == 0 || n == 1 {
		return fmt.Errorf("%w: page %d is no leaf of a table", ErrBad, n)
	}
	return w.leaf(p, math.MinInt64, math.MaxInt64)
}

// Index calls row for the records of a tree without row ids (an index, or a
// table WITHOUT ROWID), in order. Holes is how many parts could not be read.
func (f *File) Index(root uint32, row func(Row) error) (holes int, err error) {
	w := &walk{f: f, row: row, lo: math.MinInt64, hi: math.MaxInt64, been: map[uint32]bool{}}
	err = w.index(root, 0)
	return len(w.holes), err
}

func (w *walk) index(n uint32, depth int) error {
	p, ok := w.read(n, depth)
	if !ok || p.kind != interiorIndex && p.kind != leafIndex || w.been[n] {
		w.hole(math.MinInt64, math.MaxInt64)
		return nil
	}
	w.been[n] = true
	w.f.see(n)
	for i := range p.cells {
		c := p.cell(i)
		if c == nil {
			w.hole(math.MinInt64, math.MaxInt64)
			continue
		}
		if p.kind == interiorIndex {
			if err := w.index(be32(c), depth+1); err != nil {
				return err
			}
			c = c[4:]
		}
		size, a := varint(c)
		if a == 0 || size < 0 || size > maxRecord {
			w.hole(math.MinInt64, math.MaxInt64)
			continue
		}
		const most = (Size-12)*64/255 - 23
		record, whole, ok := w.payload(c[a:], int(size), most)
		if !ok || !whole {
			w.hole(math.MinInt64, math.MaxInt64)
			continue
		}
		if err := w.row(Row{Record: record}); err != nil {
			return err
		}
	}
	if p.kind == interiorIndex {
		return w.index(p.right, depth+1)
	}
	return nil
}

// HasRowIDs reports whether the tree at root is that of a table with row ids,
// and ok whether it is a tree at all.
func (f *File) HasRowIDs(root uint32) (with, ok bool) {
	w := &walk{f: f}
	p, ok := w.read(root, 0)
	return p.kind == interiorTable || p.kind == leafTable, ok
}

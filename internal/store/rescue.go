package store

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/store/pages"
)

// rescue is a damaged file, of which what can be read is taken over. It is read
// without SQLite, around what is bad in it.
//
// What can be believed: blocks and chunks have checksums, and say themselves
// whose readings they are. Rows of segment are the table of contents, which
// could be made again from those. Of series and cursor there is a copy on
// another page. Other tables are taken as they are.
type rescue struct {
	path string
	file *pages.File
	log  *slog.Logger

	tables   map[string]pages.Entry
	others   []pages.Entry // indexes and triggers
	segments map[int64]segment
	holes    map[string]map[pages.Hole]bool // by table, where rows may be missing
	surveyed bool
	loose    loose // found outside of all trees
	// top is the highest sequence number that may have been given to a reading.
	top int64
}

// seqMargin is added to the highest number that is found in a damaged file:
// what was behind that may have been among what cannot be read. It is more than
// the numbers of two pages of the table of contents in a flood, and there is
// room for sixteen thousand such accidents.
const seqMargin = 1 << 24

// baseTables are those of the first form, which are taken over with care.
var baseTables = []string{"series", "segment", "block", "chunk", "cursor"}

// openRescue opens a damaged file. Known is where its tables were when it was
// last opened, for when its own schema cannot be read.
func openRescue(path string, known []pages.Entry, log *slog.Logger) (*rescue, error) {
	f, err := pages.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the damaged store: %w", err)
	}
	r := &rescue{path: path, file: f, log: log,
		tables: map[string]pages.Entry{}, segments: map[int64]segment{}, holes: map[string]map[pages.Hole]bool{}}
	entries, _ := f.Schema()
	taken := map[string]bool{}
	for _, e := range append(entries, known...) {
		if taken[e.Name] || strings.HasPrefix(e.Name, "sqlite_") {
			continue
		}
		if e.Kind == "table" {
			if _, ok := f.HasRowIDs(e.Root); !ok && e.Root != 0 {
				// The root of the tree is gone: what is below it is loose.
				r.hole(e.Name, pages.Hole{Lo: math.MinInt64, Hi: math.MaxInt64})
			}
			r.tables[e.Name] = e
		} else {
			r.others = append(r.others, e)
		}
		taken[e.Name] = true
	}
	for _, name := range baseTables {
		if r.tables[name].Root == 0 {
			r.hole(name, pages.Hole{Lo: math.MinInt64, Hi: math.MaxInt64})
		}
	}
	for _, v := range r.rows("segment") {
		if g, ok := segmentOf(v.id, v.values); ok {
			r.segments[g.first] = g
		}
	}
	r.findTop()
	return r, nil
}

// row is a decoded row.
type row struct {
	id     int64
	values []any
}

// each calls f for the rows of a table, with the columns that could be read, and
// notes where there may have been others.
func (r *rescue) each(table string, lo, hi int64, desc bool, f func(id int64, v []any, whole bool) error) error {
	e := r.tables[table]
	if e.Root == 0 {
		return nil
	}
	if with, ok := r.file.HasRowIDs(e.Root); ok && !with {
		holes, err := r.file.Index(e.Root, func(p pages.Row) error {
			v, err := pages.Values(p.Record)
			if err != nil {
				return nil
			}
			return f(0, v, true)
		})
		if holes > 0 {
			r.hole(table, pages.Hole{Lo: math.MinInt64, Hi: math.MaxInt64})
		}
		return err
	}
	holes, err := r.file.Table(e.Root, lo, hi, desc, func(p pages.Row) error {
		v, err := pages.Values(p.Record)
		if p.Stray {
			return nil
		}
		if err != nil {
			r.hole(table, pages.Hole{Lo: p.ID - 1, Hi: p.ID})
		}
		return f(p.ID, v, err == nil && !p.Cut)
	})
	for _, h := range holes {
		r.hole(table, h)
	}
	return err
}

func (r *rescue) hole(table string, h pages.Hole) {
	if r.holes[table] == nil {
		r.holes[table] = map[pages.Hole]bool{}
	}
	r.holes[table][h] = true
}

// rows returns the whole rows of a small table.
func (r *rescue) rows(table string) (all []row) {
	_ = r.each(table, math.MinInt64, math.MaxInt64, false, func(id int64, v []any, whole bool) error {
		if whole {
			for i := range v {
				if b, ok := v[i].([]byte); ok {
					v[i] = append([]byte{}, b...)
				}
			}
			all = append(all, row{id, v})
		}
		return nil
	})
	return all
}

// segmentOf is a row of the table of contents, if it can be one.
func segmentOf(id int64, v []any) (segment, bool) {
	if len(v) != 6 || v[0] != nil || id < 1 {
		return segment{}, false
	}
	var n [5]int64
	for i := range n {
		var ok bool
		if n[i], ok = v[i+1].(int64); !ok {
			return segment{}, false
		}
	}
	g := segment{first: id, last: n[0], n: n[1], minMS: n[2], maxMS: n[3], sealed: n[4] == 1}
	ok := g.last >= g.first && g.last <= maxSeq && g.n >= 0 && g.n <= g.last-g.first+1 &&
		g.minMS > 0 && g.minMS <= g.maxMS && g.maxMS <= maxMilli && n[4]>>1 == 0
	return g, ok
}

// seriesOf is a row of series, or of its copy, if it can be one.
func seriesOf(id int64, v []any) (e entry, ok bool) {
	if len(v) != 9 || v[0] != nil || id < 1 || id >= 1<<seriesBits {
		return e, false
	}
	rank, ok := v[1].(int64)
	if !ok || rank < 0 {
		return e, false
	}
	e = entry{Series{ID: id}, rank}
	for i, to := range []*string{&e.Entity, &e.Unit, &e.DeviceClass, &e.StateClass, &e.Device, &e.Key, &e.UniqueID} {
		if *to, ok = v[2+i].(string); !ok || !utf8.ValidString(*to) {
			return e, false
		}
	}
	return e, e.Entity != ""
}

// series returns what the series are called: by the table, and where that has
// nothing by its copy.
func (r *rescue) series() map[int64]entry {
	all := map[int64]entry{}
	for _, rows := range [][]row{r.rows("series"), r.rows("series_copy"), r.loose.series} {
		for _, v := range rows {
			if e, ok := seriesOf(v.id, v.values); ok {
				if _, known := all[e.ID]; !known {
					all[e.ID] = e
				}
			}
		}
	}
	return all
}

// cursors returns how far destinations were served. Where the table and its
// copy do not agree, the copy has a sum that says whether it is right.
func (r *rescue) cursors() map[string]int64 {
	all := map[string]int64{}
	take := func(rows []row, columns int) {
		for _, v := range rows {
			if len(v.values) != columns {
				continue
			}
			name, isName := v.values[0].(string)
			seq, isSeq := v.values[1].(int64)
			if !isName || !isSeq || !utf8.ValidString(name) || strings.HasPrefix(name, "probe/") || seq < 0 || seq > maxSeq {
				continue
			}
			if columns == 3 && v.values[2] != any(copySum(seq)) {
				continue
			}
			if _, known := all[name]; !known {
				all[name] = seq
			}
		}
	}
	take(r.rows("cursor_copy"), 3)
	take(r.rows("cursor"), 2)
	take(r.loose.cursorCopies, 3)
	take(r.loose.cursors, 2)
	return all
}

// findTop looks for the highest sequence number.
func (r *rescue) findTop() {
	for _, g := range r.segments {
		r.top = max(r.top, g.last)
	}
	for _, seq := range r.cursors() {
		r.top = max(r.top, seq)
	}
	for _, table := range []string{"segment", "text"} { // whatever else is wrong with the row
		_ = r.each(table, 1, maxSeq, true, func(id int64, v []any, _ bool) error {
			if r.top = max(r.top, id); len(v) > 1 {
				if last, ok := v[1].(int64); ok && last > 0 && last <= maxSeq {
					r.top = max(r.top, last)
				}
			}
			return nil
		})
	}
	_ = r.each("block", 1, maxSeq, true, func(id int64, v []any, whole bool) error {
		r.top = max(r.top, id)
		if _, known := r.segments[id]; !known && whole {
			if c, ok := blockOf(id, v); ok {
				r.top = max(r.top, id+samplesIn(c)-1)
			}
		}
		return nil
	})
	var n int64
	end := fmt.Errorf("far enough")
	_ = r.each("chunk", 0, math.MaxInt64, true, func(id int64, v []any, whole bool) error {
		first := id >> seriesBits
		if first > maxSeq {
			return nil
		}
		r.top = max(r.top, first)
		if n > 0 && first+n-1 < r.top {
			return end
		}
		if len(v) > 1 {
			if c, ok := v[1].(int64); ok && c > 0 && c < maxBlob {
				n += c
			}
		}
		r.top = max(r.top, first+n-1)
		return nil
	})
}

// blockOf decodes a row of block.
func blockOf(id int64, v []any) ([]column, bool) {
	if len(v) != 2 || v[0] != nil || id < 1 || id > maxSeq {
		return nil, false
	}
	data, ok := v[1].([]byte)
	if !ok {
		return nil, false
	}
	columns, err := decodeBlob(data, 0)
	return columns, err == nil && sane(columns)
}

// chunkOf decodes a row of chunk.
func chunkOf(id int64, v []any) (column, bool) {
	first, sid := id>>seriesBits, id&(1<<seriesBits-1)
	if len(v) != 3 || v[0] != nil || first < 1 || first > maxSeq {
		return column{}, false
	}
	n, isN := v[1].(int64)
	data, isData := v[2].([]byte)
	if !isN || !isData {
		return column{}, false
	}
	columns, err := decodeBlob(data, 0)
	if err != nil || len(columns) != 1 || columns[0].sid != sid || int64(len(columns[0].samples)) != n || !sane(columns) {
		return column{}, false
	}
	return columns[0], true
}

// sane reports whether columns could have been written by us.
func sane(columns []column) bool {
	for i, c := range columns {
		if i > 0 && columns[i-1].sid >= c.sid || len(c.samples) == 0 {
			return false
		}
		last := int64(0)
		for _, s := range c.samples {
			if s.Milli <= last || s.Milli > maxMilli {
				return false
			}
			last = s.Milli
		}
	}
	return true
}

func samplesIn(columns []column) (n int64) {
	for _, c := range columns {
		n += int64(len(c.samples))
	}
	return n
}

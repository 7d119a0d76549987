package store

import (
	"cmp"
	"math"
	"slices"

	"github.com/smartcore-ireland/hems/internal/store/pages"
)

// loose is what lies on pages that no tree leads to, because the page that led
// to them cannot be read.
type loose struct {
	chunks, blocks                []place
	series, cursors, cursorCopies []row
	rows                          []row // of other tables
	bytes                         int
}

// place is where a loose row lies.
type place struct {
	id   int64
	page uint32
}

// maxLoose bounds the memory for loose rows of other tables, in bytes.
const maxLoose = 16 << 20

// damaged reports whether there is any place where rows may be missing.
func (r *rescue) damaged() bool { return len(r.holes) > 0 || r.file.Log.Broken }

// survey walks all trees and, when there are holes in them, looks for what
// should be in those among all pages that belong to nothing. That takes as long
// as reading the file does.
func (r *rescue) survey() {
	if r.surveyed {
		return
	}
	r.surveyed = true
	for name := range r.tables {
		_ = r.each(name, math.MinInt64, math.MaxInt64, false, func(int64, []any, bool) error { return nil })
	}
	if !r.damaged() {
		return
	}
	_ = r.file.Free() // as far as it goes
	for n := uint32(2); n <= r.file.Pages(); n++ {
		if r.file.Seen(n) {
			continue
		}
		_ = r.file.Leaf(n, func(p pages.Row) error {
			if !p.Cut {
				r.find(n, p)
			}
			return nil
		})
	}
	byID := func(a, b place) int { return cmp.Compare(a.id, b.id) }
	slices.SortFunc(r.loose.chunks, byID)
	slices.SortFunc(r.loose.blocks, byID)
	r.findTop()
}

// find keeps a loose row by what it looks like.
func (r *rescue) find(page uint32, p pages.Row) {
	v, err := pages.Values(p.Record)
	if err != nil || len(v) == 0 {
		return
	}
	if _, ok := chunkOf(p.ID, v); ok {
		r.loose.chunks = append(r.loose.chunks, place{p.ID, page})
		return
	}
	if c, ok := blockOf(p.ID, v); ok {
		r.loose.blocks = append(r.loose.blocks, place{p.ID, page})
		r.top = max(r.top, p.ID+samplesIn(c)-1)
		return
	}
	if g, ok := segmentOf(p.ID, v); ok {
		if _, known := r.segments[g.first]; !known {
			r.segments[g.first] = g
		}
		return
	}
	for i := range v {
		if b, ok := v[i].([]byte); ok {
			v[i] = append([]byte{}, b...)
		}
	}
	to := &r.loose.rows
	if _, ok := seriesOf(p.ID, v); ok {
		to = &r.loose.series
	} else if _, isName := v[0].(string); isName && len(v) == 2 {
		to = &r.loose.cursors
	} else if isName && len(v) == 3 && v[2] != nil {
		if seq, ok := v[1].(int64); ok && v[2] == any(copySum(seq)) {
			to = &r.loose.cursorCopies
		}
	}
	if r.loose.bytes += len(p.Record) + 64; r.loose.bytes > maxLoose {
		return
	}
	*to = append(*to, row{p.ID, v})
}

// fetch reads a loose row again.
func (r *rescue) fetch(at place) (v []any) {
	_ = r.file.Leaf(at.page, func(p pages.Row) error {
		if p.ID == at.id && !p.Cut {
			if all, err := pages.Values(p.Record); err == nil {
				v = all
				for i := range v {
					if b, ok := v[i].([]byte); ok {
						v[i] = append([]byte{}, b...)
					}
				}
			}
		}
		return nil
	})
	return v
}

// inHole reports whether rows of a table may be missing at an id.
func (r *rescue) inHole(table string, id int64) bool {
	for h := range r.holes[table] {
		if (h.Lo < id || h.Lo == math.MinInt64) && id <= h.Hi {
			return true
		}
	}
	return false
}

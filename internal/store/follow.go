package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"
)

const (
	// followBatch is how much is taken over in one transaction, in bytes: new
	// readings wait for it.
	followBatch = 1 << 20
	// followRetry is how long it waits after the file took nothing.
	followRetry = time.Minute
)

// leaveFree is what taking over leaves free on the disk, in bytes: new readings
// go on being stored. Tests change it.
var leaveFree int64 = spare

// lostBlob stands for readings that were lost from a sealed segment, so that the
// numbers of those behind them stay what they were for a cursor that stands
// among them. It has no form, and so an older program takes it for damage, and
// passes over it.
var lostBlob = []byte{0}

// isLost reports whether a blob stands for what was lost before.
func isLost(data []byte) bool { return len(data) == 1 && data[0] == 0 }

// saved is a segment on its way into the new file.
type saved struct {
	g     segment
	blobs []blob
	size  int
}

// blob is a chunk's or a block's row.
type blob struct {
	id, n int64
	data  []byte
}

// follower takes over the contents of one damaged file.
type follower struct {
	s      *Store
	r      *rescue
	have   []segment // in the new file, in order
	batch  []saved
	size   int
	report Salvage
}

// salvaging reports whether readings are still being taken over from a damaged
// file, so that hours may not be whole. s.dbMu is held.
func (s *Store) salvaging() bool { return len(s.rescues) > 0 }

// follow takes over what waits in damaged files until there is no more, or stop
// is closed.
func (s *Store) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		s.dbMu.Lock()
		var r *rescue
		if len(s.rescues) > 0 && !s.ended && ctx.Err() == nil {
			r = s.rescues[0]
		} else {
			s.following = nil
		}
		s.dbMu.Unlock()
		if r == nil {
			return
		}
		f := &follower{s: s, r: r, report: s.beginReport()}
		err := f.run(ctx)
		if err == nil {
			s.finish(f)
			continue
		}
		if damaged(err) {
			continue // that of the new file, which has been seen to
		}
		if ctx.Err() == nil {
			s.salvageWaits(err)
			s.o.Log.Error("old readings cannot be taken over from the damaged store; it is tried again", "file", r.path, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.followRetry):
		}
	}
}

// run takes over everything of one file; what is in the new one already is left
// as it is, so that it may be run again.
func (f *follower) run(ctx context.Context) error {
	floor := int64(math.MaxInt64)
	err := f.s.use(func(db *sql.DB) (err error) {
		if f.have, err = querySegments(ctx, db, `ORDER BY first`); err != nil {
			return err
		}
		return db.QueryRowContext(ctx, `SELECT coalesce(min(seq), ?) FROM cursor WHERE name NOT LIKE 'probe/%'`, int64(math.MaxInt64)-1).Scan(&floor)
	})
	if err != nil {
		return err
	}
	f.r.survey()
	f.settleSegments()
	if err := f.table(ctx, later[0]); err != nil {
		return err
	}
	if err := f.blocks(ctx); err != nil {
		return err
	}
	// What destinations wait for comes first and in order, the rest from the
	// newest to the oldest.
	edge := f.segmentAt(min(floor, maxSeq))
	if err := f.chunks(ctx, edge, maxSeq, false); err != nil {
		return err
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	f.s.openGate(floor)
	if err := f.chunks(ctx, 0, edge-1, true); err != nil {
		return err
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	for _, name := range later[1:] {
		if err := f.table(ctx, name); err != nil {
			return err
		}
	}
	if err := f.remark(ctx); err != nil {
		return err
	}
	f.missing()
	return nil
}

// table takes over a table of an addition, a little at a time. What is there
// already counts.
func (f *follower) table(ctx context.Context, name string) error {
	if f.r.tables[name].Root == 0 {
		return nil
	}
	var c columns
	var ok bool
	var batch []row
	size := 0
	inTx := func(do func(tx *sql.Tx) error) error {
		return f.s.use(func(db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := do(tx); err != nil {
				return err
			}
			return tx.Commit()
		})
	}
	err := inTx(func(tx *sql.Tx) (err error) {
		c, ok, err = f.r.prepare(ctx, tx, name)
		return err
	})
	if err != nil || !ok {
		return err
	}
	flush := func() error {
		if err := f.room(ctx, size); err != nil {
			return err
		}
		err := inTx(func(tx *sql.Tx) error {
			for _, v := range batch {
				if err := c.insert(ctx, tx, name, "OR IGNORE", v.id, v.values); err != nil {
					return err
				}
			}
			return nil
		})
		batch, size = nil, 0
		return err
	}
	err = f.r.eachOf(name, c, func(id int64, v []any) error {
		for i := range v {
			if b, ok := v[i].([]byte); ok {
				v[i] = append([]byte{}, b...)
				size += len(b)
			}
			size += 16
		}
		if batch = append(batch, row{id, v}); size < followBatch {
			return nil
		}
		return flush()
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return flush()
}

// remark has everything that is computed from readings looked at again.
func (f *follower) remark(ctx context.Context) error {
	return f.s.use(func(db *sql.DB) error {
		has, err := hasTable(ctx, db, "rollup_state")
		if err == nil && has {
			_, err = db.ExecContext(ctx, `UPDATE rollup_state SET marked = 0`)
		}
		return err
	})
}

// segmentAt is the first number of the sealed segment that a cursor at seq stands
// in, or of the one before it.
func (f *follower) segmentAt(seq int64) (edge int64) {
	for first, g := range f.r.segments {
		if g.sealed && first <= seq {
			edge = max(edge, first)
		}
	}
	for _, at := range f.r.loose.chunks {
		if first := at.id >> seriesBits; first <= seq {
			edge = max(edge, first)
		}
	}
	found := errors.New("found")
	_ = f.r.each("chunk", 0, seq<<seriesBits|(1<<seriesBits-1), true, func(id int64, _ []any, _ bool) error {
		edge = max(edge, id>>seriesBits)
		return found
	})
	return edge
}

// settleSegments puts the table of contents in order: ranges do not overlap.
func (f *follower) settleSegments() {
	firsts := make([]int64, 0, len(f.r.segments))
	for first := range f.r.segments {
		firsts = append(firsts, first)
	}
	slices.Sort(firsts)
	for i, first := range firsts[:max(len(firsts)-1, 0)] {
		if g := f.r.segments[first]; g.last >= firsts[i+1] {
			g.last = firsts[i+1] - 1
			if g.n > g.last-g.first+1 {
				delete(f.r.segments, first) // it is made again from what lies there
				continue
			}
			f.r.segments[first] = g
		}
	}
}

// blocks takes over the blocks, in order.
func (f *follower) blocks(ctx context.Context) error {
	took := map[int64]bool{}
	take := func(id int64, v []any, whole bool) error {
		columns, ok := blockOf(id, v)
		if !ok || !whole || took[id] {
			return nil
		}
		took[id] = true
		g := newSegment(id, id+samplesIn(columns)-1, columns, false)
		// Texts may have numbers behind the samples.
		old, known := f.r.segments[id]
		switch {
		case known && old.sealed:
			return nil // it was sealed and has been deleted since
		case known && old.n == g.n:
			g.last, g.minMS, g.maxMS = old.last, old.minMS, old.maxMS
		case g.n == 0:
			return nil // there were texts only, and they are elsewhere
		}
		data := append([]byte(nil), v[1].([]byte)...)
		return f.put(ctx, saved{g: g, blobs: []blob{{id: id, n: g.n, data: data}}, size: len(data)})
	}
	if err := f.r.each("block", 1, maxSeq, false, take); err != nil {
		return err
	}
	for _, at := range f.r.loose.blocks {
		if err := take(at.id, f.r.fetch(at), true); err != nil {
			return err
		}
	}
	return nil
}

// chunks takes over the sealed segments with low ≤ first ≤ high.
func (f *follower) chunks(ctx context.Context, low, high int64, desc bool) error {
	if low > high {
		return nil
	}
	done := map[int64]bool{}
	var group []blob
	first := int64(-1)
	flush := func() error {
		if first < 0 || done[first] {
			return nil
		}
		done[first] = true
		return f.sealed(ctx, first, group)
	}
	err := f.r.each("chunk", low<<seriesBits, high<<seriesBits|(1<<seriesBits-1), desc, func(id int64, v []any, whole bool) error {
		if id>>seriesBits != first {
			if err := flush(); err != nil {
				return err
			}
			first, group = id>>seriesBits, nil
		}
		b := blob{id: id, data: lostBlob}
		if len(v) > 1 {
			b.n, _ = v[1].(int64)
		}
		if c, ok := chunkOf(id, v); ok && whole {
			b.n, b.data = int64(len(c.samples)), append([]byte(nil), v[2].([]byte)...)
		}
		group = append(group, b)
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	// What belongs to nothing any more.
	for _, at := range f.r.loose.chunks {
		if first = at.id >> seriesBits; first < low || first > high || done[first] {
			continue
		}
		group = nil
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}

// sealed takes over one sealed segment of which these chunks were found in
// their place.
func (f *follower) sealed(ctx context.Context, first int64, found []blob) error {
	chunks := map[int64]blob{}
	for _, b := range found {
		chunks[b.id] = b
	}
	lo, _ := slices.BinarySearchFunc(f.r.loose.chunks, first<<seriesBits, func(p place, id int64) int { return compare(p.id, id) })
	for _, at := range f.r.loose.chunks[lo:] {
		if at.id>>seriesBits != first {
			break
		}
		if b, known := chunks[at.id]; known && !isLost(b.data) {
			continue
		}
		if v := f.r.fetch(at); len(v) == 3 {
			if c, ok := chunkOf(at.id, v); ok {
				chunks[at.id] = blob{at.id, int64(len(c.samples)), v[2].([]byte)}
			}
		}
	}
	seg := saved{}
	var columns []column
	var n, bad int64
	for _, b := range chunks {
		if isLost(b.data) {
			if b.n < 1 || b.n > maxBlob {
				b.n = 0
			}
			bad += b.n
			if b.n == 0 {
				continue
			}
		} else if c, err := decodeBlob(b.data, 0); err == nil {
			columns = append(columns, c...)
			n += b.n
		}
		seg.blobs = append(seg.blobs, b)
		seg.size += len(b.data)
	}
	if len(columns) == 0 {
		return nil // missing tells of it
	}
	slices.SortFunc(seg.blobs, func(a, b blob) int { return compare(a.id, b.id) })
	slices.SortFunc(columns, func(a, b column) int { return compare(a.sid, b.sid) })
	old, known := f.r.segments[first]
	seg.g = newSegment(first, first+n+bad-1, columns, true)
	seg.g.n = n + bad
	if known && old.sealed && old.n >= n+bad && (old.n == n+bad || f.r.damaged()) {
		if more := old.n - n - bad; more > 0 {
			// Nobody knows where between the others: where the first gap in the
			// file is, or else at the end.
			seg.blobs = f.placeholder(seg.blobs, first, more)
			bad += more
		}
		seg.g.n, seg.g.last = old.n, max(old.last, first+old.n-1)
		if bad > 0 {
			seg.g.minMS, seg.g.maxMS = min(seg.g.minMS, old.minMS), max(seg.g.maxMS, old.maxMS)
		}
	}
	if bad > 0 {
		f.lost(seg.g.minMS, seg.g.maxMS, bad)
	}
	return f.put(ctx, seg)
}

// placeholder adds a row that stands for n readings that are missing.
func (f *follower) placeholder(blobs []blob, first, n int64) []blob {
	used := map[int64]bool{}
	for _, b := range blobs {
		used[b.id] = true
	}
	id := blobs[len(blobs)-1].id + 1
	low, high := first<<seriesBits, first<<seriesBits|(1<<seriesBits-1)
	for h := range f.r.holes["chunk"] {
		if at := max(h.Lo+1, low+1); h.Lo != math.MinInt64 && at <= min(h.Hi, high) && !used[at] {
			id = at
			break
		}
	}
	if id > high {
		return blobs
	}
	blobs = append(blobs, blob{id: id, n: n, data: lostBlob})
	slices.SortFunc(blobs, func(a, b blob) int { return compare(a.id, b.id) })
	return blobs
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// put adds a segment to the transaction that is being collected.
func (f *follower) put(ctx context.Context, seg saved) error {
	i, _ := slices.BinarySearchFunc(f.have, seg.g.first, func(g segment, first int64) int { return compare(g.first, first) })
	if i > 0 && f.have[i-1].last >= seg.g.first {
		return nil // these numbers are in the file
	}
	if i < len(f.have) && f.have[i].first <= seg.g.last {
		if f.have[i].first == seg.g.first {
			f.report.Saved += seg.g.n // by the run before
			return nil
		}
		seg.g.last = f.have[i].first - 1
		if seg.g.n > seg.g.last-seg.g.first+1 {
			return nil
		}
	}
	f.have = slices.Insert(f.have, i, seg.g)
	f.batch = append(f.batch, seg)
	f.size += seg.size
	if f.size < followBatch {
		return nil
	}
	return f.flush(ctx)
}

// errNoRoom: there is no room for old readings beside new ones.
var errNoRoom = errors.New("there is too little room on the disk")

// room says whether there is room for so many bytes more, in the log and in the
// file. The last of it is for new readings.
func (f *follower) room(ctx context.Context, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if free, err := freeBytes(filepath.Dir(f.s.path)); err == nil && free < f.s.salvageSpare+3*int64(size) {
		return fmt.Errorf("%w: %d MB are free", errNoRoom, free>>20)
	}
	return nil
}

// flush writes what was collected.
func (f *follower) flush(ctx context.Context) error {
	if len(f.batch) == 0 {
		return ctx.Err()
	}
	if err := f.room(ctx, f.size); err != nil {
		return err
	}
	err := f.s.use(func(db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for _, seg := range f.batch {
			for _, b := range seg.blobs {
				query, args := `INSERT INTO block (first, data) VALUES (?, ?)`, []any{b.id, b.data}
				if seg.g.sealed {
					query, args = `INSERT OR REPLACE INTO chunk (id, n, data) VALUES (?, ?, ?)`, []any{b.id, b.n, b.data}
				}
				if _, err := tx.ExecContext(ctx, query, args...); err != nil {
					return err
				}
			}
			if err := insertSegment(ctx, tx, seg.g); err != nil {
				return err
			}
		}
		return tx.Commit()
	})
	if err != nil {
		return err
	}
	for _, seg := range f.batch {
		f.report.Saved += seg.g.n
		for _, b := range seg.blobs {
			if isLost(b.data) {
				f.report.Saved -= b.n
			}
		}
	}
	f.batch, f.size = nil, 0
	f.s.salvageGoesOn(f.report)
	return nil
}

// missing tells of segments of which nothing was found.
func (f *follower) missing() {
	for first, g := range f.r.segments {
		i, ok := slices.BinarySearchFunc(f.have, first, func(g segment, first int64) int { return compare(g.first, first) })
		if !ok && (i == 0 || f.have[i-1].last < first) {
			f.lost(g.minMS, g.maxMS, g.n)
		}
	}
}

func (f *follower) lost(from, to, n int64) {
	f.report.Lost = addLost(f.report.Lost, Lost{time.UnixMilli(from).UTC(), time.UnixMilli(to).UTC(), n})
}

// openGate lets cursors at and behind seq go on, unless another file may have
// something for them.
func (s *Store) openGate(seq int64) {
	s.dbMu.Lock()
	if len(s.rescues) == 1 {
		s.gate = min(s.gate, seq)
	}
	s.dbMu.Unlock()
	s.tellOfMore()
}

// tellOfMore wakes who waits for readings.
func (s *Store) tellOfMore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.advanced)
	s.advanced = make(chan struct{})
}

// finish puts a file away of which everything has been taken over.
func (s *Store) finish(f *follower) {
	s.dbMu.Lock()
	s.rescues = slices.DeleteFunc(s.rescues, func(r *rescue) bool { return r == f.r })
	f.r.file.Close()
	s.putAway(f.r.path)
	if len(s.rescues) == 0 {
		s.gate = 0
	}
	s.lastSweep = time.Time{} // hours may now be sealed
	s.dbMu.Unlock()
	s.endReport(f.report)
	s.tellOfMore()
	s.hurry()
}

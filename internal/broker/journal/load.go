package journal

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A file as it was found.
type found struct {
	name   string
	h      header
	f      File
	size   int64
	broken bool // its header cannot be read
}

// open reads what is there: the state, and what the segments have after it.
func (l *Log) open(load func(kind byte, body []byte) error) (r Report, err error) {
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return r, err
	}
	if l.lock, err = l.fs.Lock(l.dir); err != nil {
		return r, err
	}
	state, segs, err := l.list(&r)
	if err != nil {
		return r, err
	}
	a := &aside{fs: l.fs, dir: l.dir}
	defer a.close()
	if err = l.loadState(state, load, &r, a); err == nil {
		err = l.loadSegments(segs, load, &r, a)
	}
	if err != nil {
		for _, s := range segs {
			s.f.Close()
		}
		return r, err
	}
	r.Aside = a.path
	r.Repaired = len(r.Places) > 0
	l.distrust = l.distrust || r.Repaired
	if r.Repaired {
		l.opt.Log.Warn("the journal was damaged and has been repaired: what could be read is there",
			"directory", l.dir, "records_lost", r.LostRecords, "bytes", r.LostBytes, "aside", r.Aside, "places", r.Places)
	}
	// What was read may be in the operating system's memory only, after a kill.
	if state != nil || len(segs) > 0 {
		err = l.fs.SyncDir(l.dir)
	}
	if c := l.w.segs.cur; err == nil && c != nil {
		err = c.file.Sync()
	}
	if err != nil {
		l.failing, l.distrust = err, true
		if l.w.segs.cur != nil {
			l.w.segs.cur.bad = true
			l.w.segs.seal()
		}
	}
	l.stats.Size = l.w.segs.size() + l.stats.StateBytes
	return r, nil
}

// list finds the files and removes what a cut has left of writing a state.
func (l *Log) list(r *Report) (state *found, segs []found, err error) {
	names, err := l.fs.Names(l.dir)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		number, isSegment := strings.CutPrefix(name, "segment-")
		n, err := strconv.ParseUint(number, 10, 64)
		isSegment = isSegment && err == nil
		switch {
		case name == stateName+".tmp":
			_ = l.fs.Remove(filepath.Join(l.dir, name))
			continue
		case name != stateName && !isSegment:
			continue
		}
		x := found{name: name}
		path := filepath.Join(l.dir, name)
		if x.f, err = l.fs.Open(path, false); err == nil {
			x.size, err = x.f.Size()
		}
		if err != nil {
			return nil, nil, err
		}
		var ok bool
		s := scan{r: x.f, size: x.size}
		x.h, ok = parseHeader(s.read(0, pageSize))
		if ok && x.h.version > version {
			x.f.Close()
			to := "newer-" + name
			r.Places = append(r.Places, fmt.Sprintf("%s is of version %d, which this program cannot read: it is kept as %s", name, x.h.version, to))
			if err := l.fs.Rename(path, filepath.Join(l.dir, to)); err != nil {
				return nil, nil, err
			}
			continue
		}
		x.broken = !ok
		if !isSegment {
			state = &x
			continue
		}
		l.w.segs.names = max(l.w.segs.names, n)
		segs = append(segs, x)
	}
	return state, segs, nil
}

// loadState loads the state, or what can be read of it.
func (l *Log) loadState(s *found, load func(kind byte, body []byte) error, r *Report, a *aside) error {
	if s == nil {
		return nil
	}
	defer s.f.Close()
	if s.broken {
		r.Places = append(r.Places, s.name+" has no head")
		r.LostBytes += s.size
		a.keep(s.f, s.name, 0, s.size)
		return nil
	}
	sc := s.scan(1, 0, s.h.count+1, load)
	sc.rest = func(from, to int64) { a.keep(s.f, s.name, from, to) }
	err := sc.run()
	r.add(sc)
	l.gen, l.cut, l.stats.StateBytes = s.h.number, s.h.first, s.size
	return err
}

func (x found) scan(next, known, limit uint64, load func(kind byte, body []byte) error) *scan {
	return &scan{name: x.name, r: x.f, size: x.size, salt: x.h.salt, next: next, known: known, limit: limit, load: load}
}

func (r *Report) add(s *scan) {
	r.Records += s.count
	r.LostRecords += s.lost
	r.LostBytes += s.bytes
	r.Places = append(r.Places, s.places...)
}

// loadSegments loads the records after the state and makes ready to go on.
func (l *Log) loadSegments(segs []found, load func(kind byte, body []byte) error, r *Report, a *aside) error {
	w := &l.w.segs
	w.fs, w.dir, w.max = l.fs, l.dir, l.opt.Segment
	next := l.cut + 1
	var order []found
	for _, s := range segs {
		if s.broken && !s.guess() {
			w.free = append(w.free, l.segment(s))
			continue
		}
		w.number = max(w.number, s.h.number)
		order = append(order, s)
	}
	slices.SortFunc(order, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.h.first, b.h.first), cmp.Compare(a.h.number, b.h.number))
	})
	for i, s := range order {
		c := l.segment(s)
		limit := uint64(noLimit)
		if i+1 < len(order) {
			limit = order[i+1].h.first
			w.sealed = append(w.sealed, c)
		}
		if limit <= next || limit == s.h.first {
			continue // nothing in it counts
		}
		if s.h.first > next {
			r.LostRecords += s.h.first - next
			r.Places = append(r.Places, fmt.Sprintf("%d records before %s are missing", s.h.first-next, s.name))
			next = s.h.first
		}
		if s.broken {
			r.Places = append(r.Places, s.name+" has no header: its records were found without")
		}
		sc := s.scan(s.h.first, next-1, limit, load)
		sc.rest = func(from, to int64) { a.keep(s.f, s.name, from, to) }
		err := sc.run()
		r.add(sc)
		if err != nil {
			return err
		}
		next = max(next, sc.next)
		if limit != noLimit {
			next = max(next, limit)
		}
		l.logBytes += sc.off - pageSize
		if i+1 == len(order) {
			c.off = sc.off
			w.cur = c
			if sc.torn || s.broken || sc.next < next {
				w.seal() // and go on in another
			}
		}
	}
	l.base = next - 1
	l.last, l.durable, l.told = l.base, l.base, l.base
	return nil
}

// guess makes up a header from the first batch, which says what is needed.
func (x *found) guess() bool {
	s := scan{r: x.f, size: x.size}
	b := s.read(pageSize, batchHeader)
	if len(b) < batchHeader {
		return false
	}
	x.h = header{version: version, kind: kindLog, salt: saltOf(b)}
	h, ok := parseBatch(b, x.h.salt)
	x.h.first = h.first
	return ok
}

func (l *Log) segment(s found) *segment {
	return &segment{name: filepath.Join(l.dir, s.name), file: s.f, number: s.h.number, first: s.h.first, salt: s.h.salt, size: s.size, off: pageSize, bad: s.broken}
}

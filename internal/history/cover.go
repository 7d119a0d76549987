package history

import "time"

// Gap is how long there may be no reading before the time in between counts as
// missing: a device that is well says something every five minutes, changed or not.
const Gap = 15 * time.Minute

// maxMissing is how many missing spans an answer names.
const maxMissing = 200

// Span is from ≤ t < to.
type Span struct{ From, To time.Time }

// Coverage is how much of what was asked for the store has readings of.
type Coverage struct {
	Missing []Span        // ascending, the first maxMissing of them
	Gaps    int           // how many there are
	Away    time.Duration // how long all of them are
}

// Complete reports whether nothing is missing.
func (c Coverage) Complete() bool { return c.Gaps == 0 }

// cover finds the gaps in a range as its readings pass by, in ascending time.
type cover struct {
	Coverage
	limit int64 // ms
	last  int64 // ms: up to here it is known what is missing
}

func newCover(from time.Time, limit time.Duration) *cover {
	return &cover{limit: limit.Milliseconds(), last: ceilMilli(from)}
}

// see takes readings from one time (ms) to another.
func (c *cover) see(from, to int64) {
	if from-c.last > c.limit {
		c.miss(c.last, from)
	}
	c.last = max(c.last, to)
}

// end is the end of the range.
func (c *cover) end(to time.Time) Coverage {
	c.see(ceilMilli(to), 0)
	return c.Coverage
}

func (c *cover) miss(from, to int64) {
	c.Gaps++
	c.Away += time.Duration(to-from) * time.Millisecond
	if len(c.Missing) < maxMissing {
		c.Missing = append(c.Missing, Span{time.UnixMilli(from), time.UnixMilli(to)})
	}
}

// ceilMilli is the first millisecond that is not before t, so that half-open ranges
// keep their meaning.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

package journal

import "time"

const (
	quiet     = time.Second           // after such a pause the load begins anew: a record is flushed at once
	settle    = 20 * time.Millisecond // with those that come together with it
	bulk      = 64 << 10              // bytes that are worth a flush whatever else may come
	minPause  = 2 * time.Millisecond  // that is not taken for the end of a burst
	pauseGaps = 4                     // so many usual answers without a record are one
	soon      = 50 * time.Millisecond
	soonTimes = 3
)

// pace decides how long records wait for others to share their flush. Waiting
// saves flushes only if others come by themselves. A sender that waits for its
// acknowledgement before it goes on does not come while we wait. Such ones are
// known by what comes right after a flush, soonTimes in a row; then a pause that
// is long beside the time that their next record takes after a flush ends the
// waiting.
type pace struct {
	max, lazy time.Duration

	has      bool          // records wait that are not lazy
	atOnce   bool          // and the first of them came after a quiet time
	first    time.Time     // when the first of them came
	lazyAt   time.Time     // when the first lazy one came; zero: none waits
	busy     time.Time     // when the load began
	arrival  time.Time     // the last one that is not lazy
	notified time.Time     // when the mark moved last
	next     bool          // no record has come since then
	answers  int           // flushes in a row after which one came soon
	answer   time.Duration // how soon, at the longest of late
}

func (p *pace) arrive(now time.Time, lazy bool) {
	if lazy {
		if p.lazyAt.IsZero() {
			p.lazyAt = now
		}
		return
	}
	pause := now.Sub(p.arrival)
	if p.next {
		p.next = false
		took := now.Sub(p.notified)
		p.answers++
		p.answer = max(took, p.answer*3/4)
		if took > soon {
			p.answers, p.answer = 0, 0
		}
	}
	if pause >= quiet {
		p.busy = now
	}
	if !p.has {
		p.has, p.first, p.atOnce = true, now, pause >= quiet
	}
	p.arrival = now
}

// due is when the waiting records should be flushed; zero: there are none. It
// may come earlier or later as more arrive.
func (p *pace) due(now time.Time, bytes int64) time.Time {
	var due time.Time
	if !p.lazyAt.IsZero() {
		due = p.lazyAt.Add(p.lazy)
	}
	if p.has {
		due = earlier(due, p.want(now, bytes))
	}
	return due
}

func (p *pace) want(now time.Time, bytes int64) time.Time {
	if p.max < 0 || bytes >= bulk {
		return now
	}
	if p.atOnce {
		return p.first.Add(min(settle, p.max))
	}
	due := p.first.Add(min(p.max, p.first.Sub(p.busy)/2))
	if p.answers >= soonTimes {
		due = earlier(due, p.arrival.Add(max(minPause, pauseGaps*p.answer)))
	}
	return due
}

// flushed: the mark has moved.
func (p *pace) flushed(now time.Time) { p.notified, p.next = now, true }

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// empty: nothing waits any more.
func (p *pace) empty() { p.has, p.atOnce, p.lazyAt = false, false, time.Time{} }

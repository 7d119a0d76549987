package metrics

import (
	"context"
	"time"
)

const (
	// lookAtClock is how often it is looked whether the clock is right yet.
	lookAtClock = time.Second
	// maxHeld bounds the readings that wait for the time: some 4 MB.
	maxHeld = 50_000
	// patienceWithClock is how long readings wait for a clock that is behind the
	// newest reading in the store: that one may be of a time when it was ahead.
	patienceWithClock = time.Hour
)

// Clock is what is known about the time. The zero value is a clock that is
// right.
type Clock struct {
	// Right says whether the clock has been set since the computer was started;
	// nil: it is right.
	Right func() bool
	// Grace is how long readings wait for that. Then the clock is believed,
	// unless it says a time before Built or before the newest reading.
	Grace time.Duration
	// Built is when this system was built.
	Built time.Time
}

// hold keeps the readings that arrived before the clock was right. Where their
// time would be, they have how long ago they arrived.
type hold struct {
	began    time.Duration
	readings []held
	dropped  int
}

type held struct {
	entity  *entity
	arrived time.Duration // by the clock that counts from the start
	value   float64
}

// keep takes a reading; w.mu is held.
func (w *Writer) keep(e *entity, v float64) {
	if len(w.hold.readings) == maxHeld { // the newest are worth more
		w.hold.readings = w.hold.readings[1:]
		w.hold.dropped++
		w.counts.Dropped++
	}
	w.hold.readings = append(w.hold.readings, held{e, w.o.Elapsed(), v})
}

// awaitClock gives the readings that wait their time as soon as the clock can be
// believed, and when ctx ends first, if it can be believed at all.
func (w *Writer) awaitClock(ctx context.Context) {
	if w.hold == nil {
		return
	}
	if !w.o.Clock.Right() {
		w.log.Info("readings wait for the clock to be set", "at_most", w.o.Clock.Grace)
	}
	tick := time.NewTicker(w.lookAtClock)
	defer tick.Stop()
	for {
		if why := w.believeClock(ctx); why != "" {
			w.release(why)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.giveUpWaiting(context.WithoutCancel(ctx))
			return
		}
	}
}

// believeClock says why the clock is believed; empty when it is not.
func (w *Writer) believeClock(ctx context.Context) string {
	waited := w.o.Elapsed() - w.hold.began
	switch {
	case w.o.Clock.Right():
		return "it was set"
	case waited < w.o.Clock.Grace:
		return ""
	case w.clockSane(ctx, waited):
		return "nobody has set it, and it says nothing impossible"
	}
	return ""
}

// clockSane says whether the time can be: it is after the building of the
// system and, for as long as there is patience, after the newest reading.
func (w *Writer) clockSane(ctx context.Context, waited time.Duration) bool {
	now := w.o.Now()
	if now.Before(w.o.Clock.Built) {
		return false
	}
	if waited >= patienceWithClock {
		return true
	}
	newest, err := w.store.Newest(ctx)
	return err == nil && !now.Before(newest)
}

// release stores the readings that wait, each at the time when it arrived by
// the clock as it is now.
func (w *Writer) release(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, elapsed := w.o.Now(), w.o.Elapsed()
	h := w.hold
	w.hold = nil // from now on they have their time when they arrive
	for _, r := range h.readings {
		w.storeReading(r.entity, now.Add(r.arrived-elapsed), r.value)
	}
	w.log.Info("the clock is believed", "why", why, "readings", len(h.readings), "dropped", h.dropped, "after", (elapsed - h.began).Round(time.Millisecond))
	w.lookAtHealth()
}

// giveUpWaiting is release for a process that ends. Readings of a time that
// cannot be are of no use to anyone.
func (w *Writer) giveUpWaiting(ctx context.Context) {
	if w.clockSane(ctx, w.o.Elapsed()-w.hold.began) {
		w.release("the process ends, and it says nothing impossible")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.hold.readings)
	w.counts.Dropped += uint64(n)
	w.hold.readings = nil // and none that may still come is stored
	if n > 0 {
		w.log.Error("readings were lost: the clock was never set", "readings", n, "clock", w.o.Now().UTC())
	}
}

// waitingForClock is how many readings wait; false when none have to.
func (w *Writer) waitingForClock() (int, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hold == nil {
		return 0, false
	}
	return len(w.hold.readings), true
}

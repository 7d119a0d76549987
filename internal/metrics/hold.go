package metrics

import (
	"context"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
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
	held     []held
	readings int // in all of them
	dropped  int
}

// held are the readings of one message.
type held struct {
	message  mqttclient.Message
	when     moment
	readings []reading
}

// keep takes the readings of a message; w.mu is held.
func (w *Writer) keep(m mqttclient.Message, when moment, readings []reading) {
	if len(readings) == 0 {
		m.Ack()
		return
	}
	h := w.hold
	for len(h.held) > 0 && h.readings+len(readings) > maxHeld { // the newest are worth more
		oldest := h.held[0]
		h.held[0] = held{}
		h.held = h.held[1:]
		h.drop(len(oldest.readings))
		w.counts.Dropped += uint64(len(oldest.readings))
		oldest.message.Ack()
	}
	m.Payload = slices.Clone(m.Payload) // what it is part of need not wait
	h.held = append(h.held, held{m, when, readings})
	h.readings += len(readings)
}

func (h *hold) drop(n int) {
	h.readings -= n
	h.dropped += n
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
	for _, r := range h.held {
		at := r.when.at
		if at.IsZero() {
			at = now.Add(r.when.arrived - elapsed)
		}
		w.storeReadings(r.message, at, r.readings)
	}
	w.log.Info("the clock is believed", "why", why, "readings", h.readings, "dropped", h.dropped, "after", (elapsed - h.began).Round(time.Millisecond))
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
	n := w.hold.readings
	w.counts.Dropped += uint64(n)
	w.hold.held, w.hold.readings = nil, 0 // and none that may still come is stored
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
	return w.hold.readings, true
}

package metrics

import (
	"context"
	"errors"
	"hash/crc32"
	"math/bits"
	"os"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// The broker keeps our session: what is published while we are away waits for us,
// and a message of QoS 1 is acknowledged when its readings are in the file. One
// that comes again after that, because the broker has not heard it (we were
// killed, or it was), is known by its packet id and what it says, which are
// written in the same transaction as its readings. So it is stored once.

const (
	// window is how many messages may wait for the store's commit. Beyond it the
	// broker sends no more of QoS 1, and some hundred later it holds up who
	// publishes them.
	window = 4000
	// gather is how long messages gather before they are read: nobody waits for
	// them, and being woken for each costs more than all that is done with it.
	gather = 50 * time.Millisecond
	// sessionKept is for how long messages wait at the broker at most.
	sessionKept = 7 * 24 * time.Hour
)

// moment is when a message came: by the clock, or where that is not right yet, by
// the one that counts.
type moment struct {
	at      time.Time // zero: it follows from arrived when the clock is right
	arrived time.Duration
}

// unacknowledged is a message and the ticket of its readings.
type unacknowledged struct {
	ticket  store.Ticket
	message mqttclient.Message
}

// turnedAway are the readings of a message for which the store had no room.
type turnedAway struct {
	message  mqttclient.Message
	at       time.Time
	readings []reading
}

// intake is what is known of messages that were taken; the Writer's mu guards it.
type intake struct {
	waiting []unacknowledged  // for their readings to be in the file, in order
	seen    map[uint16]uint32 // the sums of messages whose readings the store has taken, by id
	turned  []turnedAway
	// latest are when the series of earlier runs had their latest readings: what
	// waited for us may be of the very millisecond of what was stored before.
	latest map[string]time.Time
}

// sum is over all that a message says, and when it came.
func sum(m mqttclient.Message) uint32 {
	c := crc32.ChecksumIEEE([]byte(m.Topic))
	c = crc32.Update(c, crc32.IEEETable, []byte{0})
	if !m.Received.IsZero() {
		c = crc32.Update(c, crc32.IEEETable, strconv.AppendInt(nil, m.Received.UnixMilli(), 10))
	}
	return crc32.Update(c, crc32.IEEETable, m.Payload)
}

// stored tells whether the store has taken a message's readings before. It needs
// mu.
func (w *Writer) stored(m mqttclient.Message) bool {
	s, seen := w.intake.seen[m.ID]
	return m.Again && m.ID != 0 && seen && s == sum(m)
}

// momentOf is when a message came. It needs mu.
func (w *Writer) momentOf(m mqttclient.Message) moment {
	now, elapsed := w.o.Now(), w.o.Elapsed()
	switch {
	case m.Received.IsZero():
	case m.Age < 0:
		// The broker was started since, perhaps the computer. What its clock said
		// is what there is, if it can be.
		if !m.Received.Before(w.o.Clock.Built) && (w.hold != nil || !m.Received.After(now.Add(time.Second))) {
			return moment{at: m.Received}
		}
	case w.hold != nil:
		return moment{arrived: elapsed - m.Age}
	default:
		// Its own time is the same each time it is sent; that of a clock that was
		// set since is not.
		at := now.Add(-m.Age)
		if at.Sub(m.Received).Abs() < 2*time.Second {
			at = m.Received
		}
		return moment{at: at}
	}
	if w.hold != nil {
		return moment{arrived: elapsed}
	}
	return moment{at: now}
}

// reading is a value of an entity: a number, or else a text.
type reading struct {
	entity *entity
	value  float64
	text   string
}

// storeReadings gives the readings of one message to the store, each of a series
// at a millisecond of its own, and has the message acknowledged when they are in
// the file. It needs mu.
func (w *Writer) storeReadings(m mqttclient.Message, at time.Time, readings []reading) {
	if len(readings) == 0 {
		m.Ack()
		return
	}
	batch := make([]store.Reading, len(readings))
	for i, r := range readings {
		batch[i] = store.Reading{Entity: r.entity.series, Time: r.entity.moment(at, w.intake.latest[r.entity.series]), Value: r.value, Text: r.text}
	}
	before := w.store.Mark()
	var err error
	if m.Acknowledge == nil {
		err = w.store.Append(batch...)
	} else {
		err = w.store.AppendFrom(store.Origin{ID: m.ID, Sum: sum(m)}, batch...)
	}
	taken := int(w.store.Mark() - before)
	switch {
	case errors.Is(err, os.ErrClosed):
		return // the process is ending; the broker has the message
	case errors.Is(err, store.ErrFull) && m.Acknowledge != nil:
		w.intake.turned = append(w.intake.turned, turnedAway{m, at, readings})
		return
	case err != nil:
		w.countDropped(len(batch)-taken, err)
	}
	w.counts.Readings += uint64(taken)
	for i, r := range readings {
		r.entity.last = batch[i].Time
	}
	w.acknowledge(m)
}

// moment is at, or right after the entity's latest reading if that is then or
// hardly later, in this run or in those before (earlier). A clock that was set
// back by more is believed.
func (e *entity) moment(at, earlier time.Time) time.Time {
	at = at.Truncate(time.Millisecond)
	for _, last := range []time.Time{earlier, e.last} {
		if ahead := last.Sub(at); ahead >= 0 && ahead < time.Second {
			at = last.Add(time.Millisecond)
		}
	}
	return at
}

// acknowledge acknowledges a message as soon as what the store has taken so far
// is in the file. It needs mu.
func (w *Writer) acknowledge(m mqttclient.Message) {
	if m.Acknowledge == nil {
		return
	}
	if w.intake.seen == nil {
		w.intake.seen = map[uint16]uint32{}
	}
	w.intake.seen[m.ID] = sum(m)
	w.intake.waiting = append(w.intake.waiting, unacknowledged{w.store.Mark(), m})
	if len(w.intake.waiting) >= window/2 {
		w.store.CommitSoon()
	}
}

// countDropped counts readings that were lost. It needs mu.
func (w *Writer) countDropped(n int, why error) {
	before := w.counts.Dropped
	w.counts.Dropped += uint64(n)
	if after := w.counts.Dropped; bits.Len64(after) != bits.Len64(before) { // as they double
		w.log.Error("readings were lost", "dropped", after, "err", why)
		w.lookAtHealth()
	}
}

// acknowledgeStored acknowledges what is in the file, whenever more is, until ctx
// ends.
func (w *Writer) acknowledgeStored(ctx context.Context) {
	for {
		advanced := w.store.Advanced()
		w.ackStored()
		select {
		case <-advanced:
		case <-ctx.Done():
			return
		}
	}
}

// ackStored acknowledges what is in the file, and gives the store once more what
// it had no room for.
func (w *Writer) ackStored() {
	w.mu.Lock()
	defer w.mu.Unlock()
	durable, done := w.store.Durable(), 0
	for _, u := range w.intake.waiting {
		if u.ticket > durable {
			break
		}
		u.message.Ack()
		done++
	}
	clear(w.intake.waiting[:done])
	if w.intake.waiting = w.intake.waiting[done:]; len(w.intake.waiting) == 0 {
		w.intake.waiting = nil
	}
	again := w.intake.turned
	w.intake.turned = nil
	for _, r := range again {
		w.storeReadings(r.message, r.at, r.readings)
	}
}

// lastCommit puts everything into the file and acknowledges it, before we say
// goodbye to the broker.
func (w *Writer) lastCommit(ctx context.Context) {
	if err := w.store.Commit(ctx); err != nil {
		return // Close tries once more, and says so
	}
	w.ackStored()
}

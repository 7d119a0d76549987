package device

import (
	"strings"
	"time"
)

// held is a value that is believed when nothing else follows.
type held struct {
	value any
	until time.Time
	// power: the device is slow to say that its power is 0 too.
	power bool
}

// Next is when Tick has something to say although the device says nothing; the
// zero time is never.
func (d *Decoder) Next() (next time.Time) {
	for _, h := range d.held {
		if next.IsZero() || h.until.Before(next) {
			next = h.until
		}
	}
	for _, t := range d.ends {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	return next
}

// Tick gives what is due without a message of the device: values that were held
// back and stand, and those that end by themselves.
func (d *Decoder) Tick(now time.Time) (readings []Reading, notes []Note) {
	d.readings, d.notes = d.readings[:0], d.notes[:0]
	for key, h := range d.held {
		if h.until.After(now) {
			continue
		}
		delete(d.held, key)
		d.emit(key, h.value)
		if h.power {
			d.emit(strings.Replace(key, "current", "power", 1), 0.0)
		}
	}
	for key, t := range d.ends {
		if !t.After(now) {
			delete(d.ends, key)
			d.emit(key, false)
		}
	}
	for _, tick := range d.model.ticks {
		tick(d, now)
	}
	return d.readings, d.notes
}

package device

import (
	"fmt"
	"math"
	"time"
)

// counter is the memory of one counter, in the unit it is published in and
// unrounded.
//
// A counter only grows, and no faster than its limit. What says something else
// is dropped with a note: a zero after the device has lost its power, a value
// below the last one, a value too far ahead. A counter that really began anew
// (a reset, another meter read) is believed when so many readings in a row as
// confirmations says are consistent with one another from the new level on:
// none below the one before, none faster than the limit, and the last above
// the first. A zero that stays a zero is not believed.
type counter struct {
	Value float64 `json:"value"`
	At    int64   `json:"at"` // seconds since 1970
	// From, Level, LevelAt and Seen are the new level that waits for belief.
	From    float64 `json:"from,omitempty"`
	Level   float64 `json:"level,omitempty"`
	LevelAt int64   `json:"level_at,omitempty"`
	Seen    int     `json:"seen,omitempty"`
}

// confirmations is how many readings make a new level.
const confirmations = 3

// slack is how much a counter may always grow at once, whatever time has
// passed: clocks are set, and devices count in blocks.
const slack = 1.0

// maxPerHour is the most a counter can grow in an hour when its definition does
// not say: 100 kWh is a supply of three phases of 145 A at full load.
const maxPerHour = 100.0

// counts takes a counter's value, and reports whether it may be published.
// span is how far it counts before it begins at 0 again, in its unit; 0 is
// never.
func (d *Decoder) counts(key string, v, span, perHour float64, now time.Time) bool {
	if v < 0 {
		d.note(Note{Key: key, Kind: Impossible, Text: fmt.Sprintf("%s cannot be %v", key, v)})
		return false
	}
	if perHour == 0 {
		perHour = maxPerHour
	}
	c, ok := d.counters[key]
	if !ok {
		d.counters[key] = &counter{Value: v, At: now.Unix()}
		return true
	}
	return c.take(d, key, v, span, perHour, now.Unix())
}

func (c *counter) take(d *Decoder, key string, v, span, perHour float64, now int64) bool {
	switch {
	case v >= c.Value && v-c.Value <= reach(c.At, now, perHour):
		*c = counter{Value: v, At: now}
		return true
	case v < c.Value && span > 0 && c.Value > span/2 && v+span-c.Value <= reach(c.At, now, perHour):
		d.note(Note{Key: key, Kind: Wrapped, Text: fmt.Sprintf("%s went past its largest value", key)})
		*c = counter{Value: v, At: now}
		return true
	}
	if c.confirms(v, perHour, now) {
		d.note(Note{Key: key, Kind: Restarted, Text: fmt.Sprintf("%s went from %.3f to %.3f and counts on from there", key, c.Value, v)})
		*c = counter{Value: v, At: now}
		return true
	}
	n := Note{Key: key, Kind: Jumped, Text: fmt.Sprintf("%s cannot have gone from %.3f to %.3f", key, c.Value, v)}
	if v < c.Value {
		n.Kind, n.Text = WentBack, fmt.Sprintf("%s went back from %.3f to %.3f", key, c.Value, v)
	}
	d.note(n)
	return false
}

// confirms takes a value that does not follow the last, and reports whether it
// is the one that makes a new level believed.
func (c *counter) confirms(v, perHour float64, now int64) bool {
	if c.Seen == 0 || v < c.Level || v-c.Level > reach(c.LevelAt, now, perHour) {
		c.From, c.Level, c.LevelAt, c.Seen = v, v, now, 1
		return false
	}
	c.Level, c.LevelAt = v, now
	c.Seen = min(c.Seen+1, confirmations)
	return c.Seen >= confirmations && v > c.From
}

// reach is how far a counter can have come since.
func reach(since, now int64, perHour float64) float64 {
	hours := math.Max(0, float64(now-since)/3600)
	return slack*perHour/maxPerHour + perHour*hours
}

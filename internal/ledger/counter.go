package ledger

import "math/bits"

const (
	// GapAfter is how far apart two readings may be before what was counted in
	// between is called an estimate, where it belongs to more than one slot.
	GapAfter = 15 * 60 * 1000 // ms

	// A jump is energy up to maxPower over the time since the reading before,
	// of which at least jumpWithin is taken: counters of whole kWh step, and
	// some devices say the same millisecond's news in two messages.
	maxPower   = 100 * KilowattHour // an hour
	jumpWithin = 10 * 60 * 1000     // ms
	// A counter that has less than keptTenths of what it had has begun again
	// from zero, as far as resetPower explains what it has, of at least
	// resetWithin; more than that it brought along.
	resetPower  = 30 * KilowattHour // an hour
	resetWithin = 60 * 1000         // ms
	// correction is how far a counter may fall without having been replaced:
	// what it then counts again was counted before. The value that is left
	// must be keptShare of the one before.
	correction = KilowattHour / 10
	keptTenths = 9
	// glitch is how long a counter that showed another value may take to be
	// back at its own.
	glitch = 6 * 3600 * 1000 // ms
	// maxSpread is the longest time that a difference is spread over.
	maxSpread = 400 * 24 * 3600 * 1000 // ms
)

// Reading is a counter's value at a moment.
type Reading struct {
	Milli int64 // ms since 1970
	Value Energy
}

// Event is what a reading said besides energy.
type Event uint8

// Events.
const (
	Nothing       Event = iota
	WasReset            // it began again from zero
	WasReplaced         // it goes on from another value; the difference was not counted
	WasJump             // it rose by more than a house can draw; the difference was not counted
	WasCorrection       // it fell a little; it counts again once it has passed its old value
	WasBack             // after a reset, replacement or jump it is back where it was: that was none
)

func (e Event) String() string {
	return [...]string{"nothing", "reset", "replacement", "jump", "correction", "back again"}[min(int(e), 5)]
}

// Counter turns the readings of one counter, in ascending time, into slots.
// The zero value has had no reading. The exported fields are all there is to
// keep so that it goes on later, after Done was called.
type Counter struct {
	Known bool    `json:"known,omitempty"`
	Last  Reading `json:"last"` // of a counter that was corrected: what it had before
	// Before is the last reading before the counter showed another value;
	// HasBefore until something was counted from there.
	HasBefore bool    `json:"has_before,omitempty"`
	Before    Reading `json:"before"`
	// Open is the slot that Last lies in, with what was counted in it so far.
	Open Slot `json:"open"`

	done []Slot
}

// Add takes the next reading; one that is not later than the last is left out.
func (c *Counter) Add(r Reading) Event {
	if !c.Known {
		c.Known, c.Last = true, r
		c.Open = Slot{Start: SlotOf(floorDiv(r.Milli, 1000))}
		if r.Milli > c.Open.Start*1000 {
			c.Open.Flags = Partial
		}
		return Nothing
	}
	since := r.Milli - c.Last.Milli
	if since <= 0 {
		return Nothing
	}
	rise := r.Value - c.Last.Value
	switch {
	case since > maxSpread:
		return c.goOn(r, 0, Replaced, WasReplaced)
	case c.isBack(r):
		rise = r.Value - c.Before.Value
		c.HasBefore = false
		c.count(r, rise, 0)
		return WasBack
	case rise >= 0 && rise <= within(maxPower, since, jumpWithin):
		if rise > 0 {
			c.HasBefore = false
		}
		c.count(r, rise, 0)
		return Nothing
	case rise >= 0:
		return c.goOn(r, 0, Implausible, WasJump)
	case -rise <= correction && r.Value >= c.Last.Value/10*keptTenths:
		c.count(Reading{r.Milli, c.Last.Value}, 0, 0)
		return WasCorrection
	case r.Value >= 0 && r.Value < c.Last.Value/10*keptTenths && r.Value <= within(resetPower, since, resetWithin):
		return c.goOn(r, r.Value, Reset, WasReset)
	default:
		return c.goOn(r, 0, Replaced, WasReplaced)
	}
}

// isBack reports whether the counter, after it showed another value from which
// nothing was counted, goes on where it was before.
func (c *Counter) isBack(r Reading) bool {
	since := r.Milli - c.Before.Milli
	rise := r.Value - c.Before.Value
	return c.HasBefore && since <= glitch && rise >= 0 && rise <= within(maxPower, since, jumpWithin)
}

// goOn counts on from another value.
func (c *Counter) goOn(r Reading, energy Energy, flag Flags, e Event) Event {
	if !c.HasBefore {
		c.HasBefore, c.Before = true, c.Last
	}
	if energy > 0 {
		c.HasBefore = false
	}
	c.count(r, energy, flag)
	return e
}

// within is the energy of a power (an hour) over some ms, at least least.
func within(power Energy, ms, least int64) Energy {
	return mulDiv(power, max(ms, least), 3600*1000)
}

// count spreads energy evenly from the last reading to r, in whole µWh: up to
// each boundary its share of the time, rounded. So the parts add up to it.
func (c *Counter) count(r Reading, energy Energy, flags Flags) {
	from, to := c.Last.Milli, r.Milli
	if energy > 0 && to-from > GapAfter && to > c.Open.End()*1000 {
		flags |= Estimated
	}
	given := Energy(0)
	for to >= c.Open.End()*1000 {
		upTo := mulDiv(energy, c.Open.End()*1000-from, to-from)
		c.Open.Energy += upTo - given
		c.Open.Flags |= flags
		c.done = append(c.done, c.Open)
		c.Open = Slot{Start: c.Open.End()}
		given = upTo
	}
	c.Open.Energy += energy - given
	if to > c.Open.Start*1000 {
		c.Open.Flags |= flags
	}
	c.Last = r
}

// Done takes the slots that are complete, in ascending time.
func (c *Counter) Done() []Slot {
	done := c.done
	c.done = nil
	return done
}

// Running is the slot that has not ended, with what was counted in it; ok is
// false when nothing of it was metered.
func (c *Counter) Running() (s Slot, ok bool) {
	if !c.Known || c.Last.Milli <= c.Open.Start*1000 {
		return Slot{}, false
	}
	s = c.Open
	s.Flags |= Partial
	return s, true
}

// mulDiv is a·b/d rounded to the nearest, for a, b ≥ 0, d > 0 and b ≤ d or a
// result that fits.
func mulDiv(a Energy, b, d int64) Energy {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	lo, carry := bits.Add64(lo, uint64(d)/2, 0)
	hi += carry
	if hi >= uint64(d) {
		return 1 << 62
	}
	q, _ := bits.Div64(hi, lo, uint64(d))
	if q > 1<<62 {
		return 1 << 62
	}
	return Energy(q)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

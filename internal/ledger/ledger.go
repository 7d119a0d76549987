// Package ledger counts energy per half hour, the unit in which Irish
// electricity is billed. It knows how the readings of a counter become energy:
// differences that are split at the half hours, resets, replacements,
// corrections and gaps. It is pure: it must never know where readings come
// from, how slots are kept, or what a kWh costs.
//
// Energy is a whole number of µWh, so that sums are exact and the parts of a
// difference add up to it. A half hour is named by its beginning in UTC; what
// a day is, is a matter of the zone (Day).
package ledger

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Energy is an amount of energy in µWh. Counters with up to 9 decimals of a
// kWh are exact up to 4 million kWh, those with 3 up to 9 thousand million.
type Energy int64

// Amounts of energy.
const (
	MicrowattHour Energy = 1
	WattHour      Energy = 1e6
	KilowattHour  Energy = 1e9
)

// KWh is the energy in kWh, for what need not be exact.
func (e Energy) KWh() float64 { return float64(e) / float64(KilowattHour) }

// Decimal is the energy in kWh with at least places decimals (0..9), and as
// many more as it takes to be exact: "0.1610".
func (e Energy) Decimal(places int) string {
	sign, u := "", uint64(e)
	if e < 0 {
		sign, u = "-", -u
	}
	whole, fraction := u/uint64(KilowattHour), fmt.Sprintf("%09d", u%uint64(KilowattHour))
	short := strings.TrimRight(fraction, "0")
	if len(short) < places {
		short = fraction[:min(places, len(fraction))]
	}
	if short == "" {
		return sign + strconv.FormatUint(whole, 10)
	}
	return sign + strconv.FormatUint(whole, 10) + "." + short
}

func (e Energy) String() string { return e.Decimal(3) + " kWh" }

// units are those of energy that counters come in, in µWh.
var units = map[string]float64{
	"kWh": 1e9, "Wh": 1e6, "mWh": 1e3, "MWh": 1e12, "GWh": 1e15,
	"J": 1e6 / 3.6e3, "kJ": 1e6 / 3.6, "MJ": 1e9 / 3.6, "GJ": 1e12 / 3.6,
}

// IsUnit reports whether a counter in this unit can be counted.
func IsUnit(unit string) bool { return units[unit] != 0 }

// FromUnit is a counter's value as energy, rounded to the µWh: finer than any
// counter, so that what a decimal number lost as a float64 comes back. ok is
// false for a unit that is none of energy and for what is too large to count.
func FromUnit(value float64, unit string) (e Energy, ok bool) {
	factor := units[unit]
	v := math.Round(value * factor)
	if factor == 0 || math.IsNaN(v) || math.Abs(v) > 1<<61 {
		return 0, false
	}
	return Energy(v), true
}

// SlotSeconds is the length of a slot.
const SlotSeconds = 1800

// Slot is the energy of one half hour.
type Slot struct {
	Start  int64 // unix seconds, a multiple of 1800
	Energy Energy
	Flags  Flags
}

// End is when the slot ends, in unix seconds.
func (s Slot) End() int64 { return s.Start + SlotSeconds }

// SlotOf is the beginning of the slot that t (unix seconds) lies in.
func SlotOf(t int64) int64 {
	r := t % SlotSeconds
	if r < 0 {
		r += SlotSeconds
	}
	return t - r
}

// Flags say how much a slot is to be relied on; 0 is an exact one.
type Flags uint16

// The flags. Their numbers are in files, and are only ever added to.
const (
	// Estimated: readings were further apart than GapAfter, and what was
	// counted in between was spread over the time evenly.
	Estimated Flags = 1 << iota
	// Reset: the counter began again from zero in it.
	Reset
	// Replaced: the counter goes on from another value in it, as a new meter
	// does; what was used in between is not known and not counted.
	Replaced
	// Implausible: the counter jumped by more than a house can draw, which
	// was not counted.
	Implausible
	// FromFile: it comes from a file of the network's operator.
	FromFile
	// Revised: it was another value before, which is kept.
	Revised
	// Partial: it was not metered from its beginning to its end, or has not
	// ended yet.
	Partial
)

var flagNames = []struct {
	flag Flags
	name string
}{
	{Estimated, "estimated"}, {Reset, "reset"}, {Replaced, "replaced"}, {Implausible, "implausible"},
	{FromFile, "file"}, {Revised, "revised"}, {Partial, "partial"},
}

// Names are the flags that are set, as words.
func (f Flags) Names() []string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// Direction is the way energy goes, seen from the meter's house or device.
type Direction uint8

// The directions. Their numbers are in files.
const (
	Import Direction = 1 // drawn
	Export Direction = 2 // given back
)

func (d Direction) String() string {
	switch d {
	case Import:
		return "import"
	case Export:
		return "export"
	}
	return "direction " + strconv.Itoa(int(d))
}

// Source is who counted.
type Source uint8

// The sources. Their numbers are in files.
const (
	Own Source = 1 // our own readings of a counter
	HDF Source = 2 // a file of the network's operator
)

func (s Source) String() string {
	switch s {
	case Own:
		return "own"
	case HDF:
		return "hdf"
	}
	return "source " + strconv.Itoa(int(s))
}

// Day is the first second of a civil day in a zone and that of the day after,
// both multiples of 1800. It steps through UTC: what a zone says of its summer
// time, and what the library makes of an hour that comes twice, is not asked.
func Day(year int, month time.Month, day int, zone *time.Location) (from, to int64) {
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone) // which no clock change touches
	same := func(t int64) bool {
		y, m, d := time.Unix(t, 0).In(zone).Date()
		ny, nm, nd := noon.Date()
		return y == ny && m == nm && d == nd
	}
	from = SlotOf(noon.Unix())
	to = from + SlotSeconds
	for same(from - SlotSeconds) {
		from -= SlotSeconds
	}
	for same(to) {
		to += SlotSeconds
	}
	return from, to
}

// DayOf is Day for the civil day that t (unix seconds) lies in.
func DayOf(t int64, zone *time.Location) (from, to int64) {
	y, m, d := time.Unix(t, 0).In(zone).Date()
	return Day(y, m, d, zone)
}

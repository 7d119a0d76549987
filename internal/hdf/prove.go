package hdf

import (
	"cmp"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Gap is a run of half hours that are missing between others.
type Gap struct {
	From, To int64 // unix seconds, To not in it
}

// Slots is how many half hours are missing.
func (g Gap) Slots() int { return int((g.To - g.From) / ledger.SlotSeconds) }

// Gaps returns what is missing between the first and the last slot, which are
// in ascending time.
func Gaps(slots []ledger.Slot) (gaps []Gap) {
	for i := 1; i < len(slots); i++ {
		if end := slots[i-1].End(); slots[i].Start > end {
			gaps = append(gaps, Gap{end, slots[i].Start})
		}
	}
	return gaps
}

// Band is a time of day that smart meters have a register for.
type Band uint8

// The bands.
const (
	WholeDay Band = iota
	Night         // 23:00 to 08:00
	Peak          // 17:00 to 19:00, on all seven days
	OffPeak       // the rest
)

func (b Band) String() string {
	return [...]string{"day", "night", "peak", "off-peak"}[min(b, OffPeak)]
}

// bandOf is the band of a half hour, by the civil time at its beginning.
func bandOf(start int64, zone *time.Location) Band {
	switch h := time.Unix(start, 0).In(zone).Hour(); {
	case h >= 23 || h < 8:
		return Night
	case h >= 17 && h < 19:
		return Peak
	}
	return OffPeak
}

// Verdict is what a proof came to.
type Verdict uint8

// The verdicts.
const (
	// Proven: no half hour is missing, and they add up to what the register
	// counted.
	Proven Verdict = iota
	// Filled: half hours are missing; Lost is what they had, by the register.
	Filled
	// Contradicted: they do not add up, with none missing, or to more than
	// the register counted.
	Contradicted
)

func (v Verdict) String() string {
	return [...]string{"proven", "filled", "contradicted"}[min(v, Contradicted)]
}

// Proof compares the half hours between two readings of a register with what
// the register counted.
type Proof struct {
	Direction ledger.Direction
	Band      Band
	From, To  int64 // unix seconds: of the two readings of the register
	Counted   ledger.Energy
	Sum       ledger.Energy // of the half hours
	Missing   int           // half hours
	Lost      ledger.Energy // what the missing ones had: Counted less Sum
	Verdict   Verdict
}

// slack is how far a half hour may be from what the register counted in it: it
// is half of a power that was rounded to a watt.
const slack = ledger.WattHour / 4

// registerStep is the last decimal of a register.
const registerStep = ledger.WattHour

// Prove compares half hours with registers, in the order of direction, band and
// time. Half hours and registers need not be of one file. Readings of a
// register of different meters, or where it fell, are not compared.
func Prove(imported, exported []ledger.Slot, registers []Register, zone *time.Location) []Proof {
	sorted := slices.Clone(registers)
	slices.SortStableFunc(sorted, func(a, b Register) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Serial, b.Serial), cmp.Compare(a.At, b.At))
	})
	var proofs []Proof
	for i := 1; i < len(sorted); i++ {
		a, b := sorted[i-1], sorted[i]
		if a.Kind != b.Kind || a.Serial != b.Serial || b.Value < a.Value || a.At == b.At ||
			a.At%ledger.SlotSeconds != 0 || b.At%ledger.SlotSeconds != 0 {
			continue
		}
		p := Proof{Direction: ledger.Import, From: a.At, To: b.At, Counted: b.Value - a.Value}
		slots := imported
		switch a.Kind {
		case NightRegister:
			p.Band = Night
		case PeakRegister:
			p.Band = Peak
		case OffPeakRegister:
			p.Band = OffPeak
		case ExportRegister:
			p.Direction, slots = ledger.Export, exported
		}
		if prove(&p, slots, zone) {
			proofs = append(proofs, p)
		}
	}
	return proofs
}

// prove reports false where there is no half hour to compare.
func prove(p *Proof, slots []ledger.Slot, zone *time.Location) bool {
	if len(slots) == 0 || slots[0].Start > p.From || slots[len(slots)-1].End() < p.To {
		return false // the first and the last day are not whole
	}
	first, _ := slices.BinarySearchFunc(slots, p.From, func(s ledger.Slot, t int64) int { return cmp.Compare(s.Start, t) })
	expected, n := 0, 0
	at := first
	for t := p.From; t < p.To; t += ledger.SlotSeconds {
		in := p.Band == WholeDay || bandOf(t, zone) == p.Band
		if in {
			expected++
		}
		if at < len(slots) && slots[at].Start == t {
			if in {
				p.Sum += slots[at].Energy
				n++
			}
			at++
		}
	}
	p.Missing = expected - n
	tolerance := registerStep + slack*ledger.Energy(n)
	p.Lost = max(0, p.Counted-p.Sum)
	switch {
	case p.Sum-p.Counted > tolerance || p.Missing == 0 && p.Lost > tolerance:
		p.Verdict = Contradicted
	case p.Missing > 0:
		p.Verdict = Filled
	default:
		p.Verdict, p.Lost = Proven, 0
	}
	return true
}

// BandsAgree compares, for each moment that has all four, the sum of the night,
// peak and off-peak registers with the 24-hour register.
func BandsAgree(registers []Register) (agree, differ int) {
	type moment struct {
		serial uint32
		at     int64
	}
	sum, whole, n := map[moment]ledger.Energy{}, map[moment]ledger.Energy{}, map[moment]int{}
	for _, r := range registers {
		m := moment{r.Serial, r.At}
		switch r.Kind {
		case NightRegister, PeakRegister, OffPeakRegister:
			sum[m] += r.Value
			n[m]++
		case ImportRegister:
			whole[m] = r.Value
		}
	}
	for m, v := range whole {
		if n[m] != 3 {
			continue
		}
		if d := v - sum[m]; d < -registerStep || d > registerStep {
			differ++
		} else {
			agree++
		}
	}
	return agree, differ
}

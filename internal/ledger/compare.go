package ledger

import "time"

// DayComparison is what two sources say of one civil day.
type DayComparison struct {
	From, To int64 // unix seconds
	Slots    int   // of the day: 46, 48 or 50
	// A and B are what each counted in all, OfBoth what each counted in the
	// half hours that both have whole.
	A, B             Energy
	AOfBoth, BOfBoth Energy
	Both             int // half hours that both have whole
	AMissing         int // half hours that are not there, or not whole
	BMissing         int
	// Estimated is how many of those that both have were spread over a gap by
	// one of the two.
	Estimated int
}

// Difference is how much more A counted than B in the half hours that both have.
func (d DayComparison) Difference() Energy { return d.AOfBoth - d.BOfBoth }

// Compare compares two sources day by day, from the day that from (unix
// seconds) lies in to the one before to. Days of which neither has anything
// are left out. Slots are in ascending time.
func Compare(a, b []Slot, from, to int64, zone *time.Location) (days []DayComparison) {
	index := func(slots []Slot) map[int64]Slot {
		m := make(map[int64]Slot, len(slots))
		for _, s := range slots {
			m[s.Start] = s
		}
		return m
	}
	inA, inB := index(a), index(b)
	for from < to {
		d := DayComparison{}
		d.From, d.To = DayOf(from, zone)
		from = d.To
		found := false
		for at := d.From; at < d.To; at += SlotSeconds {
			d.Slots++
			sa, okA := inA[at]
			sb, okB := inB[at]
			found = found || okA || okB
			d.A, d.B = d.A+sa.Energy, d.B+sb.Energy // 0 where there is none
			okA, okB = okA && sa.Flags&Partial == 0, okB && sb.Flags&Partial == 0
			if !okA {
				d.AMissing++
			}
			if !okB {
				d.BMissing++
			}
			if okA && okB {
				d.Both++
				d.AOfBoth, d.BOfBoth = d.AOfBoth+sa.Energy, d.BOfBoth+sb.Energy
				if (sa.Flags|sb.Flags)&Estimated != 0 {
					d.Estimated++
				}
			}
		}
		if found {
			days = append(days, d)
		}
	}
	return days
}

package hdf

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Parse reads a file. A row that cannot be used is a fault of the File with its
// line; the error, an *Error, is for a file that cannot be used at all.
func Parse(data []byte, o Options) (*File, error) {
	f := &File{}
	t, err := read(data, f)
	if err != nil {
		return nil, err
	}
	if len(t.rows) == 0 {
		return nil, t.nothing()
	}
	f.Meter, f.Last3 = meterName(t.mprn, o.Key), t.mprn[len(t.mprn)-3:]
	f.Form = strings.Join(slices.Sorted(maps.Keys(t.forms)), "+")
	f.Serials = len(t.serials)
	serials := make([]uint32, len(t.serials))
	for text, n := range t.serials {
		serials[n] = binary.BigEndian.Uint32(keyed(o.Key, "serial "+text))
	}
	all, err := t.place(o.Zone)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.SortedFunc(maps.Keys(all), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) }) {
		s := t.once(all[key])
		switch kind := Kind(key[0]); kind {
		case ImportInterval:
			f.Import = append(f.Import, slotsOf(s)...)
		case ExportInterval:
			f.Export = append(f.Export, slotsOf(s)...)
		default:
			f.Registers = append(f.Registers, f.registersOf(s, kind, serials[key[1]])...)
		}
	}
	f.Import, f.Export = joinMeters(f.Import), joinMeters(f.Export)
	if len(f.Import)+len(f.Export)+len(f.Registers) == 0 {
		return nil, t.nothing()
	}
	return f, nil
}

// nothing says why nothing of a file can be used.
func (t *table) nothing() error {
	switch f := t.file; {
	case len(f.Faults) > 0:
		return &Error{Line: f.Faults[0].Line, Text: f.Faults[0].Text + ", and no other row can be used", Hint: download}
	case len(f.Unknown) > 0:
		return &Error{Text: "it has no half hours and no registers of active energy", Hint: "choose one of the four downloads of ESB Networks: 30-minute readings in calculated kWh is the one for bills"}
	}
	return &Error{Text: "it has a header and no rows", Hint: download}
}

// once sorts by time and leaves each moment once: the row that the file has
// first, as the newest word where it is newest first.
func (t *table) once(s sequence) sequence {
	slices.SortStableFunc(s, func(a, b stamped) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.line, b.line))
	})
	kept := s[:0]
	for _, r := range s {
		if n := len(kept); n > 0 && kept[n-1].at == r.at {
			if kept[n-1].value != r.value {
				t.fault(r.line, "an earlier row says another value for the same time")
			} else {
				t.file.Duplicates++
			}
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

func slotsOf(s sequence) []ledger.Slot {
	slots := make([]ledger.Slot, len(s))
	for i, r := range s {
		slots[i] = ledger.Slot{Start: r.at - ledger.SlotSeconds, Energy: r.value, Flags: ledger.FromFile}
	}
	return slots
}

// joinMeters brings the slots of meters that followed each other together. In
// the half hour of an exchange each of the two counted a part.
func joinMeters(slots []ledger.Slot) []ledger.Slot {
	slices.SortStableFunc(slots, func(a, b ledger.Slot) int { return cmp.Compare(a.Start, b.Start) })
	kept := slots[:0]
	for _, s := range slots {
		if n := len(kept); n > 0 && kept[n-1].Start == s.Start {
			kept[n-1].Energy += s.Energy
			kept[n-1].Flags |= ledger.Replaced
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

// perDay is more than a house can draw in a day: 100 kW.
const perDay = 2400 * ledger.KilowattHour

// follows reports whether a register can have gone from a to b.
func follows(a, b stamped) bool {
	days := (b.at-a.at)/(24*3600) + 1
	return b.value >= a.value && b.value-a.value <= perDay*ledger.Energy(days)
}

// registersOf leaves out readings that no meter can have had: those that do
// not follow from the one before while the next one does, and a first one that
// neither of the next two follows while they follow each other.
func (f *File) registersOf(s sequence, kind Kind, serial uint32) []Register {
	good := make([]bool, len(s))
	last := -1
	for i := range s {
		good[i] = true
		if last >= 0 && !follows(s[last], s[i]) {
			skipped := i+1 < len(s) && follows(s[last], s[i+1]) && !follows(s[i], s[i+1])
			atEnd := i+1 == len(s) && s[i].value > s[last].value
			if skipped || atEnd {
				good[i] = false
				f.Outliers++
				continue
			}
			if last == 0 && i+1 < len(s) && follows(s[i], s[i+1]) {
				good[0] = false
				f.Outliers++
			}
		}
		last = i
	}
	var out []Register
	for i, r := range s {
		if good[i] {
			out = append(out, Register{kind, r.at, r.value, serial})
		}
	}
	return out
}

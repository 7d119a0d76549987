package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// counterLine is one counter of energy through time: its series, under the
// names it had (an entity that is renamed keeps its unique id) and in the units
// it was measured in.
type counterLine struct {
	meter     string // entity id of the current series
	direction ledger.Direction
	current   Series
	parts     []Series
}

// counterLines finds the counters among the series (in the order of rank): each
// entity whose current series is a counter of energy, but for names that an
// entity no longer has.
func counterLines(entries []entry) []counterLine {
	current, byUnique := map[string]int{}, map[string]int{}
	for i, e := range entries {
		current[e.Entity] = i
		if e.UniqueID != "" {
			byUnique[e.UniqueID] = i
		}
	}
	var lines []counterLine
	for i, e := range entries {
		if current[e.Entity] != i || !ledger.Counts(e.DeviceClass, e.StateClass, e.Unit) {
			continue
		}
		if newer, ok := byUnique[e.UniqueID]; ok && entries[newer].Entity != e.Entity {
			continue // it has another name now
		}
		l := counterLine{meter: e.Entity, direction: ledger.DirectionOf(e.Key, e.Entity), current: e.Series}
		for _, p := range entries {
			same := p.Entity == e.Entity || e.UniqueID != "" && p.UniqueID == e.UniqueID
			if same && ledger.IsUnit(p.Unit) {
				l.parts = append(l.parts, p.Series)
			}
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b counterLine) int { return cmp.Compare(a.meter, b.meter) })
	return lines
}

// readings returns those of a counter with from ≤ time < to, in ms, in
// ascending order, with those that wait.
func (l counterLine) readings(ctx context.Context, q querier, waiting Pending, from, to int64) ([]ledger.Reading, error) {
	var all []ledger.Reading
	for _, p := range l.parts {
		samples, _, err := readSeries(ctx, q, p.ID, from, to)
		if err != nil {
			return nil, err
		}
		all = appendReadings(all, merge(samples, waiting.between(p.ID, from, to)), p.Unit)
	}
	sortReadings(all)
	return all, nil
}

// before returns the counter's last reading before a time in ms.
func (l counterLine) before(ctx context.Context, q querier, waiting Pending, ms int64) (last ledger.Reading, ok bool, err error) {
	for _, p := range l.parts {
		v, found, err := readBefore(ctx, q, p.ID, ms)
		if err != nil {
			return last, false, err
		}
		if w, waits := waiting.before(p.ID, ms); waits && (!found || w.Milli >= v.Milli) {
			v, found = w, true
		}
		if e, counts := ledger.FromUnit(v.Value, p.Unit); found && counts && (!ok || v.Milli > last.Milli) {
			last, ok = ledger.Reading{Milli: v.Milli, Value: e}, true
		}
	}
	return last, ok, nil
}

func appendReadings(to []ledger.Reading, samples []Sample, unit string) []ledger.Reading {
	for _, v := range samples {
		if e, ok := ledger.FromUnit(v.Value, unit); ok {
			to = append(to, ledger.Reading{Milli: v.Milli, Value: e})
		}
	}
	return to
}

func sortReadings(r []ledger.Reading) {
	slices.SortStableFunc(r, func(a, b ledger.Reading) int { return cmp.Compare(a.Milli, b.Milli) })
}

package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
	"github.com/smartcore-ireland/hems/internal/store"
)

// Errors of Tally.
var (
	// ErrNoCounter: the entity is none that counts energy.
	ErrNoCounter = errors.New("it is no counter of energy")
	// ErrSteps: the range has more steps than an answer may have, or the steps
	// are shorter than what is counted.
	ErrSteps = errors.New("the step does not suit the range")
)

// slotTime is the half hour that energy is counted in.
const slotTime = ledger.SlotSeconds * time.Second

// Sum is energy that was counted.
type Sum struct {
	Energy    ledger.Energy
	Estimated ledger.Energy // what of it was not metered when it was used
	Peak      ledger.Energy // of the half hour with the most
	PeakAt    time.Time     // when that began; zero: there is none
}

func (s *Sum) add(slot ledger.Slot) {
	s.Energy += slot.Energy
	if slot.Flags&ledger.Estimated != 0 {
		s.Estimated += slot.Energy
	}
	if s.PeakAt.IsZero() || slot.Energy > s.Peak {
		s.Peak, s.PeakAt = slot.Energy, time.Unix(slot.Start, 0)
	}
}

// Row is what was counted in one step, cut by the range.
type Row struct {
	Span
	Sum
	Flags   ledger.Flags   // of its half hours, together
	Known   time.Duration  // how much of its time was metered
	Windows map[string]Sum // by name; nil where no windows were asked for
}

// Complete reports whether all of it was metered.
func (r Row) Complete() bool { return r.Known >= r.To.Sub(r.From) }

// TallyQuery asks for the energy that a counter counted with From ≤ time < To,
// widened to whole half hours, by Steps.
type TallyQuery struct {
	Entity    string
	Source    ledger.Source    // 0: ledger.Own
	Direction ledger.Direction // 0: whichever the counter has
	From, To  time.Time
	Steps     Steps                  // of half an hour or more; nil: one, the whole
	Window    func(time.Time) string // the name of the window that a half hour begins in; nil: windows are not asked for
}

// Tally is the answer.
type Tally struct {
	Meter store.Meter
	Rows  []Row // ascending, without a hole: a step without any energy known is there too
	Total Row
	Coverage
}

// MaxRows is how many steps an answer may have: more than five years of hours.
const MaxRows = 50_000

// Meters returns the counters of energy.
func (h *History) Meters(ctx context.Context) ([]store.Meter, error) {
	r, err := h.open()
	if err != nil {
		return nil, err
	}
	return r.Meters(ctx)
}

// Tally counts energy from the half hours of the ledger, which are exact, with
// those that are not in it yet. Errors: ErrRange, ErrSteps, ErrUnknownEntity,
// ErrNoCounter, ErrNotYet.
func (h *History) Tally(ctx context.Context, q TallyQuery) (Tally, error) {
	r, err := h.open()
	if err != nil {
		return Tally{}, err
	}
	if q.Source == 0 {
		q.Source = ledger.Own
	}
	t, err := q.rows()
	if err != nil {
		return Tally{}, err
	}
	if t.Meter, err = q.meter(ctx, r); err != nil {
		return Tally{}, err
	}
	slots, err := r.Ledger(ctx, t.Meter.Name, t.Meter.Direction, q.Source, t.Total.From, t.Total.To)
	if err != nil {
		return Tally{}, fmt.Errorf("history of %s: %w", q.Entity, err)
	}
	t.take(slots, q.Window)
	return t, nil
}

// meter finds the counter of an entity.
func (q TallyQuery) meter(ctx context.Context, r *store.Reader) (store.Meter, error) {
	all, err := r.Meters(ctx)
	if err != nil {
		return store.Meter{}, err
	}
	for _, m := range all {
		if m.Name == q.Entity && m.Source == q.Source && (q.Direction == 0 || m.Direction == q.Direction) {
			return m, nil
		}
	}
	series, err := r.Series(ctx)
	if err != nil {
		return store.Meter{}, err
	}
	for _, s := range series {
		if s.Entity == q.Entity {
			return store.Meter{}, fmt.Errorf("history of %s: %w", q.Entity, ErrNoCounter)
		}
	}
	return store.Meter{}, fmt.Errorf("history of %s: %w", q.Entity, ErrUnknownEntity)
}

// rows are the steps of the range, empty.
func (q TallyQuery) rows() (t Tally, err error) {
	if !q.From.Before(q.To) {
		return Tally{}, fmt.Errorf("history of %s: %w", q.Entity, ErrRange)
	}
	span := Span{q.From.Truncate(slotTime), q.To.Add(slotTime - time.Nanosecond).Truncate(slotTime)}
	t.Total.Span = span
	if q.Steps == nil {
		t.Rows = []Row{{Span: span}}
		return t, nil
	}
	step := q.Steps.Length()
	if step < slotTime || step < 24*time.Hour && step%slotTime != 0 {
		return Tally{}, fmt.Errorf("history of %s: %w: energy is counted by the half hour, ask for a step of 30m or more of them", q.Entity, ErrSteps)
	}
	if span.To.Sub(span.From)/step > MaxRows {
		return Tally{}, fmt.Errorf("history of %s: %w: that is more than %d steps, ask for a longer one or a shorter range", q.Entity, ErrSteps, MaxRows)
	}
	for at := span.From; at.Before(span.To); {
		_, next := q.Steps.Around(at)
		if next.After(span.To) {
			next = span.To
		}
		t.Rows = append(t.Rows, Row{Span: Span{at, next}})
		at = next
	}
	return t, nil
}

// take puts the slots, in ascending time, into their rows. The half hour that runs
// is the last one and counts as known as far as it has come.
func (t *Tally) take(slots []ledger.Slot, window func(time.Time) string) {
	i := 0
	if window != nil {
		t.Total.Windows = map[string]Sum{}
	}
	known := t.Total.From
	for k, s := range slots {
		at := time.Unix(s.Start, 0)
		for i < len(t.Rows) && !at.Before(t.Rows[i].To) {
			i++
		}
		if i == len(t.Rows) {
			break
		}
		t.lose(known, at)
		end := at.Add(slotTime)
		if s.Flags&ledger.Partial != 0 && k != len(slots)-1 {
			t.lose(at, end)
		} else {
			t.Rows[i].Known += slotTime
			t.Total.Known += slotTime
		}
		known = end
		for _, r := range []*Row{&t.Rows[i], &t.Total} {
			r.add(s)
			r.Flags |= s.Flags
		}
		if window == nil {
			continue
		}
		name := window(at)
		for _, r := range []*Row{&t.Rows[i], &t.Total} {
			if r.Windows == nil {
				r.Windows = map[string]Sum{}
			}
			sum := r.Windows[name]
			sum.add(s)
			r.Windows[name] = sum
		}
	}
	t.lose(known, t.Total.To)
}

// lose notes that nothing is known of a span; one that follows another is one with it.
func (t *Tally) lose(from, to time.Time) {
	if !from.Before(to) {
		return
	}
	t.Away += to.Sub(from)
	if n := len(t.Missing); n > 0 && t.Missing[n-1].To.Equal(from) {
		t.Missing[n-1].To = to
		return
	}
	t.Gaps++
	if len(t.Missing) < maxMissing {
		t.Missing = append(t.Missing, Span{from, to})
	}
}

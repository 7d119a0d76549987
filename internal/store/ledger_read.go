package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Meter is what the ledger has slots of.
type Meter struct {
	// Name is the entity id of the counter, or the name that was given with a
	// file of the operator.
	Name      string
	Direction ledger.Direction
	Source    ledger.Source
	Device    string // friendly name of the device; empty for a file
	UniqueID  string // of the entity in its discovery document
}

// Meters returns what the ledger has slots of, or will have: our own counters
// by name, and then those of files.
func (r *Reader) Meters(ctx context.Context) (all []Meter, err error) {
	err = r.view(ctx, func(q querier) error {
		entries, err := loadSeries(ctx, q)
		if err != nil {
			return err
		}
		for _, l := range counterLines(entries) {
			all = append(all, Meter{Name: l.meter, Direction: l.direction, Source: ledger.Own, Device: l.current.Device, UniqueID: l.current.UniqueID})
		}
		rows, err := loadMeters(ctx, q)
		for _, m := range rows {
			if m.source != ledger.Own {
				all = append(all, Meter{Name: m.name, Direction: m.direction, Source: m.source})
			}
		}
		return err
	})
	return all, err
}

// Ledger returns a meter's slots that begin with from ≤ start < to, in
// ascending time and complete up to now: the half hour that is running is the
// last, flagged ledger.Partial. A half hour of which nothing is known is
// absent. The error is ErrUnknownEntity for a meter that the ledger does not
// have.
func (r *Reader) Ledger(ctx context.Context, meter string, direction ledger.Direction, source ledger.Source, from, to time.Time) (slots []ledger.Slot, err error) {
	waiting := r.waiting(ctx)
	begin, end := ceilMilli(from), ceilMilli(to)
	err = r.view(ctx, func(q querier) error {
		rows, err := loadMeters(ctx, q)
		if err != nil {
			return err
		}
		if source != ledger.Own {
			for _, m := range rows {
				if m.name == meter && m.direction == direction && m.source == source {
					slots, err = readDays(ctx, q, m.id, ceilTo(begin, 1000)/1000, ceilTo(end, 1000)/1000)
					return err
				}
			}
			return fmt.Errorf("the ledger of %s (%s): %w", meter, source, ErrUnknownEntity)
		}
		entries, err := loadSeries(ctx, q)
		if err != nil {
			return err
		}
		lines := counterLines(entries)
		for _, l := range lines {
			if l.meter == meter && l.direction == direction {
				slots, err = ownSlots(ctx, q, waiting, l, rowOf(rows, l, uniqueIDs(lines)), begin, end)
				return err
			}
		}
		return fmt.Errorf("the ledger of %s (%s): %w", meter, direction, ErrUnknownEntity)
	})
	return slots, err
}

// ownSlots are those that have been counted, and what has come since.
func ownSlots(ctx context.Context, q querier, waiting Pending, l counterLine, m *meterRow, begin, end int64) ([]ledger.Slot, error) {
	if m == nil || !m.counter.Known {
		return l.slots(ctx, q, waiting, ledger.Counter{}, 0, begin, end)
	}
	open := m.counter.Open.Start * 1000
	slots, err := readDays(ctx, q, m.id, ceilTo(begin, 1000)/1000, ceilTo(min(end, open), 1000)/1000)
	if err != nil || end <= open {
		return slots, err
	}
	rest, err := l.slots(ctx, q, waiting, m.counter, m.until, max(begin, open), end)
	return append(slots, rest...), err
}

// ledgerWindow is how much of a counter is read at a time, in ms.
const ledgerWindow = 10 * 24 * hourMS

// slots counts on from c, which has counted everything before a time (ms), or
// where there is no reading in it from the last one before from.
func (l counterLine) slots(ctx context.Context, q querier, waiting Pending, c ledger.Counter, counted, from, to int64) ([]ledger.Slot, error) {
	if !c.Known {
		first, ok, err := l.before(ctx, q, waiting, from)
		if err != nil {
			return nil, err
		}
		if ok {
			c.Add(first)
		}
	}
	var slots []ledger.Slot
	keep := func(s ledger.Slot) {
		if s.Start*1000 >= from && s.Start*1000 < to {
			slots = append(slots, s)
		}
	}
	start := from
	if c.Known {
		start = max(c.Last.Milli+1, counted)
	}
	end, err := newestMilli(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, p := range l.parts {
		if w, ok := waiting.before(p.ID, math.MaxInt64); ok {
			end = max(end, w.Milli)
		}
	}
	// The last slot is complete with the first reading after it.
	for at := start; at <= end && (!c.Known && at < to || c.Known && c.Open.Start*1000 < to); at += ledgerWindow {
		readings, err := l.readings(ctx, q, waiting, at, at+ledgerWindow)
		if err != nil {
			return nil, err
		}
		for _, v := range readings {
			c.Add(v)
		}
		for _, s := range c.Done() {
			keep(s)
		}
	}
	if s, ok := c.Running(); ok {
		keep(s)
	}
	return slots, nil
}

// newestMilli is the greatest time of any reading in the file; 0 when there is
// none.
func newestMilli(ctx context.Context, q querier) (ms int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT coalesce(max(max_ms), 0) FROM segment`).Scan(&ms)
	return ms, err
}

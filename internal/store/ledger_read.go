package store

import (
	"context"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Meter is what the ledger has slots of.
type Meter struct {
	// Name is the entity id of the counter, or for a file of the operator a
	// name made of a hash, see internal/hdf.
	Name      string
	Direction ledger.Direction
	Source    ledger.Source
	Device    string // friendly name of the device; empty for a file
	UniqueID  string // of the entity in its discovery document
}

// Meters returns what the ledger has slots of, or will have.
func (r *Reader) Meters(ctx context.Context) (all []Meter, err error) {
	err = r.view(ctx, func(q querier) error {
		entries, err := loadSeries(ctx, q)
		if err != nil {
			return err
		}
		for _, l := range counterLines(entries) {
			all = append(all, Meter{Name: l.meter, Direction: l.direction, Source: ledger.Own, Device: l.current.Device, UniqueID: l.current.UniqueID})
		}
		return nil
	})
	return all, err
}

// Ledger returns a meter's slots that begin with from ≤ start < to, in
// ascending time and complete up to now: the half hour that is running is the
// last, flagged ledger.Partial. A half hour of which nothing is known is
// absent. The error is ErrUnknownEntity for a meter of our own that is none.
func (r *Reader) Ledger(ctx context.Context, meter string, direction ledger.Direction, source ledger.Source, from, to time.Time) (slots []ledger.Slot, err error) {
	err = r.view(ctx, func(q querier) error {
		entries, err := loadSeries(ctx, q)
		if err != nil {
			return err
		}
		for _, l := range counterLines(entries) {
			if l.meter == meter && l.direction == direction && source == ledger.Own {
				slots, err = l.slots(ctx, q, ledger.Counter{}, ceilMilli(from), ceilMilli(to))
				return err
			}
		}
		return fmt.Errorf("the ledger of %s: %w", meter, ErrUnknownEntity)
	})
	return slots, err
}

// ledgerWindow is how much of a counter is read at a time, in ms.
const ledgerWindow = 10 * 24 * hourMS

// slots counts on from c, or from the last reading before from.
func (l counterLine) slots(ctx context.Context, q querier, c ledger.Counter, from, to int64) ([]ledger.Slot, error) {
	if !c.Known {
		first, ok, err := l.before(ctx, q, from)
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
		start = c.Last.Milli + 1
	}
	end, err := newestMilli(ctx, q)
	if err != nil {
		return nil, err
	}
	// The last slot is complete with the first reading after it.
	for at := start; at <= end && (!c.Known && at < to || c.Known && c.Open.Start*1000 < to); at += ledgerWindow {
		readings, err := l.readings(ctx, q, at, at+ledgerWindow)
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

package store

import (
	"context"
	"database/sql"
	"math"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

const (
	// ledgerWork is how many hours of one counter's readings are counted
	// between two commits, about a second's work on a small computer: a store
	// of a year that is counted for the first time holds nobody up.
	ledgerWork = 240 * 24
	// ledgerWarm is how long before readings that came late a counter is
	// counted again from.
	ledgerWarm = 24 * hourMS
)

// countEnergy brings the ledger on, if it is behind; not while readings of a
// damaged file still follow, or half hours would be counted without them.
func (s *Store) countEnergy(ctx context.Context, db *sql.DB, open int64) error {
	if !s.ledgerDue || s.salvaging() {
		return nil
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	more, err := s.keepLedger(ctx, tx, open)
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.ledgerDue = more
	return nil
}

// keepLedger counts what has come into the file into the ledger, up to the
// hour beginning at open (ms), a bounded part of it at a time. more is true
// when there is more to be done. s.dbMu is held.
//
// It goes by closed segments: those that are sealed, and blocks that are over
// and wait for a destination. Which of them are new is told by their numbers,
// so that what an older program wrote, or what comes late, is found.
func (s *Store) keepLedger(ctx context.Context, tx *sql.Tx, open int64) (more bool, err error) {
	entries, err := loadSeries(ctx, tx)
	if err != nil {
		return false, err
	}
	lines := counterLines(entries)
	if len(lines) == 0 {
		return false, nil
	}
	rows, err := loadMeters(ctx, tx)
	if err != nil {
		return false, err
	}
	k, err := s.keeper(ctx, tx, open)
	if err != nil {
		return false, err
	}
	current := uniqueIDs(lines)
	for _, l := range lines {
		m := rowOf(rows, l, current)
		if m == nil {
			// Everything so far is counted in the order of time: nothing is late.
			m = &meterRow{name: l.meter, direction: l.direction, source: ledger.Own, uniqueID: l.current.UniqueID, seq: k.upTo}
		}
		if m.name != l.meter || m.uniqueID != l.current.UniqueID {
			s.o.Log.Info("the ledger of a counter goes on under another name or device", "was", m.name, "now", l.meter)
			m.name, m.uniqueID = l.meter, l.current.UniqueID
		}
		if err := k.keep(ctx, l, m); err != nil {
			return false, err
		}
		if k.work <= 0 {
			return true, nil
		}
	}
	return false, nil
}

// keeper counts in one transaction.
type keeper struct {
	s  *Store
	tx *sql.Tx
	// open is where the hour begins that is not over; upTo the number of the
	// last reading of which no later one can come into its segment; until the
	// time before which no segment that is open has a reading; in ms.
	open, upTo, until int64
	oldest            int64 // reading in the file
	work              int   // hours that may still be read
}

func (s *Store) keeper(ctx context.Context, tx *sql.Tx, open int64) (*keeper, error) {
	blocks, err := querySegments(ctx, tx, `WHERE sealed = 0 ORDER BY first`)
	if err != nil {
		return nil, err
	}
	newest, err := newestMilli(ctx, tx)
	if err != nil {
		return nil, err
	}
	k := &keeper{s: s, tx: tx, open: open, upTo: s.next - 1, until: min(newest+1, s.o.Now().UnixMilli()), work: ledgerWork}
	for _, g := range blocks {
		if g.maxMS >= open && g.minMS < open+3*hourMS {
			k.upTo, k.until = min(k.upTo, g.first-1), min(k.until, g.minMS)
		}
	}
	err = tx.QueryRowContext(ctx, `SELECT coalesce(min(min_ms), 0) FROM segment`).Scan(&k.oldest)
	return k, err
}

// keep counts one counter on.
func (k *keeper) keep(ctx context.Context, l counterLine, m *meterRow) error {
	late, err := l.late(ctx, k.tx, m.seq, m.until-1)
	if err != nil {
		return err
	}
	if late < m.until {
		if k.until < m.until && k.until < k.open-hourMS {
			return nil // more of what is late is still coming in
		}
		return k.again(ctx, l, m, late)
	}
	from := m.until
	if from == 0 {
		from = k.oldest
	}
	for from < k.until && k.work > 0 {
		to := min(from+ledgerWindow, k.until)
		readings, err := k.readings(ctx, l, from, to)
		if err != nil {
			return err
		}
		k.s.count(&m.counter, l.meter, readings)
		from, m.until = to, to
	}
	if from >= k.until {
		m.seq = k.upTo
	}
	if err := saveMeter(ctx, k.tx, m); err != nil {
		return err
	}
	_, err = k.s.putSlots(ctx, k.tx, m.id, m.counter.Done(), "counted again", false, 0, 0)
	return err
}

func (k *keeper) readings(ctx context.Context, l counterLine, from, to int64) ([]ledger.Reading, error) {
	k.work -= int((to-from)/hourMS) + 1
	return l.readings(ctx, k.tx, Pending{}, from, to)
}

// again counts a counter from before readings that came late. Slots that come
// out otherwise are revised, with what they were kept.
func (k *keeper) again(ctx context.Context, l counterLine, m *meterRow, late int64) error {
	// It divides what was counted from the reading before it.
	before, ok, err := l.before(ctx, k.tx, Pending{}, late)
	if err != nil {
		return err
	}
	begin := ledger.SlotOf(late / 1000)
	if ok {
		begin = ledger.SlotOf(before.Milli / 1000)
	}
	if m.counter.Known {
		begin = min(begin, m.counter.Open.Start)
	}
	begin *= 1000
	from := begin - ledgerWarm
	var c ledger.Counter
	first, ok, err := l.before(ctx, k.tx, Pending{}, from)
	if err != nil {
		return err
	}
	if ok {
		c.Add(first)
	} else if gone, err := k.gone(ctx, l, m, from, begin); err != nil {
		return err
	} else if gone {
		k.s.o.Log.Warn("readings of a counter of energy came too late for the ledger", "meter", l.meter, "at_ms", late)
		m.seq = k.upTo
		return saveMeter(ctx, k.tx, m)
	}
	var slots []ledger.Slot
	for ; from < k.until; from += ledgerWindow {
		readings, err := k.readings(ctx, l, from, min(from+ledgerWindow, k.until))
		if err != nil {
			return err
		}
		for _, v := range readings {
			c.Add(v)
		}
		for _, v := range c.Done() {
			if v.Start*1000 >= begin {
				slots = append(slots, v)
			}
		}
	}
	end := max(m.counter.Open.Start, c.Open.Start)
	m.counter, m.seq, m.until = c, k.upTo, k.until
	if err := saveMeter(ctx, k.tx, m); err != nil {
		return err
	}
	change, err := k.s.putSlots(ctx, k.tx, m.id, slots, "readings came late", true, begin/1000, end)
	if err == nil && change.Changed+change.Removed > 0 {
		k.s.o.Log.Info("half hours of the ledger were revised; what they were is kept", "meter", l.meter,
			"changed", change.Changed, "removed", change.Removed, "new", change.New, "why", "readings came late")
	}
	return err
}

// gone reports whether what the slots before begin were counted from is no
// longer kept, so that those after it cannot be counted again.
func (k *keeper) gone(ctx context.Context, l counterLine, m *meterRow, from, begin int64) (bool, error) {
	earlier, err := readDays(ctx, k.tx, m.id, math.MinInt32, begin/1000)
	if err != nil || len(earlier) == 0 {
		return false, err
	}
	readings, err := k.readings(ctx, l, from, begin)
	return len(readings) == 0, err
}

// count adds readings, and says what else they tell.
func (s *Store) count(c *ledger.Counter, meter string, readings []ledger.Reading) {
	corrections := 0
	for _, v := range readings {
		before := c.Last
		switch e := c.Add(v); e {
		case ledger.Nothing:
		case ledger.WasCorrection:
			corrections++
		default:
			s.o.Log.Info("a counter of energy did not simply count on", "meter", meter, "what", e.String(),
				"from", before.Value.String(), "to", v.Value.String(), "at_ms", v.Milli)
		}
	}
	if corrections > 0 {
		s.o.Log.Debug("a counter of energy fell a little", "meter", meter, "times", corrections)
	}
}

// late returns the time of a counter's earliest reading with a number after
// seq that is not after last (ms), and a time after last when there is none.
func (l counterLine) late(ctx context.Context, q querier, seq, last int64) (int64, error) {
	earliest := int64(math.MaxInt64)
	segments, err := querySegments(ctx, q, `WHERE first > ? AND min_ms <= ? ORDER BY first`, seq, last)
	if err != nil {
		return 0, err
	}
	for _, g := range segments {
		for _, p := range l.parts {
			samples, err := readSegment(ctx, q, g, p.ID)
			if err != nil {
				return 0, err
			}
			if len(samples) > 0 {
				earliest = min(earliest, samples[0].Milli)
			}
		}
	}
	return earliest, nil
}

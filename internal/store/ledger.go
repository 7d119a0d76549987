package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// ledgerAddition is where the ledger is kept: for ever, whatever becomes of the
// readings it was counted from.
var ledgerAddition = addition{"ledger", `
	CREATE TABLE IF NOT EXISTS ledger_meter (
		id INTEGER PRIMARY KEY,
		name TEXT NOT NULL,          -- entity id of the counter, or a file's name of its meter
		direction INTEGER NOT NULL,  -- ledger.Direction
		source INTEGER NOT NULL,     -- ledger.Source
		unique_id TEXT NOT NULL,
		seq INTEGER NOT NULL,        -- readings up to this number have been counted
		until_ms INTEGER NOT NULL,   -- and all before this time
		state TEXT NOT NULL          -- a ledger.Counter as JSON, with which it goes on
	) STRICT;
	CREATE TABLE IF NOT EXISTS ledger (
		meter INTEGER NOT NULL,      -- ledger_meter.id
		day INTEGER NOT NULL,        -- days since 1970, UTC
		data BLOB NOT NULL,          -- see encodeDay
		PRIMARY KEY (meter, day)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE IF NOT EXISTS ledger_revision ( -- what a slot was before it was changed
		id INTEGER PRIMARY KEY,
		meter INTEGER NOT NULL,
		start INTEGER NOT NULL,      -- unix seconds
		energy INTEGER NOT NULL,     -- µWh
		flags INTEGER NOT NULL,
		reason TEXT NOT NULL,
		at_ms INTEGER NOT NULL
	) STRICT;
	CREATE INDEX IF NOT EXISTS ledger_revision_by_slot ON ledger_revision (meter, start);
	CREATE TABLE IF NOT EXISTS ledger_register ( -- readings of registers from files
		meter TEXT NOT NULL,
		kind INTEGER NOT NULL,
		serial INTEGER NOT NULL,
		at INTEGER NOT NULL,         -- unix seconds
		value INTEGER NOT NULL,      -- µWh
		PRIMARY KEY (meter, kind, serial, at)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE IF NOT EXISTS ledger_file ( -- files that were taken
		id INTEGER PRIMARY KEY,
		at_ms INTEGER NOT NULL,
		meter TEXT NOT NULL,
		report TEXT NOT NULL         -- JSON, for whoever gave it
	) STRICT;
	CREATE TABLE IF NOT EXISTS ledger_key (id INTEGER PRIMARY KEY CHECK (id = 1), key BLOB NOT NULL) STRICT;
	INSERT OR IGNORE INTO ledger_key VALUES (1, randomblob(32));`}

// meterRow is a row of ledger_meter.
type meterRow struct {
	id        int64
	name      string
	direction ledger.Direction
	source    ledger.Source
	uniqueID  string
	seq       int64
	until     int64 // ms
	counter   ledger.Counter
}

func loadMeters(ctx context.Context, q querier) ([]meterRow, error) {
	has, err := hasTable(ctx, q, "ledger_meter")
	if err != nil || !has {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, `SELECT id, name, direction, source, unique_id, seq, until_ms, state FROM ledger_meter ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []meterRow
	for rows.Next() {
		var m meterRow
		var state string
		if err := rows.Scan(&m.id, &m.name, &m.direction, &m.source, &m.uniqueID, &m.seq, &m.until, &state); err != nil {
			return nil, err
		}
		if state != "" {
			if err := json.Unmarshal([]byte(state), &m.counter); err != nil {
				return nil, fmt.Errorf("%w: where the ledger of %s is: %w", errDamage, m.name, err)
			}
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

// rowOf finds the row of a counter: that of its unique id, since it may have
// been renamed, or of its name, where the device was replaced by another.
func rowOf(rows []meterRow, l counterLine, current map[string]bool) (found *meterRow) {
	for i := range rows {
		m := &rows[i]
		switch {
		case m.source != ledger.Own || m.direction != l.direction:
		case m.uniqueID != "" && m.uniqueID == l.current.UniqueID:
			return m
		case m.name == l.meter && (m.uniqueID == l.current.UniqueID || !current[m.uniqueID]):
			found = m
		}
	}
	return found
}

// uniqueIDs are those of counters, by which a name that has moved on to another
// device is told.
func uniqueIDs(lines []counterLine) map[string]bool {
	ids := map[string]bool{}
	for _, l := range lines {
		if id := l.current.UniqueID; id != "" {
			ids[id] = true
		}
	}
	return ids
}

// saveMeter writes a row, and gives a new one its id.
func saveMeter(ctx context.Context, tx *sql.Tx, m *meterRow) error {
	var state []byte
	if m.source == ledger.Own {
		b, err := json.Marshal(m.counter)
		if err != nil {
			return err
		}
		state = b
	}
	var id any
	if m.id != 0 {
		id = m.id
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO ledger_meter (id, name, direction, source, unique_id, seq, until_ms, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
		ON CONFLICT (id) DO UPDATE SET name = ?2, unique_id = ?5, seq = ?6, until_ms = ?7, state = ?8`,
		id, m.name, m.direction, m.source, m.uniqueID, m.seq, m.until, string(state))
	if err != nil || m.id != 0 {
		return err
	}
	m.id, err = res.LastInsertId()
	return err
}

// daySeconds is the length of a row of the table ledger.
const daySeconds = 48 * ledger.SlotSeconds

func ledgerDayOf(start int64) int64 {
	d := start / daySeconds
	if start%daySeconds < 0 {
		d--
	}
	return d
}

// readDays returns a meter's slots with from ≤ start < to, in unix seconds.
// Days that are damaged are left out.
func readDays(ctx context.Context, q querier, meter, from, to int64) ([]ledger.Slot, error) {
	if from >= to {
		return nil, nil
	}
	rows, err := q.QueryContext(ctx, `SELECT day, data FROM ledger WHERE meter = ? AND day BETWEEN ? AND ? ORDER BY day`,
		meter, ledgerDayOf(from), ledgerDayOf(to-1))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var slots []ledger.Slot
	var data sql.RawBytes
	for rows.Next() {
		var day int64
		if err := rows.Scan(&day, &data); err != nil {
			return nil, err
		}
		all, err := decodeDay(day, data)
		if err != nil {
			continue // what is around it is better than no answer
		}
		for _, s := range all {
			if s.Start >= from && s.Start < to {
				slots = append(slots, s)
			}
		}
	}
	return slots, rows.Err()
}

// Change is how many slots a write was about.
type Change struct {
	New     int `json:"new"`
	Same    int `json:"same"`    // were so already
	Changed int `json:"changed"` // were something else before, which is kept
	Removed int `json:"removed,omitempty"`
}

// putSlots writes a meter's slots, which are in ascending time. What a slot was
// before goes to ledger_revision with the reason. With all, slots between the
// first and end that are not among them are removed, in the same way.
func (s *Store) putSlots(ctx context.Context, tx *sql.Tx, meter int64, slots []ledger.Slot, reason string, all bool, begin, end int64) (c Change, err error) {
	if !all {
		if len(slots) == 0 {
			return c, nil
		}
		begin, end = slots[0].Start, slots[len(slots)-1].End()
	}
	before, err := readDays(ctx, tx, meter, ledgerDayOf(begin)*daySeconds, end+daySeconds)
	if err != nil {
		return c, err
	}
	was := make(map[int64]ledger.Slot, len(before))
	now := make(map[int64]ledger.Slot, len(before)+len(slots))
	for _, v := range before {
		was[v.Start], now[v.Start] = v, v
	}
	dirty := map[int64]bool{}
	revise := func(v ledger.Slot) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO ledger_revision (meter, start, energy, flags, reason, at_ms) VALUES (?, ?, ?, ?, ?, ?)`,
			meter, v.Start, int64(v.Energy), int64(v.Flags), reason, s.o.Now().UnixMilli())
		return err
	}
	given := make(map[int64]bool, len(slots))
	for _, v := range slots {
		given[v.Start] = true
		old, there := was[v.Start]
		switch {
		case !there:
			c.New++
		case old.Energy == v.Energy && old.Flags&^ledger.Revised == v.Flags:
			c.Same++
			continue
		default:
			c.Changed++
			if err := revise(old); err != nil {
				return c, err
			}
			v.Flags |= ledger.Revised
		}
		now[v.Start] = v
		dirty[ledgerDayOf(v.Start)] = true
	}
	for _, v := range before {
		if all && v.Start >= begin && v.Start < end && !given[v.Start] {
			c.Removed++
			if err := revise(v); err != nil {
				return c, err
			}
			delete(now, v.Start)
			dirty[ledgerDayOf(v.Start)] = true
		}
	}
	byDay := map[int64][]ledger.Slot{}
	for _, v := range now {
		if d := ledgerDayOf(v.Start); dirty[d] {
			byDay[d] = append(byDay[d], v)
		}
	}
	for d := range dirty {
		if len(byDay[d]) == 0 {
			if _, err := tx.ExecContext(ctx, `DELETE FROM ledger WHERE meter = ? AND day = ?`, meter, d); err != nil {
				return c, err
			}
			continue
		}
		slices.SortFunc(byDay[d], func(a, b ledger.Slot) int { return cmp.Compare(a.Start, b.Start) })
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO ledger (meter, day, data) VALUES (?, ?, ?)`, meter, d, encodeDay(d, byDay[d])); err != nil {
			return c, err
		}
	}
	return c, nil
}

// LedgerKey is the secret with which the meters of files are named: it is made
// with the store, and kept in it.
func (s *Store) LedgerKey(ctx context.Context) (key []byte, err error) {
	err = s.use(func(db *sql.DB) error {
		err := db.QueryRowContext(ctx, `SELECT key FROM ledger_key`).Scan(&key)
		if errors.Is(err, sql.ErrNoRows) { // it was lost with a part of the file
			if _, err = db.ExecContext(ctx, `INSERT INTO ledger_key VALUES (1, randomblob(32))`); err == nil {
				err = db.QueryRowContext(ctx, `SELECT key FROM ledger_key`).Scan(&key)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the ledger's key: %w", err)
	}
	return key, nil
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Register is a reading of a cumulative register, from a file. What Kind and
// Serial mean is for whoever gave it to say.
type Register struct {
	Kind   uint8
	Serial uint32
	At     int64 // unix seconds
	Value  ledger.Energy
}

// FileSlots is what a file of the network's operator says of a meter.
type FileSlots struct {
	Meter          string
	Source         ledger.Source
	Import, Export []ledger.Slot // in ascending time, each once
	Registers      []Register
	// Report is called with what became of them and is kept with the file; it
	// becomes JSON.
	Report func(FileChange) any
}

// FileChange is what became of a file's contents.
type FileChange struct {
	Import    Change `json:"import"`
	Export    Change `json:"export"`
	Registers Change `json:"registers"`
}

// TakeFile takes a file into the ledger, all of it or nothing. Half hours that
// the ledger has otherwise from an earlier file are revised, and what they were
// is kept; those that this file does not have stay as they are.
func (s *Store) TakeFile(ctx context.Context, f FileSlots) (c FileChange, err error) {
	err = s.use(func(db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if c, err = s.takeFile(ctx, tx, f); err != nil {
			return err
		}
		return tx.Commit()
	})
	if err != nil {
		return FileChange{}, fmt.Errorf("taking a file into the ledger: %w", err)
	}
	return c, nil
}

func (s *Store) takeFile(ctx context.Context, tx *sql.Tx, f FileSlots) (c FileChange, err error) {
	rows, err := loadMeters(ctx, tx)
	if err != nil {
		return c, err
	}
	put := func(d ledger.Direction, slots []ledger.Slot) (Change, error) {
		if len(slots) == 0 {
			return Change{}, nil
		}
		m := meterRow{name: f.Meter, direction: d, source: f.Source}
		for _, r := range rows {
			if r.name == f.Meter && r.direction == d && r.source == f.Source {
				m = r
			}
		}
		if m.id == 0 {
			if err := saveMeter(ctx, tx, &m); err != nil {
				return Change{}, err
			}
		}
		return s.putSlots(ctx, tx, m.id, slots, "a later file", false, 0, 0)
	}
	if c.Import, err = put(ledger.Import, f.Import); err != nil {
		return c, err
	}
	if c.Export, err = put(ledger.Export, f.Export); err != nil {
		return c, err
	}
	if c.Registers, err = putRegisters(ctx, tx, f.Meter, f.Registers); err != nil {
		return c, err
	}
	var report any
	if f.Report != nil {
		report = f.Report(c)
	}
	b, err := json.Marshal(report)
	if err != nil {
		return c, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO ledger_file (at_ms, meter, report) VALUES (?, ?, ?)`, s.o.Now().UnixMilli(), f.Meter, string(b))
	return c, err
}

// putRegisters keeps readings of registers; of one that is there with another
// value, the later file's is kept.
func putRegisters(ctx context.Context, tx *sql.Tx, meter string, registers []Register) (c Change, err error) {
	before, err := readRegisters(ctx, tx, meter)
	if err != nil {
		return c, err
	}
	type key struct {
		kind   uint8
		serial uint32
		at     int64
	}
	was := make(map[key]ledger.Energy, len(before))
	for _, r := range before {
		was[key{r.Kind, r.Serial, r.At}] = r.Value
	}
	for _, r := range registers {
		switch v, there := was[key{r.Kind, r.Serial, r.At}]; {
		case !there:
			c.New++
		case v == r.Value:
			c.Same++
			continue
		default:
			c.Changed++
		}
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO ledger_register (meter, kind, serial, at, value) VALUES (?, ?, ?, ?, ?)`,
			meter, r.Kind, r.Serial, r.At, int64(r.Value)); err != nil {
			return c, err
		}
	}
	return c, nil
}

func readRegisters(ctx context.Context, q querier, meter string) (all []Register, err error) {
	rows, err := q.QueryContext(ctx, `SELECT kind, serial, at, value FROM ledger_register WHERE meter = ? ORDER BY kind, serial, at`, meter)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r Register
		if err := rows.Scan(&r.Kind, &r.Serial, &r.At, &r.Value); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// Registers returns what files said of a meter's registers, in the order of
// kind, serial and time.
func (r *Reader) Registers(ctx context.Context, meter string) (all []Register, err error) {
	err = r.view(ctx, func(q querier) error {
		has, err := hasTable(ctx, q, "ledger_register")
		if err != nil || !has {
			return err
		}
		all, err = readRegisters(ctx, q, meter)
		return err
	})
	return all, err
}

// LedgerFile is a file that was taken.
type LedgerFile struct {
	At     time.Time
	Meter  string
	Report json.RawMessage
}

// LedgerFiles returns the last files that were taken, up to limit, the latest
// first.
func (r *Reader) LedgerFiles(ctx context.Context, limit int) (all []LedgerFile, err error) {
	err = r.view(ctx, func(q querier) error {
		has, err := hasTable(ctx, q, "ledger_file")
		if err != nil || !has {
			return err
		}
		rows, err := q.QueryContext(ctx, `SELECT at_ms, meter, report FROM ledger_file ORDER BY id DESC LIMIT ?`, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var f LedgerFile
			var ms int64
			var report string
			if err := rows.Scan(&ms, &f.Meter, &report); err != nil {
				return err
			}
			f.At, f.Report = time.UnixMilli(ms), json.RawMessage(report)
			all = append(all, f)
		}
		return rows.Err()
	})
	return all, err
}

// Revision is what a slot was before it was changed.
type Revision struct {
	ledger.Slot
	Reason string
	At     time.Time // of the change
}

// Revisions returns what slots with from ≤ start < to were before they were
// changed, in ascending order of slot and then of change.
func (r *Reader) Revisions(ctx context.Context, meter string, direction ledger.Direction, source ledger.Source, from, to time.Time) (all []Revision, err error) {
	err = r.view(ctx, func(q querier) error {
		rows, err := loadMeters(ctx, q)
		if err != nil {
			return err
		}
		for _, m := range rows {
			if m.name != meter || m.direction != direction || m.source != source {
				continue
			}
			found, err := revisions(ctx, q, m.id, from.Unix(), to.Unix())
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		slices.SortStableFunc(all, func(a, b Revision) int { return cmp.Compare(a.Start, b.Start) })
		return nil
	})
	return all, err
}

func revisions(ctx context.Context, q querier, meter, from, to int64) (all []Revision, err error) {
	rows, err := q.QueryContext(ctx, `SELECT start, energy, flags, reason, at_ms FROM ledger_revision
		WHERE meter = ? AND start >= ? AND start < ? ORDER BY start, id`, meter, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v Revision
		var ms int64
		if err := rows.Scan(&v.Start, &v.Energy, &v.Flags, &v.Reason, &ms); err != nil {
			return nil, err
		}
		v.At = time.UnixMilli(ms)
		all = append(all, v)
	}
	return all, rows.Err()
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// addition is something that was added to the form of the file after its first
// version, and that an older program can leave alone: it does not know the
// tables, and goes on reading and writing its own. What such a program has
// written in between is recognised by sequence numbers and taken over when a
// newer one is back.
//
// So an addition makes tables of its own and changes none that a migration or
// another addition has made, and making it twice changes nothing.
type addition struct {
	name string
	// sql is CREATE … IF NOT EXISTS and INSERT OR IGNORE, and nothing else.
	sql string
}

// additions are made in this order. Each stands in the file of what it is for;
// they are only ever added to.
var additions = []addition{
	textAddition,
	originAddition,
	memoAddition,
	asideAddition,
	deliveryAddition,
	copiesAddition,
	ledgerAddition,
	rollupAddition,
	lostAddition,
}

// addAll makes the additions that the file does not have. One that this
// program does not know is left alone.
func addAll(ctx context.Context, db *sql.DB, now time.Time) error {
	done, err := additionsDone(ctx, db)
	if err != nil {
		return err
	}
	for _, a := range additions {
		if done[a.name] {
			continue
		}
		if err := add(ctx, db, a, now); err != nil {
			return fmt.Errorf("adding %s to the store: %w", a.name, err)
		}
	}
	return nil
}

func add(ctx context.Context, db *sql.DB, a addition, now time.Time) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, a.sql); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO addition (name, done_ms) VALUES (?, ?)`, a.name, now.UnixMilli()); err != nil {
		return err
	}
	return tx.Commit()
}

// additionsDone returns the names of the additions that the file has.
func additionsDone(ctx context.Context, db *sql.DB) (map[string]bool, error) {
	done := map[string]bool{}
	has, err := hasTable(ctx, db, "addition")
	if err != nil {
		return nil, err
	}
	if !has {
		_, err := db.ExecContext(ctx, `CREATE TABLE addition (name TEXT PRIMARY KEY, done_ms INTEGER NOT NULL) STRICT`)
		return done, err
	}
	rows, err := db.QueryContext(ctx, `SELECT name FROM addition`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		done[name] = true
	}
	return done, rows.Err()
}

// hasTable reports whether the file has a table. A reader asks before it reads
// an addition's: the writer may be older.
func hasTable(ctx context.Context, q querier, name string) (has bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, name).Scan(&has)
	return has, err
}

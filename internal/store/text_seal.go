package store

import (
	"context"
	"database/sql"
)

// packTexts is how many texts are put into one row at most.
const packTexts = 20_000

// sealTexts makes the rows of each hour that was over at open (ms) into one. The
// texts keep their numbers.
func (s *Store) sealTexts(ctx context.Context, db *sql.DB, open int64) error {
	type row struct{ first, n, maxMS int64 }
	rows, err := db.QueryContext(ctx, `SELECT first, n, max_ms FROM text WHERE first >= ? ORDER BY first`, s.textsSealed)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.first, &r.n, &r.maxMS); err != nil {
			return err
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for i := 0; i < len(all); {
		k, n := i, int64(0)
		for k < len(all) && all[k].maxMS < open && all[k].maxMS/hourMS == all[i].maxMS/hourMS && (k == i || n+all[k].n <= packTexts) {
			n += all[k].n
			k++
		}
		if k == i { // of the hour that is not over, or the clock was wrong
			i++
			continue
		}
		if k-i > 1 {
			if err := s.sealTextRows(ctx, db, all[i].first, all[k-1].first); err != nil {
				return err
			}
		}
		if k < len(all) {
			s.textsSealed = max(s.textsSealed, all[k].first)
		}
		i = k
	}
	return nil
}

// sealTextRows makes one row of those that begin from first to last.
func (s *Store) sealTextRows(ctx context.Context, db *sql.DB, first, last int64) error {
	items, err := s.gatherTexts(ctx, db, first, last)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `DELETE FROM text WHERE first BETWEEN ? AND ?`, first, last); err != nil {
		return err
	}
	if len(items) > 0 {
		if err := insertTexts(ctx, tx, &s.enc, items); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (s *Store) gatherTexts(ctx context.Context, db *sql.DB, first, last int64) (all []textItem, err error) {
	rows, err := db.QueryContext(ctx, `SELECT first, data FROM text WHERE first BETWEEN ? AND ? ORDER BY first`, first, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var begin int64
		var data sql.RawBytes
		if err := rows.Scan(&begin, &data); err != nil {
			return nil, err
		}
		items, err := decodeTexts(begin, data)
		if err != nil {
			s.o.Log.Error("texts are damaged and are dropped; the others are kept", "err", err)
			continue
		}
		all = append(all, items...)
	}
	return all, rows.Err()
}

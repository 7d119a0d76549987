package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Latest is when each entity had its latest reading, number or text, of the last
// keptOrigins commits; one that had none is missing. Who begins to write again
// where another stopped needs it: of two readings of a series at one millisecond
// the later takes the place of the other.
func (s *Store) Latest(ctx context.Context) (map[string]time.Time, error) {
	newest := map[int64]int64{}
	note := func(series, ms int64) { newest[series] = max(newest[series], ms) }
	err := s.use(func(db *sql.DB) error {
		err := eachRow(ctx, db, `SELECT first, data FROM block ORDER BY first DESC LIMIT ?`, func(_ int64, data []byte) {
			if columns, err := decodeBlob(data, 0); err == nil {
				for _, c := range columns {
					note(c.sid, c.samples[len(c.samples)-1].Milli)
				}
			}
		})
		if err != nil {
			return err
		}
		return eachRow(ctx, db, `SELECT first, data FROM text ORDER BY first DESC LIMIT ?`, func(first int64, data []byte) {
			if items, err := decodeTexts(first, data); err == nil {
				for _, t := range items {
					note(t.sid, t.Milli)
				}
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading when the last readings were: %w", err)
	}
	latest := map[string]time.Time{}
	for id, d := range s.Series() {
		if ms := newest[id]; ms > 0 && latest[d.Entity].UnixMilli() < ms {
			latest[d.Entity] = time.UnixMilli(ms)
		}
	}
	return latest, nil
}

// eachRow calls f with the number and the blob of each of the last rows.
func eachRow(ctx context.Context, db *sql.DB, query string, f func(first int64, data []byte)) error {
	rows, err := db.QueryContext(ctx, query, keptOrigins)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var first int64
		var data []byte
		if err := rows.Scan(&first, &data); err != nil {
			return err
		}
		f(first, data)
	}
	return rows.Err()
}

package store

import (
	"context"
	"database/sql"
	"errors"
)

// segment is a range of sequence numbers and what lies there: one block, or
// when sealed a chunk for each series. Its samples are numbered in the order
// of series and then time, beginning at first; numbers after n samples up to
// last belong to texts, or to samples that were dropped as duplicates.
type segment struct {
	first, last  int64
	n            int64
	minMS, maxMS int64
	sealed       bool
}

const (
	segmentColumns = `first, last, n, min_ms, max_ms, sealed`
	seriesBits     = 24
)

// chunkID is the row of a series' chunk in the sealed segment beginning at
// first: rows of one segment lie together, segments in the order of time.
func chunkID(first, sid int64) int64 { return first<<seriesBits | sid }

// querier is a database or a transaction of it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func newSegment(first, last int64, columns []column, sealed bool) segment {
	g := segment{first: first, last: last, sealed: sealed}
	for i, c := range columns {
		lo, hi := c.samples[0].Milli, c.samples[len(c.samples)-1].Milli
		if i == 0 {
			g.minMS, g.maxMS = lo, hi
		}
		g.minMS, g.maxMS = min(g.minMS, lo), max(g.maxMS, hi)
		g.n += int64(len(c.samples))
	}
	return g
}

func insertSegment(ctx context.Context, tx *sql.Tx, g segment) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO segment (`+segmentColumns+`) VALUES (?, ?, ?, ?, ?, ?)`,
		g.first, g.last, g.n, g.minMS, g.maxMS, g.sealed)
	return err
}

func querySegments(ctx context.Context, q querier, where string, args ...any) ([]segment, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+segmentColumns+` FROM segment `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []segment
	for rows.Next() {
		var g segment
		if err := rows.Scan(&g.first, &g.last, &g.n, &g.minMS, &g.maxMS, &g.sealed); err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, rows.Err()
}

// eachBlob calls f with the first column of each row as a blob; the bytes are
// f's only during the call.
func eachBlob(ctx context.Context, q querier, f func(data []byte) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var data sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&data); err != nil {
			return err
		}
		if err := f(data); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readSeries returns the samples of a series with from ≤ time < to, in ms and
// in ascending order. Damaged blobs are passed over and counted.
func readSeries(ctx context.Context, q querier, sid, from, to int64) (s []Sample, damaged int, err error) {
	cache := cacheOf(q)
	take := func(data []byte) error {
		columns, err := cache.decode(data, sid)
		if errors.Is(err, errBlob) {
			damaged++
			return nil
		}
		for _, c := range columns {
			for _, v := range c.samples {
				if from <= v.Milli && v.Milli < to {
					s = append(s, v)
				}
			}
		}
		return err
	}
	// Chunks are older than blocks but for what waits for a destination, and
	// the sort below is stable: at one time the later arrival is kept.
	err = eachBlob(ctx, q, take, `SELECT c.data FROM segment AS s CROSS JOIN chunk AS c ON c.id = (s.first << 24 | ?)
		WHERE s.max_ms >= ? AND s.min_ms < ? AND s.sealed = 1 ORDER BY s.first`, sid, from, to)
	if err != nil {
		return nil, damaged, err
	}
	err = eachBlob(ctx, q, take, `SELECT b.data FROM segment AS s CROSS JOIN block AS b ON b.first = s.first
		WHERE s.max_ms >= ? AND s.min_ms < ? AND s.sealed = 0 ORDER BY s.first`, from, to)
	if err != nil {
		return nil, damaged, err
	}
	return tidySamples(s), damaged, nil
}

// readBefore returns the sample of a series with the greatest time before the
// given one.
func readBefore(ctx context.Context, q querier, sid, before int64) (last Sample, ok bool, err error) {
	const page = 64
	for offset := 0; ; offset += page {
		segments, err := querySegments(ctx, q, `WHERE min_ms < ? ORDER BY max_ms DESC, first DESC LIMIT ? OFFSET ?`, before, page, offset)
		if err != nil {
			return Sample{}, false, err
		}
		for _, g := range segments {
			if ok && g.maxMS < last.Milli {
				return last, ok, nil // all that follow are older
			}
			s, err := readSegment(ctx, q, g, sid)
			if err != nil {
				return Sample{}, false, err
			}
			for _, v := range s {
				if v.Milli < before && (!ok || v.Milli > last.Milli) {
					last, ok = v, true
				}
			}
		}
		if len(segments) < page {
			return last, ok, nil
		}
	}
}

// readSegment returns a series' samples in one segment; of a damaged one none,
// since an older reading is better than no answer.
func readSegment(ctx context.Context, q querier, g segment, sid int64) ([]Sample, error) {
	query, id := `SELECT data FROM block WHERE first = ?`, g.first
	if g.sealed {
		query, id = `SELECT data FROM chunk WHERE id = ?`, chunkID(g.first, sid)
	}
	var data []byte
	err := q.QueryRowContext(ctx, query, id).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	columns, err := cacheOf(q).decode(data, sid)
	if err != nil || len(columns) == 0 {
		return nil, nil
	}
	return columns[0].samples, nil
}

// loadSeries returns all series, the current one of an entity after its others.
func loadSeries(ctx context.Context, q querier) ([]entry, error) {
	more, err := hasTable(ctx, q, "series_more")
	if err != nil {
		return nil, err
	}
	domain := `''` // an older program writes the file
	if more {
		domain = `coalesce((SELECT domain FROM series_more AS m WHERE m.id = series.id), '')`
	}
	rows, err := q.QueryContext(ctx, `SELECT id, rank, entity, unit, device_class, state_class, device, key, unique_id, `+domain+` FROM series ORDER BY rank, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.ID, &e.rank, &e.Entity, &e.Unit, &e.DeviceClass, &e.StateClass, &e.Device, &e.Key, &e.UniqueID, &e.Domain); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// insertSeries writes a series; how is what is done when its id is there.
func insertSeries(ctx context.Context, tx *sql.Tx, how string, e entry) error {
	_, err := tx.ExecContext(ctx, `INSERT `+how+` INTO series (id, rank, entity, unit, device_class, state_class, device, key, unique_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.ID, e.rank, e.Entity, e.Unit, e.DeviceClass, e.StateClass, e.Device, e.Key, e.UniqueID)
	return err
}

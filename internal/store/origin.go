package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
)

// Origin names what readings were made of, so that it can be recognised when it
// comes once more: a message by the number that it had on its way, which is soon
// another's, and a sum over all that it said.
type Origin struct {
	ID  uint16
	Sum uint32
}

// keptOrigins is of how many commits the origins are kept: a sender that has
// forgotten what was confirmed to it goes back seconds, not minutes.
const keptOrigins = 16

// originAddition keeps the origins of the last readings, written together with
// them: either both are in the file or neither.
var originAddition = addition{"origin", `
	CREATE TABLE IF NOT EXISTS origin (  -- of one commit
		n INTEGER PRIMARY KEY,
		data BLOB NOT NULL           -- id (2 bytes) and sum (4) of each
	) STRICT;`}

// origins are those of readings that are not in the file yet; s.mu guards them.
type origins struct{ waiting []byte }

// AppendFrom is Append for all readings of one origin. If one of them is not
// taken for want of room, the origin is not either, and all may be given again.
func (s *Store) AppendFrom(o Origin, readings ...Reading) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("storing readings: %w", os.ErrClosed)
	}
	if s.waiting+len(readings) > s.o.MaxPending {
		return fmt.Errorf("storing readings: %w", ErrFull)
	}
	var first error
	for _, r := range readings {
		if err := s.take(r); err != nil && first == nil {
			first = fmt.Errorf("storing a reading of %s: %w", r.Entity, err)
		}
	}
	s.origins.waiting = binary.BigEndian.AppendUint16(s.origins.waiting, o.ID)
	s.origins.waiting = binary.BigEndian.AppendUint32(s.origins.waiting, o.Sum)
	return first
}

func (o *origins) take() (write func(context.Context, *sql.Tx) error, done func(ok bool)) {
	if len(o.waiting) == 0 {
		return nil, nil
	}
	data := o.waiting
	o.waiting = nil
	write = func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO origin (data) VALUES (?)`, data)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM origin WHERE n <= (SELECT max(n) FROM origin) - ?`, keptOrigins)
		}
		return err
	}
	return write, func(ok bool) {
		if !ok {
			o.waiting = append(data, o.waiting...)
		}
	}
}

// Origins are those of the last readings in the file: the latest sum of each id.
func (s *Store) Origins(ctx context.Context) (sums map[uint16]uint32, err error) {
	sums = map[uint16]uint32{}
	err = s.use(func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `SELECT data FROM origin ORDER BY n`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var data []byte
			if err := rows.Scan(&data); err != nil {
				return err
			}
			for ; len(data) >= 6; data = data[6:] {
				sums[binary.BigEndian.Uint16(data)] = binary.BigEndian.Uint32(data[2:])
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading what the last readings were made of: %w", err)
	}
	return sums, nil
}

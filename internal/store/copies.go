package store

import (
	"context"
	"database/sql"
)

// copiesAddition keeps a second copy of the few rows that nothing else in the
// file repeats and without which the rest is worth little: what the series are
// called, and how far each destination has been served. A copy lies on a page
// of its own, so that one bad page takes one of the two. Triggers keep it, so
// that it is right after an older program has written, too.
//
// The sum tells a number that has changed on its page: no two numbers that
// differ by one bit leave the same rest by that prime.
var copiesAddition = addition{"copies", `
	CREATE TABLE IF NOT EXISTS cursor_copy (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;
	CREATE TABLE IF NOT EXISTS series_copy (
		id INTEGER PRIMARY KEY,
		rank INTEGER NOT NULL,
		entity TEXT NOT NULL,
		unit TEXT NOT NULL,
		device_class TEXT NOT NULL,
		state_class TEXT NOT NULL,
		device TEXT NOT NULL,
		key TEXT NOT NULL,
		unique_id TEXT NOT NULL
	) STRICT;
	CREATE TRIGGER IF NOT EXISTS cursor_copy_insert AFTER INSERT ON cursor WHEN NEW.name NOT LIKE 'probe/%' BEGIN
		INSERT INTO cursor_copy VALUES (NEW.name, NEW.seq, NEW.seq % 999983)
			ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, sum = excluded.sum;
	END;
	CREATE TRIGGER IF NOT EXISTS cursor_copy_update AFTER UPDATE ON cursor WHEN NEW.name NOT LIKE 'probe/%' BEGIN
		INSERT INTO cursor_copy VALUES (NEW.name, NEW.seq, NEW.seq % 999983)
			ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, sum = excluded.sum;
	END;
	CREATE TRIGGER IF NOT EXISTS cursor_copy_delete AFTER DELETE ON cursor BEGIN
		DELETE FROM cursor_copy WHERE name = OLD.name;
	END;
	CREATE TRIGGER IF NOT EXISTS series_copy_insert AFTER INSERT ON series BEGIN
		INSERT OR REPLACE INTO series_copy VALUES (NEW.id, NEW.rank, NEW.entity, NEW.unit, NEW.device_class, NEW.state_class, NEW.device, NEW.key, NEW.unique_id);
	END;
	CREATE TRIGGER IF NOT EXISTS series_copy_update AFTER UPDATE ON series BEGIN
		INSERT OR REPLACE INTO series_copy VALUES (NEW.id, NEW.rank, NEW.entity, NEW.unit, NEW.device_class, NEW.state_class, NEW.device, NEW.key, NEW.unique_id);
	END;
	INSERT OR IGNORE INTO cursor_copy SELECT name, seq, seq % 999983 FROM cursor WHERE name NOT LIKE 'probe/%';
	INSERT OR IGNORE INTO series_copy SELECT id, rank, entity, unit, device_class, state_class, device, key, unique_id FROM series;
`}

// copySum is what cursor_copy.sum says of a number.
func copySum(seq int64) int64 { return seq % 999983 }

// copiesAgree reports whether the copies say what the originals do.
func copiesAgree(ctx context.Context, db *sql.DB) (bool, error) {
	var differ int
	err := db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM cursor AS a LEFT JOIN cursor_copy AS b ON b.name = a.name
			WHERE a.name NOT LIKE 'probe/%' AND (b.seq IS NOT a.seq OR b.sum IS NOT a.seq % 999983)) +
		(SELECT count(*) FROM cursor_copy WHERE name NOT IN (SELECT name FROM cursor)) +
		(SELECT count(*) FROM (SELECT * FROM series EXCEPT SELECT * FROM series_copy)) +
		(SELECT count(*) FROM series_copy WHERE id NOT IN (SELECT id FROM series))`).Scan(&differ)
	return differ == 0, err
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A damaged file is replaced in these steps, of which a power cut may interrupt
// each, to be gone on with at the next opening:
//
//  1. it is renamed to path.salvage-TIME, and its log with it;
//  2. a new file is begun; one transaction takes over what the series are
//     called, how far destinations were served, and the tables of additions;
//  3. readings are taken again, and numbered behind all old ones;
//  4. in the background the old ones follow (see follow.go). A destination that
//     had not been sent all of them waits until they are there;
//  5. the damaged file is renamed to path.damaged-TIME and kept, the newest one
//     only, while the disk has room.
const (
	salvageSuffix = ".salvage-"
	damagedSuffix = ".damaged-"
	// keepSpare is what must be free for a damaged file to be kept.
	keepSpare = 256 << 20
	// maxSources is how many damaged files may wait to be taken over. Of more
	// the oldest are left aside.
	maxSources = 4
)

// sidecars are the files that SQLite keeps beside its own.
var sidecars = []string{"", "-wal", "-shm"}

// later are tables of additions that are large, and follow in the background in
// this order: texts, which destinations wait for, and what can be computed from
// the readings again where it is missing.
var later = []string{"text", "rollup_five", "rollup_day"}

// setAside renames the damaged file, so that it is taken over.
func (s *Store) setAside() error {
	to := s.path + salvageSuffix + s.o.Now().UTC().Format("20060102T150405.000Z")
	for n := 1; exists(to); n++ {
		to = fmt.Sprintf("%s%s%s-%d", s.path, salvageSuffix, s.o.Now().UTC().Format("20060102T150405.000Z"), n)
	}
	// The file first: a log without its file is recognised at the next opening,
	// a file without its log would look as if nothing was missing.
	for _, suffix := range sidecars {
		if err := os.Rename(s.path+suffix, to+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("setting the damaged store aside: %w", err)
		}
	}
	return syncDir(filepath.Dir(s.path))
}

// straighten finishes what a power cut interrupted while a file was set aside,
// and puts away what is no file at all.
func (s *Store) straighten() error {
	info, err := os.Lstat(s.path)
	if err == nil && info.IsDir() {
		to := s.path + damagedSuffix + s.o.Now().UTC().Format("20060102T150405.000Z")
		s.o.Log.Error("where the store of readings should be there is a directory; it was moved", "to", to)
		return os.Rename(s.path, to)
	}
	if !errors.Is(err, os.ErrNotExist) || !exists(s.path+"-wal") {
		return nil
	}
	to := s.path + damagedSuffix + "log"
	if sources := s.sources(); len(sources) > 0 && !exists(sources[0]+"-wal") {
		to = sources[0]
	}
	for _, suffix := range sidecars[1:] {
		if err := os.Rename(s.path+suffix, to+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sources are the damaged files that are still to be taken over, the newest
// first.
func (s *Store) sources() (paths []string) {
	all, err := filepath.Glob(s.path + salvageSuffix + "*")
	if err != nil {
		return nil // a data directory with the signs of a pattern
	}
	for _, p := range all {
		if !strings.HasSuffix(p, "-wal") && !strings.HasSuffix(p, "-shm") {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	return paths
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// adopt takes over what must be there before the first reading is taken, from
// all damaged files that wait. s.dbMu is held, or s is not shared yet.
func (s *Store) adopt(ctx context.Context, db *sql.DB) error {
	s.gate = 0
	sources := s.sources()
	if len(sources) > maxSources {
		for _, path := range sources[maxSources:] {
			s.putAway(path)
		}
		sources = sources[:maxSources]
	}
	known := s.schema()
	for _, path := range sources {
		i := slices.IndexFunc(s.rescues, func(r *rescue) bool { return r.path == path })
		if i < 0 { // those that are open already may be in the middle of it
			r, err := openRescue(path, known, s.o.Log)
			if err != nil {
				s.o.Log.Error("a damaged store cannot be read at all; it is left aside", "file", path, "err", err)
				s.putAway(path)
				continue
			}
			i = len(s.rescues)
			s.rescues = append(s.rescues, r)
		}
		r := s.rescues[i]
		if err := s.adoptOne(ctx, db, r); err != nil {
			return fmt.Errorf("taking over what could be read of the damaged store: %w", err)
		}
		s.gate = max(s.gate, r.top)
		s.next = max(s.next, r.top+1+seqMargin)
	}
	// The newest first: of what two have, the later word counts.
	slices.SortFunc(s.rescues, func(a, b *rescue) int { return strings.Compare(b.path, a.path) })
	return nil
}

// adoptOne takes over from one file, once.
func (s *Store) adoptOne(ctx context.Context, db *sql.DB, r *rescue) error {
	mark := "salvage " + filepath.Base(r.path)
	done, err := additionsDone(ctx, db)
	if err != nil || done[mark] {
		return err
	}
	series := r.series()
	for _, name := range []string{"series", "cursor"} {
		// What is called what, and who was sent what, cannot be learned later.
		if len(r.holes[name]) > 0 && len(r.holes[name+"_copy"]) > 0 || r.tables[name+"_copy"].Root == 0 && len(r.holes[name]) > 0 {
			r.survey()
			series = r.series()
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, id := range slices.Sorted(maps.Keys(series)) {
		if err := insertSeries(ctx, tx, "OR IGNORE", series[id]); err != nil {
			return err
		}
	}
	for name, seq := range r.cursors() {
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO cursor (name, seq) VALUES (?, ?)`, name, seq); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.tables)) {
		if !r.isAdditions(name) || slices.Contains(later, name) {
			continue
		}
		if err := r.copyTable(ctx, tx, name, "OR REPLACE"); err != nil {
			return err
		}
	}
	for _, e := range r.others {
		// Indexes and triggers of tables that this program does not know.
		if e.SQL != "" {
			_, _ = tx.ExecContext(ctx, e.SQL) // most are there already
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO addition (name, done_ms) VALUES (?, ?)`, mark, s.o.Now().UnixMilli()); err != nil {
		return err
	}
	return tx.Commit()
}

// isAdditions reports whether a table is one of an addition, which is taken over
// as it is.
func (r *rescue) isAdditions(name string) bool {
	return !slices.Contains(baseTables, name) && name != "schema_version" && name != "cursor_copy" && name != "series_copy"
}

// copyTable copies the rows of a table, which is made if it is not there. What
// the table does not take is left out.
func (r *rescue) copyTable(ctx context.Context, tx *sql.Tx, name, how string) error {
	c, ok, err := r.prepare(ctx, tx, name)
	if err != nil || !ok {
		return err
	}
	return r.eachOf(name, c, func(id int64, v []any) error {
		return c.insert(ctx, tx, name, how, id, v)
	})
}

// prepare makes a table if it is not there, and returns its columns; ok is false
// where it cannot be made.
func (r *rescue) prepare(ctx context.Context, tx *sql.Tx, name string) (c columns, ok bool, err error) {
	has, err := hasTable(ctx, tx, name)
	if err != nil {
		return c, false, err
	}
	e := r.tables[name]
	if !has {
		if !strings.HasPrefix(e.SQL, "CREATE TABLE") {
			return c, false, nil
		}
		if _, err := tx.ExecContext(ctx, e.SQL); err != nil {
			r.log.Error("a table of the damaged store cannot be made again", "table", name, "err", err)
			return c, false, nil
		}
	}
	if c, err = columnsOf(ctx, tx, name); err != nil {
		return c, false, err
	}
	with, isTree := r.file.HasRowIDs(e.Root)
	return c, !isTree || with != c.withoutRowID, nil
}

// eachOf calls f for the rows of a table, those included that no tree leads to.
func (r *rescue) eachOf(name string, c columns, f func(id int64, v []any) error) error {
	err := r.each(name, math.MinInt64, math.MaxInt64, false, func(id int64, v []any, whole bool) error {
		if !whole || len(v) > len(c.names) {
			return nil
		}
		return f(id, v)
	})
	if err != nil || c.withoutRowID {
		return err
	}
	for _, v := range r.loose.rows {
		if len(v.values) == len(c.names) && r.inHole(name, v.id) {
			if err := f(v.id, v.values); err != nil {
				return err
			}
		}
	}
	return nil
}

// columns are those of a table, in the order of its records.
type columns struct {
	names        []string
	alias        int // the column that is the row id; -1: none is
	withoutRowID bool
}

func columnsOf(ctx context.Context, q querier, table string) (c columns, err error) {
	c.alias = -1
	if err := q.QueryRowContext(ctx, `SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'`, table).Scan(&c.withoutRowID); err != nil {
		return c, err
	}
	rows, err := q.QueryContext(ctx, `SELECT name, type, pk FROM pragma_table_info(?)`, table)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	keys := map[int]string{}
	for rows.Next() {
		var name, kind string
		var pk int
		if err := rows.Scan(&name, &kind, &pk); err != nil {
			return c, err
		}
		if pk > 0 {
			keys[pk] = name
		}
		if pk == 1 && strings.EqualFold(kind, "INTEGER") {
			c.alias = len(c.names)
		}
		c.names = append(c.names, name)
	}
	if len(keys) > 1 {
		c.alias = -1
	}
	if c.withoutRowID { // the key comes first in the record
		c.alias = -1
		key := make([]string, 0, len(keys))
		for i := range len(keys) {
			key = append(key, keys[i+1])
		}
		c.names = append(key, slices.DeleteFunc(c.names, func(n string) bool { return slices.Contains(key, n) })...)
	}
	return c, rows.Err()
}

// insert puts a record into the table, if the table takes it.
func (c columns) insert(ctx context.Context, tx *sql.Tx, table, how string, id int64, v []any) error {
	var args []any
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	var names []string
	for i := range v {
		names = append(names, quote(c.names[i]))
		if i == c.alias {
			args = append(args, id)
		} else {
			args = append(args, v[i])
		}
	}
	if c.alias < 0 && !c.withoutRowID {
		names, args = append(names, "rowid"), append(args, id)
	}
	marks := strings.Repeat("?, ", len(names))
	_, err := tx.ExecContext(ctx, `INSERT `+how+` INTO `+quote(table)+` (`+strings.Join(names, ", ")+`) VALUES (`+marks[:len(marks)-2]+`)`, args...)
	if damaged(err) { // a column that has changed its type
		return nil
	}
	return err
}

// putAway keeps a damaged file of which nothing more is to be had: the newest
// one, while there is room.
func (s *Store) putAway(path string) {
	at := strings.TrimPrefix(path, s.path+salvageSuffix)
	old, err := filepath.Glob(s.path + damagedSuffix + "*")
	if err != nil {
		old = nil
	}
	for _, p := range old {
		if err := os.RemoveAll(p); err != nil {
			s.o.Log.Warn("an old damaged store cannot be removed", "file", p, "err", err)
		}
	}
	free, err := freeBytes(filepath.Dir(s.path))
	keep := err == nil && free >= keepSpare
	for _, suffix := range sidecars {
		if keep {
			err = os.Rename(path+suffix, s.path+damagedSuffix+at+suffix)
		} else {
			err = os.Remove(path + suffix)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			s.o.Log.Warn("the damaged store cannot be put away", "file", path+suffix, "err", err)
		}
	}
}

// freeBytes is how much a user may still write on the disk of a directory.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// Salvage is what became of a damaged file.
type Salvage struct {
	Began time.Time `json:"began"`
	// Ended is zero while old readings still follow.
	Ended time.Time `json:"ended,omitzero"`
	// Cause is what was found.
	Cause string `json:"cause,omitempty"`
	// Saved is how many readings were taken over.
	Saved int64 `json:"saved"`
	// Lost is what was not, as far as can be known.
	Lost []Lost `json:"lost,omitempty"`
	// Waits is why it does not go on.
	Waits string `json:"waits,omitempty"`
}

// Lost is a range of time of which readings were lost.
type Lost struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Readings is how many; 0 when it is not known.
	Readings int64 `json:"readings"`
}

// maxLost is how many ranges are told of.
const maxLost = 100

// addLost adds a range to others, and joins those that meet.
func addLost(all []Lost, l Lost) []Lost {
	all = append(all, l)
	slices.SortFunc(all, func(a, b Lost) int { return a.From.Compare(b.From) })
	joined := all[:1]
	for _, l := range all[1:] {
		last := &joined[len(joined)-1]
		if len(joined) == maxLost || !l.From.After(last.To.Add(time.Minute)) {
			last.Readings += l.Readings
			if l.To.After(last.To) {
				last.To = l.To
			}
			continue
		}
		joined = append(joined, l)
	}
	return joined
}

package pages

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"
)

// made is a database of SQLite's own making, with rows of all kinds, some of
// them in the log only. It is a copy of what lies on disk while it is in use.
func made(t testing.TB, rows int) (path string, db *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	live := filepath.Join(dir, "live.db")
	db, err := sql.Open("sqlite", "file:"+live+"?_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	rnd := rand.New(rand.NewPCG(1, uint64(rows)))
	run := func(q string, args ...any) {
		t.Helper()
		if _, err := db.Exec(q, args...); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE TABLE plain (id INTEGER PRIMARY KEY, i INTEGER, f REAL, s TEXT, b BLOB)`)
	run(`CREATE TABLE byname (name TEXT, n INTEGER, v BLOB, PRIMARY KEY (name, n)) WITHOUT ROWID`)
	run(`CREATE INDEX plain_by_s ON plain (s)`)
	for i := range rows {
		blob := make([]byte, []int{0, 3, 100, 4060, 4062, 5000, 20000}[i%7])
		for j := range blob {
			blob[j] = byte(rnd.Uint32())
		}
		v := []any{int64(rnd.Uint64()), int64(i - 3), nil, int64(1), int64(1) << 40}[i%5]
		run(`INSERT INTO plain VALUES (?, ?, ?, ?, ?)`, int64(i)*int64(i)-5, v, rnd.NormFloat64(), fmt.Sprint("row ", i), blob)
		run(`INSERT INTO byname VALUES (?, ?, ?)`, fmt.Sprint("n", i%10), i, blob[:min(len(blob), 5000)])
		if i == rows/2 {
			run(`PRAGMA wal_checkpoint(TRUNCATE)`)
		}
	}
	path = filepath.Join(dir, "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(live + suffix)
		if err == nil {
			err = os.WriteFile(path+suffix, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path, db
}

type line struct {
	ID     int64
	Values []any
}

func roots(t testing.TB, f *File) map[string]uint32 {
	t.Helper()
	all, holes := f.Schema()
	if len(holes) != 0 {
		t.Fatalf("the schema has holes: %v", holes)
	}
	roots := map[string]uint32{}
	for _, e := range all {
		roots[e.Name] = e.Root
	}
	return roots
}

// short is a value to compare: of bytes their length and checksum.
func short(v any) any {
	if b, ok := v.([]byte); ok {
		return fmt.Sprintf("%d bytes %08x", len(b), crc32.ChecksumIEEE(b))
	}
	return v
}

func query(t *testing.T, db *sql.DB, columns int, q string) (all []line) {
	t.Helper()
	rows, err := db.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		v := make([]any, columns)
		to := make([]any, columns)
		for i := range v {
			to[i] = &v[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		for i := range v {
			v[i] = short(v[i])
		}
		all = append(all, line{v[0].(int64), v[1:]})
	}
	return all
}

func keep(all *[]line) func(Row) error {
	return func(r Row) error {
		v, err := Values(r.Record)
		if err != nil || r.Cut || r.Stray {
			return fmt.Errorf("row %d: cut %v, stray %v, %v", r.ID, r.Cut, r.Stray, err)
		}
		for i := range v {
			v[i] = short(v[i])
		}
		*all = append(*all, line{r.ID, v})
		return nil
	}
}

func TestReadsWhatSQLiteWrote(t *testing.T) {
	path, db := made(t, 700)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Log.Broken || f.Log.Commits == 0 || !f.Header() {
		t.Errorf("log: got %+v, header %v; want a whole log with commits, and a header", f.Log, f.Header())
	}
	root := roots(t, f)
	want := query(t, db, 6, `SELECT id, NULL, i, f, s, b FROM plain ORDER BY id`)
	var got []line
	holes, err := f.Table(root["plain"], math.MinInt64, math.MaxInt64, false, keep(&got))
	if err != nil || len(holes) != 0 {
		t.Fatalf("got holes %v, %v", holes, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	t.Run("DescendingRange", func(t *testing.T) {
		want := query(t, db, 6, `SELECT id, NULL, i, f, s, b FROM plain WHERE id BETWEEN 1000 AND 250000 ORDER BY id DESC`)
		var got []line
		holes, err := f.Table(root["plain"], 1000, 250000, true, keep(&got))
		if err != nil || len(holes) != 0 {
			t.Fatalf("got holes %v, %v", holes, err)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
			t.Errorf("%d rows (-want +got):\n%s", len(got), diff)
		}
	})
	t.Run("WithoutRowID", func(t *testing.T) {
		want := query(t, db, 4, `SELECT 0, name, n, v FROM byname ORDER BY name, n`)
		var got []line
		holes, err := f.Index(root["byname"], keep(&got))
		if err != nil || holes != 0 {
			t.Fatalf("got %d holes, %v", holes, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	t.Run("EveryPageIsSeen", func(t *testing.T) {
		if _, err := f.Index(root["plain_by_s"], func(Row) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := f.Free(); err != nil {
			t.Error(err)
		}
		for n := uint32(1); n <= f.Pages(); n++ {
			if !f.Seen(n) {
				t.Errorf("page %d belongs to nothing", n)
			}
		}
	})
}

// A page that is gone takes its rows, and no others; they are in a hole.
func TestHoles(t *testing.T) {
	path, db := made(t, 150)
	if _, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(filepath.Dir(path), "live.db"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]bool{}
	for _, l := range query(t, db, 2, `SELECT id, NULL FROM plain`) {
		want[l.ID] = true
	}
	sound := New(bytes.NewReader(whole), int64(len(whole)), nil, 0)
	root := roots(t, sound)["plain"]
	lost := 0
	for n := 2; n <= len(whole)/Size; n++ {
		b := bytes.Clone(whole)
		clear(b[(n-1)*Size:][:Size])
		f := New(bytes.NewReader(b), int64(len(b)), nil, 0)
		got := map[int64]bool{}
		holes, err := f.Table(root, math.MinInt64, math.MaxInt64, false, func(r Row) error {
			if v, err := Values(r.Record); !r.Cut && !r.Stray && err == nil && len(v) == 5 {
				got[r.ID] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for id := range want {
			inHole := slices.ContainsFunc(holes, func(h Hole) bool { return h.Lo < id && id <= h.Hi })
			if !got[id] && !inHole {
				t.Fatalf("page %d is zero: row %d is missing and in no hole of %v", n, id, holes)
			}
			if !got[id] {
				lost++
			}
		}
		if len(got) < len(want) { // what the trees do not lead to any more is still in the pages
			for p := uint32(2); p <= f.Pages(); p++ {
				if !f.Seen(p) {
					_ = f.Leaf(p, func(r Row) error { got[r.ID] = true; return nil })
				}
			}
		}
		if missing := len(want) - len(got); missing > 40 {
			t.Errorf("page %d is zero: %d rows are gone", n, missing)
		}
	}
	if lost == 0 {
		t.Error("no page that was zeroed had a row")
	}
}

// Where a page in the middle of the log is damaged, SQLite takes everything
// from there on back; here only that page is missed.
func TestLog(t *testing.T) {
	path, _ := made(t, 60)
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	sound := ScanLog(bytes.NewReader(log), int64(len(log)))
	if sound.Broken || sound.Lost != 0 || sound.Commits < 50 {
		t.Fatalf("got %+v of a sound log", sound)
	}
	frames := (len(log) - logHeader) / frameSize
	at := func(i int) []byte { return log[logHeader+i*frameSize:][:frameSize] }
	lastCommit := func(n int) int { // the n-th from the end
		for i := frames - 1; ; i-- {
			if be32(at(i)[4:]) != 0 {
				if n--; n == 0 {
					return i
				}
			}
		}
	}
	for name, c := range map[string]struct {
		damage func()
		broken bool
		lost   int
	}{
		"Page":               {func() { at(20)[2000] ^= 1 }, true, 1},
		"PageNumber":         {func() { at(20)[3] ^= 1 }, true, 1},
		"Salt":               {func() { at(20)[9] ^= 1 }, true, 1},
		"Sum":                {func() { at(20)[20] ^= 1 }, true, 2}, // and the one after it
		"Header":             {func() { clear(log[:logHeader]) }, true, 1},
		"HeaderAndFirstPage": {func() { clear(log[:200]) }, true, 2},
		"FirstPage":          {func() { at(0)[100] ^= 1 }, true, 1},
		"Zeros":              {func() { clear(at(20)); clear(at(21)) }, true, 2},
		"InLastCommit":       {func() { at(frames - 1)[100] ^= 1 }, false, 0},
		"LastCommitTorn":     {func() { at(lastCommit(2) + 1)[100] ^= 1 }, false, 0},
		"TheOneBeforesEnd":   {func() { at(lastCommit(2))[100] ^= 1 }, true, 1},
		"LastCommitCut":      {func() { log = log[:len(log)-100] }, false, 0},
		"Empty":              {func() { log = nil }, false, 0},
		"Nonsense":           {func() { log = bytes.Repeat([]byte("no log "), 5000) }, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			saved := log
			defer func() { log = saved }()
			log = bytes.Clone(log)
			c.damage()
			got := ScanLog(bytes.NewReader(log), int64(len(log)))
			if got.Broken != c.broken || got.Lost > c.lost {
				t.Errorf("got broken %v, %d pages lost; want %v, at most %d", got.Broken, got.Lost, c.broken, c.lost)
			}
			if c.broken && len(got.frames) < len(sound.frames)-c.lost {
				t.Errorf("got %d pages of %d", len(got.frames), len(sound.frames))
			}
		})
	}
}

func TestValuesRefusesNonsense(t *testing.T) {
	for _, b := range [][]byte{nil, {0}, {5}, {2, 1}, {2, 15}, {3, 0x81}, {2, 10}, {2, 0, 7}, bytes.Repeat([]byte{0xff}, 20)} {
		if v, err := Values(b); !errors.Is(err, ErrBad) {
			t.Errorf("%x: got %v, %v; want an error", b, v, err)
		}
	}
}

// Whatever is in a file, reading it ends, and without a panic.
func FuzzFile(f *testing.F) {
	path, db := made(f, 40)
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		f.Fatal(err)
	}
	if _, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		f.Fatal(err)
	}
	main, err := os.ReadFile(filepath.Join(filepath.Dir(path), "live.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(main[:8*Size], []byte{}, uint16(0), uint64(0))
	f.Add(main[:4*Size], log[:logHeader+6*frameSize], uint16(100), uint64(0xffffffff))
	f.Fuzz(func(t *testing.T, main, log []byte, at uint16, change uint64) {
		if len(main) > int(at) {
			main = bytes.Clone(main)
			for i := range min(8, len(main)-int(at)) {
				main[int(at)+i] ^= byte(change >> (8 * i))
			}
		}
		file := New(bytes.NewReader(main), int64(len(main)), bytes.NewReader(log), int64(len(log)))
		take := func(r Row) error { _, _ = Values(r.Record); return nil }
		all, _ := file.Schema()
		for _, e := range all {
			if _, err := file.Table(e.Root, 0, 1<<40, e.Root%2 == 0, take); err != nil {
				t.Error(err)
			}
			if _, err := file.Index(e.Root, take); err != nil {
				t.Error(err)
			}
		}
		_ = file.Free()
		for n := uint32(1); n <= min(file.Pages(), 1000); n++ {
			_ = file.Leaf(n, take)
			_, _ = file.Table(n, math.MinInt64, math.MaxInt64, false, take)
		}
	})
}

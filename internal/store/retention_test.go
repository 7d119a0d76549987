package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeDisk is a file system of which others leave us some.
type fakeDisk struct{ total, left int64 }

// space is what is free beside the store's file.
func (d *fakeDisk) space(path string) (diskSpace, error) {
	info, err := os.Stat(path)
	if err != nil {
		return diskSpace{}, err
	}
	return diskSpace{total: d.total, free: max(d.left-info.Size(), 0)}, nil
}

// crowdedDays is how many days crowded's readings are of.
const crowdedDays = 5

// crowded is a store with five days of readings, some of them texts, rolled up and
// sealed, and of which a destination has been sent the first day.
func crowded(t *testing.T, path string, o Options, d *fakeDisk) (s *Store, c *clock) {
	t.Helper()
	c = &clock{t: noon}
	o.Now = c.now
	s = open(t, path, o)
	s.disk = d.space
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 5 {
		register(t, s, fmt.Sprint("e", i), "W")
	}
	for h := range crowdedDays * 24 {
		at := noon.Add(time.Duration(h) * time.Hour)
		for i := range 5 {
			for m := range 60 {
				appendAll(t, s, Reading{Entity: fmt.Sprint("e", i), Time: at.Add(time.Duration(m) * time.Minute), Value: rnd.Float64()})
			}
		}
		appendAll(t, s, Reading{Entity: "e0", Time: at, Text: "unavailable"})
		commit(t, s)
		c.set(at.Add(time.Hour + 10*time.Minute))
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if h == 23 {
			served(t, s, "d", 1000)
		}
	}
	return s, c
}

// size is how many pages the file has, and how many of them hold nothing.
func size(t *testing.T, s *Store) (pages, free int64) {
	t.Helper()
	for query, to := range map[string]*int64{"page_count": &pages, "freelist_count": &free} {
		if err := s.db.QueryRow(`PRAGMA ` + query).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	return pages, free
}

// oldest is the age of the oldest reading of the file, from the last on.
func oldest(t *testing.T, s *Store) time.Duration {
	t.Helper()
	var lo, hi int64
	if err := s.db.QueryRow(`SELECT min(min_ms), max(max_ms) FROM segment`).Scan(&lo, &hi); err != nil {
		t.Fatal(err)
	}
	return time.Duration(hi-lo) * time.Millisecond
}

// checkStore has SQLite look at the whole file.
func checkStore(t *testing.T, s *Store) {
	t.Helper()
	var said string
	if err := s.db.QueryRow(`PRAGMA integrity_check`).Scan(&said); err != nil || said != "ok" {
		t.Errorf("integrity_check: %s %v", said, err)
	}
}

func TestStoreKeepsToItsShareOfTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	var log strings.Builder
	d := &fakeDisk{total: 1 << 30, left: 1 << 30}
	s, c := crowded(t, path, Options{Log: logTo(&log), MinFree: 1}, d)
	if got := s.Room(); got.Short != "" || oldest(t, s) < (crowdedDays-1)*24*time.Hour {
		t.Fatalf("with room for everything: got %+v, and the oldest reading is %v old", got, oldest(t, s))
	}
	r := reader(t, path)
	before := rollups(t, r, 3, FiveMinutes, noon, noon.Add(crowdedDays*24*time.Hour))
	backlog, err := s.Backlog(context.Background(), "d")
	if err != nil {
		t.Fatal(err)
	}
	pages, free := size(t, s)
	d.total = (pages - free) * 4096 * 2 * 3 / 4 // of half of which we take four thirds
	for range 5 {
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if used, _ := size(t, s); used > pages {
		t.Errorf("the file grew from %d to %d pages", pages, used)
	}
	now, nowFree := size(t, s)
	if used := (now - nowFree) * 4096; used > d.total/100*50 || used < d.total/100*50/2 {
		t.Errorf("the store takes %d bytes, want up to half of %d", used, d.total)
	}
	if got := oldest(t, s); got < 47*time.Hour || got > (crowdedDays-1)*24*time.Hour {
		t.Errorf("the oldest reading is %v old, want between two and four days", got)
	}
	if got := s.Room(); got.Since.IsZero() || c.now().Sub(got.Since) < 47*time.Hour {
		t.Errorf("Room: got %+v, want since when readings were kept", got)
	}
	if got := rollups(t, r, 3, FiveMinutes, noon, noon.Add(crowdedDays*24*time.Hour)); len(got) != len(before) || got[0] != before[0] {
		t.Errorf("got %d rollups, want the %d there were", len(got), len(before))
	}
	lost, err := s.Lost(context.Background(), "d")
	left, err2 := s.Backlog(context.Background(), "d")
	if err != nil || err2 != nil || lost == 0 || lost+left != backlog {
		t.Errorf("of %d readings that waited %d wait and %d were lost (%v, %v)", backlog, left, lost, err, err2)
	}
	if n, err := s.Lost(context.Background(), "nobody"); err != nil || n != 0 {
		t.Errorf("Lost of a destination that was never there: got %d, %v", n, err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "share of the disk") {
		t.Errorf("log: got %q, want a word about it", log.String())
	}
	checkStore(t, s)
}

func TestLastDaysStayHoweverFullTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	d := &fakeDisk{total: 1 << 30, left: 1 << 30}
	s, _ := crowded(t, path, Options{}, d)
	d.total, d.left = 100_000, 0
	for range 5 {
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if got := oldest(t, s); got < 47*time.Hour || got > 50*time.Hour {
		t.Errorf("the oldest reading is %v old, want two days", got)
	}
	if got := s.Room(); got.Short == "" {
		t.Error("Room says nothing")
	}
}

// Others fill the disk: room that the file does not need is given back.
func TestRoomIsGivenBackToAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	d := &fakeDisk{total: 1 << 30, left: 1 << 30}
	s, _ := crowded(t, path, Options{MinFree: 1 << 20}, d)
	before := oldest(t, s)
	// 100 kB too little is free.
	pages, _ := size(t, s)
	d.left = pages*4096 + 1<<20 - 100_000
	for range 10 {
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil { // so that the file is as long as it says
			t.Fatal(err)
		}
	}
	if got, _ := d.space(path); got.free < 1<<20 {
		t.Errorf("%d bytes are free, want a megabyte", got.free)
	}
	if got := s.Room(); got.Short != "" {
		t.Errorf("Room: got %+v, want that there is enough again", got)
	}
	if got := oldest(t, s); got == before || got < 47*time.Hour {
		t.Errorf("the oldest reading is %v old, and was %v: want some deleted and not all", got, before)
	}
	checkStore(t, s)
}

// A file that was begun by a version which knew no shrinking stays as large as it
// is: only so much is deleted that it does not grow.
func TestFileThatCannotShrinkHasRoomInside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`PRAGMA journal_mode = WAL; CREATE TABLE begun (v INTEGER); DROP TABLE begun`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	d := &fakeDisk{total: 1 << 40, left: 1 << 40}
	s, _ := crowded(t, path, Options{MinFree: 1 << 20}, d)
	f, err := s.measure(context.Background(), s.db)
	if err != nil || f.shrinks {
		t.Fatalf("measure: got %+v, %v; want a file that cannot shrink", f, err)
	}
	for _, tc := range []struct {
		free int64
		want bool
	}{{reserve - 1, true}, {reserve, false}} {
		f.free, f.disk.free = tc.free, 0
		if why, needed := s.shortage(f); why == "" || needed != tc.want {
			t.Errorf("with %d bytes inside the file: got %q, %v; want %v", tc.free, why, needed, tc.want)
		}
	}
	d.left = 0
	if err := s.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, free := size(t, s); free == 0 || oldest(t, s) > (crowdedDays-1)*24*time.Hour {
		t.Errorf("on a full disk: %d free pages, and the oldest reading is %v old; want room", free, oldest(t, s))
	}
}

func TestTextsGoWithTheRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	d := &fakeDisk{total: 1 << 40, left: 1 << 40}
	s, c := crowded(t, path, Options{Retention: 48 * time.Hour}, d)
	got := allTexts(t, reader(t, path), 1)
	if len(got) < 47 || len(got) > 49 || got[0].Milli < c.now().Add(-49*time.Hour).UnixMilli() {
		t.Errorf("got %d texts, want those of two days", len(got))
	}
	if n, err := s.Lost(context.Background(), "d"); err != nil || n < 2*24*300-301 || n > 2*24*301+301 {
		t.Errorf("Lost: got %d, %v; want what was deleted after the first day", n, err)
	}
}

//go:build bench

package store

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var storeDays = flag.Int("store-days", 30, "days of readings that TestFigures fills a store with")

// TestFigures fills a store with 250 series every 10 s, committed each minute,
// sealed each hour, rolled up each day and sent to one destination, as fast as
// that goes (30 days, not a year: what grows with time is bytes a reading), and
// measures what a reading takes in the file, what a day writes to the disk, and how
// long a chart waits.
func TestFigures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	zone := dublin(t)
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) // with the clocks going forward after four weeks
	c := &clock{t: begin}
	s, err := Open(path, Options{CommitInterval: time.Hour, Now: c.now, Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const series, perDay = 250, 250 * 8640
	days := time.Duration(*storeDays)
	h := newHome(t, s, series)
	start := time.Now()
	if days > 1 {
		fillFrom(t, s, c, h, begin, (days-1)*24*time.Hour)
	}
	before := written(t)
	fillFrom(t, s, c, h, begin.Add((days-1)*24*time.Hour), 24*time.Hour)
	wear := float64(written(t)-before) / 1e6
	n := float64(perDay * days)
	t.Logf("%d days, %.1f million readings, at %.0f a second", days, n/1e6, n/time.Since(start).Seconds())
	t.Logf("written on the last day: %.0f MB", wear)
	if wear > 200 {
		t.Errorf("a day writes %.0f MB, want less than 200", wear)
	}
	r := readIn(t, path, zone)
	midnight := begin.Add(days * 24 * time.Hour)
	measure(t, "24 h at 5 min at the end of a day, of which nothing is rolled up (at worst: the first time)", 5*time.Millisecond, func(i int) int {
		return len(rollups(t, r, int64(i%series+1), FiveMinutes, midnight.Add(-24*time.Hour), midnight))
	}, 287)
	end := midnight.Add(10 * time.Minute)
	sweepAll(t, s, c, end)

	raw, rolled, other := tableSizes(t, s)
	t.Logf("a reading takes %.2f bytes of the file raw, %.2f more with rollups, %.2f with all else", raw/n, rolled/n, other/n)
	if raw/n > 4 || (raw+rolled+other)/n > 6 {
		t.Errorf("a reading takes %.2f bytes raw and %.2f in all, want less than 4 and 6", raw/n, (raw+rolled+other)/n)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the file is %.1f MB: %.2f bytes a reading", float64(info.Size())/1e6, float64(info.Size())/n)
	t.Logf("memory of this process, at its most: %s", peakRSS(t))

	measure(t, "24 h at 5 min, rolled up", 5*time.Millisecond, func(i int) int {
		return len(rollups(t, r, int64(i%series+1), FiveMinutes, end.Add(-24*time.Hour), end))
	}, 286)
	measure(t, "24 h of every reading", 0, func(i int) int {
		got, err := r.Samples(context.Background(), int64(i%series+1), end.Add(-24*time.Hour), end)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}, 8500)
	if days >= 30 {
		measure(t, "30 days at 5 min", 0, func(i int) int {
			return len(rollups(t, r, int64(i%series+1), FiveMinutes, begin, end))
		}, int(days*288))
	}
}

// TestYearOfDays reads a year of daily rollups of one of 250 series that report
// every six hours.
func TestYearOfDays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	zone := dublin(t)
	begin := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
	c := &clock{t: begin}
	s, err := Open(path, Options{CommitInterval: 1000 * time.Hour, Now: c.now, Zone: zone, Retention: 1000 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const series = 250
	h := newHome(t, s, series)
	end := begin.AddDate(0, 0, 380)
	for at := begin; at.Before(end); at = at.Add(6 * time.Hour) {
		if err := s.Append(h.round(at)...); err != nil {
			t.Fatal(err)
		}
		c.set(at)
		if err := s.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	sweepAll(t, s, c, end.Add(10*time.Minute))
	r := readIn(t, path, zone)
	measure(t, "a year of days up to now", 20*time.Millisecond, func(i int) int {
		return len(rollups(t, r, int64(i%series+1), Day, end.AddDate(-1, 0, 0), end))
	}, 365)
	utc := reader(t, path)
	measure(t, "a year of days in another zone, computed", 0, func(i int) int {
		return len(rollups(t, utc, int64(i%series+1), Day, end.AddDate(-1, 0, 0), end))
	}, 365)
}

// measure times a question 100 times, which has at least want answers, and fails
// when even the fastest took longer than the limit; 0: it is only told.
func measure(t *testing.T, name string, limit time.Duration, ask func(i int) int, want int) {
	t.Helper()
	var took []time.Duration
	for i := range 100 {
		start := time.Now()
		got := ask(i)
		took = append(took, time.Since(start))
		if got < want {
			t.Fatalf("%s: got %d answers, want %d", name, got, want)
		}
	}
	slices.Sort(took)
	t.Logf("%s: %v at best, %v in the middle, %v at worst", name, took[0], took[50], took[99])
	if limit > 0 && took[0] > limit {
		t.Errorf("%s took %v at best, want less than %v", name, took[0], limit)
	}
}

// tableSizes is how many bytes of the file readings, rollups and the rest take.
func tableSizes(t *testing.T, s *Store) (raw, rolled, other float64) {
	t.Helper()
	rows, err := s.db.Query(`SELECT name, sum(pgsize) FROM dbstat GROUP BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var size float64
		if err := rows.Scan(&name, &size); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(name, "rollup"):
			rolled += size
		case name == "chunk" || name == "block" || strings.HasPrefix(name, "segment"):
			raw += size
		default:
			other += size
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return raw, rolled, other
}

func peakRSS(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kB int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kB); err == nil {
			return fmt.Sprintf("%.1f MB", float64(kB)/1e3)
		}
	}
	t.Fatal("no VmHWM in /proc/self/status")
	return ""
}

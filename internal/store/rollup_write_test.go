package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sweepAll sweeps at a time until nothing is left to roll up.
func sweepAll(t testing.TB, s *Store, c *clock, at time.Time) {
	t.Helper()
	c.set(at)
	for range 10_000 {
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if !isRolling(s) {
			return
		}
	}
	t.Fatal("10,000 sweeps have not rolled up everything")
}

// isRolling reports whether there is more to roll up.
func isRolling(s *Store) bool {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	return s.rolling
}

func rollups(t testing.TB, r *Reader, id int64, p Period, from, to time.Time) []Rollup {
	t.Helper()
	got, err := r.Rollups(context.Background(), id, p, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// readIn is a reader whose days are those of a zone.
func readIn(t testing.TB, path string, zone *time.Location) *Reader {
	t.Helper()
	r, err := OpenReader(path, ReaderOptions{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// checkRollups compares all rollups of a series with what its samples come to.
func checkRollups(t *testing.T, when string, r *Reader, id int64, samples []Sample) {
	t.Helper()
	samples = tidySamples(slices.Clone(samples))
	from, to := time.UnixMilli(-dayMS), time.UnixMilli(maxMilli)
	if diff := cmp.Diff(rollUp(samples), rollups(t, r, id, FiveMinutes, from, to)); diff != "" {
		t.Fatalf("%s: over five minutes (-want +got):\n%s", when, diff)
	}
	if diff := cmp.Diff(joinRollups(rollUp(samples), r.o.Zone), rollups(t, r, id, Day, from, to)); diff != "" {
		t.Fatalf("%s: over days (-want +got):\n%s", when, diff)
	}
}

// Days of readings over a change of the clocks, some of which come late, some by
// hours and some by days: rollups are those of all samples at every moment.
func TestRollupsAreThoseOfTheSamples(t *testing.T) {
	for name, zone := range map[string]*time.Location{"UTC": time.UTC, "Dublin": dublin(t)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hems.db")
			begin := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)
			c := &clock{t: begin}
			s := open(t, path, Options{Now: c.now, Zone: zone})
			r := readerBeside(t, s, ReaderOptions{Zone: zone})
			rnd := rand.New(rand.NewPCG(1, 2))
			names := []string{"a", "b", "c"}
			all := map[int64][]Sample{}
			for _, n := range names {
				register(t, s, n, "W")
			}
			for step := range 2 * 24 * 4 { // of 15 minutes
				now := begin.Add(time.Duration(step) * 15 * time.Minute)
				for i := range 10 {
					at := now.Add(time.Duration(i) * 90 * time.Second)
					if rnd.IntN(20) == 0 {
						at = at.Add(-time.Duration(rnd.IntN(24*60)) * time.Minute)
					}
					k := rnd.IntN(len(names))
					v := Reading{Entity: names[k], Time: at, Value: float64(rnd.IntN(1000)) / 10}
					appendAll(t, s, v)
					all[int64(k+1)] = append(all[int64(k+1)], Sample{at.UnixMilli(), v.Value})
				}
				if step%2 == 1 {
					commit(t, s)
				}
				c.set(now.Add(15 * time.Minute))
				if err := s.sweep(context.Background()); err != nil {
					t.Fatal(err)
				}
				if step%31 == 0 {
					checkRollups(t, now.String(), r, 1, all[1])
				}
			}
			for id, samples := range all {
				checkRollups(t, "at the end", r, id, samples)
			}
			var due int
			if err := s.db.QueryRow(`SELECT count(*) FROM rollup_due`).Scan(&due); err != nil || due > 2 {
				t.Errorf("%d days are due (%v), want the last at most", due, err)
			}
		})
	}
}

// What is read of days that were rolled up is what is kept: it is there when the
// samples are not.
func TestRollupsOutliveTheirSamples(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	zone := dublin(t)
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now, Zone: zone, Retention: 48 * time.Hour})
	id := register(t, s, "p", "W")
	var samples []Sample
	for h := range 4 * 24 {
		d := time.Duration(h) * time.Hour
		appendAll(t, s, at("p", d, float64(h)))
		samples = append(samples, wantSample(d, float64(h)))
		commit(t, s)
		c.set(noon.Add(d + 10*time.Minute))
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	r := readIn(t, path, zone)
	if got := len(allSamples(t, r, id)); got != 48 {
		t.Fatalf("got %d samples, want 48", got)
	}
	checkRollups(t, "with samples deleted", r, id, samples)

	// A reading for a time whose samples are gone does not replace what is kept;
	// one where there was none is added.
	late := []Reading{at("p", time.Minute, 1000), at("p", 30*time.Minute, 5)}
	appendAll(t, s, at("p", 30*time.Hour, 2), at("p", 30*time.Hour+time.Second, 3)) // more than there were
	appendAll(t, s, late...)
	commit(t, s)
	sweepAll(t, s, c, c.now().Add(2*time.Hour))
	got := rollups(t, r, id, FiveMinutes, noon, noon.Add(time.Hour))
	if len(got) != 2 || got[1].Last != 5 || got[0].Count != 1 {
		t.Errorf("after late readings: got %+v", got)
	}
}

// A store that was never rolled up is, a bounded piece after each commit, and
// reads right meanwhile.
func TestOldStoreIsRolledUpInSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	zone := dublin(t)
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now, Zone: zone})
	const series, days = 20, 6
	var samples []Sample
	for i := range series {
		register(t, s, fmt.Sprint("e", i), "W")
	}
	for h := range days * 24 {
		d := time.Duration(h) * time.Hour
		for i := range series {
			appendAll(t, s, at(fmt.Sprint("e", i), d, float64(h)))
		}
		samples = append(samples, wantSample(d, float64(h)))
		commit(t, s)
	}
	c.set(noon.Add(days * 24 * time.Hour))
	s.Close()
	s = open(t, path, Options{Now: c.now, Zone: zone}) // which sweeps only when it is asked to
	if err := s.use(func(db *sql.DB) error { return s.seal(context.Background(), db, c.now().UnixMilli()) }); err != nil {
		t.Fatal(err)
	}
	r := readIn(t, path, zone)
	count := func(table string) (n int) {
		t.Helper()
		if err := s.db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count("rollup_five") + count("rollup_day") // the first store has swept now and then
	for sweeps := 1; ; sweeps++ {
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if sweeps%3 == 1 {
			checkRollups(t, fmt.Sprintf("after %d sweeps", sweeps), r, 17, samples)
		}
		now := count("rollup_five") + count("rollup_day")
		if now-before > rollSteps*rollSeries {
			t.Errorf("sweep %d wrote %d rows, want %d at most", sweeps, now-before, rollSteps*rollSeries)
		}
		before = now
		if !isRolling(s) {
			break
		}
		if sweeps > 1000 {
			t.Fatal("1,000 sweeps have not rolled up 6 days")
		}
	}
	if got := count("rollup_five"); got < series*(days-1) {
		t.Errorf("got %d rows over five minutes, want %d", got, series*days)
	}
	checkRollups(t, "at the end", r, series, samples)
	for table, want := range map[string]int{"rollup_due": 1, "rollup_due_month": 0} { // today
		if got := count(table); got != want {
			t.Errorf("%s: got %d rows, want %d", table, got, want)
		}
	}
}

// What a program writes that knows no rollups is rolled up when one is back that
// does.
func TestWhatAnOlderProgramWroteIsRolledUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	id := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	commit(t, s)
	sweepAll(t, s, c, noon.Add(36*time.Hour))
	samples := []Sample{wantSample(0, 1)}

	// It commits and seals, and does nothing else.
	for i := range 50 {
		d := time.Duration(i)*time.Hour + time.Minute
		appendAll(t, s, at("p", d, float64(i)))
		samples = append(samples, wantSample(d, float64(i)))
		commit(t, s)
	}
	c.set(noon.Add(52 * time.Hour))
	if err := s.use(func(db *sql.DB) error { return s.seal(context.Background(), db, c.now().UnixMilli()) }); err != nil {
		t.Fatal(err)
	}
	s.Close()

	s = open(t, path, Options{Now: c.now})
	r := reader(t, path)
	checkRollups(t, "before a sweep", r, id, samples)
	sweepAll(t, s, c, c.now())
	checkRollups(t, "after it", r, id, samples)
}

func TestAnotherZoneMakesTheDaysAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now, Zone: time.UTC})
	id := register(t, s, "p", "W")
	var samples []Sample
	for h := range 20 * 12 {
		d := time.Duration(h) * 2 * time.Hour
		appendAll(t, s, at("p", d, float64(h)))
		samples = append(samples, wantSample(d, float64(h)))
	}
	commit(t, s)
	end := noon.Add(20 * 24 * time.Hour)
	sweepAll(t, s, c, end)
	for _, name := range []string{"Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Europe/Dublin"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatalf("%v: install tzdata", err)
		}
		r := readIn(t, path, zone)
		checkRollups(t, name+" before the writer knows it", r, id, samples)
		s.Close()
		s = open(t, path, Options{Now: c.now, Zone: zone})
		checkRollups(t, name+" before a sweep", r, id, samples)
		sweepAll(t, s, c, end)
		checkRollups(t, name, r, id, samples)
		// They are kept: it is those that are read.
		if _, err := s.db.Exec(`UPDATE rollup_five SET data = x'00'`); err != nil {
			t.Fatal(err)
		}
		if got := rollups(t, r, id, Day, noon, end.Add(-72*time.Hour)); len(got) < 15 {
			t.Errorf("%s: %d days are kept, want 16", name, len(got))
		}
		if _, err := s.db.Exec(`UPDATE rollup_state SET marked = 0`); err != nil { // and they are made again
			t.Fatal(err)
		}
		s.lastSweep = time.Time{}
		sweepAll(t, s, c, end)
		checkRollups(t, name+" made again", r, id, samples)
	}
}

// The clock is before 2000, far ahead and right in turn: nothing is rolled up
// for ever again, and all that is read is right.
func TestRollupsOfAClockThatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	zone := dublin(t)
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now, Zone: zone})
	id := register(t, s, "p", "W")
	var samples []Sample
	for _, begin := range []time.Time{time.Unix(5, 0), noon, time.Date(2096, 2, 29, 0, 0, 0, 0, time.UTC), noon.Add(3 * time.Hour), time.Date(1999, 12, 31, 23, 30, 0, 0, time.UTC), noon.Add(30 * time.Hour)} {
		for i := range 8 {
			now := begin.Add(time.Duration(i) * 20 * time.Minute)
			v := Reading{Entity: "p", Time: now, Value: float64(len(samples))}
			appendAll(t, s, v)
			samples = append(samples, Sample{now.UnixMilli(), v.Value})
		}
	}
	commit(t, s) // all of it in one block
	for _, now := range []time.Time{noon.Add(time.Hour), time.Unix(100, 0), time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC), noon.Add(60 * time.Hour)} {
		sweepAll(t, s, c, now)
		checkRollups(t, now.String(), readIn(t, path, zone), id, samples)
	}
	var due int
	if err := s.db.QueryRow(`SELECT count(*) FROM rollup_due`).Scan(&due); err != nil || due != 0 {
		t.Errorf("%d days are due (%v), want none", due, err)
	}
}

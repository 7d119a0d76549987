package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noon is a moment in the middle of an hour, from which tests count.
var noon = time.Date(2026, 11, 20, 12, 30, 0, 0, time.UTC)

// clock is a wall clock that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// logTo gives a logger whose text the test can look at.
func logTo(b *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, nil))
}

// open opens a store whose commits and sweeps are the test's own.
func open(t *testing.T, path string, o Options) *Store {
	t.Helper()
	if o.CommitInterval == 0 {
		o.CommitInterval = time.Hour
	}
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func register(t *testing.T, s *Store, entity, unit string) int64 {
	t.Helper()
	id, err := s.Register(Series{Entity: entity, Unit: unit})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func appendAll(t *testing.T, s *Store, readings ...Reading) {
	t.Helper()
	if err := s.Append(readings...); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func reader(t *testing.T, path string) *Reader {
	t.Helper()
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func allSamples(t *testing.T, r *Reader, series int64) []Sample {
	t.Helper()
	s, err := r.Samples(context.Background(), series, time.UnixMilli(0), time.UnixMilli(maxMilli))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(entity string, d time.Duration, v float64) Reading {
	return Reading{Entity: entity, Time: noon.Add(d), Value: v}
}

func wantSample(d time.Duration, v float64) Sample {
	return Sample{Milli: noon.Add(d).UnixMilli(), Value: v}
}

func TestReadingsAreReadAfterCommitAndReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	power := register(t, s, "meter_power", "W")
	energy := register(t, s, "meter_energy", "kWh")
	appendAll(t, s, at("meter_power", 0, 342), at("meter_energy", 0, 1234.567), at("meter_power", time.Second, -3.5))
	commit(t, s)

	r := reader(t, path)
	want := []Sample{wantSample(0, 342), wantSample(time.Second, -3.5)}
	if diff := cmp.Diff(want, allSamples(t, r, power)); diff != "" {
		t.Errorf("power (-want +got):\n%s", diff)
	}
	appendAll(t, s, at("meter_power", 2*time.Second, 7))
	if got := s.Waiting(); got != 1 {
		t.Errorf("Waiting: got %d, want 1", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, path, Options{})
	if diff := cmp.Diff(append(want, wantSample(2*time.Second, 7)), allSamples(t, r, power)); diff != "" {
		t.Errorf("power after Close (-want +got):\n%s", diff)
	}
	if got := register(t, s, "meter_energy", "kWh"); got != energy {
		t.Errorf("id of a known series: got %d, want %d", got, energy)
	}
	appendAll(t, s, at("meter_energy", time.Minute, 1234.6))
	commit(t, s)
	if diff := cmp.Diff([]Sample{wantSample(0, 1234.567), wantSample(time.Minute, 1234.6)}, allSamples(t, r, energy)); diff != "" {
		t.Errorf("energy (-want +got):\n%s", diff)
	}
}

func TestLastOfTwoReadingsAtOneTimeIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	id := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1), at("p", time.Microsecond, 2))
	commit(t, s)
	r := reader(t, path)
	if diff := cmp.Diff([]Sample{wantSample(0, 2)}, allSamples(t, r, id)); diff != "" {
		t.Errorf("in one commit (-want +got):\n%s", diff)
	}
	appendAll(t, s, at("p", 0, 3))
	commit(t, s)
	if diff := cmp.Diff([]Sample{wantSample(0, 3)}, allSamples(t, r, id)); diff != "" {
		t.Errorf("in two commits (-want +got):\n%s", diff)
	}
	c.set(noon.Add(2 * time.Hour))
	if err := s.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Sample{wantSample(0, 3)}, allSamples(t, r, id)); diff != "" {
		t.Errorf("when sealed (-want +got):\n%s", diff)
	}
	appendAll(t, s, at("p", 0, 4))
	commit(t, s)
	if diff := cmp.Diff([]Sample{wantSample(0, 4)}, allSamples(t, r, id)); diff != "" {
		t.Errorf("in a block after a sealed hour (-want +got):\n%s", diff)
	}
}

func TestAppendRefuses(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{MaxPending: 2})
	register(t, s, "p", "W")
	for name, tc := range map[string]struct {
		r    Reading
		want error
	}{
		"UnknownEntity": {at("q", 0, 1), ErrUnknownEntity},
		"NotANumber":    {at("p", 0, math.NaN()), ErrBadReading},
		"Infinite":      {at("p", 0, math.Inf(-1)), ErrBadReading},
		"NoTime":        {Reading{Entity: "p", Value: 1}, ErrBadReading},
		"Epoch":         {Reading{Entity: "p", Time: time.UnixMilli(0), Value: 1}, ErrBadReading},
		"FarFuture":     {Reading{Entity: "p", Time: time.Date(2262, 6, 1, 0, 0, 0, 0, time.UTC), Value: 1}, ErrBadReading},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Append(tc.r); !errors.Is(err, tc.want) {
				t.Errorf("got error %v, want %v", err, tc.want)
			}
		})
	}
	if err := s.Append(at("p", 0, 1), at("q", 0, 1), at("p", 1, 1), at("p", 2, 1)); !errors.Is(err, ErrUnknownEntity) {
		t.Errorf("got error %v, want the first one, %v", err, ErrUnknownEntity)
	}
	if err := s.Append(at("p", 3, 1)); !errors.Is(err, ErrFull) {
		t.Errorf("got error %v, want %v", err, ErrFull)
	}
	s.Close()
	if err := s.Append(at("p", 4, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got error %v after Close, want %v", err, os.ErrClosed)
	}
}

func TestUnitChangeBeginsANewSeries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	w := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 100))
	kw := register(t, s, "p", "kW")
	appendAll(t, s, at("p", time.Second, 0.2))
	register(t, s, "p", "W")
	appendAll(t, s, at("p", 2*time.Second, 300))
	commit(t, s)

	r := reader(t, path)
	if diff := cmp.Diff([]Sample{wantSample(0, 100), wantSample(2*time.Second, 300)}, allSamples(t, r, w)); diff != "" {
		t.Errorf("W (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Sample{wantSample(time.Second, 0.2)}, allSamples(t, r, kw)); diff != "" {
		t.Errorf("kW (-want +got):\n%s", diff)
	}
	all, err := r.Series(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := all[len(all)-1].Unit; got != "W" {
		t.Errorf("current unit: got %q, want W", got)
	}
	s.Close()
	s = open(t, path, Options{})
	appendAll(t, s, at("p", 3*time.Second, 400)) // goes to the current series, without registering again
	commit(t, s)
	if got := len(allSamples(t, r, w)); got != 3 {
		t.Errorf("samples in W after reopening: got %d, want 3", got)
	}
}

func TestSealedHoursReadAsBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	ids := map[string]int64{}
	want := map[string][]Sample{}
	for i := range 3 {
		e := fmt.Sprint("e", i)
		ids[e] = register(t, s, e, "W")
	}
	for i := range 300 { // five hours of minutes
		d := time.Duration(i) * time.Minute
		for e := range ids {
			if e == "e2" && i%100 != 0 {
				continue // one that reports seldom
			}
			appendAll(t, s, at(e, d, float64(i)/10))
			want[e] = append(want[e], wantSample(d, float64(i)/10))
		}
		if i%7 == 0 {
			commit(t, s)
		}
	}
	commit(t, s)
	c.set(noon.Add(301 * time.Minute)) // 17:31
	if err := s.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	var sealed, blocks int
	if err := s.db.QueryRow(`SELECT sum(sealed), sum(1 - sealed) FROM segment`).Scan(&sealed, &blocks); err != nil {
		t.Fatal(err)
	}
	if sealed != 5 || blocks == 0 || blocks > 6 {
		t.Errorf("got %d sealed hours and %d blocks, want 5 and those of the open hour", sealed, blocks)
	}
	r := reader(t, path)
	for e, id := range ids {
		if diff := cmp.Diff(want[e], allSamples(t, r, id)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e, diff)
		}
		last := want[e][len(want[e])-1]
		got, ok, err := r.Last(context.Background(), id)
		if err != nil || !ok || got != last {
			t.Errorf("Last of %s: got %v %v %v, want %v", e, got, ok, err, last)
		}
		got, ok, err = r.Before(context.Background(), id, noon.Add(100*time.Minute))
		wantBefore := wantSample(99*time.Minute, 9.9)
		if e == "e2" {
			wantBefore = wantSample(0, 0)
		}
		if err != nil || !ok || got != wantBefore {
			t.Errorf("Before of %s: got %v %v %v, want %v", e, got, ok, err, wantBefore)
		}
	}
	if _, ok, err := r.Before(context.Background(), ids["e0"], noon); ok || err != nil {
		t.Errorf("Before the first: got %v %v, want nothing", ok, err)
	}
}

func TestRetentionDeletesOldHoursOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now, Retention: 48 * time.Hour})
	id := register(t, s, "p", "W")
	for h := range 4 * 24 {
		appendAll(t, s, at("p", time.Duration(h)*time.Hour, float64(h)))
		commit(t, s)
		c.set(noon.Add(time.Duration(h)*time.Hour + 10*time.Minute))
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	got := allSamples(t, reader(t, path), id)
	if first := int(got[0].Value); first != 48 || len(got) != 48 {
		t.Errorf("got %d samples from hour %d on, want 48 from hour 48 on", len(got), first)
	}
	var rows int
	if err := s.db.QueryRow(`SELECT (SELECT count(*) FROM segment) - (SELECT count(*) FROM chunk) - (SELECT count(*) FROM block)`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("rows without their segment: got %d (%v), want 0", rows, err)
	}
}

func TestClockFarAheadCostsLittle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	id := register(t, s, "p", "W")
	const before = 24 * 10
	for h := range before {
		appendAll(t, s, at("p", time.Duration(h)*time.Hour, float64(h)))
		commit(t, s)
	}
	ahead := noon.AddDate(70, 0, 0)
	for h := range trustHours + 1 {
		c.set(ahead.Add(time.Duration(h)*time.Hour + 10*time.Minute))
		appendAll(t, s, at("p", c.now().Sub(noon), -1))
		commit(t, s)
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := before
		if h+1 >= trustHours { // a day of readings has borne it out
			want -= (h + 2 - trustHours) * sweepSegments
		}
		got := 0
		for _, v := range allSamples(t, reader(t, path), id) {
			if v.Value >= 0 {
				got++
			}
		}
		if got != want {
			t.Fatalf("after %d hours: got %d samples left, want %d", h, got, want)
		}
	}
}

// A clock that begins before 2000, is set right, is a year ahead, and goes back
// an hour: every reading is there once, and a cursor is served each once.
func TestClockSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	id := register(t, s, "p", "W")
	value := 0.0
	served := map[float64]int{}
	for _, begin := range []time.Time{time.Unix(5, 0), time.Date(1999, 12, 31, 23, 59, 0, 0, time.UTC), noon,
		noon.AddDate(1, 0, 0), noon.Add(90 * time.Minute), noon.Add(30*time.Minute + 500*time.Millisecond), noon.Add(5 * time.Hour)} {
		for i := range 18 {
			c.set(begin.Add(time.Duration(i) * 5 * time.Minute))
			value++
			if err := s.Append(Reading{Entity: "p", Time: c.now(), Value: value}); err != nil {
				t.Fatal(err)
			}
			commit(t, s)
			if err := s.sweep(context.Background()); err != nil {
				t.Fatal(err)
			}
			if i%4 == 0 {
				drain(t, s, served, 5)
			}
		}
	}
	drain(t, s, served, 1000)
	stored := map[float64]int{}
	for _, v := range allSamples(t, reader(t, path), id) {
		stored[v.Value]++
	}
	for v := 1.0; v <= value; v++ {
		if stored[v] != 1 || served[v] != 1 {
			t.Errorf("reading %v: stored %d times and served %d times, want once", v, stored[v], served[v])
		}
	}
}

// drain takes batches of 3 readings of a cursor, at most n.
func drain(t *testing.T, s *Store, served map[float64]int, n int) {
	t.Helper()
	for range n {
		b, err := s.Next(context.Background(), "d", 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Items) == 0 {
			return
		}
		for _, i := range b.Items {
			served[i.Value]++
		}
		if err := s.Advance(context.Background(), "d", b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFirstReadingIsCommittedSoon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{CommitInterval: time.Hour})
	register(t, s, "p", "W")
	commit(t, s)
	advanced := s.Advanced()
	appendAll(t, s, at("p", 0, 1))
	select {
	case <-advanced:
	case <-time.After(30 * time.Second):
		t.Fatal("no commit within 30 s, want one after 2 s")
	}
	if got := len(allSamples(t, reader(t, path), 1)); got != 1 {
		t.Errorf("got %d samples, want 1", got)
	}
}

func TestOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	if _, err := Open(path, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: got error %v, want %v", err, ErrInUse)
	}
	s.Close()
	open(t, path, Options{})
}

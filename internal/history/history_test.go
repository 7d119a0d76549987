package history

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/store"
)

var midnight = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return midnight.Add(d) }

// reading is a value some time after midnight.
type reading struct {
	at    time.Duration
	value float64
}

// home opens a store for the test to fill and a history of it.
func home(t *testing.T) (*store.Store, *History) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hems.db")
	s, err := store.Open(path, store.Options{CommitInterval: time.Hour, Now: func() time.Time { return midnight.Add(48 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h := Open(path)
	t.Cleanup(func() { h.Close() })
	return s, h
}

func fill(t *testing.T, s *store.Store, entity, unit string, readings ...reading) {
	t.Helper()
	if _, err := s.Register(store.Series{Entity: entity, Unit: unit}); err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		if err := s.Append(store.Reading{Entity: entity, Time: after(r.at), Value: r.value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestNothingYet(t *testing.T) {
	h := Open(filepath.Join(t.TempDir(), "store", "hems.db"))
	ctx := context.Background()
	if _, err := h.Series(ctx); !errors.Is(err, ErrNotYet) {
		t.Errorf("Series: got error %v, want %v", err, ErrNotYet)
	}
	if _, err := h.Power(ctx, "p", midnight, after(time.Hour), time.Minute); !errors.Is(err, ErrNotYet) {
		t.Errorf("Power: got error %v, want %v", err, ErrNotYet)
	}
	if _, _, err := h.Consumed(ctx, "p", midnight, after(time.Hour)); !errors.Is(err, ErrNotYet) {
		t.Errorf("Consumed: got error %v, want %v", err, ErrNotYet)
	}
	if _, _, err := h.Last(ctx, "p"); !errors.Is(err, ErrNotYet) {
		t.Errorf("Last: got error %v, want %v", err, ErrNotYet)
	}
	if err := h.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestStoreAppearsLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	h := Open(path)
	t.Cleanup(func() { h.Close() })
	if _, _, err := h.Last(context.Background(), "p"); !errors.Is(err, ErrNotYet) {
		t.Fatalf("got error %v, want %v", err, ErrNotYet)
	}
	s, err := store.Open(path, store.Options{CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, _, err := h.Last(context.Background(), "p"); !errors.Is(err, ErrUnknownEntity) {
		t.Errorf("got error %v, want %v", err, ErrUnknownEntity)
	}
	fill(t, s, "p", "W", reading{0, 1})
	for range 2 { // and after the history was closed, again
		got, ok, err := h.Last(context.Background(), "p")
		if want := (store.Reading{Entity: "p", Time: midnight.Local(), Value: 1}); err != nil || !ok || got != want {
			t.Errorf("got %v, %v, %v; want %v", got, ok, err, want)
		}
		h.Close()
	}
}

func TestPower(t *testing.T) {
	s, h := home(t)
	fill(t, s, "p", "W", reading{0, 100}, reading{30 * time.Second, 300}, reading{59_999 * time.Millisecond, 200},
		reading{time.Minute, 50}, reading{10 * time.Minute, -20}, reading{26 * time.Hour, 7})
	for _, tc := range []struct {
		name     string
		from, to time.Duration
		step     time.Duration
		want     []Point
	}{
		{"Buckets", 0, time.Hour, time.Minute, []Point{
			{midnight, 100, 200, 300, 3}, {after(time.Minute), 50, 50, 50, 1}, {after(10 * time.Minute), -20, -20, -20, 1}}},
		{"FromIsInAndToIsOut", time.Minute, 10 * time.Minute, time.Minute, []Point{{after(time.Minute), 50, 50, 50, 1}}},
		{"BucketsBeginAtFrom", 30 * time.Second, 2 * time.Minute, time.Minute, []Point{{after(30 * time.Second), 50, 550. / 3, 300, 3}}},
		{"AcrossDays", 0, 48 * time.Hour, 25 * time.Hour, []Point{{midnight, -20, 126, 300, 5}, {after(25 * time.Hour), 7, 7, 7, 1}}},
		{"Nothing", 2 * time.Hour, 3 * time.Hour, time.Minute, nil},
		{"BackwardsIsNothing", 3 * time.Hour, 2 * time.Hour, time.Minute, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := h.Power(context.Background(), "p", after(tc.from), after(tc.to), tc.step)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := h.Power(context.Background(), "p", midnight, after(time.Hour), 0); err == nil {
		t.Error("a step of 0: got no error")
	}
	if _, err := h.Power(context.Background(), "q", midnight, after(time.Hour), time.Minute); !errors.Is(err, ErrUnknownEntity) {
		t.Errorf("an unknown entity: got error %v, want %v", err, ErrUnknownEntity)
	}
}

func TestPowerIsInWatts(t *testing.T) {
	s, h := home(t)
	fill(t, s, "p", "kW", reading{0, 1.5})
	got, err := h.Power(context.Background(), "p", midnight, after(time.Hour), time.Hour)
	if want := []Point{{midnight, 1500, 1500, 1500, 1}}; err != nil || !cmp.Equal(want, got) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestConsumed(t *testing.T) {
	const hour = time.Hour
	s, h := home(t)
	fill(t, s, "steady", "kWh", reading{-hour, 100}, reading{hour, 101}, reading{2 * hour, 103}, reading{5 * hour, 104.5})
	fill(t, s, "new", "kWh", reading{hour, 101}, reading{2 * hour, 103})
	fill(t, s, "reset", "kWh", reading{-hour, 100}, reading{hour, 102}, reading{2 * hour, 0.5}, reading{3 * hour, 2})
	fill(t, s, "corrected", "kWh", reading{-hour, 100}, reading{hour, 102}, reading{2 * hour, 101.9}, reading{3 * hour, 102.5})
	fill(t, s, "wh", "Wh", reading{0, 1000}, reading{hour, 3500})
	for _, tc := range []struct {
		name, entity string
		from, to     time.Duration
		want         float64
		wantOK       bool
	}{
		{"WholeDay", "steady", 0, 24 * hour, 4.5, true},
		{"FirstPart", "steady", 0, 2 * hour, 1, true},
		{"SecondPart", "steady", 2 * hour, 24 * hour, 3.5, true},
		{"NoReading", "steady", 3 * hour, 4 * hour, 0, false},
		{"NothingBefore", "new", 0, 24 * hour, 2, true},
		{"OnlyTheFirst", "new", 0, 2 * hour, 0, true},
		{"ResetCountsFromZero", "reset", 0, 24 * hour, 4, true},
		{"CorrectionIsCounted", "corrected", 0, 24 * hour, 2.5, true},
		{"WattHours", "wh", 0, 24 * hour, 2.5, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok, err := h.Consumed(context.Background(), tc.entity, after(tc.from), after(tc.to))
			if err != nil || ok != tc.wantOK || math.Abs(got-tc.want) > 1e-9 {
				t.Errorf("got %v, %v, %v; want %v, %v", got, ok, err, tc.want, tc.wantOK)
			}
		})
	}
}

func TestCurrentUnitIsAnswered(t *testing.T) {
	s, h := home(t)
	fill(t, s, "p", "W", reading{0, 100})
	fill(t, s, "p", "kW", reading{time.Minute, 0.2})
	got, ok, err := h.Last(context.Background(), "p")
	if err != nil || !ok || got.Value != 0.2 {
		t.Errorf("got %v, %v, %v; want 0.2", got, ok, err)
	}
	all, err := h.Series(context.Background())
	if err != nil || len(all) != 2 || all[1].Unit != "kW" {
		t.Errorf("got %v, %v; want two series, the current one last", all, err)
	}
}

func TestRenamedEntityKeepsItsPast(t *testing.T) {
	s, h := home(t)
	ctx := context.Background()
	known := func(d store.Series, readings ...reading) {
		t.Helper()
		if _, err := s.Register(d); err != nil {
			t.Fatal(err)
		}
		for _, r := range readings {
			if err := s.Append(store.Reading{Entity: d.Entity, Time: after(r.at), Value: r.value}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	const hour = time.Hour
	known(store.Series{Entity: "blink_energy", Unit: "kWh", UniqueID: "0x1_energy"}, reading{-hour, 100}, reading{hour, 101})
	known(store.Series{Entity: "other_energy", Unit: "kWh", UniqueID: "0x2_energy"}, reading{hour, 7})
	known(store.Series{Entity: "stranger_energy", Unit: "kWh"}, reading{hour, 7})
	known(store.Series{Entity: "house_energy", Unit: "kWh", UniqueID: "0x1_energy"})
	got, ok, err := h.Counted(ctx, "house_energy", midnight, after(24*hour))
	if want := (Count{KWh: 1, Value: 101, At: after(hour).Local()}); err != nil || !ok || got != want {
		t.Errorf("without a reading of the new name: got %v, %v, %v; want %v", got, ok, err, want)
	}
	known(store.Series{Entity: "house_energy", Unit: "kWh", UniqueID: "0x1_energy"}, reading{2 * hour, 101.5}, reading{3 * hour, 102})
	known(store.Series{Entity: "house_energy", Unit: "Wh", UniqueID: "0x1_energy"}, reading{4 * hour, 102_500})
	got, ok, err = h.Counted(ctx, "house_energy", midnight, after(24*hour))
	if want := (Count{KWh: 2.5, Value: 102.5, At: after(4 * hour).Local()}); err != nil || !ok || got != want {
		t.Errorf("renamed, then in another unit: got %v, %v, %v; want %v", got, ok, err, want)
	}
	if got, _, _ := h.Counted(ctx, "stranger_energy", midnight, after(24*hour)); got.KWh != 0 || got.Value != 7 {
		t.Errorf("an entity without a unique id: got %v, want its own reading only", got)
	}
	if got, ok, err := h.Before(ctx, "house_energy", after(4*hour)); err != nil || ok {
		t.Errorf("Before in the series' unit: got %v, %v, %v; want nothing in Wh", got, ok, err)
	}

	known(store.Series{Entity: "blink_power", Unit: "W", UniqueID: "0x1_power"}, reading{0, 200})
	known(store.Series{Entity: "house_power", Unit: "kW", UniqueID: "0x1_power"}, reading{time.Minute, 0.4})
	points, err := h.Power(ctx, "house_power", midnight, after(hour), hour)
	if want := []Point{{midnight, 200, 300, 400, 2}}; err != nil || !cmp.Equal(want, points) {
		t.Errorf("power: got %v, %v; want %v", points, err, want)
	}
}

// A clock that was ahead for a while, or went back, leaves readings later than
// now; what is counted up to now ends with a reading before it.
func TestCountedEndsBeforeTo(t *testing.T) {
	s, h := home(t)
	fill(t, s, "e", "kWh", reading{-time.Hour, 100}, reading{time.Hour, 101}, reading{365 * 24 * time.Hour, 101.25}, reading{2 * time.Hour, 101.5})
	got, ok, err := h.Counted(context.Background(), "e", midnight, after(3*time.Hour))
	if want := (Count{KWh: 1.5, Value: 101.5, At: after(2 * time.Hour).Local()}); err != nil || !ok || got != want {
		t.Errorf("got %v, %v, %v; want %v", got, ok, err, want)
	}
	if got, ok, err := h.Before(context.Background(), "e", after(3*time.Hour)); err != nil || !ok || got.Value != 101.5 {
		t.Errorf("Before: got %v, %v, %v; want 101.5", got, ok, err)
	}
}

func TestTooManyPoints(t *testing.T) {
	s, h := home(t)
	var readings []reading
	for i := range maxPoints + 1 {
		readings = append(readings, reading{time.Duration(i) * time.Millisecond, 1})
	}
	fill(t, s, "p", "W", readings[:50_000]...)
	fill(t, s, "p", "W", readings[50_000:]...)
	if _, err := h.Power(context.Background(), "p", midnight, after(time.Hour), time.Millisecond); err == nil {
		t.Error("got no error")
	}
	got, err := h.Power(context.Background(), "p", midnight, after(time.Hour), 2*time.Millisecond)
	if err != nil || len(got) != maxPoints/2+1 {
		t.Errorf("got %d points, %v; want %d", len(got), err, maxPoints/2+1)
	}
}

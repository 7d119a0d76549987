package store

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dublin has its clocks go forward on 2026-03-29 and back on 2026-10-25, at
// 01:00 UTC.
func dublin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatalf("the zone of the tests: %v: install tzdata", err)
	}
	return zone
}

func TestRollUp(t *testing.T) {
	five := func(n int64) int64 { return noon.UnixMilli() + n*fiveMS }
	for name, tc := range map[string]struct {
		samples []Sample
		want    []Rollup
	}{
		"Nothing": {nil, nil},
		"Boundaries": {
			[]Sample{{five(0) - 1, 1}, {five(0), 2}, {five(1) - 1, 4}, {five(1), 8}},
			[]Rollup{
				{Milli: five(-1), Count: 1, Min: 1, Max: 1, Sum: 1, Last: 1, LastMilli: five(0) - 1},
				{Milli: five(0), Count: 2, Min: 2, Max: 4, Sum: 6, Last: 4, LastMilli: five(1) - 1},
				{Milli: five(1), Count: 1, Min: 8, Max: 8, Sum: 8, Last: 8, LastMilli: five(1)},
			},
		},
		"ExactSums": {
			[]Sample{{five(0), 0.1}, {five(0) + 1, 0.2}, {five(0) + 2, -1000.005}},
			[]Rollup{{Milli: five(0), Count: 3, Min: -1000.005, Max: 0.2, Sum: -999.705, Last: -1000.005, LastMilli: five(0) + 2}},
		},
		"NoDecimals": {
			[]Sample{{five(0), math.Pi}, {five(0) + 1, 1e300}},
			[]Rollup{{Milli: five(0), Count: 2, Min: math.Pi, Max: 1e300, Sum: 1e300, Last: 1e300, LastMilli: five(0) + 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rollUp(tc.samples)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A sample each hour: every civil day has as many as it has hours.
func TestDaysAreCivil(t *testing.T) {
	zone := dublin(t)
	for name, tc := range map[string]struct {
		begin time.Time // UTC
		hours []int64   // of each day in Dublin from the one of begin on
	}{
		"Winter":  {time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC), []int64{24, 24}},
		"Summer":  {time.Date(2026, 7, 9, 23, 0, 0, 0, time.UTC), []int64{24, 24}},
		"Forward": {time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), []int64{24, 23, 24}},
		"Back":    {time.Date(2026, 10, 23, 23, 0, 0, 0, time.UTC), []int64{24, 25, 24}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hems.db")
			s := open(t, path, Options{})
			id := register(t, s, "p", "W")
			var want []Rollup
			at := tc.begin
			for _, n := range tc.hours {
				w := Rollup{Milli: at.UnixMilli(), Count: n, Min: 0, Max: float64(n - 1), Sum: float64(n*(n-1)) / 2, Last: float64(n - 1)}
				for i := range n {
					appendAll(t, s, Reading{Entity: "p", Time: at, Value: float64(i)})
					w.LastMilli = at.UnixMilli()
					at = at.Add(time.Hour)
				}
				want = append(want, w)
			}
			commit(t, s)
			r, err := OpenReader(path, ReaderOptions{Zone: zone})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := r.Rollups(context.Background(), id, Day, tc.begin, at)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			got, err = r.Rollups(context.Background(), id, Day, tc.begin.Add(1), at)
			if diff := cmp.Diff(want[1:], got); err != nil || diff != "" {
				t.Errorf("from a moment within the first day: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestAdderIsExact(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		want   float64
	}{
		"Tenths":       {[]float64{0.1, 0.2, 0.3, 0.4}, 1},
		"MixedSteps":   {[]float64{1000.001, 0.5, -3, 0.0001}, 997.5011},
		"Cancelled":    {[]float64{1e9, 0.001, -1e9}, 0.001},
		"ThirdOfThree": {[]float64{1.0 / 3, 1.0 / 3}, 2.0 / 3},
		"Huge":         {[]float64{1e300, -1e300, 5}, 5},
		"Nothing":      {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var a adder
			for _, v := range tc.values {
				a.add(v)
			}
			if got := a.value(); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
	var a adder
	for i := range 100_000 {
		a.add(float64(i%1000) / 1000)
	}
	if got, want := fmt.Sprint(a.value()), "49950"; got != want {
		t.Errorf("100,000 thousandths: got %s, want %s", got, want)
	}
}

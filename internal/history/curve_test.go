package history

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
	_ "time/tzdata" // of the machine that runs the tests nothing is expected

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/store"
)

func dublin(t testing.TB) *time.Location {
	t.Helper()
	place, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	return place
}

func steps(t testing.TB, s string, place *time.Location) Steps {
	t.Helper()
	v, err := calendar.ParseSteps(s, place)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// register makes entities known and stores readings of them with a commit now and
// then, as a writer does.
func register(t testing.TB, s *store.Store, d store.Series, from time.Time, every time.Duration, values func(i int) (float64, bool), n int) {
	t.Helper()
	if _, err := s.Register(d); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if v, ok := values(i); ok {
			if err := s.Append(store.Reading{Entity: d.Entity, Time: from.Add(time.Duration(i) * every), Value: v}); err != nil {
				t.Fatal(err)
			}
		}
		if i%5000 == 4999 {
			if err := s.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Every grain gives the same curve: what is kept by five minutes or by the day adds
// up to what the readings say, wherever the range is cut.
func TestGrainsAgree(t *testing.T) {
	s, h := home(t)
	place := dublin(t)
	// Three days around the end of summer time, a reading every 40 s; a gap.
	begin := time.Date(2026, 10, 24, 0, 0, 0, 0, place)
	value := func(i int) (float64, bool) {
		at := begin.Add(time.Duration(i) * 40 * time.Second)
		gap := at.Sub(begin) > 30*time.Hour && at.Sub(begin) < 33*time.Hour
		return float64((i*7919)%3000) / 4, !gap
	}
	register(t, s, store.Series{Entity: "p", Unit: "W"}, begin, 40*time.Second, value, 73*90)
	ctx := context.Background()
	for _, step := range []string{"5m", "15m", "hour", "6h", "day", "week", "month", "7m"} {
		for _, cut := range []Span{
			{begin, begin.Add(73 * time.Hour)},
			{begin.Add(17*time.Minute + 3*time.Second), begin.Add(50*time.Hour + time.Second)},
			{begin.Add(26 * time.Hour), begin.Add(26*time.Hour + 4*time.Minute)},
		} {
			t.Run(fmt.Sprintf("%s/%v", step, cut.To.Sub(cut.From)), func(t *testing.T) {
				got := curve(t, h, Query{Entity: "p", From: cut.From, To: cut.To, Steps: steps(t, step, place), Place: place})
				var want []Point
				b := bucket{steps: steps(t, step, place), from: cut.From}
				for i := range 73 * 90 {
					at := begin.Add(time.Duration(i) * 40 * time.Second)
					v, ok := value(i)
					if !ok || at.Before(cut.From) || !at.Before(cut.To) {
						continue
					}
					p := pieceOf(store.Sample{Milli: at.UnixMilli(), Value: v})
					if b.n > 0 && p.from < b.end {
						b.take(p)
						continue
					}
					if b.n > 0 {
						want = append(want, b.point())
					}
					b.begin(p)
				}
				want = append(want, b.point())
				near := cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })
				if diff := cmp.Diff(want, got, near); diff != "" {
					t.Errorf("points (-readings +got):\n%s", diff)
				}
			})
		}
	}
	_, c, err := read(ctx, h, Query{Entity: "p", From: begin, To: begin.Add(73 * time.Hour), Steps: steps(t, "hour", place)}, func(Point) error { return nil })
	if err != nil || c.Gaps != 1 || c.Complete() || c.Away < 3*time.Hour-5*time.Minute || c.Away > 3*time.Hour+5*time.Minute {
		t.Errorf("coverage: got %+v, %v; want one gap of three hours", c, err)
	}
}

// read is Curve and Each.
func read(ctx context.Context, h *History, q Query, f func(Point) error) (string, Coverage, error) {
	c, err := h.Curve(ctx, q)
	if err != nil {
		return "", Coverage{}, err
	}
	found, err := c.Each(ctx, f)
	return c.Unit, found, err
}

func curve(t *testing.T, h *History, q Query) (points []Point) {
	t.Helper()
	if _, _, err := read(context.Background(), h, q, func(p Point) error { points = append(points, p); return nil }); err != nil {
		t.Fatal(err)
	}
	return points
}

func TestCurveOfReadings(t *testing.T) {
	s, h := home(t)
	fill(t, s, "p", "kW", reading{0, 1}, reading{time.Minute, 2}, reading{time.Hour, -1})
	unit, c, err := read(context.Background(), h, Query{Entity: "p", From: midnight, To: after(2 * time.Hour)}, func(Point) error { return nil })
	want := Coverage{Missing: []Span{{after(time.Minute).Local(), after(time.Hour).Local()}, {after(time.Hour).Local(), after(2 * time.Hour).Local()}}, Gaps: 2, Away: 119 * time.Minute}
	if diff := cmp.Diff(want, c); err != nil || unit != "W" || diff != "" {
		t.Errorf("got unit %q, %v; coverage (-want +got):\n%s", unit, err, diff)
	}
	got := curve(t, h, Query{Entity: "p", From: after(time.Second), To: after(2 * time.Hour)})
	if diff := cmp.Diff([]Point{{after(time.Minute).Local(), 2000, 2000, 2000, 1}, {after(time.Hour).Local(), -1000, -1000, -1000, 1}}, got); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

func TestCurveSaysWhatIsWrong(t *testing.T) {
	s, h := home(t)
	fill(t, s, "p", "W", reading{0, 1})
	ctx := context.Background()
	none := func(Point) error { return nil }
	if _, _, err := read(ctx, h, Query{Entity: "p", From: midnight, To: midnight}, none); !errors.Is(err, ErrRange) {
		t.Errorf("an empty range: got %v, want ErrRange", err)
	}
	if _, _, err := read(ctx, h, Query{Entity: "x", From: midnight, To: after(1)}, none); !errors.Is(err, ErrUnknownEntity) {
		t.Errorf("an unknown entity: got %v, want ErrUnknownEntity", err)
	}
	stop := errors.New("stop")
	if _, _, err := read(ctx, h, Query{Entity: "p", From: midnight, To: after(time.Hour)}, func(Point) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the caller: got %v", err)
	}
	_, c, err := read(ctx, h, Query{Entity: "p", From: after(5 * time.Hour), To: after(7 * time.Hour)}, none)
	if want := (Coverage{Missing: []Span{{after(5 * time.Hour).Local(), after(7 * time.Hour).Local()}}, Gaps: 1, Away: 2 * time.Hour}); err != nil || !cmp.Equal(want, c) {
		t.Errorf("a range without a reading: got %+v, %v; want %+v", c, err, want)
	}
}

func TestPeaks(t *testing.T) {
	s, h := home(t)
	fill(t, s, "p", "W", reading{0, 100}, reading{17 * time.Minute, 900}, reading{30 * time.Minute, 50}, reading{2*time.Hour + 59*time.Minute, 30}, reading{3 * time.Hour, 5000})
	night := func(t time.Time) string {
		if t.Before(after(20 * time.Minute)) {
			return "night"
		}
		return "day"
	}
	got, total, unit, c, err := h.Peaks(context.Background(), Query{Entity: "p", From: midnight, To: after(3 * time.Hour), Steps: steps(t, "hour", time.UTC)}, night)
	if err != nil || unit != "W" || c.Gaps != 1 {
		t.Fatalf("got unit %q, %d gaps, %v", unit, c.Gaps, err)
	}
	first := Extreme{Min: 100, Mean: 500, Max: 900, At: after(15 * time.Minute), N: 2}
	want := []Peak{
		{Span{midnight, after(time.Hour)}, Extreme{Min: 50, Mean: 350, Max: 900, At: after(15 * time.Minute), N: 3},
			map[string]Extreme{"night": first, "day": {Min: 50, Mean: 50, Max: 50, At: after(30 * time.Minute), N: 1}}},
		{Span{after(time.Hour), after(2 * time.Hour)}, Extreme{}, nil},
		{Span{after(2 * time.Hour), after(3 * time.Hour)}, Extreme{Min: 30, Mean: 30, Max: 30, At: after(2*time.Hour + 55*time.Minute), N: 1},
			map[string]Extreme{"day": {Min: 30, Mean: 30, Max: 30, At: after(2*time.Hour + 55*time.Minute), N: 1}}},
	}
	sums := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".sum" }, cmp.Ignore())
	if diff := cmp.Diff(want, got, sums); diff != "" {
		t.Errorf("peaks (-want +got):\n%s", diff)
	}
	if total.Max != 900 || total.N != 4 || total.Windows["night"].Max != 900 || total.Windows["day"].Max != 50 {
		t.Errorf("together: got %+v", total)
	}
	for _, bad := range []string{"1m", "7m"} {
		if _, _, _, _, err := h.Peaks(context.Background(), Query{Entity: "p", From: midnight, To: after(time.Hour), Steps: steps(t, bad, time.UTC)}, nil); !errors.Is(err, ErrSteps) {
			t.Errorf("by %s: got %v, want ErrSteps", bad, err)
		}
	}
}

func TestAlwaysOn(t *testing.T) {
	s, h := home(t)
	register(t, s, store.Series{Entity: "p", Unit: "kW"}, midnight, time.Minute, func(i int) (float64, bool) {
		switch {
		case i/5 == 7 || i/5 == 40: // two of the 84 five minutes
			return 0.08, true
		case i/5 == 8 || i/5 == 41:
			return 0.1, true
		}
		return 0.2 + float64(i%60)/100, true
	}, 7*60)
	got, ok, err := h.AlwaysOn(context.Background(), "p", midnight, after(7*time.Hour))
	if err != nil || !ok || got < 89.9 || got > 90.1 { // of 84, the lowest four
		t.Errorf("got %v W, %v, %v; want 90", got, ok, err)
	}
	if _, ok, err := h.AlwaysOn(context.Background(), "p", midnight, after(50*time.Minute)); ok || err != nil {
		t.Errorf("of less than an hour: got %v, %v; want no figure", ok, err)
	}
}

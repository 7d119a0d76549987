package history

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/store"
)

// The stores that benchmarks read: the one of a busy home, a month long, and a year
// of a few series.
var (
	benchSeries = flag.Int("series", 250, "series of the busy home")
	benchDays   = flag.Int("days", 30, "days of the busy home")
	benchYear   = flag.Int("year", 365, "days of the few series")
)

// busyHome writes n series (device_K_power in W and device_K_energy in kWh in turn)
// every ten seconds for some days up to a midnight, and up to half past twelve of the
// next, as a writer does: committed, sealed, rolled up and counted. The writer has
// gone when it returns.
func busyHome(b *testing.B, n, days int, place *time.Location) (h *History, midnight, end time.Time) {
	b.Helper()
	began := time.Now()
	path := filepath.Join(b.TempDir(), "hems.db")
	midnight = calendar.Midnight(2026, 11, 1, place)
	from := midnight.AddDate(0, 0, -days)
	end = midnight.Add(12*time.Hour + 30*time.Minute)
	var now atomic.Int64
	now.Store(from.UnixMilli())
	s, err := store.Open(path, store.Options{CommitInterval: time.Hour, MaxPending: 1_000_000, Zone: place, Now: func() time.Time { return time.UnixMilli(now.Load()) }})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	readings, values := make([]store.Reading, n), make([]float64, n)
	for i := range n {
		d := store.Series{Entity: fmt.Sprintf("device_%d_power", i/2), Unit: "W", DeviceClass: "power", StateClass: "measurement"}
		if i%2 == 1 {
			d = store.Series{Entity: fmt.Sprintf("device_%d_energy", i/2), Unit: "kWh", DeviceClass: "energy", StateClass: "total_increasing"}
			values[i] = 1000
		}
		if _, err := s.Register(d); err != nil {
			b.Fatal(err)
		}
		readings[i].Entity = d.Entity
	}
	for at := from; at.Before(end); at = at.Add(10 * time.Second) {
		for i := range readings {
			if i%2 == 1 {
				values[i] = math.Round(values[i]*1000+rnd.Float64()*3) / 1000
			} else {
				values[i] = math.Round(math.Abs(values[i]+rnd.Float64()*30-15)*10) / 10
			}
			readings[i].Time, readings[i].Value = at.Add(time.Duration(rnd.IntN(900))*time.Millisecond), values[i]
		}
		if err := s.Append(readings...); err != nil {
			b.Fatal(err)
		}
		if next := at.Add(10 * time.Second); next.Truncate(time.Hour).Equal(next) {
			now.Store(next.Add(6 * time.Minute).UnixMilli())
			commit(s)
		}
	}
	for i := range 100 { // what is left to be tidied is done a part at a time
		if err := s.Append(store.Reading{Entity: "device_0_power", Time: end.Add(time.Duration(i) * time.Second), Value: 1}); err != nil {
			b.Fatal(err)
		}
		commit(s)
	}
	b.Logf("%d series for %d days: %d readings in %v", n, days, n*days*8640, time.Since(began).Round(time.Second))
	h = Open(path, store.ReaderOptions{Zone: place})
	b.Cleanup(func() { h.Close() })
	return h, midnight, end
}

// commit waits for a commit; what comes with it (sealing, rollups, the ledger)
// follows.
func commit(s *store.Store) {
	committed := s.Advanced()
	s.CommitSoon()
	<-committed
}

// timed runs f again and again and reports, beside the time on the wall, what of the
// processor it took: on a machine that does other things too they are far apart.
func timed(b *testing.B, f func(b *testing.B)) {
	before := processor(b)
	for b.Loop() {
		f(b)
	}
	b.ReportMetric(float64(processor(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
}

// processor is the time that this process has had of it, in ns.
func processor(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkBusyHome is what the dashboard asks of a month of a busy home.
func BenchmarkBusyHome(b *testing.B) {
	place := dublin(b)
	h, midnight, end := busyHome(b, *benchSeries, *benchDays, place)
	ctx := context.Background()
	day := end.Add(-24 * time.Hour)
	b.Run("DayByFiveMinutes", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			if p, err := h.Power(ctx, "device_0_power", day, end, 5*time.Minute); err != nil || len(p) != 288 {
				b.Fatalf("got %d points, %v; want 288", len(p), err)
			}
		})
	})
	b.Run("DayByTenSeconds", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			if p, err := h.Power(ctx, "device_0_power", day, end, 10*time.Second); err != nil || len(p) != 8640 {
				b.Fatalf("got %d points, %v; want 8640", len(p), err)
			}
		})
	})
	b.Run("Today", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			if _, ok, err := h.Counted(ctx, "device_0_energy", midnight, end); err != nil || !ok {
				b.Fatal(ok, err)
			}
		})
	})
	b.Run("MonthByDay", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			t, err := h.Tally(ctx, TallyQuery{Entity: "device_0_energy", From: midnight.AddDate(0, 0, -*benchDays), To: midnight, Steps: steps(b, "day", place)})
			if err != nil || len(t.Rows) != *benchDays || t.Total.Energy == 0 {
				b.Fatalf("got %d rows, %v", len(t.Rows), err)
			}
		})
	})
	b.Run("PeaksOfTheMonth", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			p, _, _, _, err := h.Peaks(ctx, Query{Entity: "device_0_power", From: midnight.AddDate(0, 0, -*benchDays), To: midnight, Steps: steps(b, "day", place)}, nil)
			if err != nil || len(p) != *benchDays {
				b.Fatalf("got %d rows, %v", len(p), err)
			}
		})
	})
}

// BenchmarkYear is a year of a house's meter and one device.
func BenchmarkYear(b *testing.B) {
	place := dublin(b)
	h, midnight, _ := busyHome(b, 4, *benchYear, place)
	ctx := context.Background()
	from := midnight.AddDate(0, 0, -*benchYear)
	smart := calendar.Sets["smart"]
	b.Run("DailyKWh", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			t, err := h.Tally(ctx, TallyQuery{Entity: "device_0_energy", From: from, To: midnight, Steps: steps(b, "day", place)})
			if err != nil || len(t.Rows) != *benchYear || t.Total.Energy == 0 {
				b.Fatalf("got %d rows, %v", len(t.Rows), err)
			}
		})
	})
	b.Run("DailyKWhByWindow", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			t, err := h.Tally(ctx, TallyQuery{Entity: "device_0_energy", From: from, To: midnight, Steps: steps(b, "day", place),
				Window: func(t time.Time) string { return smart.At(t, place) }})
			if err != nil || len(t.Rows) != *benchYear || t.Total.Energy == 0 {
				b.Fatalf("got %d rows, %v", len(t.Rows), err)
			}
		})
	})
	b.Run("PowerByDay", func(b *testing.B) {
		timed(b, func(b *testing.B) {
			n := 0
			c, err := h.Curve(ctx, Query{Entity: "device_0_power", From: from, To: midnight, Steps: steps(b, "day", place), Place: place})
			if err == nil {
				_, err = c.Each(ctx, func(Point) error { n++; return nil })
			}
			if err != nil || n != *benchYear {
				b.Fatalf("got %d points, %v", n, err)
			}
		})
	})
}

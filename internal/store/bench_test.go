package store

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// home is a load of n series reporting every 10 s with jitter, as meters do:
// watts, kWh, volts, amperes and hertz in their usual steps.
type home struct {
	rnd    *rand.Rand
	names  []string
	values []float64
}

func newHome(b testing.TB, s *Store, n int) *home {
	h := &home{rnd: rand.New(rand.NewPCG(1, 2))}
	units := []string{"W", "kWh", "V", "A", "Hz"}
	classes := []string{"power", "energy", "voltage", "current", "frequency"}
	states := []string{"measurement", "total_increasing", "measurement", "measurement", "measurement"}
	start := []float64{500, 1000, 230, 2, 50}
	for i := range n {
		name := fmt.Sprintf("device_%d_%s", i/5, strings.ToLower(units[i%5]))
		d := Series{Entity: name, Unit: units[i%5], DeviceClass: classes[i%5], StateClass: states[i%5], Domain: "sensor"}
		if _, err := s.Register(d); err != nil {
			b.Fatal(err)
		}
		h.names, h.values = append(h.names, name), append(h.values, start[i%5])
	}
	return h
}

// round is one reading of each series in the 10 s from t.
func (h *home) round(t time.Time) []Reading {
	step := []float64{0.1, 0.001, 0.1, 0.01, 0.01}
	size := []float64{300, 3, 5, 20, 3}
	all := make([]Reading, len(h.names))
	for i, name := range h.names {
		d := math.Round((h.rnd.Float64()-0.5)*size[i%5]) * step[i%5]
		if i%5 == 1 {
			d = math.Abs(d)
		}
		h.values[i] = math.Round((h.values[i]+d)/step[i%5]) * step[i%5]
		h.values[i] = math.Round(h.values[i]*1000) / 1000
		all[i] = Reading{Entity: name, Time: t.Add(time.Duration(h.rnd.IntN(900)) * time.Millisecond), Value: h.values[i]}
	}
	return all
}

// fill writes a span of the load, committed each minute, sealed each hour and
// sent to one destination.
func fill(b testing.TB, s *Store, c *clock, series int, from time.Time, span time.Duration) {
	fillFrom(b, s, c, newHome(b, s, series), from, span)
}

func fillFrom(b testing.TB, s *Store, c *clock, h *home, from time.Time, span time.Duration) {
	ctx := context.Background()
	for d := time.Duration(0); d < span; d += 10 * time.Second {
		if err := s.Append(h.round(from.Add(d))...); err != nil {
			b.Fatal(err)
		}
		if (d+10*time.Second)%time.Minute == 0 {
			c.set(from.Add(d))
			if err := s.Commit(ctx); err != nil {
				b.Fatal(err)
			}
			batch, err := s.Next(ctx, "destination", 5000)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Advance(ctx, "destination", batch); err != nil {
				b.Fatal(err)
			}
			if err := s.sweep(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkDay reads one series' last 24 h of a store with two days of 50
// series every 10 s: what a chart asks for.
func BenchmarkDay(b *testing.B) {
	path := filepath.Join(b.TempDir(), "hems.db")
	c := &clock{t: noon}
	s, err := Open(path, Options{CommitInterval: time.Hour, Now: c.now})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill(b, s, c, 50, noon, 48*time.Hour)
	r, err := OpenReader(path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for b.Loop() {
		got, err := r.Samples(context.Background(), 1, noon.Add(24*time.Hour), noon.Add(48*time.Hour))
		if err != nil || len(got) != 8640 {
			b.Fatalf("got %d samples, %v; want 8640", len(got), err)
		}
	}
}

// BenchmarkWear writes a day of 250 series every 10 s, 25 samples a second,
// with a commit a minute and one destination that keeps up, and reports what was
// written to the disk.
func BenchmarkWear(b *testing.B) {
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "hems.db")
		c := &clock{t: noon}
		s, err := Open(path, Options{CommitInterval: time.Hour, Now: c.now})
		if err != nil {
			b.Fatal(err)
		}
		before := written(b)
		start := time.Now()
		fill(b, s, c, 250, noon, 24*time.Hour)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(written(b)-before)/1e6, "MB-written/day")
		b.ReportMetric(8640*250/time.Since(start).Seconds(), "samples/s")
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/(8640*250), "B/sample")
	}
}

// written is how many bytes this process has caused to be written to disks.
func written(b testing.TB) (n int64) {
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal("reading what was written needs /proc/self/io: ", err)
	}
	for line := range strings.Lines(string(io)) {
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
			return n
		}
	}
	b.Fatal("no write_bytes in /proc/self/io")
	return 0
}

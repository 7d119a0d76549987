//go:build e2e

package readings

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

var monthEvery = flag.Duration("month-every", 5*time.Minute, "how far apart the readings of TestAMonthAway are")

// TestAMonthAway: the databases are away for a month, whose readings are put into
// the store, and for as long again as the writer needs to say so, while more
// come in and it is restarted. When they are back everything arrives, once.
func TestAMonthAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tempDir(t), influx1(t), influx2(t), victoria(t))
	for i := range 10 {
		h.add(fmt.Sprint("d", i), 1)
	}
	for _, f := range h.fronts {
		f.lead(nil)
	}
	n := month(t, h, *monthEvery)
	h.start()
	wait := h.publish(1, 50*time.Millisecond)
	h.metrics.says(t, "it does not answer")
	moment()
	h.metrics.end(t, syscall.SIGTERM)
	h.startMetrics()
	h.metrics.says(t, "it does not answer")
	began := time.Now()
	for i, f := range h.fronts {
		f.lead(h.dbs[i])
	}
	wait()
	h.complete()
	t.Logf("%d readings of a month at three databases %v after they were back", n, time.Since(began).Round(time.Second))
}

// TestKillsOfTheDatabase kills the databases while readings come, and starts them
// again on what they have kept: what they had answered for and have lost all the
// same, as VictoriaMetrics does, is there in the end, too.
func TestKillsOfTheDatabase(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tempDir(t), influx1(t), influx2(t), victoria(t))
	for i := range 5 {
		h.add(fmt.Sprint("d", i), 1)
	}
	h.start()
	wait := h.publish(1, 50*time.Millisecond)
	for round := range 3 {
		before := h.count()
		// Some of it is there, and some is on its way.
		h.slowly("readings at every database", func() bool {
			for _, d := range h.dbs {
				n := 0
				for _, points := range d.ask(t, d) {
					n += len(points)
				}
				if n < before/2 {
					return false
				}
			}
			return true
		})
		moment()
		for _, d := range h.dbs {
			d.p.end(t, syscall.SIGKILL)
		}
		// A server that is back before the writer has asked it is not missed.
		h.slowly("the writer to miss every database", func() bool {
			return !slices.ContainsFunc(h.fronts, func(f *front) bool { return f.missed() <= round })
		})
		for _, d := range h.dbs {
			d.start(t)
		}
	}
	wait()
	h.complete()
}

// month fills the store with the readings of a month that ends now.
func month(t *testing.T, h *house, every time.Duration) (n int) {
	t.Helper()
	const days = 30
	dir := filepath.Join(h.data, "store")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Truncate(time.Hour)
	now := end.AddDate(0, 0, -days)
	s, err := store.Open(filepath.Join(dir, "hems.db"), store.Options{CommitInterval: time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range h.devices {
		if _, err := s.Register(store.Series{Entity: d.entity(), Unit: "W", DeviceClass: "power", StateClass: "measurement", Device: d.name, UniqueID: d.name + "-power"}); err != nil {
			t.Fatal(err)
		}
	}
	for hour := now; hour.Before(end); hour = hour.Add(time.Hour) {
		for at := hour; at.Before(hour.Add(time.Hour)); at = at.Add(every) {
			for i, d := range h.devices {
				// Not a number that a device says.
				value := math.Round(2000+1000*math.Sin(float64(at.Unix()+int64(i*999))/7000)) / -10
				if err := s.Append(store.Reading{Entity: d.entity(), Time: at.Add(time.Duration(i*77) * time.Millisecond), Value: value}); err != nil {
					t.Fatal(err)
				}
				n++
			}
		}
		if err := s.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
		t.Fatal(err)
	}
	return n
}

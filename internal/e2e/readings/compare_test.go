//go:build e2e || bench

package readings

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

// complete has each device say a last reading, waits until what is stored and
// what the databases have is complete and the same, and looks for what is lost
// and for what is there twice. It returns what is stored.
func (h *house) complete() map[string][]point {
	h.t.Helper()
	kept, lost, twice := h.counted()
	h.t.Logf("%d readings acknowledged, %d lost, %d stored twice", h.count(), lost, twice)
	if lost+twice > 0 {
		h.t.Errorf("readings were lost or stored twice; the writer said:\n%s", h.writerSaid())
	}
	for _, d := range h.dbs {
		h.arrived(d, kept)
	}
	return kept
}

// counted has each device say a last reading and, when that is stored, counts
// those that were acknowledged and are not, and those that are twice.
func (h *house) counted() (kept map[string][]point, lost, twice int) {
	h.t.Helper()
	for _, d := range h.devices {
		eventually(h.t, "the last reading of "+d.name+" to be acknowledged", func() bool { return d.reading(1) })
	}
	h.slowly("the last readings to be stored", func() bool {
		kept = h.stored()
		return !slices.ContainsFunc(h.devices, func(d *device) bool {
			return !slices.ContainsFunc(kept[d.entity()], func(p point) bool { return int(p.Value) == d.next-1 })
		})
	})
	for _, d := range h.devices {
		times := map[int]int{}
		for _, p := range kept[d.entity()] {
			times[int(p.Value)]++
		}
		for n := 1; n < d.next; n++ {
			switch {
			case times[n] == 0 && d.acked[n] && d.qos > 0:
				if lost++; lost < 10 {
					h.t.Logf("reading %d of %s was acknowledged and is lost", n, d.name)
				}
			case times[n] > 1:
				if twice++; twice < 10 {
					h.t.Logf("reading %d of %s is stored %d times", n, d.name, times[n])
				}
			}
		}
	}
	return kept, lost, twice
}

// arrived waits until a database has as many readings as the store, and compares
// them: each once, at its time, with its value.
func (h *house) arrived(d *database, kept map[string][]point) {
	h.t.Helper()
	want, got := 0, map[string][]point{}
	for _, points := range kept {
		want += len(points)
		slices.SortFunc(points, byTime)
	}
	h.slowly(fmt.Sprintf("%d readings at %s", want, d.name), func() bool {
		n := 0
		got = d.ask(h.t, d)
		for _, points := range got {
			n += len(points)
		}
		return n >= want
	})
	for entity := range maps.Keys(got) {
		slices.SortFunc(got[entity], byTime)
	}
	if maps.EqualFunc(kept, got, slices.Equal) {
		return
	}
	if diff := cmp.Diff(kept, got); diff != "" {
		h.t.Errorf("readings at %s (-stored +there):\n%s\nthe writer said:\n%s", d.name, diff[:min(2000, len(diff))], h.writerSaid())
	}
}

func byTime(a, b point) int {
	if a.Milli != b.Milli {
		return int(a.Milli - b.Milli)
	}
	return int(a.Value - b.Value)
}

// slowly waits for what costs something to ask for.
func (h *house) slowly(what string, holds func() bool) {
	h.t.Helper()
	h.within(patience, what, holds)
}

// within is slowly with a limit of its own.
func (h *house) within(limit time.Duration, what string, holds func() bool) {
	h.t.Helper()
	const between = 300 * time.Millisecond
	for end := time.Now().Add(limit); !holds(); time.Sleep(between) {
		if time.Now().After(end) {
			h.t.Fatalf("waited %v for %s; the writer said:\n%s", limit, what, h.writerSaid())
		}
	}
}

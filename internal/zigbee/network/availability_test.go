package network

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// TestSilenceByDefault: without options, what listens is asked after ten minutes,
// and what sleeps is away after 25 hours, or when three of its reports are due.
func TestSilenceByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, thermometer, thermometer})
		w.net.mu.Lock()
		for i := range w.net.devices[all[2]].Endpoints { // as one that reports when it likes
			w.net.devices[all[2]].Endpoints[i].Reporting = nil
		}
		often := w.net.silence(w.net.devices[all[1]])
		w.net.mu.Unlock()
		start := time.Now()
		for _, e := range all {
			if err := w.sim.Silence(radio.EUI64(e), true); err != nil {
				t.Fatal(err)
			}
		}
		away := make(map[zcl.EUI64]time.Duration)
		for len(away) < len(all) {
			for _, e := range w.drain(time.Minute) {
				if e.Kind == AvailabilityChanged && !e.Device.Available {
					away[e.EUI64] = e.Time.Sub(start)
				}
			}
			if time.Since(start) > 30*time.Hour {
				t.Fatalf("away are %v", away)
			}
		}
		for i, want := range []time.Duration{10 * time.Minute, often, 25 * time.Hour} {
			if got := away[all[i]]; got < want-5*time.Minute || got > want+3*time.Minute {
				t.Errorf("device %d is away after %v, want about %v", i, got, want)
			}
		}
		// It is back as soon as it speaks.
		for _, e := range all {
			if err := w.sim.Silence(radio.EUI64(e), false); err != nil {
				t.Fatal(err)
			}
			w.await(AvailabilityChanged, func(got Event) bool { return got.EUI64 == e && got.Device.Available })
		}
	})
}

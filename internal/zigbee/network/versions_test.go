package network

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/smartcore-ireland/hems/internal/simulator"
)

// TestEveryVersionOfEZSP holds the coordinator to a dongle of each protocol
// version: it forms a network, lets the meter in, resumes after a restart, and
// puts the network on a dongle fresh from its box, upon which the meter goes on
// as if nothing had happened.
func TestEveryVersionOfEZSP(t *testing.T) {
	for _, v := range []uint8{8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20} {
		t.Run(fmt.Sprintf("EZSP%d", v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lockedBuffer
				state := filepath.Join(t.TempDir(), "simulator.json")
				w := newWorld(t, simulator.Options{EZSP: v, State: state})
				w.start(func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				formed := w.awaitUp()
				if formed.EZSPVersion != v {
					t.Errorf("got EZSP %d, want %d", formed.EZSPVersion, v)
				}
				const warning = "does not know: the nearest before it is tried"
				if got, want := strings.Contains(log.String(), warning), v > 19; got != want {
					t.Errorf("warned of an unknown version: got %v, want %v", got, want)
				}
				paired := w.pair()
				w.report()
				w.stop()

				w.start()
				resumed := w.awaitUp()
				if resumed.PANID != formed.PANID || resumed.Channel != formed.Channel {
					t.Errorf("resumed PAN %04x on channel %d, want %04x on %d", resumed.PANID, resumed.Channel, formed.PANID, formed.Channel)
				}
				if e := w.report(); e.Device.NodeID != paired.NodeID {
					t.Errorf("got a report of node %04x, want %04x", e.Device.NodeID, paired.NodeID)
				}
				w.stop()

				w.sim.Close()
				withoutDongle(t, state)
				w.plug(simulator.Options{EZSP: v, State: state})
				w.start()
				restored := w.awaitUp()
				if restored.PANID != formed.PANID || restored.Channel != formed.Channel {
					t.Errorf("restored PAN %04x on channel %d, want %04x on %d", restored.PANID, restored.Channel, formed.PANID, formed.Channel)
				}
				if e := w.report(); e.Device.NodeID != paired.NodeID {
					t.Errorf("got a report of node %04x, want %04x", e.Device.NodeID, paired.NodeID)
				}
				for _, e := range w.seen {
					if e.Kind == Joined || e.Kind == InterviewStarted {
						t.Errorf("%v although nothing is new", e.Kind)
					}
				}
			})
		})
	}
}

// withoutDongle takes the dongle's memory out of the simulator's: the meter
// keeps its own.
func withoutDongle(t *testing.T, path string) {
	t.Helper()
	var state map[string]json.RawMessage
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &state)
	}
	if err == nil {
		delete(state, "dongle")
		b, err = json.Marshal(state)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

package network

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const meterEUI64 = zcl.EUI64(simulator.DefaultMeterEUI64)

// world is a simulated dongle with its meter, and a coordinator on it. It lives
// in a synctest bubble, so that hours pass at once.
type world struct {
	t    *testing.T
	sim  *simulator.Simulator
	net  *Network
	dir  string
	stop func()
	seen []Event
}

func newWorld(t *testing.T, o simulator.Options) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	t.Cleanup(func() {
		if w.stop != nil {
			w.stop()
		}
	})
	w.plug(o)
	return w
}

// plug puts another dongle in place of the one there is.
func (w *world) plug(o simulator.Options) {
	w.t.Helper()
	// The bubble's clock stands at 2000; the house was built in 2026.
	o.Now = func() time.Time { return time.Now().AddDate(26, 1, 0) }
	sim, err := simulator.Start(context.Background(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sim = sim
	w.t.Cleanup(func() {
		if w.stop != nil {
			w.stop()
		}
		sim.Close()
	})
}

// start runs a coordinator on the world's dongle, as the process does.
func (w *world) start(change ...func(*Options)) {
	w.t.Helper()
	o := Options{Dial: w.sim.Dial, Dir: w.dir, Log: testLog(w.t)}
	for _, c := range change {
		c(&o)
	}
	n, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.net, w.seen = n, nil
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	w.stop = func() {
		cancel()
		<-done
		w.stop = nil
	}
}

// await waits for an event of a kind for which ok holds.
func (w *world) await(k Kind, ok func(Event) bool) Event {
	w.t.Helper()
	deadline := time.NewTimer(10 * time.Minute) // of the bubble
	defer deadline.Stop()
	for {
		select {
		case e := <-w.net.Events():
			w.seen = append(w.seen, e)
			if e.Kind == k && (ok == nil || ok(e)) {
				return e
			}
		case <-deadline.C:
			var kinds []string
			for _, e := range w.seen {
				kinds = append(kinds, e.Kind.String())
			}
			w.t.Fatalf("no event %v; saw %v; info %+v", k, kinds, w.net.Info())
		}
	}
}

func (w *world) awaitUp() Info {
	w.t.Helper()
	return w.await(StateChanged, func(e Event) bool { return e.Info.State == Up }).Info
}

func (w *world) awaitDown() Info {
	w.t.Helper()
	return w.await(StateChanged, func(e Event) bool { return e.Info.State == Down }).Info
}

// letJoin opens the network and presses the meter's button.
func (w *world) letJoin() {
	w.t.Helper()
	if err := w.net.PermitJoin(w.t.Context(), time.Minute); err != nil {
		w.t.Fatal(err)
	}
	if err := w.sim.PressButton(); err != nil {
		w.t.Fatal(err)
	}
}

// pair lets the meter in and waits until it is configured.
func (w *world) pair() Device {
	w.t.Helper()
	w.letJoin()
	return w.await(Configured, nil).Device
}

// report waits for a report of the meter's power.
func (w *world) report() Event {
	w.t.Helper()
	return w.await(MessageReceived, func(e Event) bool {
		return e.Message.Cluster == zcl.ClusterMetering && e.Message.Frame.Command == zcl.CommandReport
	})
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

package network

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/serialport"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// onLine is a world in real time, with a line as a dongle has it.
func onLine(t *testing.T, pty bool, o simulator.Options) (*world, string) {
	t.Helper()
	var port string
	if pty {
		o.Pty = filepath.Join(t.TempDir(), "dongle")
		port = o.Pty
	} else {
		o.Listen = "127.0.0.1:0"
	}
	o.Latency = time.Millisecond
	sim, err := simulator.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !pty {
		port = "tcp://" + sim.Addr().(*net.TCPAddr).String()
	}
	w := &world{t: t, sim: sim, dir: t.TempDir()}
	t.Cleanup(func() {
		if w.stop != nil {
			w.stop()
		}
		sim.Close()
	})
	return w, port
}

func dialer(port string) func(*Options) {
	return func(o *Options) {
		o.Dial = func(ctx context.Context) (io.ReadWriteCloser, error) {
			return serialport.Open(ctx, serialport.Options{Port: port, Flow: serialport.FlowSoftware})
		}
	}
}

func TestOnARealLine(t *testing.T) {
	for name, pty := range map[string]bool{"Pty": true, "TCP": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, port := onLine(t, pty, simulator.Options{ReportEvery: 100 * time.Millisecond})
			w.start(dialer(port))
			before := w.awaitUp()
			w.pair()
			w.report()

			if err := w.sim.Unplug(); err != nil {
				t.Fatal(err)
			}
			down := w.awaitDown()
			if !strings.Contains(down.Err.Error(), port) || Hint(down.Err) == "" {
				t.Errorf("got %v (hint %q), want an error that names %s", down.Err, Hint(down.Err), port)
			}
			time.Sleep(700 * time.Millisecond) // it is tried once while it is away
			if err := w.sim.Plug(); err != nil {
				t.Fatal(err)
			}
			if after := w.awaitUp(); after.PANID != before.PANID {
				t.Errorf("got %+v, was %+v", after, before)
			}
			w.report()

			w.stop()
			w.start(dialer(port)) // another process
			w.awaitUp()
			w.report()
		})
	}
}

// BenchmarkReport measures the time from a report on the simulated radio to
// its event, over a pseudo-terminal, at 100 reports a second.
func BenchmarkReport(b *testing.B) {
	trace := filepath.Join(b.TempDir(), "trace")
	pty := filepath.Join(b.TempDir(), "dongle")
	sim, err := simulator.Start(context.Background(), simulator.Options{
		Pty: pty, Trace: trace, ReportEvery: 10 * time.Millisecond, Latency: -1,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer sim.Close()
	o := Options{Dir: b.TempDir()}
	dialer(pty)(&o)
	start := time.Now()
	n, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	await := func(ok func(Event) bool) Event {
		for e := range n.Events() {
			if ok(e) {
				return e
			}
		}
		return Event{}
	}
	await(func(e Event) bool { return e.Kind == StateChanged && e.Info.State == Up })
	up := time.Since(start)
	if err := n.PermitJoin(ctx, time.Minute); err != nil {
		b.Fatal(err)
	}
	await(func(e Event) bool { return e.Kind == Configured })

	power := func(e Event) bool {
		return e.Kind == MessageReceived && e.Message.Cluster == zcl.ClusterMetering &&
			e.Message.Frame.Command == zcl.CommandReport && e.Message.Attributes[0].ID == zcl.AttrInstantaneousDemand
	}
	type seen struct {
		at    int64
		value uint64
	}
	var got []seen
	for b.Loop() {
		e := await(power)
		got = append(got, seen{time.Now().UnixNano(), e.Message.Attributes[0].Value.Raw()})
	}
	b.StopTimer()
	b.ReportMetric(float64(up.Microseconds())/1000, "ms-to-up")
	sent := traced(b, trace)
	var took []time.Duration
	for _, g := range got { // the last report of that value before the event
		i, _ := slices.BinarySearchFunc(sent, g.at, func(s traceLine, at int64) int { return int(s.Time - at) })
		for i--; i >= 0; i-- {
			if uint64(sent[i].Value)&0xFFFFFF == g.value&0xFFFFFF {
				took = append(took, time.Duration(g.at-sent[i].Time))
				break
			}
		}
	}
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}

// traceLine is a line of the simulator's trace of power reports.
type traceLine struct {
	Time      int64 `json:"ns"`
	Cluster   uint16
	Attribute uint16
	Value     int64
}

func traced(b *testing.B, path string) []traceLine {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var all []traceLine
	for s := bufio.NewScanner(f); s.Scan(); {
		var l traceLine
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			b.Fatalf("%v in %s", err, s.Text())
		}
		if l.Cluster == zcl.ClusterMetering && l.Attribute == zcl.AttrInstantaneousDemand {
			all = append(all, l)
		}
	}
	return all
}

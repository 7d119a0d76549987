package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator"
	simash "github.com/smartcore-ireland/hems/internal/simulator/ash"
	"github.com/smartcore-ireland/hems/internal/zigbee/ash"
	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestRecovers(t *testing.T) {
	tests := []struct {
		name    string
		harm    func(*simulator.Simulator) error
		mend    func(*simulator.Simulator) error
		wantErr func(error) bool
		within  time.Duration // until the fault is known
		back    time.Duration // from mending until the network is up
	}{
		{
			name:   "Unplugged",
			harm:   (*simulator.Simulator).Unplug,
			mend:   (*simulator.Simulator).Plug,
			within: time.Second,
			back:   6 * time.Second,
		},
		{
			name:    "ResetByItself",
			harm:    (*simulator.Simulator).Reset,
			wantErr: func(err error) bool { return errors.Is(err, ash.ErrReset{Code: ash.ResetWatchdog}) },
			within:  time.Second,
			back:    2 * time.Second,
		},
		{
			name:   "Hung",
			harm:   func(s *simulator.Simulator) error { s.Hang(); return nil },
			mend:   (*simulator.Simulator).Reset,
			within: 20 * time.Second,
			back:   20 * time.Second,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, simulator.Options{})
				w.start()
				before := w.awaitUp()
				w.pair()
				w.report()

				start := time.Now()
				if err := tt.harm(w.sim); err != nil {
					t.Fatal(err)
				}
				down := w.awaitDown()
				if got := time.Since(start); got > tt.within {
					t.Errorf("the fault was known after %v, want %v", got, tt.within)
				}
				if down.Err == nil || Hint(down.Err) == "" || tt.wantErr != nil && !tt.wantErr(down.Err) {
					t.Errorf("got error %v, hint %q", down.Err, Hint(down.Err))
				}
				if d, _ := w.net.Device(meterEUI64); !d.Available || !d.Configured {
					t.Errorf("the device has changed: %+v", d)
				}
				if tt.mend != nil {
					if _, err := w.net.Read(t.Context(), meterEUI64, 2, 0, 0, 0); !errors.Is(err, ErrDown) {
						t.Errorf("Read while down: got %v", err)
					}
					time.Sleep(time.Minute)
					if err := tt.mend(w.sim); err != nil {
						t.Fatal(err)
					}
				}
				start = time.Now()
				after := w.awaitUp()
				if got := time.Since(start); got > tt.back {
					t.Errorf("up again after %v, want %v", got, tt.back)
				}
				if before.PANID != after.PANID || after.Err != nil {
					t.Errorf("got %+v, was %+v", after, before)
				}
				if e := w.report(); !e.Device.Configured {
					t.Errorf("got %+v", e.Device)
				}
			})
		})
	}
}

// silent is a line on which nothing comes.
type silent struct {
	closed chan struct{}
	once   sync.Once
}

func (l *silent) Read([]byte) (int, error)    { <-l.closed; return 0, io.ErrClosedPipe }
func (l *silent) Write(p []byte) (int, error) { return len(p), nil }
func (l *silent) Close() error                { l.once.Do(func() { close(l.closed) }); return nil }

// babbling is a line on which anything comes.
type babbling struct {
	silent
	random *rand.Rand
}

func (l *babbling) Read(p []byte) (int, error) {
	select {
	case <-l.closed:
		return 0, io.ErrClosedPipe
	case <-time.After(10 * time.Millisecond):
	}
	for i := range p {
		p[i] = byte(l.random.Uint32())
	}
	return len(p), nil
}

func TestEveryFaultIsOneClearError(t *testing.T) {
	missing := &Error{Message: "there is no dongle at /dev/ttyACM0", Advice: "plug it in"}
	tests := []struct {
		name string
		dial func(context.Context) (io.ReadWriteCloser, error)
		ezsp uint8    // of a simulated dongle, when there is no dial
		want []string // in error and hint
		is   func(error) bool
	}{
		{
			name: "MissingPort",
			dial: func(context.Context) (io.ReadWriteCloser, error) { return nil, missing },
			want: []string{"/dev/ttyACM0", "plug it in"},
		},
		{
			name: "SilentDongle",
			dial: func(context.Context) (io.ReadWriteCloser, error) {
				return &silent{closed: make(chan struct{})}, nil
			},
			want: []string{"does not answer", "silent", "unplug"},
			is:   func(err error) bool { return errors.As(err, new(ash.ErrNoAnswer)) },
		},
		{
			name: "GarbageOnTheLine",
			dial: func(context.Context) (io.ReadWriteCloser, error) {
				return &babbling{silent: silent{closed: make(chan struct{})}, random: rand.New(rand.NewPCG(1, 2))}, nil
			},
			want: []string{"does not answer as one with EmberZNet would", "check that the port"},
			is:   func(err error) bool { return errors.As(err, new(ash.ErrNoAnswer)) },
		},
		{
			name: "EZSP7",
			dial: speaking(7, 0x6630),
			want: []string{"EZSP 7", "6.6.3", "EZSP 8 to 19", "update the dongle's firmware to EmberZNet 7.4"},
			is:   func(err error) bool { return errors.As(err, new(ezsp.ErrVersion)) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lockedBuffer
				dials := 0
				n, err := New(Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil)),
					Dial: func(ctx context.Context) (io.ReadWriteCloser, error) { dials++; return tt.dial(ctx) }})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- n.Run(ctx) }()
				var downs []Info
				read := make(chan struct{})
				go func() {
					defer close(read)
					for {
						select {
						case e := <-n.Events():
							if e.Info.State == Down && e.Err != nil {
								downs = append(downs, e.Info)
							}
						case <-ctx.Done():
							return
						}
					}
				}()
				time.Sleep(2 * time.Minute)
				cancel()
				if err := <-done; err != nil {
					t.Errorf("Run: %v", err)
				}
				<-read
				if dials < 5 {
					t.Errorf("tried %d times in two minutes", dials)
				}
				if len(downs) != 1 {
					t.Fatalf("got %d events for one fault: %+v", len(downs), downs)
				}
				err = downs[0].Err
				said := err.Error() + " / " + Hint(err)
				for _, want := range tt.want {
					if !strings.Contains(said, want) {
						t.Errorf("got %q, want %q in it", said, want)
					}
				}
				if tt.is != nil && !tt.is(err) {
					t.Errorf("got %T", err)
				}
				if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
					t.Errorf("logged %d times for one fault:\n%s", got, log.String())
				}
			})
		})
	}
}

// speaking dials a dongle that knows nothing but its version.
func speaking(version byte, stack uint16) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) {
		host, dongle := net.Pipe()
		h := &versionOnly{reply: []byte{version, 2, byte(stack), byte(stack >> 8)}}
		h.link = simash.New(simash.Options{Handler: h})
		go h.link.Run(context.Background(), dongle)
		return host, nil
	}
}

type versionOnly struct {
	link  *simash.Link
	reply []byte
}

func (*versionOnly) Reset() {}

func (v *versionOnly) Frame(q []byte) {
	v.link.Send(append([]byte{q[0], 0x80, 0}, v.reply...), false)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestABadLineIsEndured has a line so bad that a frame of 40 bytes arrives whole
// in two of three cases, and that the dongle itself gives up now and then:
// readings go on all the same.
func TestABadLineIsEndured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Seed: 7})
		w.start()
		w.awaitUp()
		w.pair()
		if err := w.sim.SetFaults(simash.Faults{Lose: 0.003, Flip: 0.003, Duplicate: 0.003}); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			w.report()
		}
		line := w.sim.State().Line
		if line != nil && line.Retransmitted == 0 && line.BadFrames == 0 {
			t.Errorf("the line was not bad at all: %+v", line)
		}
	})
}

func TestTheFirstStateIsStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		if e := w.await(StateChanged, nil); e.Info.State != Starting {
			t.Errorf("got %v", e.Info.State)
		}
		w.awaitUp()
		w.stop()
		if got := w.net.Info(); got.State != Down || got.Err != nil {
			t.Errorf("after the end: %+v", got)
		}
	})
}

func TestStopsAtOnce(t *testing.T) {
	for name, dial := range map[string]func(context.Context) (io.ReadWriteCloser, error){
		"WhileTheDongleIsSilent": func(context.Context) (io.ReadWriteCloser, error) { return &silent{closed: make(chan struct{})}, nil },
		"WhileThereIsNone":       func(context.Context) (io.ReadWriteCloser, error) { return nil, net.ErrClosed },
		"WhileItNeverOpens": func(ctx context.Context) (io.ReadWriteCloser, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, err := New(Options{Dial: dial, Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- n.Run(ctx) }()
				time.Sleep(7 * time.Second)
				cancel()
				start := time.Now()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got > time.Second {
					t.Errorf("took %v", got)
				}
			})
		})
	}
}

func TestAvailability(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.pair()
		w.stop()
		w.sim.Close() // the meter's battery dies with its dongle
		w.plug(simulator.Options{})
		w.start()
		w.awaitUp()
		start := time.Now()
		// Ten minutes of await are not enough for this.
		time.Sleep(20 * time.Minute)
		e := w.await(AvailabilityChanged, nil)
		if e.Device.Available {
			t.Error("the silent meter is available")
		}
		if got, want := e.Time.Sub(start), 3*290*time.Second; got < want || got > want+time.Minute {
			t.Errorf("offline after %v, want %v", got, want)
		}
		n, err := New(Options{Dial: unusedDial, Dir: w.dir})
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := n.Device(meterEUI64); !ok || d.Available {
			t.Error("that it is offline was not saved")
		}
	})
}

func TestSilence(t *testing.T) {
	n, err := New(Options{Dial: unusedDial, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	every := func(s ...uint16) []Endpoint {
		e := Endpoint{ID: 1}
		for _, max := range s {
			e.Reporting = append(e.Reporting, Reporting{Max: max})
		}
		return []Endpoint{e}
	}
	tests := []struct {
		name   string
		device Device
		sleepy bool
		want   time.Duration
	}{
		{"Router", Device{Type: TypeRouter}, false, 10 * time.Minute},
		{"RouterThatReportsSeldom", Device{Type: TypeRouter, Endpoints: every(3600)}, false, 10 * time.Minute},
		{"MainsEndDevice", Device{Type: TypeEndDevice}, false, 10 * time.Minute},
		{"Sleepy", Device{Type: TypeEndDevice}, true, 25 * time.Hour},
		{"SleepyThatReportsEvery300s", Device{Type: TypeEndDevice, Endpoints: every(21600, 300)}, true, 15 * time.Minute},
		{"SleepyThatReportsEveryMinute", Device{Type: TypeEndDevice, Endpoints: every(60)}, true, 10 * time.Minute},
		{"SleepyThatReportsDaily", Device{Type: TypeEndDevice, Endpoints: every(65000)}, true, 25 * time.Hour},
		{"SleepyWithoutMaximum", Device{Type: TypeEndDevice, Endpoints: every(0, 0xFFFF)}, true, 25 * time.Hour},
		{"NotYetKnown", Device{Type: TypeUnknown}, false, 25 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := n.silence(newDevice(tt.device, tt.sleepy)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestASlowReaderLosesOnlyMessages(t *testing.T) {
	q := newEventQueue()
	q.moving = true // the reader does not take what the pump has for it
	q.put(Event{Kind: Joined})
	for i := range 3 * maxMessages {
		q.put(Event{Kind: MessageReceived, Step: fmt.Sprint(i)})
	}
	q.put(Event{Kind: Left})
	if got, want := q.dropped.Load(), uint64(2*maxMessages); got != want {
		t.Errorf("dropped %d, want %d", got, want)
	}
	kinds := map[Kind]int{}
	for {
		e, ok := q.take()
		if !ok {
			break
		}
		kinds[e.Kind]++
	}
	if kinds[Joined] != 1 || kinds[Left] != 1 || kinds[MessageReceived] != maxMessages {
		t.Errorf("got %v", kinds)
	}
	q.moving = true
	for range 2 * maxEvents { // nobody reads at all
		q.put(Event{Kind: StateChanged})
	}
	if got := len(q.queue); got != maxEvents {
		t.Errorf("%d events wait, want %d", got, maxEvents)
	}
}

// Events come in their order, whether they go straight to the reader or wait.
func TestEventsKeepTheirOrder(t *testing.T) {
	q := newEventQueue()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { q.pump(stop); close(stopped) }()
	const all = 20_000
	go func() {
		for i := range all {
			q.put(Event{Kind: Configured, Step: fmt.Sprint(i)})
			if i%1000 == 0 {
				time.Sleep(time.Millisecond) // the reader catches up
			}
		}
	}()
	for i := range all {
		if e := <-q.ch; e.Step != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, e.Step)
		}
	}
	close(stop)
	<-stopped
}

func TestAnswersToDevices(t *testing.T) {
	read := zcl.ReadAttributes(timeUTC, timeStatus, 0x1234)
	read.Seq = 9
	tests := []struct {
		name    string
		cluster uint16
		q       zcl.Frame
		want    bool
		check   func(*testing.T, zcl.Frame)
	}{
		{"ReportWithDefaultResponse", zcl.ClusterMetering, zcl.Frame{Command: zcl.CommandReport, FromServer: true, Seq: 5}, true,
			func(t *testing.T, r zcl.Frame) {
				cmd, st, err := zcl.ParseDefaultResponse(r.Payload)
				if r.Command != zcl.CommandDefaultResponse || r.Seq != 5 || r.FromServer || cmd != zcl.CommandReport || st != zcl.StatusSuccess || err != nil {
					t.Errorf("got %+v", r)
				}
			}},
		{"ReportWithout", zcl.ClusterMetering, zcl.Frame{Command: zcl.CommandReport, FromServer: true, DisableDefaultResponse: true}, false, nil},
		{"DefaultResponse", zcl.ClusterMetering, zcl.Frame{Command: zcl.CommandDefaultResponse, FromServer: true}, false, nil},
		{"TimeIsAskedFor", zcl.ClusterTime, read, true, func(t *testing.T, r zcl.Frame) {
			list, err := zcl.ParseReadResponse(r.Payload)
			if err != nil || len(list) != 3 || list[2].Status != zcl.StatusUnsupportedAttr {
				t.Fatalf("got %+v, %v", list, err)
			}
			utc, _ := list[0].Value.Uint()
			if got := time.Unix(int64(utc)+secondsToZCLEpoch, 0); time.Since(got).Abs() > time.Minute {
				t.Errorf("we say it is %v", got)
			}
			if !r.FromServer || r.Seq != 9 {
				t.Errorf("got %+v", r)
			}
		}},
		{"ReadThatIsCut", zcl.ClusterTime, zcl.Frame{Command: zcl.CommandRead, Payload: []byte{1}}, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := answerFor(tt.cluster, tt.q)
			if ok != tt.want {
				t.Fatalf("answered: %v, want %v", ok, tt.want)
			}
			if tt.check != nil {
				tt.check(t, r)
			}
		})
	}
}

package metrics

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// times are a wall clock and one that only counts, both the test's.
type times struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration
	right   bool
}

func (c *times) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *times) count() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

func (c *times) isRight() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.right
}

// pass lets time go by; set sets the wall clock.
func (c *times) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d
}

func (c *times) set(t time.Time, right bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.right = t, right
}

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// card is a Writer on a computer that has forgotten the time.
type card struct {
	*Writer
	b    *broker
	c    *times
	path string
	log  *logText
	stop func()
}

var (
	truth   = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	builtAt = truth.AddDate(0, -1, 0)
)

func newCard(t *testing.T, c *times, path string) *card {
	t.Helper()
	k := &card{b: newBroker(t), c: c, path: path, log: &logText{}}
	k.b.publish(t, powerTopic, powerConfig, true)
	w, err := New(Options{
		MQTT: mqttclient.Options{Server: k.b.url}, OpenStore: openAt(path),
		Now: c.now, Elapsed: c.count, Log: slog.New(slog.NewTextHandler(k.log, nil)),
		Clock: Clock{Right: c.isRight, Grace: 10 * time.Minute, Built: builtAt},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.lookAtClock = 2 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	k.Writer = w
	k.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(k.stop)
	k.b.subscribed(t, stateTopic)
	return k
}

// report has the meter report, and waits until that has arrived.
func (k *card) report(t *testing.T, v float64) {
	t.Helper()
	arrived := func() uint64 {
		n, _ := k.waitingForClock()
		return uint64(n) + k.Counts().Readings
	}
	want := arrived() + 1
	k.b.publish(t, stateTopic, fmt.Sprintf(`{"power":%v}`, v), false)
	eventually(t, "a reading", func() bool { return arrived() == want })
}

// readings are all that are stored, by their time.
func readings(t *testing.T, path string) map[string]float64 {
	t.Helper()
	r, err := store.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, s := range series {
		samples, err := r.Samples(t.Context(), s.ID, time.UnixMilli(0), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range samples {
			all[time.UnixMilli(v.Milli).UTC().Format("2006-01-02 15:04:05")] = v.Value
		}
	}
	return all
}

// TestReadingsBeforeTheClockIsSetGetTheirTimeAfterwards: the computer wakes in
// 1970, reads the meter, and hears the time minutes later.
func TestReadingsBeforeTheClockIsSetGetTheirTimeAfterwards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &times{wall: time.Unix(20, 0)}
	k := newCard(t, c, path)
	k.report(t, 1)
	c.pass(30 * time.Second)
	k.report(t, 2)
	c.set(builtAt, false) // moved on, and still wrong
	c.pass(30 * time.Second)
	k.report(t, 3)
	c.pass(10 * time.Second)
	if got := k.Counts().Readings; got != 0 {
		t.Errorf("%d readings are stored already", got)
	}
	eventually(t, "a word about it", func() bool {
		return strings.Contains(k.b.lastHealth().Message, "readings wait for the clock to be set")
	})
	c.set(truth, true)
	eventually(t, "the readings", func() bool { return k.Counts().Readings == 3 })
	c.pass(5 * time.Second)
	k.report(t, 4)
	k.stop()
	want := map[string]float64{
		"2026-11-24 11:58:50": 1, "2026-11-24 11:59:20": 2, "2026-11-24 11:59:50": 3, "2026-11-24 12:00:05": 4,
	}
	if diff := cmp.Diff(want, readings(t, path)); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
}

func TestAClockThatNobodySetsIsBelievedWhenItCanBe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wall   time.Time
		newest time.Time // in the store
		wait   time.Duration
		want   bool
	}{
		{"NotWithinTheGrace", truth, time.Time{}, 9 * time.Minute, false},
		{"AfterTheGrace", truth, time.Time{}, 10 * time.Minute, true},
		{"NeverBeforeTheBuild", time.Unix(20, 0), time.Time{}, 3 * time.Hour, false},
		{"NotBeforeTheNewestReading", truth, truth.Add(time.Hour), 11 * time.Minute, false},
		{"AfterTheNewestReading", truth, truth.Add(time.Minute), 11 * time.Minute, true},
		{"NotForEverBecauseOfAReadingOfTheFuture", truth, truth.AddDate(50, 0, 0), 61 * time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "hems.db")
			if !tt.newest.IsZero() {
				s, err := openAt(path)()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Register(store.Series{Entity: "before"}); err != nil {
					t.Fatal(err)
				}
				if err := s.Append(store.Reading{Entity: "before", Time: tt.newest, Value: 9}); err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			c := &times{wall: tt.wall}
			k := newCard(t, c, path)
			k.report(t, 1)
			c.pass(tt.wait)
			if tt.want {
				eventually(t, "the reading", func() bool { return k.Counts().Readings == 1 })
				return
			}
			time.Sleep(50 * time.Millisecond)
			if n, waits := k.waitingForClock(); n != 1 || !waits {
				t.Errorf("%d readings wait, %v, want the one:\n%s", n, waits, k.log)
			}
		})
	}
}

// TestAProcessThatEndsKeepsWhatCanBe: readings that wait are stored by a clock
// that says nothing impossible, and given up with one that does.
func TestAProcessThatEndsKeepsWhatCanBe(t *testing.T) {
	for _, tt := range []struct {
		name string
		wall time.Time
		want map[string]float64
	}{
		{"Possible", truth, map[string]float64{"2026-11-24 12:00:00": 1}},
		{"Impossible", time.Unix(20, 0), map[string]float64{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hems.db")
			c := &times{wall: tt.wall}
			k := newCard(t, c, path)
			k.report(t, 1)
			c.pass(time.Minute)
			k.stop()
			if diff := cmp.Diff(tt.want, readings(t, path)); diff != "" {
				t.Errorf("readings (-want +got):\n%s", diff)
			}
			if lost := k.Counts().Dropped; lost != uint64(1-len(tt.want)) || lost > 0 != strings.Contains(k.log.String(), "readings were lost") {
				t.Errorf("%d are counted as lost:\n%s", lost, k.log)
			}
		})
	}
}

func TestOnlySoManyReadingsWait(t *testing.T) {
	w := &Writer{hold: &hold{}}
	acknowledged := 0
	for i := range maxHeld + 10 {
		w.keep(mqttclient.Message{Acknowledge: func() { acknowledged++ }}, moment{}, []reading{{value: float64(i)}})
	}
	if n, first := w.hold.readings, w.hold.held[0].readings[0].value; n != maxHeld || first != 10 || w.counts.Dropped != 10 || acknowledged != 10 {
		t.Errorf("%d wait, from %v on, %d dropped, %d of them acknowledged; want the newest %d", n, first, w.counts.Dropped, acknowledged, maxHeld)
	}
}

package clock

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// server is an NTP server on loopback.
type server struct {
	address string
	conn    net.PacketConn

	mu      sync.Mutex
	ahead   time.Duration // of its time before the true one
	mute    bool
	stratum byte
	leap    byte
	delay   time.Duration // to the root, by its own account
	kiss    string
	asked   int
}

func newServer(t *testing.T, ahead time.Duration) *server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: conn.LocalAddr().String(), conn: conn, ahead: ahead, stratum: 2, delay: 20 * time.Millisecond}
	done := make(chan struct{})
	go func() { defer close(done); s.run() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return s
}

func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// since1900 is t as NTP writes it.
func since1900(t time.Time) uint64 {
	return uint64(t.Unix()+2208988800)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func (s *server) run() {
	b := make([]byte, 1024)
	for {
		n, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return
		}
		if n < 48 {
			continue
		}
		s.mu.Lock()
		s.asked++
		now := time.Now().Add(s.ahead)
		r := make([]byte, 48)
		r[0], r[1], r[2], r[3] = s.leap<<6|4<<3|4, s.stratum, 6, 0xec
		binary.BigEndian.PutUint32(r[4:], uint32(s.delay.Seconds()*65536))
		copy(r[12:], "TEST")
		if s.kiss != "" {
			r[1] = 0
			copy(r[12:], s.kiss)
		}
		binary.BigEndian.PutUint64(r[16:], since1900(now.Add(-time.Minute)))
		copy(r[24:32], b[40:48])
		binary.BigEndian.PutUint64(r[32:], since1900(now))
		binary.BigEndian.PutUint64(r[40:], since1900(now))
		mute := s.mute
		s.mu.Unlock()
		if !mute {
			s.conn.WriteTo(r, from)
		}
	}
}

// fake is a clock that is the true one and an error.
type fake struct {
	mu      sync.Mutex
	wrong   time.Duration // ahead of the true time
	steps   []time.Duration
	slews   []time.Duration
	battery time.Time
	set     []time.Time
}

func (f *fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.wrong)
}

func (f *fake) Step(d time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong += d
	f.steps = append(f.steps, d)
	return nil
}

func (f *fake) Slew(d time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong += d
	f.slews = append(f.slews, d)
	return nil
}

func (f *fake) Battery() (time.Time, bool) { return f.battery, !f.battery.IsZero() }

func (f *fake) SetBattery(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set = append(f.set, t)
	return nil
}

// state is how wrong the clock is, and what was done to it.
func (f *fake) state() (wrong time.Duration, steps, slews int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wrong, len(f.steps), len(f.slews)
}

type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// home is a running keeper.
type home struct {
	Options
	clock *fake
	log   *journal
	stop  func()
}

var quick = tempo{first: 5 * time.Millisecond, last: 20 * time.Millisecond, least: 10 * time.Millisecond, most: 40 * time.Millisecond, answer: 300 * time.Millisecond}

var built = time.Now().Add(-24 * time.Hour).Truncate(time.Second)

func newHome(t *testing.T, c *fake, servers ...*server) *home {
	t.Helper()
	h := &home{clock: c, log: &journal{}}
	h.Options = Options{Dir: filepath.Join(t.TempDir(), "manager"), Runtime: t.TempDir(), Built: built, Clock: c,
		Log: slog.New(slog.NewTextHandler(h.log, nil)), tempo: quick}
	for _, s := range servers {
		h.Servers = append(h.Servers, s.address)
	}
	return h
}

func (h *home) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, h.Options) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(h.stop)
}

func (h *home) eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not seen: %s\n%s", what, h.log)
		}
	}
}

func (h *home) synchronised(t *testing.T) bool {
	t.Helper()
	_, ok, err := Synchronised(h.Runtime)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// asked waits until a server was asked n more times.
func (h *home) asked(t *testing.T, s *server, n int) {
	t.Helper()
	want := s.times() + n
	h.eventually(t, "more questions", func() bool { return s.times() >= want })
}

// isNear allows for what loopback and a busy machine make.
func isNear(d, want time.Duration) bool { return (d - want).Abs() < 50*time.Millisecond }

func TestTheFirstSynchronisationSetsTheClock(t *testing.T) {
	for _, wrong := range []time.Duration{-3 * time.Hour, 40 * 24 * time.Hour, 30 * time.Millisecond} {
		t.Run(wrong.String(), func(t *testing.T) {
			c := &fake{wrong: wrong}
			h := newHome(t, c, newServer(t, 0), newServer(t, 0))
			h.start(t)
			h.eventually(t, "a synchronised clock", func() bool { return h.synchronised(t) })
			got, steps, _ := c.state()
			if steps != 1 || !isNear(got, 0) {
				t.Errorf("the clock is wrong by %v after %d steps, want right after one", got, steps)
			}
			s, _, err := Synchronised(h.Runtime)
			if err != nil || s.Source == "" || time.Since(s.At).Abs() > 10*time.Second {
				t.Errorf("status %+v, %v", s, err)
			}
			h.stop()
			if len(c.set) == 0 || time.Since(c.set[0]).Abs() > 10*time.Second {
				t.Errorf("the clock with a battery was set to %v", c.set)
			}
		})
	}
}

func TestSmallOffsetsAreSlewedAndLargerOnesStepped(t *testing.T) {
	a, b := newServer(t, 0), newServer(t, 0)
	c := &fake{}
	h := newHome(t, c, a, b)
	h.start(t)
	h.eventually(t, "a synchronised clock", func() bool { return h.synchronised(t) })
	c.mu.Lock()
	c.wrong += 90 * time.Millisecond
	c.slews = nil
	c.mu.Unlock()
	h.eventually(t, "a slew by as much", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, d := range c.slews {
			if isNear(d, -90*time.Millisecond) {
				return true
			}
		}
		return false
	})
	if _, steps, _ := c.state(); steps != 1 {
		t.Errorf("%d steps, want the first only", steps)
	}
	c.mu.Lock()
	c.wrong -= 2 * time.Second
	c.mu.Unlock()
	h.eventually(t, "a step", func() bool { wrong, steps, _ := c.state(); return steps == 2 && isNear(wrong, 0) })
	if !strings.Contains(h.log.String(), "the clock was wrong and is set") {
		t.Errorf("the step is not logged:\n%s", h.log)
	}
}

// TestARightClockIsNotSetFarOnOneWord: a jump by hours is believed when a second
// round says the same, and not when it says something else.
func TestARightClockIsNotSetFarOnOneWord(t *testing.T) {
	a, b := newServer(t, 0), newServer(t, 0)
	c := &fake{}
	h := newHome(t, c, a, b)
	h.start(t)
	h.eventually(t, "a synchronised clock", func() bool { return h.synchronised(t) })
	// Both lie, and never the same for two rounds.
	for i := range 10 {
		lie := -time.Duration(i+1) * time.Hour
		a.set(func() { a.ahead = lie })
		b.set(func() { b.ahead = lie })
		h.asked(t, a, 1)
	}
	a.set(func() { a.ahead = 0 })
	b.set(func() { b.ahead = 0 })
	h.asked(t, a, 2)
	if wrong, _, _ := c.state(); wrong.Abs() > 12*time.Hour {
		t.Errorf("the clock is wrong by %v", wrong)
	}
	// Now they stay with it: the world's time is another.
	a.set(func() { a.ahead = -5 * time.Hour })
	b.set(func() { b.ahead = -5 * time.Hour })
	h.eventually(t, "the new time", func() bool { wrong, _, _ := c.state(); return isNear(wrong, -5*time.Hour) })
	if !strings.Contains(h.log.String(), "asked once more") {
		t.Errorf("the doubt is not logged:\n%s", h.log)
	}
}

func TestWhoIsBelieved(t *testing.T) {
	type want struct {
		Synchronised bool
		Wrong        time.Duration
		Said         string
	}
	const hour = time.Hour
	for _, tt := range []struct {
		name  string
		ahead []time.Duration
		spoil func(s *server)
		want  want
	}{
		{"OneServerAlone", []time.Duration{0}, nil, want{true, 0, "the clock is set"}},
		{"TwoThatAgree", []time.Duration{hour, hour}, nil, want{true, hour, "agree=2"}},
		{"TwoThatDoNot", []time.Duration{0, hour}, nil, want{false, -2 * hour, "do not agree"}},
		{"TwoOfThree", []time.Duration{0, 2 * hour, 0}, nil, want{true, 0, "agree=2"}},
		{"NoTwoOfThree", []time.Duration{0, hour, 2 * hour}, nil, want{false, -2 * hour, "do not agree"}},
		{"TwoAgainstTwo", []time.Duration{0, hour, 0, hour}, nil, want{false, -2 * hour, "do not agree"}},
		{"TheOneOfTwoThatAnswers", []time.Duration{0, 0}, func(s *server) { s.mute = true }, want{true, 0, "asked once more"}},
		{"NoneThatAnswers", []time.Duration{0}, func(s *server) { s.mute = true }, want{false, -2 * hour, "no time server gives the time"}},
		{"NotSynchronisedItself", []time.Duration{0}, func(s *server) { s.leap = 3 }, want{false, -2 * hour, "leap"}},
		{"BadStratum", []time.Duration{0}, func(s *server) { s.stratum = 16 }, want{false, -2 * hour, "stratum"}},
		{"TooFarFromTheRoot", []time.Duration{0}, func(s *server) { s.delay = 4 * time.Second }, want{false, -2 * hour, "may be wrong by"}},
		{"KissOfDeath", []time.Duration{0}, func(s *server) { s.kiss = "RATE" }, want{false, -2 * hour, "RATE"}},
		{"BeforeTheBuild", []time.Duration{-48 * hour}, nil, want{false, -2 * hour, "cannot be for a system of"}},
		{"CenturiesAhead", []time.Duration{60 * 365 * 24 * hour}, nil, want{false, -2 * hour, "cannot be for a system of"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var servers []*server
			for _, ahead := range tt.ahead {
				servers = append(servers, newServer(t, ahead))
			}
			if tt.spoil != nil {
				servers[0].set(func() { tt.spoil(servers[0]) })
			}
			c := &fake{wrong: -2 * hour}
			h := newHome(t, c, servers...)
			h.start(t)
			h.eventually(t, "the end", func() bool {
				return strings.Contains(h.log.String(), tt.want.Said) && h.synchronised(t) == tt.want.Synchronised
			})
			time.Sleep(3 * quick.last) // it stays so
			wrong, _, _ := c.state()
			got := want{h.synchronised(t), wrong.Round(time.Minute), tt.want.Said}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, h.log)
			}
			if n := strings.Count(h.log.String(), "not being set"); n > 1 {
				t.Errorf("said %d times that it is not set:\n%s", n, h.log)
			}
		})
	}
}

// TestAServerThatWantsPeaceHasIt: after a kiss of death it is left alone.
func TestAServerThatWantsPeaceHasIt(t *testing.T) {
	a, b := newServer(t, 0), newServer(t, 0)
	a.set(func() { a.kiss = "RATE" })
	h := newHome(t, &fake{}, a, b)
	h.start(t)
	h.asked(t, b, 10)
	if got := a.times(); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
}

// TestTwoNamesOfOneServerAreOneVoice: or one wrong server would be two.
func TestTwoNamesOfOneServerAreOneVoice(t *testing.T) {
	liar, honest := newServer(t, time.Hour), newServer(t, 0)
	h := newHome(t, &fake{}, honest, liar)
	h.Servers = append(h.Servers, liar.address)
	h.start(t)
	h.eventually(t, "disagreement", func() bool { return strings.Contains(h.log.String(), "do not agree") })
	if h.synchronised(t) {
		t.Error("the liar was believed")
	}
}

func TestAtTheStartTheClockIsMovedForwardOnly(t *testing.T) {
	epoch := -time.Since(time.Unix(0, 0))
	day := 24 * time.Hour
	for _, tt := range []struct {
		name    string
		wrong   time.Duration
		disk    string // clock.json; "T" is a time 10 minutes ago
		battery time.Duration
		want    time.Duration // the clock's error then
	}{
		{"NothingKnown", epoch, "", epoch, time.Until(built)},
		{"TheDiskKnows", epoch, "T", epoch, -10 * time.Minute},
		{"TheBatteryKnowsBetter", epoch, "T", -time.Minute, -time.Minute},
		{"TheBatteryIsEmpty", epoch, "T", epoch, -10 * time.Minute},
		{"TheBatteryIsMad", epoch, "T", 200 * 365 * day, -10 * time.Minute},
		{"TheClockIsRight", 0, "T", 0, 0},
		{"TheClockIsAhead", 3 * day, "T", 0, 3 * day},
		{"TheDiskIsDamaged", epoch, "{", epoch, time.Until(built)},
		{"TheDiskIsMad", epoch, `{"time":"9000-01-01T00:00:00Z"}`, epoch, time.Until(built)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			silent := newServer(t, 0)
			silent.set(func() { silent.mute = true })
			c := &fake{wrong: tt.wrong, battery: time.Now().Add(tt.battery)}
			h := newHome(t, c, silent)
			if tt.disk == "T" {
				b, err := json.Marshal(memory{time.Now().Add(-10 * time.Minute)})
				if err != nil {
					t.Fatal(err)
				}
				tt.disk = string(b)
			}
			if tt.disk != "" {
				if err := os.MkdirAll(h.Dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(h.Dir, file), []byte(tt.disk), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			h.start(t)
			h.asked(t, silent, 1)
			h.stop()
			got, _, _ := c.state()
			if (got - tt.want).Abs() > 2*time.Second {
				t.Errorf("the clock is wrong by %v, want %v\n%s", got, tt.want, h.log)
			}
			if h.synchronised(t) {
				t.Error("it calls itself synchronised")
			}
		})
	}
}

// TestTheTimeIsKeptForTheNextStart: at the end of a run, and not an earlier one
// than is known while nobody has confirmed it.
func TestTheTimeIsKeptForTheNextStart(t *testing.T) {
	s := newServer(t, 0)
	h := newHome(t, &fake{wrong: -time.Hour}, s)
	h.start(t)
	h.eventually(t, "a synchronised clock", func() bool { return h.synchronised(t) })
	h.stop()
	kept := func() time.Time {
		t.Helper()
		var m memory
		if ok, err := read(filepath.Join(h.Dir, file), &m); !ok || err != nil {
			t.Fatal(ok, err)
		}
		return m.Time
	}
	first := kept()
	if time.Since(first).Abs() > 10*time.Second {
		t.Errorf("kept %v", first)
	}
	if info, err := os.Stat(filepath.Join(h.Dir, file)); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
	// The next boot: no server, and the clock set back by somebody after the start.
	h.Runtime = t.TempDir()
	s.set(func() { s.mute = true })
	c := &fake{}
	h.Options.Clock, h.clock = c, c
	h.start(t)
	h.asked(t, s, 1)
	c.mu.Lock()
	c.wrong = -5 * time.Hour
	c.mu.Unlock()
	h.stop()
	if got := kept(); got.Before(first) {
		t.Errorf("kept %v, which is before %v", got, first)
	}
}

// TestASecondRunOfTheSameBootGoesOn: the process was started again, the clock
// is what it was.
func TestASecondRunOfTheSameBootGoesOn(t *testing.T) {
	s := newServer(t, 0)
	c := &fake{}
	h := newHome(t, c, s)
	h.start(t)
	h.eventually(t, "a synchronised clock", func() bool { return h.synchronised(t) })
	h.stop()
	c.steps = nil
	c.wrong = 60 * time.Millisecond
	h.start(t)
	h.eventually(t, "a slew", func() bool { wrong, _, _ := c.state(); return isNear(wrong, 0) })
	if _, steps, _ := c.state(); steps != 0 {
		t.Errorf("the clock was stepped %d times", steps)
	}
}

// TestStoppingDoesNotWaitForAnAnswer: the appliance is being shut down.
func TestStoppingDoesNotWaitForAnAnswer(t *testing.T) {
	s := newServer(t, 0)
	s.set(func() { s.mute = true })
	h := newHome(t, &fake{}, s)
	h.tempo.answer = time.Hour
	h.start(t)
	h.eventually(t, "a question", func() bool { return s.times() > 0 })
	h.stop() // or the test's time is up
}

func TestRunRefusesOptionsThatCannotWork(t *testing.T) {
	for _, o := range []Options{{}, {Dir: "a", Runtime: "b"}, {Dir: "a", Servers: []string{"c"}}} {
		if err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestAgreement(t *testing.T) {
	ms := time.Millisecond
	a := func(name string, offset, bound time.Duration) answer {
		return answer{server: name, offset: offset * ms, bound: bound * ms}
	}
	for _, tt := range []struct {
		name    string
		answers []answer
		offset  time.Duration
		agree   string
	}{
		{"One", []answer{a("a", 5, 10)}, 5 * ms, "a"},
		{"TheMostExactIsFollowed", []answer{a("a", 5, 100), a("b", 20, 10)}, 20 * ms, "b a"},
		{"AsFarAsTheOthersAllow", []answer{a("a", 0, 10), a("b", 18, 9)}, 10 * ms, "b a"},
		{"TheMostWin", []answer{a("a", 0, 10), a("b", 5000, 10), a("c", 3, 20)}, 0, "a c"},
		{"TouchingIsAgreeing", []answer{a("a", 0, 10), a("b", 20, 10)}, 10 * ms, "a b"},
		{"None", nil, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			offset, agree := agreement(tt.answers)
			var names []string
			for _, x := range agree {
				names = append(names, x.server)
			}
			got := fmt.Sprint(offset, " ", strings.Join(names, " "))
			if want := fmt.Sprint(tt.offset, " ", tt.agree); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

package services

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/manager/gokrazy"
	"github.com/smartcore-ireland/hems/internal/manager/gokrazy/gokrazytest"
)

const (
	broker  = "/user/hems-broker"
	zigbee  = "/user/hems-zigbee"
	manager = "/user/hems-manager"
	ntp     = "/gokrazy/ntp"
)

// real is a watch on a real server.
func real(t *testing.T) (*gokrazytest.Server, *Watch) {
	s := gokrazytest.Start(t, broker, zigbee, manager, ntp)
	return s, New(Options{
		Init: gokrazy.New(s.Socket), Alive: s.Alive, Self: "hems-manager",
		Keep: []string{"hems-broker", "hems-zigbee"}, Log: slog.New(slog.DiscardHandler),
	})
}

func (w *Watch) program(t *testing.T, name string) Program {
	t.Helper()
	all := w.Programs()
	i := slices.IndexFunc(all, func(p Program) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("%s is not known", name)
	}
	return all[i]
}

func TestRestartsAreCountedAndACrashLoopIsHeldBack(t *testing.T) {
	s, w := real(t)
	w.look(t.Context())
	for range 5 {
		s.Crash(zigbee)
		s.Crash(manager) // never held back
		w.look(t.Context())
	}
	if got := w.program(t, "hems-zigbee"); got.Restarts != 5 || got.Looping {
		t.Errorf("after five restarts: %+v", got)
	}
	s.Crash(zigbee)
	s.Crash(manager)
	w.look(t.Context())
	got := w.program(t, "hems-zigbee")
	if in := time.Until(got.Held); got.Restarts != 6 || !got.Looping || in < 8*time.Second || in > 10*time.Second {
		t.Errorf("after the sixth: %+v (held for %v)", got, in)
	}
	if s.Running(zigbee) || !s.Running(manager) || !s.Running(broker) {
		t.Error("want the one program stopped, no other")
	}
	w.look(t.Context())
	if s.Running(zigbee) {
		t.Error("started again while it is held back")
	}
	w.mu.Lock()
	w.programs[1].Held = time.Now() // ten seconds have passed
	w.mu.Unlock()
	w.look(t.Context())
	if !s.Running(zigbee) {
		t.Error("not started again afterwards")
	}
}

func TestWhatEndedWellIsStartedAgain(t *testing.T) {
	s, w := real(t)
	w.look(t.Context())
	s.End(broker)
	s.End(ntp)
	w.look(t.Context())
	if s.Running(broker) {
		t.Error("started at the first look: somebody may be restarting it")
	}
	w.look(t.Context())
	if !s.Running(broker) {
		t.Error("not started again")
	}
	if s.Running(ntp) {
		t.Error("a program that may end was started again")
	}
	if got := w.program(t, "hems-broker").Restarts; got != 1 {
		t.Errorf("%d restarts counted, want 1", got)
	}
}

func TestWhatAnEarlierWatchHeldBackIsStarted(t *testing.T) {
	s, w := real(t)
	if err := gokrazy.New(s.Socket).Stop(t.Context(), zigbee, true); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.look(t.Context())
	}
	if !s.Running(zigbee) {
		t.Error("still stopped")
	}
}

func TestRestart(t *testing.T) {
	s, w := real(t)
	w.look(t.Context())
	before := w.program(t, "hems-zigbee").Pid
	if err := w.Restart(t.Context(), "hems-zigbee"); err != nil {
		t.Fatal(err)
	}
	w.look(t.Context())
	got := w.program(t, "hems-zigbee")
	if !s.Running(zigbee) || got.Pid == before || got.Restarts != 0 {
		t.Errorf("running %v, %+v; want it running anew and no restart counted", s.Running(zigbee), got)
	}
	if err := w.Restart(t.Context(), "hems-none"); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}

func TestInitThatDoesNotAnswer(t *testing.T) {
	s, w := real(t)
	w.look(t.Context())
	s.Close()
	w.look(t.Context())
	if _, err := w.Looked(); err == nil {
		t.Error("no error")
	}
	if _, err := w.StopAll(t.Context()); err == nil {
		t.Error("no error of StopAll")
	}
	s.Listen(t)
	w.look(t.Context())
	if _, err := w.Looked(); err != nil {
		t.Error(err)
	}
}

// clocked is an init in a test's own time.
type clocked struct {
	mu    sync.Mutex
	list  []gokrazy.Service
	deaf  map[string]bool
	alive map[int]bool
	asked []string
	next  int
}

func (c *clocked) Services(context.Context) ([]gokrazy.Service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list), nil
}

func (c *clocked) at(path string) *gokrazy.Service {
	return &c.list[slices.IndexFunc(c.list, func(s gokrazy.Service) bool { return s.Path == path })]
}

func (c *clocked) run(path string) {
	c.next++
	s := c.at(path)
	s.Pid, s.StartTime, s.Stopped = c.next, time.Now(), false
	c.alive[s.Pid] = true
}

func (c *clocked) Stop(_ context.Context, path string, kill bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	what := "stop "
	if kill {
		what = "kill "
	}
	c.asked = append(c.asked, what+path)
	s := c.at(path)
	if s.Stopped {
		return nil
	}
	s.Stopped = true
	if kill || !c.deaf[path] {
		c.alive[s.Pid] = false
	}
	return nil
}

func (c *clocked) Start(_ context.Context, path string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, "start "+path)
	if s := c.at(path); c.alive[s.Pid] {
		s.Stopped = false
	} else {
		c.run(path)
	}
	return nil
}

func (c *clocked) Alive(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alive[pid]
}

func clock(deaf ...string) (*clocked, *Watch) {
	c := &clocked{alive: map[int]bool{}, deaf: map[string]bool{}}
	for _, p := range []string{broker, zigbee, manager} {
		c.list = append(c.list, gokrazy.Service{Path: p})
		c.run(p)
	}
	for _, d := range deaf {
		c.deaf[d] = true
	}
	return c, New(Options{Init: c, Alive: c.Alive, Self: "hems-manager", Keep: []string{"hems-broker", "hems-zigbee"}, Log: slog.New(slog.DiscardHandler)})
}

// crash is init finding that a program ended, unless it is stopped.
func (c *clocked) crash(path string) (ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.at(path)
	if s.Stopped {
		return false
	}
	c.alive[s.Pid] = false
	c.run(path)
	return true
}

// TestACrashLoopThroughAnHour: a program that ends every two seconds for half an
// hour and then is well.
func TestACrashLoopThroughAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := clock()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		crashes := 0
		for began := time.Now(); time.Since(began) < 30*time.Minute; time.Sleep(2 * time.Second) {
			if c.crash(zigbee) {
				crashes++
			}
		}
		// Holds of 10, 30, 60, 120 s and then of 5 minutes, six starts between two.
		if crashes < 50 || crashes > 75 {
			t.Errorf("it ended %d times in half an hour, want about 60", crashes)
		}
		time.Sleep(5 * time.Minute)
		if p := w.program(t, "hems-zigbee"); !c.Alive(p.Pid) || !p.Looping {
			t.Errorf("%+v, want it running and not trusted yet", p)
		}
		time.Sleep(11 * time.Minute)
		if p := w.program(t, "hems-zigbee"); !c.Alive(p.Pid) || p.Looping || !p.Held.IsZero() {
			t.Errorf("%+v, want it forgiven", p)
		}
		if p := w.program(t, "hems-broker"); p.Restarts != 0 {
			t.Errorf("the broker: %+v", p)
		}
		cancel()
		<-done
		synctest.Wait()
	})
}

func TestStopAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := clock(zigbee)
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		time.Sleep(3 * time.Second)
		began := time.Now()
		resume, err := w.StopAll(ctx, "hems-broker")
		if err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < ending || took > ending+dying {
			t.Errorf("took %v, want a little more than %v for the one that is deaf", took, ending)
		}
		time.Sleep(time.Minute)
		want := []string{"stop " + zigbee, "start " + zigbee, "kill " + zigbee, "stop " + broker}
		if diff := cmp.Diff(want, c.asked); diff != "" {
			t.Errorf("asked of init (-want +got):\n%s", diff)
		}
		resume()
		time.Sleep(5 * time.Second)
		for _, name := range []string{"hems-broker", "hems-zigbee"} {
			if p := w.program(t, name); !c.Alive(p.Pid) {
				t.Errorf("%s is not started after resume", name)
			}
		}
		cancel()
		time.Sleep(10 * time.Second)
	})
}

package network

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/simulator/devices"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// house starts a coordinator with a house of devices and lets all of them in.
// It gives their addresses in the order of the models.
func house(t *testing.T, models []string, change ...func(*Options)) (*world, []zcl.EUI64) {
	t.Helper()
	return houseOn(t, simulator.Options{Devices: models}, change...)
}

func houseOn(t *testing.T, o simulator.Options, change ...func(*Options)) (*world, []zcl.EUI64) {
	t.Helper()
	w := newWorld(t, o)
	w.start(change...)
	w.awaitUp()
	var all []zcl.EUI64
	for _, v := range w.sim.State().Devices {
		e := zcl.EUI64(v.EUI64)
		all = append(all, e)
		// Again for each: a router that has just come has not heard of it.
		if err := w.net.PermitJoin(t.Context(), maxPermit); err != nil {
			t.Fatal(err)
		}
		if _, in := w.net.Device(e); !in { // else it came by itself
			if err := w.sim.Press(v.EUI64); err != nil {
				t.Fatal(err)
			}
		}
		w.drain(time.Second)
	}
	for _, e := range all {
		for range 120 {
			if d, ok := w.net.Device(e); ok && d.Interview == InterviewSuccessful {
				break
			}
			w.drain(time.Second)
		}
		if d := w.device(e); d.Interview != InterviewSuccessful {
			t.Fatalf("got %+v", d)
		}
	}
	w.settled()
	return w, all
}

// settled waits until no device is interviewed or configured any more.
func (w *world) settled() {
	w.t.Helper()
	for range 600 {
		w.drain(time.Second)
		w.net.mu.Lock()
		busy := slices.ContainsFunc(w.net.devicesLocked(), func(d Device) bool { return w.net.devices[d.EUI64].working })
		w.net.mu.Unlock()
		if !busy {
			return
		}
	}
	w.t.Fatal("devices are still being set up")
}

// drain takes events for a time.
func (w *world) drain(d time.Duration) (seen []Event) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case e := <-w.net.Events():
			seen = append(seen, e)
			w.seen = append(w.seen, e)
		case <-timer.C:
			return seen
		}
	}
}

func (w *world) device(e zcl.EUI64) Device {
	w.t.Helper()
	d, ok := w.net.Device(e)
	if !ok {
		w.t.Fatalf("no device %v", e)
	}
	return d
}

func (w *world) view(e zcl.EUI64) simulator.DeviceView {
	w.t.Helper()
	for _, v := range w.sim.State().Devices {
		if zcl.EUI64(v.EUI64) == e {
			return v
		}
	}
	w.t.Fatalf("no device %v in the house", e)
	return simulator.DeviceView{}
}

const (
	plug        = "TS011F"
	thermometer = "SNZB-02D" // it sleeps for longer than its parent holds messages
)

func TestASleeperGetsWhatWaitsForIt(t *testing.T) {
	for name, trigger := range map[string]struct {
		do   func(w *world, e zcl.EUI64)
		wait time.Duration
	}{
		"WhenItChecksIn":        {func(*world, zcl.EUI64) {}, 5 * time.Minute},
		"WhenItReports":         {func(w *world, e zcl.EUI64) { w.hold(e, "temperature", 25) }, time.Minute},
		"WhenItsButtonIsPushed": {func(w *world, e zcl.EUI64) { w.sim.Press(radio.EUI64(e)) }, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, all := house(t, []string{plug, thermometer})
				e := all[1]
				if err := w.net.Bind(t.Context(), e, 1, 0x0402, Target{EUI64: simulator.DefaultEUI64, Endpoint: ourEndpoint}); err != nil {
					t.Fatal(err)
				}
				err := w.net.ConfigureReporting(t.Context(), e, 1, 0x0402, 0, []zcl.ReportConfig{{Type: zcl.Int16, Min: 10, Max: 3600, Change: 100}})
				if err != nil {
					t.Fatal(err)
				}
				w.drain(2 * time.Minute) // it is asleep by now
				done := make(chan error, 1)
				start := time.Now()
				go func() {
					done <- w.net.Do(t.Context(), e, []device.Action{
						{Kind: device.Write, Endpoint: 1, Cluster: 0xFC11, Attributes: []zcl.Attribute{{ID: 0x0007, Value: zcl.Number(zcl.Uint16, 1)}}},
						{Kind: device.Read, Endpoint: 1, Cluster: 0xFC11, IDs: []uint16{0x0007}},
					})
				}()
				w.drain(25 * time.Second)
				if w.net.Stats().Waiting != 1 {
					t.Errorf("got %+v, want a request that waits", w.net.Stats())
				}
				trigger.do(w, e)
				w.drain(trigger.wait)
				select {
				case err := <-done:
					if err != nil {
						t.Errorf("got %v after %v", err, time.Since(start))
					}
				default:
					t.Fatalf("it still waits after %v: %+v", time.Since(start), w.net.Stats())
				}
				if s := w.net.Stats(); s.Waiting != 0 || s.Queued == 0 {
					t.Errorf("got %+v", s)
				}
			})
		})
	}
}

// hold keeps a value of a device where it is put.
func (w *world) hold(e zcl.EUI64, name string, v any) {
	w.t.Helper()
	if err := w.sim.SetValues(radio.EUI64(e), map[string]any{name: v}); err != nil {
		w.t.Fatal(err)
	}
}

func TestRequestsToASleeperAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, thermometer}, func(o *Options) { o.Timing.Queue = 10 * time.Minute })
		e := all[1]
		if err := w.sim.Silence(radio.EUI64(e), true); err != nil {
			t.Fatal(err)
		}
		const asked = maxPendingEach + 3
		done := make(chan error, asked)
		for range asked {
			go func() {
				_, err := w.net.Read(t.Context(), e, 1, zcl.ClusterBasic, 0, zcl.AttrZCLVersion)
				done <- err
			}()
		}
		w.drain(9 * time.Minute)
		full := len(done)
		for range full {
			if err := <-done; !errors.Is(err, ErrQueueFull) {
				t.Errorf("got %v, want that there is no room", err)
			}
		}
		if full != asked-maxPendingEach {
			t.Errorf("%d were refused at once, want %d", full, asked-maxPendingEach)
		}
		w.drain(10 * time.Minute)
		if len(done) != maxPendingEach {
			t.Fatalf("%d have ended, want %d", len(done), maxPendingEach)
		}
		for range maxPendingEach {
			var asleep ErrAsleep
			if err := <-done; !errors.As(err, &asleep) || asleep.Waited < w.net.timing.Queue {
				t.Errorf("got %v, want that it is asleep", err)
			}
		}
		if got := w.net.Stats().Waiting; got != 0 {
			t.Errorf("%d still wait", got)
		}
	})
}

func TestSwitchesAndGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, plug})
		ctx := t.Context()
		on := Command{Endpoint: 1, Cluster: zcl.ClusterOnOff, ID: 1}
		off := on
		off.ID = 0
		if r, err := w.net.Command(ctx, all[0], off); err != nil || r.Command != zcl.CommandDefaultResponse {
			t.Fatalf("off: got %+v, %v", r, err)
		}
		if got := w.view(all[0]).Values["state"]; got != 0 {
			t.Errorf("it is %v, want off", got)
		}
		var refused *RefusedError
		if _, err := w.net.Command(ctx, all[0], Command{Endpoint: 1, Cluster: zcl.ClusterOnOff, ID: 0x77}); !errors.As(err, &refused) {
			t.Errorf("an unknown command: got %v", err)
		}
		for _, e := range all {
			if err := w.net.GroupAdd(ctx, e, 1, 5); err != nil {
				t.Fatal(err)
			}
			if err := w.net.GroupAdd(ctx, e, 1, 5); err != nil {
				t.Errorf("again: %v", err)
			}
		}
		if got, err := w.net.Groups(ctx, all[0], 1); err != nil || !slices.Equal(got, []uint16{5}) {
			t.Errorf("groups: got %v, %v", got, err)
		}
		if err := w.net.GroupCommand(ctx, 5, on); err != nil {
			t.Fatal(err)
		}
		w.drain(time.Second)
		for _, e := range all {
			if got := w.view(e).Values["state"]; got != 1 {
				t.Errorf("%v is %v, want on", e, got)
			}
		}
		if err := w.net.GroupRemove(ctx, all[0], 1, 5); err != nil {
			t.Error(err)
		}
		if err := w.net.GroupRemove(ctx, all[0], 1, 6); err != nil {
			t.Errorf("one that it is no member of: %v", err)
		}
		if err := w.net.GroupRemoveAll(ctx, all[1], 1); err != nil {
			t.Error(err)
		}
		for _, e := range all {
			if got := w.view(e).Groups; len(got) != 0 {
				t.Errorf("%v is a member of %v", e, got)
			}
		}
		for _, group := range []uint16{0, 0xFFF8} {
			if err := w.net.GroupAdd(ctx, all[0], 1, group); err == nil {
				t.Errorf("group %d was taken", group)
			}
		}
	})
}

func TestWritesAndReporting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug})
		e, ctx := all[0], t.Context()
		err := w.net.Write(ctx, e, 1, zcl.ClusterOnOff, 0, []zcl.Attribute{{ID: 0x8001, Value: zcl.Number(zcl.Enum8, 2)}})
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.net.Read(ctx, e, 1, zcl.ClusterOnOff, 0, 0x8001)
		if err != nil || len(list) != 1 || list[0].Value.Raw() != 2 {
			t.Errorf("got %v, %v", list, err)
		}
		err = w.net.Write(ctx, e, 1, zcl.ClusterOnOff, 0, []zcl.Attribute{
			{ID: 0x8001, Value: zcl.Number(zcl.Enum8, 1)}, {ID: 0x8001, Value: zcl.Number(zcl.Enum8, 9)}, {ID: 0x7777, Value: zcl.Number(zcl.Enum8, 0)},
		})
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		slices.SortFunc(refused.Attributes, func(a, b zcl.AttributeStatus) int { return cmp.Compare(a.ID, b.ID) })
		if diff := gocmp.Diff([]zcl.AttributeStatus{{ID: 0x7777, Status: zcl.StatusUnsupportedAttr}, {ID: 0x8001, Status: zcl.StatusInvalidValue}}, refused.Attributes); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}

		err = w.net.ConfigureReporting(ctx, e, 1, zcl.ClusterElectricalMeas, 0, []zcl.ReportConfig{
			{Attribute: 0x050B, Type: zcl.Int16, Min: 7, Max: 77, Change: 3},
			{Attribute: 0x0999, Type: zcl.Int16, Min: 7, Max: 77, Change: 3},
		})
		if !errors.As(err, &refused) || len(refused.Attributes) != 1 || refused.Attributes[0].ID != 0x0999 {
			t.Errorf("got %v", err)
		}
		if r := reportingOf(w.device(e), zcl.ClusterElectricalMeas, 0x050B); r == nil || r.Max != 77 {
			t.Errorf("got %+v", r)
		}
		if r := reportingOf(w.device(e), zcl.ClusterElectricalMeas, 0x0999); r != nil {
			t.Errorf("it has agreed to %+v", r)
		}
		stop := []zcl.ReportConfig{{Attribute: 0x050B, Type: zcl.Int16, Min: 7, Max: 0xFFFF, Change: 3}}
		if err := w.net.ConfigureReporting(ctx, e, 1, zcl.ClusterElectricalMeas, 0, stop); err != nil {
			t.Error(err)
		}
		if r := reportingOf(w.device(e), zcl.ClusterElectricalMeas, 0x050B); r != nil {
			t.Errorf("after the end of it: got %+v", r)
		}
	})
}

func TestBindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, plug})
		e, ctx := all[0], t.Context()
		before := w.view(e).Bindings
		other := Target{EUI64: all[1], Endpoint: 1}
		for range 2 {
			if err := w.net.Bind(ctx, e, 1, zcl.ClusterOnOff, other); err != nil {
				t.Fatal(err)
			}
		}
		want := Binding{Cluster: zcl.ClusterOnOff, Target: all[1], TargetEndpoint: 1}
		if got := bindingsOf(w.device(e)); !slices.Contains(got, want) {
			t.Errorf("got %+v", got)
		}
		if got := len(w.view(e).Bindings); got != len(before)+1 {
			t.Errorf("the device has %d bindings, want %d", got, len(before)+1)
		}
		for range 2 { // one that is not there is as good
			if err := w.net.Unbind(ctx, e, 1, zcl.ClusterOnOff, other); err != nil {
				t.Fatal(err)
			}
		}
		if got := bindingsOf(w.device(e)); slices.Contains(got, want) {
			t.Errorf("got %+v", got)
		}
		if got := w.view(e).Bindings; !slices.Equal(got, before) {
			t.Errorf("the device has %v, want %v", got, before)
		}
	})
}

func bindingsOf(d Device) (list []Binding) {
	for _, e := range d.Endpoints {
		list = append(list, e.Bindings...)
	}
	return list
}

func TestMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, plug, thermometer})
		if err := w.sim.Silence(radio.EUI64(all[1]), true); err != nil {
			t.Fatal(err)
		}
		m, err := w.net.Map(t.Context(), true)
		if err != nil || len(m.Nodes) != 4 {
			t.Fatalf("got %+v, %v", m, err)
		}
		hears := func(n MapNode, e zcl.EUI64) bool {
			return slices.ContainsFunc(n.Neighbours, func(x zdo.Neighbour) bool { return x.EUI64 == e && x.LQI > 0 })
		}
		if c := m.Nodes[0]; c.Type != typeCoordinator || c.NeighboursErr != nil || !hears(c, all[0]) {
			t.Errorf("the coordinator: got %+v", c)
		}
		if r := m.Nodes[1]; !r.Asked || r.NeighboursErr != nil || !hears(r, zcl.EUI64(simulator.DefaultEUI64)) || len(r.Routes) == 0 || r.RoutesErr != nil {
			t.Errorf("the router: got %+v", r)
		}
		if r := m.Nodes[2]; !r.Asked || r.NeighboursErr == nil || r.RoutesErr == nil {
			t.Errorf("the router without power: got %+v", r)
		}
		if s := m.Nodes[3]; s.Asked || s.Type != TypeEndDevice {
			t.Errorf("the thermometer: got %+v", s)
		}
	})
}

func TestTablesEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		pages [][]int
		total uint8
		want  int
	}{
		"Whole":         {[][]int{{1, 2, 3}, {4}}, 4, 4},
		"Shrinks":       {[][]int{{1, 2, 3}, {}}, 9, 3},
		"Empty":         {[][]int{{}}, 0, 0},
		"NeverTellsAll": {[][]int{{1}}, 255, mapPages},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			got, err := readTable(t.Context(), func(_ context.Context, start uint8) ([]int, uint8, error) {
				p := tt.pages[min(calls, len(tt.pages)-1)]
				calls++
				return p, tt.total, nil
			})
			if err != nil || len(got) != tt.want {
				t.Errorf("got %v, %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestCoordinatorCheckFindsRoutersThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, plug, thermometer})
		if got, err := w.net.CoordinatorCheck(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		if err := w.sim.Leave(radio.EUI64(all[1])); err != nil {
			t.Fatal(err)
		}
		w.await(Left, nil)
		// It is in the list as it was before it left, as after a backup.
		w.net.mu.Lock()
		d := newDevice(Device{EUI64: all[1], NodeID: 0x4711, Type: TypeRouter}, false)
		w.net.devices[all[1]] = d
		w.net.nodes[d.NodeID] = d
		w.net.mu.Unlock()
		if got, err := w.net.CoordinatorCheck(t.Context()); err != nil || !slices.Equal(got, []zcl.EUI64{all[1]}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestAnotherAddressIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, thermometer})
		for _, e := range all {
			was := w.device(e).NodeID
			w.net.mu.Lock()
			w.net.place(e, was^0x0101) // an address that nobody has
			w.net.mu.Unlock()
			w.sim.Press(radio.EUI64(e))
			if _, err := w.net.Read(t.Context(), e, 1, zcl.ClusterBasic, 0, zcl.AttrZCLVersion); err != nil {
				t.Errorf("%v: %v", e, err)
			}
			if got := w.device(e).NodeID; got != was {
				t.Errorf("%v: got %s, want %s", e, hex16(got), hex16(was))
			}
		}
		// It comes back under a new one, and says so.
		before := w.device(all[0])
		if err := w.sim.Rejoin(radio.EUI64(all[0])); err != nil {
			t.Fatal(err)
		}
		w.await(Announced, func(e Event) bool { return e.EUI64 == all[0] })
		w.drain(time.Second)
		if got := w.device(all[0]); got.NodeID == before.NodeID || got.Configured != before.Configured {
			t.Errorf("got %+v", got)
		}
		if _, err := w.net.Read(t.Context(), all[0], 1, zcl.ClusterBasic, 0, zcl.AttrZCLVersion); err != nil {
			t.Error(err)
		}
	})
}

func TestOpensAtOneRouterOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, thermometer, plug})
		ctx := t.Context()
		if err := w.net.PermitJoin(ctx, 0); err != nil {
			t.Fatal(err)
		}
		for _, e := range all[1:] {
			if err := w.sim.Leave(radio.EUI64(e)); err != nil {
				t.Fatal(err)
			}
			w.await(Left, func(ev Event) bool { return ev.EUI64 == e })
		}
		w.drain(time.Second)
		if err := w.net.PermitJoinVia(ctx, time.Minute, all[0]); err != nil {
			t.Fatal(err)
		}
		e := w.await(PermitJoinChanged, func(e Event) bool { return !e.Info.PermitUntil.IsZero() })
		if e.Info.PermitVia != all[0] {
			t.Errorf("got %+v", e.Info)
		}
		if w.sim.State().PermitOpen {
			t.Error("the dongle itself is open")
		}
		if err := w.sim.Press(radio.EUI64(all[1])); err != nil {
			t.Fatal(err)
		}
		w.await(InterviewSucceeded, func(ev Event) bool { return ev.EUI64 == all[1] })
		w.await(PermitJoinChanged, func(e Event) bool { return e.Info.PermitUntil.IsZero() && e.Info.PermitVia == 0 })

		if err := w.net.PermitJoinVia(ctx, time.Minute, zcl.EUI64(simulator.DefaultEUI64)); err != nil {
			t.Fatal(err)
		}
		w.drain(time.Second)
		if !w.sim.State().PermitOpen {
			t.Error("the dongle is not open")
		}
		if err := w.net.PermitJoinVia(ctx, time.Minute, all[1]); err == nil || !strings.Contains(err.Error(), "not a router") {
			t.Errorf("at an end device: got %v", err)
		}
		if err := w.net.PermitJoinVia(ctx, time.Minute, 1); !errors.As(err, new(ErrUnknownDevice)) {
			t.Errorf("at a stranger: got %v", err)
		}
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug})
		done := make(chan error, 1)
		go func() { done <- w.net.Restart(t.Context()) }()
		w.awaitDown()
		w.awaitUp()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := w.net.Read(t.Context(), all[0], 1, zcl.ClusterBasic, 0, zcl.AttrZCLVersion); err != nil {
			t.Error(err)
		}
		if got := w.net.Stats().Restarts; got != 1 {
			t.Errorf("%d restarts are counted, want 1", got)
		}
	})
}

func TestPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug}, func(o *Options) { o.Timing.ActiveTimeout = time.Minute })
		e := all[0]
		w.net.mu.Lock()
		d := w.net.devices[e]
		m := *w.net.modelOf(d)
		m.polls = []device.Poll{{Every: 10 * time.Second, Do: []device.Action{
			{Kind: device.Read, Endpoint: 1, Cluster: zcl.ClusterElectricalMeas, IDs: []uint16{0x050B}},
		}}}
		m.fill(d)
		d.model = &m
		w.net.replan()
		w.net.mu.Unlock()
		count := func(d time.Duration) (polls int) {
			for _, e := range w.drain(d) {
				if e.Kind == MessageReceived && e.Message.Frame.Command == zcl.CommandReadResponse && e.Message.Cluster == zcl.ClusterElectricalMeas {
					polls++
				}
			}
			return polls
		}
		if got := count(100 * time.Second); got < 8 || got > 12 {
			t.Errorf("%d answers in 100 s, want about 10", got)
		}
		if err := w.sim.Silence(radio.EUI64(e), true); err != nil {
			t.Fatal(err)
		}
		w.await(AvailabilityChanged, nil)
		before := w.net.Stats().Requests
		w.drain(5 * time.Minute)
		if got := w.net.Stats().Requests - before; got > 10 {
			t.Errorf("%d requests to a device that is away", got)
		}
	})
}

func TestAvailabilityOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, plug, thermometer})
		w.net.SetAvailability(all[0], AvailabilityOptions{Timeout: 2 * time.Minute})
		w.net.SetAvailability(all[1], AvailabilityOptions{Off: true})
		w.net.SetAvailability(all[2], AvailabilityOptions{Timeout: 5 * time.Minute})
		start := time.Now()
		for _, e := range all {
			if err := w.sim.Silence(radio.EUI64(e), true); err != nil {
				t.Fatal(err)
			}
		}
		away := map[zcl.EUI64]time.Duration{}
		for len(away) < 2 {
			e := w.await(AvailabilityChanged, nil)
			if e.Device.Available {
				t.Fatalf("%v is there", e.EUI64)
			}
			away[e.EUI64] = e.Time.Sub(start)
		}
		if d := away[all[0]]; d < 2*time.Minute || d > 5*time.Minute {
			t.Errorf("the plug is away after %v", d)
		}
		if d := away[all[2]]; d < 4*time.Minute || d > 6*time.Minute {
			t.Errorf("the thermometer is away after %v", d)
		}
		// Ever more rarely asked: 2 min, 4, 8, 16, 32, 64 and then each 64.
		before := w.net.Stats().Requests
		w.drain(4 * time.Hour)
		if got := w.net.Stats().Requests - before; got > 12*tries {
			t.Errorf("it was asked %d times in 4 h", got)
		}
		if d := w.device(all[1]); !d.Available {
			t.Error("a device that is not judged is away")
		}
		if err := w.sim.Silence(radio.EUI64(all[0]), false); err != nil {
			t.Fatal(err)
		}
		w.await(AvailabilityChanged, func(e Event) bool { return e.EUI64 == all[0] && e.Device.Available })
	})
}

func TestAnotherSetupIsDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{"EMIZB-141"})
		as := w.device(all[0]).ConfiguredAs
		if as == "" {
			t.Fatal("nothing says as what it was configured")
		}
		w.stop()
		w.start()
		w.awaitUp()
		w.report()
		w.drain(time.Minute)
		for _, e := range w.seen {
			if e.Kind == Configured {
				t.Error("it was configured again, though nothing has changed")
			}
		}
		w.net.mu.Lock()
		w.net.devices[all[0]].ConfiguredAs = "another"
		w.net.changed()
		w.net.mu.Unlock()
		w.stop()
		w.start()
		w.awaitUp()
		if e := w.await(Configured, nil); e.Device.ConfiguredAs != as {
			t.Errorf("got %q, want %q", e.Device.ConfiguredAs, as)
		}
	})
}

func TestChangesTheChannelWithAllDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, thermometer})
		was := w.net.Info()
		if err := w.net.ChangeChannel(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		if got := w.net.Info(); got.Channel != 20 || got.PANID != was.PANID {
			t.Errorf("got %+v", got)
		}
		if got := w.sim.State().Channel; got != 20 {
			t.Errorf("the dongle is on channel %d", got)
		}
		w.net.mu.Lock()
		saved := *w.net.saved
		w.net.mu.Unlock()
		if saved.Channel != 20 {
			t.Errorf("saved is channel %d", saved.Channel)
		}
		for _, e := range all {
			if _, err := w.net.Read(t.Context(), e, 1, zcl.ClusterBasic, 0, zcl.AttrZCLVersion); err != nil {
				t.Errorf("%v: %v", e, err)
			}
		}
		w.stop()
		w.start()
		if got := w.awaitUp(); got.Channel != 20 || got.PANID != was.PANID {
			t.Errorf("after a restart: got %+v", got)
		}
		for _, channel := range []uint8{10, 27} {
			if err := w.net.ChangeChannel(t.Context(), channel); err == nil {
				t.Errorf("channel %d was taken", channel)
			}
		}
		if err := w.net.ChangeChannel(t.Context(), 20); err != nil {
			t.Errorf("the channel it is on: %v", err)
		}
	})
}

func TestEnergyScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := house(t, []string{plug})
		list, err := w.net.EnergyScan(t.Context())
		if err != nil || len(list) != 16 || list[0].Channel != 11 || list[15].Channel != 26 {
			t.Fatalf("got %+v, %v", list, err)
		}
		for _, e := range list {
			if e.RSSI >= 0 || e.RSSI < -120 {
				t.Errorf("got %+v", e)
			}
		}
	})
}

// An NCP of EZSP 8 must be told the way to a device behind a router; later ones
// know it. Either way messages arrive.
func TestWaysThroughRouters(t *testing.T) {
	for _, version := range []uint8{8, 13, 19} {
		t.Run(strconv.Itoa(int(version)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, all := houseOn(t, simulator.Options{Devices: []string{plug, thermometer}, EZSP: version})
				if err := w.sim.Leave(radio.EUI64(all[1])); err != nil {
					t.Fatal(err)
				}
				w.await(Left, nil)
				if err := w.net.PermitJoinVia(t.Context(), time.Minute, all[0]); err != nil {
					t.Fatal(err)
				}
				if err := w.sim.Press(radio.EUI64(all[1])); err != nil {
					t.Fatal(err)
				}
				w.await(InterviewSucceeded, nil)
				w.settled()
				if _, err := w.net.Read(t.Context(), all[1], 1, zcl.ClusterBasic, 0, zcl.AttrZCLVersion); err != nil {
					t.Fatal(err)
				}
				router := w.device(all[0]).NodeID
				if parent := w.view(all[1]).Parent; parent == nil || *parent != router {
					t.Fatalf("the thermometer is not behind the plug: got %+v", w.view(all[1]))
				}
				m, err := w.net.Map(t.Context(), false)
				if err != nil || !slices.Equal(m.Nodes[2].Relays, []uint16{router}) {
					t.Errorf("got %+v, %v, want the way over %s", m.Nodes, err, hex16(router))
				}
			})
		})
	}
}

func TestRouteErrorsAskForNewRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug, thermometer})
		w.net.mu.Lock()
		s, d := w.net.session, w.net.devices[all[1]]
		node := d.NodeID
		w.net.mu.Unlock()
		before := w.net.Stats().Line.Commands
		for range routeErrorsFor + 5 {
			w.net.routeError(s, ezsp.RouteError{Target: node})
		}
		w.drain(time.Second)
		if got := w.net.Stats(); got.RouteErrors != routeErrorsFor+5 || got.Line.Commands != before+1 {
			t.Errorf("got %+v, want one command more than %d", got, before)
		}
		w.net.mu.Lock()
		defer w.net.mu.Unlock()
		if d.relays != nil {
			t.Errorf("the broken way is kept: %v", d.relays)
		}
	})
}

func TestTwoDevicesWithOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug})
		was := w.device(all[0]).NodeID
		w.net.conflict(ezsp.IDConflict{NodeID: was})
		if got := w.device(all[0]).NodeID; got != unknownNode {
			t.Errorf("got %s", hex16(got))
		}
		// It is found again when it is needed.
		if _, err := w.net.Read(t.Context(), all[0], 1, zcl.ClusterBasic, 0, zcl.AttrZCLVersion); err != nil {
			t.Error(err)
		}
		if got := w.net.Stats().Conflicts; got != 1 {
			t.Errorf("%d conflicts are counted", got)
		}
	})
}

func TestEnrolsAZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{"SMSZB-120"})
		e := all[0]
		s, err := w.net.up()
		if err != nil {
			t.Fatal(err)
		}
		w.net.mu.Lock()
		d := w.net.devices[e]
		w.net.mu.Unlock()
		for range 2 { // the second finds it done
			if err := w.net.enrol(t.Context(), s, d, 35); err != nil {
				t.Fatal(err)
			}
		}
		zones := w.view(e).Zones
		if len(zones) != 1 || !zones[0].Enrolled || zones[0].CIE != radio.EUI64(simulator.DefaultEUI64) || zones[0].ID != iasZoneID {
			t.Errorf("got %+v", zones)
		}
		w.hold(e, "smoke", 1)
		w.await(MessageReceived, func(ev Event) bool {
			m := ev.Message
			return ev.EUI64 == e && m.Cluster == clusterIASZone && m.Frame.ClusterSpecific && m.Frame.Command == 0 && m.Frame.Payload[0]&1 != 0
		})
		// One that is nobody's zone says so.
		if err := w.net.enrol(t.Context(), s, d, 38); err == nil {
			t.Error("an endpoint without a zone was enrolled")
		}
	})
}

func TestADeviceThatForgetsItsSetupIsSetUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug})
		e := all[0]
		w.net.mu.Lock()
		d := w.net.devices[e]
		m := *w.net.modelOf(d)
		m.setup = []device.Setup{{Endpoint: 1, Cluster: zcl.ClusterOnOff, Bind: true}}
		m.version, m.forgets = setupVersion(m.setup), true
		d.model, d.Configured, d.ConfiguredAs = &m, true, m.version
		w.net.mu.Unlock()
		if err := w.sim.Restart(radio.EUI64(e)); err != nil {
			t.Fatal(err)
		}
		w.await(Configured, func(ev Event) bool { return ev.EUI64 == e })
	})
}

// Everything the catalogue has is let in, and what its model says can be set
// up, is.
func TestLetsTheWholeCatalogueIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := devices.Models()
		w, all := house(t, models)
		for i, e := range all {
			if d := w.device(e); d.Interview != InterviewSuccessful || d.ModelID == "" || len(d.Endpoints) == 0 {
				t.Errorf("%s: got %+v", models[i], d)
			} else if model := device.For(d.Subject()); len(model.Setup()) > 0 && !d.Configured {
				t.Errorf("%s is not configured", models[i])
			}
		}
		for _, e := range w.seen {
			if e.Kind == InterviewFailed || e.Kind == ConfigureFailed || e.Kind == InterviewStep && e.Err != nil {
				t.Errorf("%s: %v: %s: %v", e.Device.ModelID, e.Kind, e.Step, e.Err)
			}
		}
	})
}

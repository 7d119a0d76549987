package radio

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testNet = Network{PAN: 1, Extended: 2, Channel: 11, Key: Key{3}}

// station is a device of the tests.
type station struct {
	eui    EUI64
	id     uint16
	parent uint16
	role   Role
	silent bool
	open   bool
	wakes  time.Duration
	got    []Frame
}

func (s *station) EUI64() EUI64                     { return s.eui }
func (s *station) Address() (uint16, Network, bool) { return s.id, testNet, s.id != 0 }
func (s *station) Role() Role                       { return s.role }
func (s *station) Parent() uint16                   { return s.parent }
func (s *station) Permits() bool                    { return s.open }
func (s *station) Silent() bool                     { return s.silent }
func (s *station) Wakes() time.Duration             { return s.wakes }
func (s *station) Receive(f Frame)                  { s.got = append(s.got, f) }
func (s *station) NetworkChanged()                  {}

// tower is the hub of the tests.
type tower struct{ got []Frame }

func (t *tower) EUI64() EUI64                     { return 0xC0 }
func (t *tower) Permits() (Network, bool)         { return testNet, true }
func (t *tower) Admit(EUI64, Key) (Network, bool) { return testNet, true }
func (t *tower) Up() (Network, bool)              { return testNet, true }
func (t *tower) Member(Member)                    {}
func (t *tower) Knows(EUI64, uint16) bool         { return true }
func (t *tower) Receive(f Frame) bool             { t.got = append(t.got, f); return true }

// street is a router, a sleeper behind it, a far router behind the first one
// and an awake end device at the hub.
type street struct {
	air                         *Air
	hub                         *tower
	router, far, sleeper, awake *station
}

func newStreet() *street {
	s := &street{
		air: New(1, 10*time.Millisecond), hub: &tower{},
		router:  &station{eui: 1, id: 0x1111, role: Role{Router: true}},
		far:     &station{eui: 2, id: 0x2222, parent: 0x1111, role: Role{Router: true}},
		sleeper: &station{eui: 3, id: 0x3333, parent: 0x2222, role: Role{Sleepy: true}, wakes: 5 * time.Second},
		awake:   &station{eui: 4, id: 0x4444},
	}
	s.air.Do(func() {
		s.air.SetHub(s.hub)
		for _, d := range []*station{s.router, s.far, s.sleeper, s.awake} {
			s.air.Add(d)
		}
	})
	return s
}

func TestDown(t *testing.T) {
	tests := []struct {
		name   string
		to     uint16
		before func(*street)
		sent   []bool
		after  time.Duration // at least
	}{
		{"to a router", 0x1111, nil, []bool{true}, 0},
		{"through two routers", 0x3333, nil, []bool{true}, 5 * time.Second},
		{"to nobody", 0x5555, nil, []bool{false}, 0},
		{"to one without power", 0x4444, func(s *street) { s.awake.silent = true }, []bool{false}, 0},
		{"through a router without power", 0x2222, func(s *street) { s.router.silent = true }, []bool{false}, 0},
		{"to one that sleeps too long", 0x3333, func(s *street) { s.sleeper.wakes = time.Minute }, []bool{false}, HoldTime},
		{"to one whose parent is no router", 0x4444, func(s *street) { s.awake.parent = 0x3333 }, []bool{false}, 0},
		{"to one whose parents go round", 0x2222, func(s *street) { s.router.parent = 0x2222 }, []bool{false}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStreet()
				defer s.air.Close()
				if tt.before != nil {
					tt.before(s)
				}
				var sent []bool
				var took time.Duration
				began := time.Now()
				s.air.Do(func() {
					s.air.Down(testNet, Frame{Destination: tt.to}, func(ok bool) { sent, took = append(sent, ok), time.Since(began) })
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				s.air.Do(func() {
					if diff := cmp.Diff(tt.sent, sent); diff != "" {
						t.Errorf("sent (-want +got):\n%s", diff)
					}
					if took < tt.after || took > tt.after+time.Second {
						t.Errorf("it took %v, want %v or little more", took, tt.after)
					}
				})
			})
		})
	}
}

func TestASleeperGetsWhatItsParentHeldWhenItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		defer s.air.Close()
		s.sleeper.wakes = time.Hour
		sent := map[bool]int{}
		s.air.Do(func() {
			for range maxHeld + 2 {
				s.air.Down(testNet, Frame{Destination: 0x3333}, func(ok bool) { sent[ok]++ })
			}
		})
		time.Sleep(time.Second)
		s.air.Do(func() { s.air.Poll(s.sleeper) })
		s.air.Do(func() {
			if len(s.sleeper.got) != maxHeld || sent[true] != maxHeld || sent[false] != 2 {
				t.Errorf("got %d frames, %v sent; want %d, and 2 for which there was no room", len(s.sleeper.got), sent, maxHeld)
			}
		})
		// What was for a short address that it has no more is lost.
		s.air.Do(func() { s.air.Down(testNet, Frame{Destination: 0x3333}, func(ok bool) { sent[ok]++ }) })
		time.Sleep(time.Second)
		s.air.Do(func() {
			s.sleeper.id = 0x3334
			s.air.Poll(s.sleeper)
			if len(s.sleeper.got) != maxHeld || sent[false] != 3 {
				t.Errorf("got %d frames, %v sent, want no more than before", len(s.sleeper.got), sent)
			}
		})
	})
}

func TestSpreading(t *testing.T) {
	tests := []struct {
		name string
		send func(*street)
		want []int // frames at router, far router, sleeper, awake end device
	}{
		{"to all", func(s *street) { s.air.Broadcast(testNet, Frame{Destination: BroadcastAll}) }, []int{1, 1, 1, 1}},
		{"to those awake", func(s *street) { s.air.Broadcast(testNet, Frame{Destination: BroadcastAwake}) }, []int{1, 1, 0, 1}},
		{"to routers", func(s *street) { s.air.Broadcast(testNet, Frame{Destination: BroadcastRouter}) }, []int{1, 1, 0, 0}},
		{"to a group", func(s *street) { s.air.Multicast(testNet, Frame{Group: 7}) }, []int{1, 1, 0, 1}},
		{"to all, a router having no power", func(s *street) {
			s.router.silent = true
			s.air.Broadcast(testNet, Frame{Destination: BroadcastAll})
		}, []int{0, 0, 0, 1}},
		{"in another network", func(s *street) { s.air.Broadcast(Network{}, Frame{Destination: BroadcastAll}) }, []int{0, 0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStreet()
				defer s.air.Close()
				s.air.Do(func() { tt.send(s) })
				time.Sleep(time.Minute)
				synctest.Wait()
				s.air.Do(func() {
					got := []int{len(s.router.got), len(s.far.got), len(s.sleeper.got), len(s.awake.got)}
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("frames (-want +got):\n%s", diff)
					}
					if slices.ContainsFunc(s.router.got, func(f Frame) bool { return f.Multicast != (f.Group == 7) }) {
						t.Errorf("got %+v", s.router.got)
					}
				})
			})
		})
	}
}

func TestUp(t *testing.T) {
	s := newStreet()
	defer s.air.Close()
	s.air.Do(func() {
		if !s.air.Up(s.sleeper, Frame{Cluster: 6}) {
			t.Error("a frame through two routers was not heard")
		}
		s.far.silent = true
		if s.air.Up(s.sleeper, Frame{Cluster: 6}) || s.air.Up(s.far, Frame{Cluster: 6}) {
			t.Error("a router without power carried or sent a frame")
		}
		if len(s.hub.got) != 1 {
			t.Fatalf("the hub got %d frames, want 1", len(s.hub.got))
		}
		f := s.hub.got[0]
		if diff := cmp.Diff([]uint16{0x2222, 0x1111}, f.Relays); diff != "" || f.Source != 0x3333 || f.LQI == 0 {
			t.Errorf("got %+v", f)
		}
	})
}

func TestNeighbours(t *testing.T) {
	s := newStreet()
	defer s.air.Close()
	s.air.Do(func() {
		short := func(list []Neighbour) (ids []string) {
			for _, n := range list {
				kind := map[bool]string{true: "router", false: "end device"}[n.Role.Router]
				switch {
				case n.Child:
					kind += ", child"
				case n.Parent:
					kind += ", parent"
				}
				ids = append(ids, n.EUI64.String()[16:]+" "+kind)
				if n.LQI < 100 {
					t.Errorf("%+v: want a link quality", n)
				}
			}
			return ids
		}
		for of, want := range map[uint16][]string{
			Coordinator: {"01 router", "02 router", "04 end device, child"},
			0x1111:      {"c0 router, parent", "02 router"},
			0x2222:      {"c0 router", "01 router", "03 end device, child"},
		} {
			if diff := cmp.Diff(want, short(s.air.Neighbours(testNet, of))); diff != "" {
				t.Errorf("of %04x (-want +got):\n%s", of, diff)
			}
		}
		if n := s.air.Children(testNet, 0x2222); n != 1 {
			t.Errorf("got %d children, want 1", n)
		}
		s.router.open, s.far.open = true, true
		if diff := cmp.Diff([]uint16{0x1111, 0x2222}, s.air.Open(testNet)); diff != "" {
			t.Errorf("open routers (-want +got):\n%s", diff)
		}
		s.router.silent = true
		if open := s.air.Open(testNet); open != nil {
			t.Errorf("got %x, want none behind a router without power", open)
		}
		if _, id, ok := s.air.Lookup(testNet, func(e EUI64, _ uint16) bool { return e == 3 }); !ok || id != 0x3333 {
			t.Errorf("got %04x %v, want 3333", id, ok)
		}
	})
}

func TestEnergyDiffersByChannel(t *testing.T) {
	a := New(1, 0)
	if quiet, loud := a.Energy(26), a.Energy(12); quiet >= loud {
		t.Errorf("got %d on channel 26 and %d on 12, want less on 26", quiet, loud)
	}
}

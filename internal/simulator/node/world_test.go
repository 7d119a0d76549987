package node_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator/devices"
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/quantity"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

const (
	hubEUI64   = radio.EUI64(0x00124b0012345678)
	meterEUI64 = radio.EUI64(0x0015bc001b0211a5)
)

var network = radio.Network{PAN: 0x1A62, Extended: 0xDDDD, Channel: 11, Key: radio.Key{1, 2, 3}}

// hub is a coordinator that notes what it hears.
type hub struct {
	net     radio.Network
	up      bool
	open    bool
	shut    bool      // the trust centre admits nobody
	key     radio.Key // one more link key that it admits
	deaf    bool
	members []string
	last    radio.Member
	known   map[uint16]bool
	heard   []radio.Frame
}

func (h *hub) EUI64() radio.EUI64             { return hubEUI64 }
func (h *hub) Permits() (radio.Network, bool) { return h.net, h.up && h.open }
func (h *hub) Admit(_ radio.EUI64, link radio.Key) (radio.Network, bool) {
	return h.net, h.up && !h.shut && (link == radio.WellKnownKey || link == h.key)
}
func (h *hub) Up() (radio.Network, bool) { return h.net, h.up }
func (h *hub) Knows(_ radio.EUI64, id uint16) bool {
	return h.known[id]
}

func (h *hub) Member(m radio.Member) {
	h.members = append(h.members, [...]string{"rejoined", "joined", "left"}[m.How])
	h.last = m
	h.known[m.ID] = m.How != radio.Left
}

func (h *hub) Receive(f radio.Frame) bool {
	if h.deaf {
		return false
	}
	h.heard = append(h.heard, f)
	return true
}

// world is devices and a hub in a bubble of time.
type world struct {
	t       *testing.T
	air     *radio.Air
	hub     *hub
	node    *node.Node
	values  *quantity.Set
	saved   int
	reports []node.Report
}

func newWorld(t *testing.T, memory node.Memory, every time.Duration) *world {
	return newWorldOf(t, "EMIZB-141", memory, every)
}

func newWorldOf(t *testing.T, model string, memory node.Memory, every time.Duration) *world {
	w := &world{t: t, air: radio.New(1, 10*time.Millisecond), hub: &hub{net: network, up: true, known: map[uint16]bool{}}}
	w.air.Do(func() {
		w.air.SetHub(w.hub)
		if memory.Joined {
			w.hub.known[memory.ID] = true
		}
	})
	w.node, w.values = w.add(model, meterEUI64, memory, every)
	t.Cleanup(w.air.Close)
	return w
}

// add puts one more device into the world.
func (w *world) add(model string, eui radio.EUI64, memory node.Memory, every time.Duration) (*node.Node, *quantity.Set) {
	w.t.Helper()
	m, err := devices.Find(model)
	if err != nil {
		w.t.Fatal(err)
	}
	values, err := quantity.New(quantity.Options{Quantities: m.Measures, Seed: 1, Now: time.Now, Ticking: every > 0, Changed: func() {}})
	if err != nil {
		w.t.Fatal(err)
	}
	n := node.New(node.Options{
		Description: m.Describe(eui, values), Memory: memory, Air: w.air,
		Changed:  func() { w.saved++ },
		Reported: func(r []node.Report) { w.reports = append(w.reports, r...) },
		Every:    every, Tick: values.Tick,
	})
	values.Watch(n.Look)
	w.air.Do(n.Start)
	return n, values
}

// addCoded puts a device with a link key of its own into the world.
func (w *world) addCoded(model string, eui radio.EUI64, link radio.Key) *node.Node {
	w.t.Helper()
	m, err := devices.Find(model)
	if err != nil {
		w.t.Fatal(err)
	}
	values, err := quantity.New(quantity.Options{Quantities: m.Measures, Now: time.Now, Changed: func() {}})
	if err != nil {
		w.t.Fatal(err)
	}
	d := m.Describe(eui, values)
	d.LinkKey = link
	n := node.New(node.Options{Description: d, Air: w.air})
	w.air.Do(n.Start)
	return n
}

// set holds a quantity of the world's device.
func (w *world) set(name string, v float64) {
	w.t.Helper()
	w.air.Do(func() {
		if err := w.values.Set(name, v); err != nil {
			w.t.Error(err)
		}
	})
}

func test(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) { f(newWorld(t, joined(), 0)) })
}

func joined() node.Memory {
	return node.Memory{Joined: true, ID: 0x7A3C, Network: network}
}

func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ask sends a request and returns the payloads of the answers.
func (w *world) ask(f radio.Frame, payload string) (answers []string) {
	w.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(payload, " ", ""))
	if err != nil {
		w.t.Fatal(err)
	}
	f.Payload = b
	if f.Destination == 0 {
		f.Destination = 0x7A3C
	}
	w.air.Do(func() {
		w.hub.heard = nil
		w.node.Receive(f)
	})
	w.pass(100 * time.Millisecond)
	for _, got := range w.heard() {
		if got.Cluster != 0x0013 {
			answers = append(answers, hex.EncodeToString(got.Payload))
		}
	}
	return answers
}

// reported returns the reports since forget.
func (w *world) reported() (r []node.Report) {
	w.air.Do(func() { r = slices.Clone(w.reports) })
	return r
}

func (w *world) forget() { w.air.Do(func() { w.reports = nil }) }

// heard returns what the hub heard since the last request.
func (w *world) heard() (f []radio.Frame) {
	w.air.Do(func() { f = slices.Clone(w.hub.heard) })
	return f
}

func (w *world) zcl(cluster uint16, payload string) []string {
	w.t.Helper()
	return w.ask(radio.Frame{Profile: 0x0104, Cluster: cluster, SourceEndpoint: 1, DestinationEndpoint: 2}, payload)
}

func (w *world) zdo(cluster uint16, payload string) []string {
	w.t.Helper()
	return w.ask(radio.Frame{Cluster: cluster}, payload)
}

func (w *world) want(got []string, want ...string) {
	w.t.Helper()
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " ", "")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("answers (-want +got):\n%s", diff)
	}
}

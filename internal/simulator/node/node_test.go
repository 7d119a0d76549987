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

func TestZCL(t *testing.T) {
	tests := []struct {
		name    string
		cluster uint16
		request string
		want    []string
	}{
		{"read the model", 0x0000, "10 01 00 0500", []string{"18 01 01 0500 00 42 09 454d495a422d313431"}},
		{"read the maker", 0x0000, "10 02 00 0400", []string{"18 02 01 0400 00 42 0a 667269656e7420412f53"}},
		{"read the power source", 0x0000, "10 03 00 0700", []string{"18 03 01 0700 00 30 03"}},
		{"unsupported beside supported", 0x0000, "10 04 00 0040 0000", []string{"18 04 01 0040 86 0000 00 20 03"}},
		{"of the manufacturer", 0x0000, "14 1510 05 00 0080 2080", []string{"1c 1510 05 01 0080 00 41 03 030102 2080 00 41 03 010002"}},
		{"of the manufacturer, not the standard one", 0x0702, "14 1510 06 00 0003", []string{"1c 1510 06 01 0003 00 21 e803"}},
		{"standard, not of the manufacturer", 0x0702, "10 07 00 0003 0103 0203", []string{"18 07 01 0003 00 30 00 0103 00 22 010000 0203 00 22 e80300"}},
		{"write only", 0x0702, "14 1510 08 00 0103", []string{"1c 1510 08 01 0103 8f"}},
		{"of another manufacturer", 0x0702, "14 5f11 09 00 0003", []string{"1c 5f11 09 0b 00 84"}},
		{"battery", 0x0001, "10 0a 00 2000 2100 3100 3300", []string{"18 0a 01 2000 00 20 1f 2100 00 20 b2 3100 00 30 03 3300 00 20 02"}},
		{"check-in interval", 0x0020, "10 0b 00 0000", []string{"18 0b 01 0000 00 23 40380000"}},
		{"cluster without attributes", 0x0B01, "10 0c 00 0000", []string{"18 0c 01 0000 86"}},
		{"cluster that is not there", 0x0006, "10 0d 00 0000", []string{"18 0d 0b 00 c3"}},
		{"half an identifier", 0x0000, "10 0e 00 05", []string{"18 0e 0b 00 80"}},
		{"unknown general command", 0x0000, "10 0f 55", []string{"18 0f 0b 55 82"}},
		{"unknown cluster command", 0x0000, "01 10 55", []string{"18 10 0b 55 81"}},
		{"cluster command, default response wanted", 0x0020, "01 11 01", []string{"18 11 0b 01 00"}},
		{"cluster command, no default response wanted", 0x0020, "11 12 01", nil},
		{"default response is not answered", 0x0000, "10 13 0b 0000", nil},
		{"from a server", 0x0000, "18 14 00 0500", nil},
		{"reserved frame type", 0x0000, "13 15 00 0500", nil},
		{"header cut", 0x0000, "14 15", nil},
		{"write", 0x0702, "14 1510 16 02 0003 21 f401", []string{"1c 1510 16 04 00"}},
		{"write out of range", 0x0702, "14 1510 17 02 0003 21 0000", []string{"1c 1510 17 04 87 0003"}},
		{"write of a wrong type", 0x0702, "14 1510 18 02 0003 20 05", []string{"1c 1510 18 04 8d 0003"}},
		{"write what is read only", 0x0702, "10 19 02 0203 22 010000", []string{"18 19 04 88 0203"}},
		{"write what is not there", 0x0702, "10 1a 02 7777 20 01", []string{"18 1a 04 86 7777"}},
		{"write cut", 0x0702, "10 1b 02 0203 22 0100", []string{"18 1b 0b 02 80"}},
		{"write of an unknown type", 0x0702, "10 1c 02 0203 ff 0100", []string{"18 1c 0b 02 80"}},
		{"write without a response", 0x0702, "14 1510 1d 05 0003 21 f401", nil},
		{"discover", 0x0001, "10 1e 0c 2100 02", []string{"18 1e 0d 00 2100 20 3100 30"}},
		{"discover to the end", 0x0001, "10 1f 0c 3300 ff", []string{"18 1f 0d 01 3300 20 3e00 1b"}},
		{"configure reports", 0x0702, "10 20 06 00 0004 2a 0a00 e8fd 050000 00 0000 25 0a00 e8fd 640000000000", []string{"18 20 07 00"}},
		{"configure what is not there", 0x0702, "10 21 06 00 7777 20 0a00 e8fd 05 00 0004 2a 0a00 e8fd 050000", []string{"18 21 07 86 00 7777"}},
		{"configure what is not reported", 0x0702, "10 22 06 00 0203 22 0a00 e8fd 050000", []string{"18 22 07 8c 00 0203"}},
		{"configure with a wrong type", 0x0702, "10 23 06 00 0004 2b 0a00 e8fd 05000000", []string{"18 23 07 8d 00 0004"}},
		{"configure minimum above maximum", 0x0702, "10 24 06 00 0004 2a 0a00 0500 050000", []string{"18 24 07 87 00 0004"}},
		{"configure cut", 0x0702, "10 25 06 00 0004 2a 0a00 e8fd 0500", []string{"18 25 0b 06 80"}},
		{"configure nothing", 0x0702, "10 26 06", []string{"18 26 0b 06 80"}},
		{"read a configuration that is not there", 0x0702, "10 27 08 00 0004", []string{"18 27 09 8b 00 0004"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			test(t, func(w *world) { w.want(w.zcl(tt.cluster, tt.request), tt.want...) })
		})
	}
}

func TestEndpointOneIsNotTheMeter(t *testing.T) {
	test(t, func(w *world) {
		for _, f := range []radio.Frame{
			{Profile: 0x0104, Cluster: 0x0000, SourceEndpoint: 1, DestinationEndpoint: 1},
			{Profile: 0xC0C9, Cluster: 0x0000, SourceEndpoint: 1, DestinationEndpoint: 2},
			{Profile: 0x0104, Cluster: 0x0000, SourceEndpoint: 1, DestinationEndpoint: 9},
		} {
			if got := w.ask(f, "1001000500"); got != nil {
				t.Errorf("%+v was answered by %s", f, got)
			}
		}
	})
}

func TestZDO(t *testing.T) {
	const me, other = "a511021b00bc1500", "0000000000000001"
	tests := []struct {
		name    string
		cluster uint16
		request string
		want    []string
	}{
		{"node descriptor", 0x0002, "05 3c7a", []string{"05 00 3c7a 02408015105 2dc05002cdc0500"}},
		{"node descriptor of another", 0x0002, "05 3c7b", []string{"05 81 3c7b"}},
		{"active endpoints", 0x0005, "06 3c7a", []string{"06 00 3c7a 02 01 02"}},
		{"simple descriptor", 0x0004, "07 3c7a 02", []string{"07 00 3c7a 1c 02 0401 5300 00 07 0000 0100 0300 2000 0207 010b 050b 03 0300 0a00 1900"}},
		{"simple descriptor 1", 0x0004, "07 3c7a 01", []string{"07 00 3c7a 0c 01 c9c0 0100 00 02 0500 0600 00"}},
		{"simple descriptor that is not there", 0x0004, "07 3c7a 03", []string{"07 83 3c7a 00"}},
		{"simple descriptor 0", 0x0004, "07 3c7a 00", []string{"07 82 3c7a 00"}},
		{"extended address", 0x0001, "08 3c7a 00 00", []string{"08 00" + me + "3c7a"}},
		{"short address", 0x0000, "09" + me + "00 00", []string{"09 00" + me + "3c7a"}},
		{"short address of another", 0x0000, "09" + other + "00 00", nil},
		{"matching endpoints", 0x0006, "0a 3c7a 0401 01 0207 00", []string{"0a 00 3c7a 01 02"}},
		{"no matching endpoint", 0x0006, "0a 3c7a 0401 01 0600 00", nil},
		{"bind", 0x0021, "0b" + me + "02 0207 03 78563412004b1200 01", []string{"0b 00"}},
		{"bind for another", 0x0021, "0b" + other + "02 0207 03 78563412004b1200 01", []string{"0b 81"}},
		{"bind an endpoint that is not there", 0x0021, "0b" + me + "07 0207 03 78563412004b1200 01", []string{"0b 82"}},
		{"bind to a group", 0x0021, "0b" + me + "02 0207 01 0100", []string{"0b 00"}},
		{"bind cut", 0x0021, "0b" + me + "02 0207 03 7856", []string{"0b 80"}},
		{"unbind what is not bound", 0x0022, "0c" + me + "02 0207 03 78563412004b1200 01", []string{"0c 88"}},
		{"neighbours", 0x0031, "0d 00", []string{"0d 84"}},
		{"bindings", 0x0033, "0e 00", []string{"0e 00 00 00 00"}},
		{"leave, meaning another", 0x0034, "0f" + other + "00", []string{"0f 81"}},
		{"an answer", 0x8002, "10 00", nil},
		{"unknown", 0x0077, "11", []string{"11 84"}},
		{"empty", 0x0002, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			test(t, func(w *world) { w.want(w.zdo(tt.cluster, tt.request), tt.want...) })
		})
	}
}

func TestBindingTable(t *testing.T) {
	test(t, func(w *world) {
		const bind = "01 a511021b00bc1500 02 0207 03 78563412004b1200 01"
		w.want(w.zdo(0x0021, bind), "0100")
		w.want(w.zdo(0x0021, bind), "0100") // again
		w.want(w.zdo(0x0033, "0200"), "02 00 01 00 01 a511021b00bc1500 02 0207 03 78563412004b1200 01")
		w.want(w.zdo(0x0022, bind), "0100")
		if got := w.node.Memory().Bindings; len(got) != 0 || w.saved != 2 {
			t.Errorf("got %v, kept %d times; want none, 2 times", got, w.saved)
		}
		for cluster := range 16 {
			w.zdo(0x0021, "01 a511021b00bc1500 02"+hex.EncodeToString([]byte{byte(cluster), 0xFC})+"03 78563412004b1200 01")
		}
		w.want(w.zdo(0x0021, bind), "018c")
	})
}

func TestReporting(t *testing.T) {
	const bind = "01 a511021b00bc1500 02 0207 03 78563412004b1200 01"
	const configure = "10 20 06 00 0004 2a 0a00 3c00 050000" // 10 to 60 s, 5 W
	load := func(w *world, watts int64) {
		w.set("power", float64(watts))
		w.air.Do(func() { w.hub.heard = nil })
	}
	t.Run("nothing without a binding", func(t *testing.T) {
		test(t, func(w *world) {
			w.zcl(0x0702, configure)
			w.pass(5 * time.Minute)
			if len(w.reported()) != 0 {
				t.Errorf("got %d reports", len(w.reported()))
			}
		})
	})
	t.Run("nothing without a configuration", func(t *testing.T) {
		test(t, func(w *world) {
			w.zdo(0x0021, bind)
			w.pass(5 * time.Minute)
			if len(w.reported()) != 0 {
				t.Errorf("got %d reports", len(w.reported()))
			}
		})
	})
	t.Run("nothing when bound to somebody else", func(t *testing.T) {
		test(t, func(w *world) {
			w.zdo(0x0021, "01 a511021b00bc1500 02 0207 03 7956341200 4b1200 01")
			w.zcl(0x0702, configure)
			w.pass(5 * time.Minute)
			if len(w.reported()) != 0 {
				t.Errorf("got %d reports", len(w.reported()))
			}
		})
	})
	t.Run("by change, minimum and maximum", func(t *testing.T) {
		test(t, func(w *world) {
			load(w, 300)
			w.zdo(0x0021, bind)
			w.want(w.zcl(0x0702, configure), "18 20 07 00")
			w.want(w.zcl(0x0702, "10 21 08 00 0004"), "18 21 09 00 00 0004 2a 0a00 3c00 050000")
			began := time.Now()
			load(w, 304) // not enough to tell
			w.pass(59 * time.Second)
			if len(w.reported()) != 0 {
				t.Fatalf("got %d reports of a change of 4 W within 59 s", len(w.reported()))
			}
			w.pass(3 * time.Second)
			load(w, 342)
			w.pass(5 * time.Second)
			if len(w.reported()) != 1 {
				t.Fatalf("got %d reports before the minimum interval, want 1", len(w.reported()))
			}
			w.pass(6 * time.Second)
			if len(w.heard()) != 1 || len(w.reported()) != 2 {
				t.Fatalf("got %d frames and %d reports, want 1 and 2", len(w.heard()), len(w.reported()))
			}
			f := w.heard()[0]
			if got := hex.EncodeToString(f.Payload); !strings.HasPrefix(got, "18") || !strings.HasSuffix(got, "0a00042a560100") {
				t.Errorf("report: got %s", got)
			}
			if f.Profile != 0x0104 || f.Cluster != 0x0702 || f.SourceEndpoint != 2 || f.DestinationEndpoint != 1 {
				t.Errorf("report: got %+v", f)
			}
			first, second := w.reported()[0], w.reported()[1]
			if first.Value != 304 || second.Value != 342 || second.Attribute != 0x0400 {
				t.Errorf("got %+v and %+v, want 304 and 342", first, second)
			}
			if d := first.Time.Sub(began); d < 58*time.Second || d > 62*time.Second {
				t.Errorf("the first report came after %v, want 60 s", d)
			}
			if d := second.Time.Sub(first.Time); d < 9*time.Second || d > 12*time.Second {
				t.Errorf("the second report came %v later, want 10 s", d)
			}
		})
	})
	t.Run("ends with maximum ffff", func(t *testing.T) {
		test(t, func(w *world) {
			w.zdo(0x0021, bind)
			w.zcl(0x0702, configure)
			w.want(w.zcl(0x0702, "10 21 06 00 0004 2a 0a00 ffff 050000"), "18 21 07 00")
			w.pass(5 * time.Minute)
			if len(w.reported()) != 0 || len(w.node.Memory().Reporting) != 0 {
				t.Errorf("got %d reports and %v", len(w.reported()), w.node.Memory().Reporting)
			}
		})
	})
	t.Run("goes on after batteries were changed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, joined(), 0)
			w.zdo(0x0021, bind)
			w.zcl(0x0702, configure)
			again := newWorld(t, w.node.Memory(), 0)
			again.pass(2 * time.Second)
			if len(again.reported()) != 1 {
				t.Errorf("got %d reports at once, want 1", len(again.reported()))
			}
		})
	})
	t.Run("tries again until the coordinator hears", func(t *testing.T) {
		test(t, func(w *world) {
			load(w, 300)
			w.zdo(0x0021, bind)
			w.zcl(0x0702, configure)
			w.air.Do(func() { w.hub.deaf = true })
			load(w, 400)
			w.pass(30 * time.Second)
			if len(w.reported()) != 0 {
				t.Fatalf("got %d reports although nobody heard", len(w.reported()))
			}
			w.air.Do(func() { w.hub.deaf = false })
			w.pass(2 * time.Second)
			if len(w.reported()) != 1 {
				t.Errorf("got %d reports after it hears again, want 1", len(w.reported()))
			}
		})
	})
	t.Run("for measuring", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, joined(), 50*time.Millisecond)
			w.zdo(0x0021, bind)
			w.zcl(0x0702, "10 20 06 00 0004 2a 0a00 e8fd 050000 00 0000 25 0a00 e8fd 640000000000")
			w.forget()
			w.pass(10 * time.Second)
			seen := map[int64]bool{}
			for _, r := range w.reported() {
				if r.Attribute == 0 {
					if seen[r.Value] {
						t.Fatalf("%d Wh was reported twice", r.Value)
					}
					seen[r.Value] = true
				}
			}
			if len(seen) < 195 || len(seen) > 205 {
				t.Errorf("got %d reports of energy in 10 s, want 200", len(seen))
			}
		})
	})
}

func TestJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, node.Memory{}, 0)
		do := func(f func()) { w.air.Do(f); w.pass(time.Second) }
		members := func(want ...string) {
			t.Helper()
			w.air.Do(func() {
				if diff := cmp.Diff(want, w.hub.members); diff != "" {
					t.Errorf("membership (-want +got):\n%s", diff)
				}
				w.hub.members = nil
			})
		}
		do(w.air.Changed)
		do(func() {
			if err := w.node.Press(); err != node.ErrClosed {
				t.Errorf("the button on a closed network: got %v, want %v", err, node.ErrClosed)
			}
		})
		members()
		do(func() { w.hub.open = true; w.air.Changed() })
		members("joined")
		var id uint16
		var net radio.Network
		var in bool
		look := func() { w.air.Do(func() { id, net, in = w.node.Address() }) }
		look()
		if !in || net != network || id == 0 || id >= 0xFFF8 {
			t.Errorf("after joining: %04x %+v %v", id, net, in)
		}
		announced := slices.ContainsFunc(w.heard(), func(f radio.Frame) bool {
			return f.Cluster == 0x0013 && f.Destination == radio.BroadcastAwake && len(f.Payload) == 12 && f.Payload[11] == 0x80
		})
		if !announced {
			t.Error("the device did not announce itself")
		}
		do(w.air.Changed)
		members() // nothing new
		do(func() { clear(w.hub.known); w.air.Changed() })
		members("rejoined")

		// Another network's key: the device is no longer part of it.
		do(func() { w.hub.open = false; w.hub.net.Key[0]++; w.hub.up = true; w.air.Changed() })
		members()
		do(func() { w.hub.open = true; w.air.Changed() })
		members("joined")

		do(func() { w.hub.open = false; id, _, _ = w.node.Address() })
		w.want(w.ask(radio.Frame{Destination: id, Cluster: 0x0034}, "01 a511021b00bc1500 00"), "0100")
		w.pass(time.Second)
		members("left")
		if look(); in || len(w.node.Memory().Reporting) != 0 {
			t.Error("the device is still part of a network")
		}
	})
}

// FuzzReceive sends frames to every device of the catalogue.
func FuzzReceive(f *testing.F) {
	models := devices.Models()
	for i := range models {
		for _, s := range []string{"1001000500", "102006000004 2a0a00e8fd050000", "14151006000003", "1415101602000321f401", "053c7a", "01a511021b00bc15000202070378563412004b120001",
			"010100070003616263", "0101040700 01", "0109000700020500026162060001 00", "0102420 00a000000", "1102040002810200040000001e", "0103000017", "0401f8ff07fe01", "0100"} {
			b, _ := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
			for _, cluster := range []uint16{0, 2, 4, 5, 6, 8, 0x21, 0x31, 0x38, 0x0500, 0x0702, 0xEF00} {
				f.Add(uint8(i), uint8(1), cluster, i%2 == 0, b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, model, endpoint uint8, cluster uint16, zdo bool, payload []byte) {
		air := radio.New(1, -1)
		defer air.Close()
		m, err := devices.Find(models[int(model)%len(models)])
		if err != nil {
			t.Fatal(err)
		}
		values, err := quantity.New(quantity.Options{Quantities: m.Measures, Now: time.Now, Changed: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		n := node.New(node.Options{Description: m.Describe(meterEUI64, values), Memory: joined(), Air: air})
		frame := radio.Frame{Destination: 0x7A3C, Cluster: cluster, Payload: payload}
		if !zdo {
			frame.Profile, frame.SourceEndpoint, frame.DestinationEndpoint = 0x0104, 1, endpoint
		}
		air.Do(func() {
			n.Receive(frame)
			n.Receive(frame)
		})
		if m := n.Memory(); len(m.Bindings) > 16 || len(m.Reporting) > 64 || len(m.Groups) > 16 || len(m.Scenes) > 16 || len(m.Zones) > 8 {
			t.Errorf("the tables grew: %+v", m)
		}
	})
}

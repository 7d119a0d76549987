package node_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// step is a frame to a device, and what it answers.
type step struct {
	cluster uint16
	request string
	want    []string
	wait    time.Duration // afterwards
}

// play sends frames to an endpoint of a device that is part of the network.
func play(t *testing.T, model string, endpoint uint8, steps []step, then func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, model, joined(), 0)
		for _, s := range steps {
			f := radio.Frame{Profile: 0x0104, Cluster: s.cluster, SourceEndpoint: 1, DestinationEndpoint: endpoint}
			got := w.ask(f, s.request)
			for i := range s.want {
				s.want[i] = strings.ReplaceAll(s.want[i], " ", "")
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("%s to %04x: answers (-want +got):\n%s", s.request, s.cluster, diff)
			}
			w.pass(s.wait)
		}
		if then != nil {
			then(w)
		}
	})
}

func TestClusters(t *testing.T) {
	is := func(name string, want float64) func(*world) {
		return func(w *world) {
			w.t.Helper()
			w.air.Do(func() {
				if got := w.values.Get(name); got != want {
					w.t.Errorf("%s: got %v, want %v", name, got, want)
				}
			})
		}
	}
	tests := []struct {
		name     string
		model    string
		endpoint uint8
		steps    []step
		then     func(*world)
	}{
		{"on, off and toggle", "TS011F", 1, []step{
			{0x0006, "01 01 00", []string{"18 01 0b 00 00"}, 0},
			{0x0006, "10 02 00 0000", []string{"18 02 01 0000 00 10 00"}, 0},
			{0x0006, "11 03 01", nil, 0}, // no default response wanted
			{0x0006, "10 04 00 0000", []string{"18 04 01 0000 00 10 01"}, 0},
			{0x0006, "01 05 02", []string{"18 05 0b 02 00"}, 0},
			{0x0006, "01 06 09", []string{"18 06 0b 09 81"}, 0},
			{0x0006, "05 5f11 07 01", []string{"1c 5f11 07 0b 01 84"}, 0},
		}, is("state", 0)},
		{"on with timed off, in seconds", "TS011F", 1, []step{
			{0x0006, "01 01 00", []string{"18 01 0b 00 00"}, 0},
			{0x0006, "01 02 42 00 0a00 0000", []string{"18 02 0b 42 00"}, 0},
			{0x0006, "10 03 00 0000 0140", []string{"18 03 01 0000 00 10 01 0140 00 21 0a00"}, 5 * time.Second},
			{0x0006, "10 04 00 0140", []string{"18 04 01 0140 00 21 0500"}, 6 * time.Second},
			{0x0006, "10 05 00 0000 0140", []string{"18 05 01 0000 00 10 00 0140 00 21 0000"}, 0},
			{0x0006, "01 06 42 00 0a", []string{"18 06 0b 42 80"}, 0},
			{0x0006, "01 07 42 01 0a00 0000", []string{"18 07 0b 42 00"}, 0}, // only when it is on
		}, is("state", 0)},
		{"on with timed off, in tenths, and off ends it", "INSPELNING", 1, []step{
			{0x0006, "01 01 42 00 6400 0000", []string{"18 01 0b 42 00"}, 9 * time.Second},
			{0x0006, "10 02 00 0140", []string{"18 02 01 0140 00 21 0900"}, 0},
			{0x0006, "01 03 01", []string{"18 03 0b 01 00"}, 5 * time.Second},
		}, is("state", 1)},
		{"start-up behaviour", "INSPELNING", 1, []step{
			{0x0006, "10 01 00 0340", []string{"18 01 01 0340 00 30 ff"}, 0},
			{0x0006, "10 02 02 0340 30 01", []string{"18 02 04 00"}, 0},
			{0x0006, "10 03 00 0340", []string{"18 03 01 0340 00 30 01"}, 0},
		}, nil},
		{"a vendor's commands", "SPLZB-131", 2, []step{
			{0x0006, "05 1510 01 01 0a", []string{"1c 1510 01 0b 01 00"}, 0},
			{0x0006, "05 1510 02 07 0a", []string{"1c 1510 02 0b 07 81"}, 0},
		}, nil},
		{"groups", "TS011F", 1, []step{
			{0x0004, "01 01 00 0700 03 616263", []string{"19 01 00 00 0700"}, 0},
			{0x0004, "01 02 00 0700 00", []string{"19 02 00 8a 0700"}, 0},
			{0x0004, "01 03 00 0800 00", []string{"19 03 00 00 0800"}, 0},
			{0x0004, "01 04 01 0700", []string{"19 04 01 00 0700 03 616263"}, 0},
			{0x0004, "01 05 01 0900", []string{"19 05 01 8b 0900 00"}, 0},
			{0x0004, "01 06 02 00", []string{"19 06 02 0e 02 0700 0800"}, 0},
			{0x0004, "01 07 02 02 0800 0900", []string{"19 07 02 0e 01 0800"}, 0},
			{0x0004, "01 08 03 0700", []string{"19 08 03 00 0700"}, 0},
			{0x0004, "01 09 03 0700", []string{"19 09 03 8b 0700"}, 0},
			{0x0004, "01 0a 04", []string{"18 0a 0b 04 00"}, 0},
			{0x0004, "01 0b 02 00", []string{"19 0b 02 10 00"}, 0},
			{0x0004, "01 0c 00 0000 00", []string{"19 0c 00 87 0000"}, 0},
			{0x0004, "01 0d 00 07", []string{"18 0d 0b 00 80"}, 0},
			{0x0004, "01 0e 00 0700 0561", []string{"18 0e 0b 00 80"}, 0},
			{0x0004, "01 0f 02 02 07", []string{"18 0f 0b 02 80"}, 0},
			{0x0004, "01 10 09 0700", []string{"18 10 0b 09 81"}, 0},
		}, nil},
		{"scenes", "TS011F", 1, []step{
			{0x0005, "01 01 04 0700 01", []string{"19 01 04 85 0700 01"}, 0}, // no such group
			{0x0004, "01 02 00 0700 00", []string{"19 02 00 00 0700"}, 0},
			{0x0005, "01 03 04 0700 01", []string{"19 03 04 00 0700 01"}, 0},
			{0x0006, "01 04 00", []string{"18 04 0b 00 00"}, 0},
			{0x0005, "01 05 05 0700 01", []string{"18 05 0b 05 00"}, 0},
			{0x0006, "10 06 00 0000", []string{"18 06 01 0000 00 10 01"}, 0},
			{0x0005, "01 07 01 0700 01", []string{"19 07 01 00 0700 01 0000 00 0600 01 01"}, 0},
			{0x0005, "01 08 06 0700", []string{"19 08 06 00 0f 0700 01 01"}, 0},
			{0x0005, "01 09 00 0700 02 0500 02 6162 0600 01 00", []string{"19 09 00 00 0700 02"}, 0},
			{0x0005, "01 0a 05 0700 02", []string{"18 0a 0b 05 00"}, 0},
			{0x0006, "10 0b 00 0000", []string{"18 0b 01 0000 00 10 00"}, 0},
			{0x0005, "10 0c 00 0000 0100 0300", []string{"18 0c 01 0000 00 20 02 0100 00 20 02 0300 00 10 01"}, 0},
			{0x0005, "01 0d 02 0700 02", []string{"19 0d 02 00 0700 02"}, 0},
			{0x0005, "01 0e 05 0700 02", []string{"18 0e 0b 05 8b"}, 0},
			{0x0005, "01 0f 03 0700", []string{"19 0f 03 00 0700"}, 0},
			{0x0005, "01 10 06 0800", []string{"19 10 06 85 10 0800"}, 0},
			{0x0005, "01 11 00 0700 02 0500 02 61", []string{"18 11 0b 00 80"}, 0},
			{0x0005, "01 12 00 0700 02 0500 00 0600 05 00", []string{"18 12 0b 00 80"}, 0},
		}, nil},
		{"a group's scenes go with it", "TS011F", 1, []step{
			{0x0004, "01 01 00 0700 00", []string{"19 01 00 00 0700"}, 0},
			{0x0005, "01 02 04 0700 01", []string{"19 02 04 00 0700 01"}, 0},
			{0x0004, "01 03 03 0700", []string{"19 03 03 00 0700"}, 0},
		}, func(w *world) {
			if m := w.node.Memory(); len(m.Scenes)+len(m.Groups) != 0 {
				w.t.Errorf("got %+v", m)
			}
		}},
		{"identify", "TS011F", 1, []step{
			{0x0003, "01 01 01", []string{"18 01 0b 01 00"}, 0},
			{0x0003, "01 02 00 0a00", []string{"18 02 0b 00 00"}, 3 * time.Second},
			{0x0003, "01 03 01", []string{"19 03 00 0700"}, 0},
			{0x0003, "10 04 00 0000", []string{"18 04 01 0000 00 21 0700"}, 0},
			{0x0003, "01 05 09", []string{"18 05 0b 09 81"}, 0},
		}, nil},
		{"poll control", "HMSZB-110", 38, []step{
			{0x0020, "10 01 00 0000 0100 0200 0300", []string{"18 01 01 0000 00 23 40380000 0100 00 23 18000000 0200 00 21 0200 0300 00 21 2800"}, 0},
			{0x0020, "01 02 02 30000000", []string{"18 02 0b 02 00"}, 0},
			{0x0020, "01 03 03 0400", []string{"18 03 0b 03 00"}, 0},
			{0x0020, "01 04 03 0000", []string{"18 04 0b 03 87"}, 0},
			{0x0020, "01 05 02 01000000", []string{"18 05 0b 02 87"}, 0},
			{0x0020, "10 06 00 0100 0200", []string{"18 06 01 0100 00 23 30000000 0200 00 21 0400"}, 0},
			{0x0020, "10 07 02 0000 23 10000000", []string{"18 07 04 87 0000"}, 0}, // shorter than the long poll
			{0x0020, "01 08 00 01 0000", []string{"18 08 0b 00 00"}, 0},
			{0x0020, "01 09 00 01", []string{"18 09 0b 00 81"}, 0},
		}, nil},
		{"Tuya's cluster", "PJ-1203A", 1, []step{
			{0xEF00, "01 01 10 0001", []string{"19 01 11 0001 43"}, 0},
			{0xEF00, "11 02 04 0002 81 02 0004 0000001e", []string{"09 61 01 0001 81 02 0004 0000001e"}, 0},
			{0xEF00, "11 03 00 0003 81 02 0004 000000ff", nil, 0}, // out of range
			{0xEF00, "11 04 00 0004 81 01 0001 01", nil, 0},       // of another type
			{0xEF00, "01 05 00 0005 81 02 0004 0000", []string{"18 05 0b 00 80"}, 0},
			{0xEF00, "01 06 00 0005", []string{"18 06 0b 00 80"}, 0},
			{0xEF00, "11 07 24 0008 00000000 00000000", nil, 0},
			{0xEF00, "01 08 77", []string{"18 08 0b 77 81"}, 0},
		}, is("update_frequency", 30)},
		{"a counter that a command zeroes", "PC321", 1, []step{
			{0xFFE0, "05 3c11 01 00", []string{"1c 3c11 01 0b 00 00"}, 0},
		}, is("energy_l1", 0)},
		{"the basic cluster's reset", "SIN-4-1-21", 1, []step{
			{0x0000, "01 01 00", []string{"18 01 0b 00 00"}, 0},
			{0x0000, "01 02 01", []string{"18 02 0b 01 81"}, 0},
		}, nil},
		{"the siren", "SMSZB-120", 35, []step{
			{0x0502, "01 01 00 17 1e00 00 00", []string{"18 01 0b 00 00"}, 0},
		}, nil},
		{"an image notice", "SPLZB-131", 2, []step{
			{0x0019, "09 01 00 00 64", []string{"10 01 0b 00 98"}, 0},
		}, nil},
		{"an image notice to one with firmware to tell", "3RSP02028BZ", 1, []step{
			{0x0019, "09 01 00 00 64", []string{"11 01 01 00 3312 0011 55000000"}, 0},
			{0x0019, "09 02 05 00 64", nil, 0},
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.steps {
				if tt.steps[i].want != nil {
					tt.steps[i].want = append([]string(nil), tt.steps[i].want...)
				}
			}
			play(t, tt.model, tt.endpoint, tt.steps, tt.then)
		})
	}
}

func TestGroupcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "SIN-4-2-20", joined(), 0)
		w.want(w.ask(radio.Frame{Profile: 0x0104, Cluster: 0x0004, SourceEndpoint: 1, DestinationEndpoint: 1}, "01 01 00 0700 00"), "19 01 00 00 0700")
		f := radio.Frame{Profile: 0x0104, Cluster: 0x0006, SourceEndpoint: 1, DestinationEndpoint: 0xFF, Group: 7, Multicast: true}
		w.want(w.ask(f, "01 02 01")) // nobody answers a multicast
		w.air.Do(func() {
			if w.values.Get("state_l1") != 1 || w.values.Get("state_l2") != 1 {
				t.Errorf("got %v and %v, want both on", w.values.Get("state_l1"), w.values.Get("state_l2"))
			}
		})
		w.want(w.ask(f, "01 03 00"))
		w.air.Do(func() {
			if w.values.Get("state_l1") != 0 || w.values.Get("state_l2") != 1 {
				t.Errorf("got %v and %v, want the member of the group off", w.values.Get("state_l1"), w.values.Get("state_l2"))
			}
		})
	})
}

func TestZone(t *testing.T) {
	for _, tt := range []struct{ model, notification string }{
		{"WISZB-120", "01 00 00 17 0000"},
		{"WISZB-120-short", "01 00"},
	} {
		t.Run(tt.model, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, tt.model, joined(), 0)
				zcl := func(payload string) []string {
					return w.ask(radio.Frame{Profile: 0x0104, Cluster: 0x0500, SourceEndpoint: 1, DestinationEndpoint: 35}, payload)
				}
				w.set("open", 0)
				w.want(zcl("10 01 00 0000 0100 0200 1000 1100"), "18 01 01 0000 00 30 00 0100 00 31 1500 0200 00 19 0000 1000 00 f0 0000000000000000 1100 00 20 ff")
				w.set("open", 1)
				w.pass(time.Minute) // nobody is told before it is enrolled
				w.want(zcl("10 02 02 1000 f0 78563412004b1200"), "18 02 04 00")
				w.air.Do(func() { w.hub.heard = nil })
				w.pass(time.Second)
				if got := w.payloads(0x0500); len(got) != 1 || !strings.HasSuffix(got[0], "0115001510") {
					t.Errorf("got %v, want one request to be enrolled", got)
				}
				w.want(zcl("01 03 00 00 17"), "18 03 0b 00 00", got1(w, tt.notification))
				w.want(zcl("10 04 00 0000 1100"), "18 04 01 0000 00 30 01 1100 00 20 17")
				w.air.Do(func() { w.hub.heard = nil })
				w.set("open", 0)
				w.pass(time.Second)
				if got := w.payloads(0x0500); len(got) != 1 || !strings.HasSuffix(got[0], "00"+strings.ReplaceAll("00"+tt.notification[2:], " ", "")) {
					t.Errorf("got %v, want one change of status", got)
				}
				w.air.Do(func() { w.hub.heard = nil })
				w.set("open", 0)
				w.pass(time.Second)
				if got := w.payloads(0x0500); len(got) != 0 {
					t.Errorf("got %v although nothing changed", got)
				}
				w.air.Do(w.node.Trigger)
				w.pass(time.Second)
				if got := w.payloads(0x0500); len(got) != 1 {
					t.Errorf("got %v, want the status told once more", got)
				}
			})
		})
	}
}

// got1 is the first status that an enrolled zone tells.
func got1(w *world, notification string) string {
	all := w.payloads(0x0500)
	if len(all) == 0 {
		return "nothing"
	}
	last := all[len(all)-1]
	if !strings.HasSuffix(last, strings.ReplaceAll(notification, " ", "")) {
		w.t.Errorf("got %s, want a status of %s", last, notification)
	}
	return last
}

// payloads returns what the hub heard of a cluster.
func (w *world) payloads(cluster uint16) (all []string) {
	for _, f := range w.heard() {
		if f.Cluster == cluster {
			all = append(all, hex.EncodeToString(f.Payload))
		}
	}
	return all
}

func TestTuyaBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "PJ-1203A", joined(), 0)
		w.set("power_a", -500)
		w.set("power_b", 0)
		w.air.Do(func() { w.hub.heard = nil })
		w.pass(21 * time.Second)
		all := w.payloads(0xEF00)
		// 14 datapoints but the direction of a channel without current, and at
		// first the 4 energies.
		if want := 13 + 4 + 13; len(all) != want {
			t.Fatalf("got %d frames in two intervals, want %d", len(all), want)
		}
		last := -1
		for _, p := range all {
			b, _ := hex.DecodeString(p)
			if b[0] != 0x09 || b[2] != 0x02 {
				t.Errorf("got %s, want a report from the server", p)
			}
			seq := int(b[3])<<0 | int(b[4])<<8
			if last >= 0 && seq != (last+256)&0xFFFF {
				t.Errorf("sequence number %04x after %04x, want 256 more", seq, last)
			}
			last = seq
		}
		if got := all[0][10:]; got != "6604000101" {
			t.Errorf("direction: got %s, want producing", got)
		}
		if got := all[3][10:]; got != "6502000400001388" {
			t.Errorf("power: got %s, want 500.0 W without a sign", got)
		}
	})
}

func TestPollControlChecksIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "HMSZB-110", joined(), 0)
		w.pass(2 * time.Hour)
		if got := w.payloads(0x0020); len(got) != 0 {
			t.Errorf("got %v without a binding", got)
		}
		w.zdo(0x0021, "01 a511021b00bc1500 26 2000 03 78563412004b1200 01")
		w.air.Do(func() { w.hub.heard = nil })
		w.pass(time.Hour)
		if got := w.payloads(0x0020); len(got) != 1 || got[0][:2] != "09" || got[0][4:] != "00" {
			t.Errorf("got %v, want one check-in", got)
		}
		w.air.Do(func() {
			w.hub.heard = nil
			if err := w.node.Press(); err != nil {
				t.Error(err)
			}
		})
		w.pass(time.Second)
		if got := w.payloads(0x0020); len(got) != 1 {
			t.Errorf("got %v after the button, want one check-in", got)
		}
	})
}

func TestSleepingDevicePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "HMSZB-110", joined(), 0)
		w.pass(time.Hour + time.Minute)
		at := func() (d time.Duration) { w.air.Do(func() { d = w.node.Wakes() }); return d }
		if d := at(); d <= 0 || d > 6*time.Second {
			t.Errorf("asleep: it polls in %v, want up to 6 s", d)
		}
		w.ask(radio.Frame{Profile: 0x0104, Cluster: 0x0000, SourceEndpoint: 1, DestinationEndpoint: 38}, "10 01 00 0500")
		if d := at(); d > 250*time.Millisecond {
			t.Errorf("after a frame: it polls in %v, want up to 250 ms", d)
		}
		w.pass(4 * time.Second)
		w.air.Do(func() { w.node.Press() })
		w.pass(30 * time.Second)
		if d := at(); d > 250*time.Millisecond {
			t.Errorf("half a minute after the button: it polls in %v, want up to 250 ms", d)
		}
		w.ask(radio.Frame{Profile: 0x0104, Cluster: 0x0020, SourceEndpoint: 1, DestinationEndpoint: 38}, "01 02 01") // stop
		w.pass(4 * time.Second)
		if d := at(); d <= 250*time.Millisecond && d != 0 {
			w.pass(300 * time.Millisecond)
			if d = at(); d <= 250*time.Millisecond {
				t.Errorf("after fast poll was stopped: it polls in %v", d)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "EMIZB-141", joined(), 0)
		w.pass(time.Hour)
		w.air.Do(func() {
			if d := w.node.Wakes(); d != 0 {
				t.Errorf("the meter hears in %v, want at once", d)
			}
		})
	})
}

func TestReportingOfAllTypes(t *testing.T) {
	tests := []struct {
		name       string
		model      string
		endpoint   uint8
		cluster    uint16
		configure  string
		quantity   string
		from, less float64 // less: not enough to be told
		enough     float64
		want       string // end of the report
	}{
		{"unsigned", "TS011F", 1, 0x0B04, "10 02 06 00 0505 21 0000 0000 0500", "voltage", 230, 234, 225, "0505 21 e100"},
		{"signed", "TS011F", 1, 0x0B04, "10 02 06 00 0b05 29 0000 0000 0a00", "power", 100, 91, 90, "0b05 29 5a00"},
		{"a bitmap at any change", "SNZB-03P", 1, 0x0406, "10 02 06 00 0000 18 0000 0000", "occupancy", 0, 0, 1, "0000 18 01"},
		{"a switch at any change", "TS011F", 1, 0x0006, "10 02 06 00 0000 10 0000 0000", "state", 1, 1, 0, "0000 10 00"},
		{"48 bits", "EMIZB-141", 2, 0x0702, "10 02 06 00 0000 25 0000 0000 640000000000", "energy", 1000, 1000.099, 1000.1, "0000 25 a4420f000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, tt.model, joined(), 0)
				if tt.quantity == "energy" {
					w.set("power", 0)
				}
				w.set(tt.quantity, tt.from)
				bind := "01 a511021b00bc1500" + hex.EncodeToString([]byte{tt.endpoint, byte(tt.cluster), byte(tt.cluster >> 8)}) + "03 78563412004b1200 01"
				w.want(w.zdo(0x0021, bind), "0100")
				w.want(w.ask(radio.Frame{Profile: 0x0104, Cluster: tt.cluster, SourceEndpoint: 1, DestinationEndpoint: tt.endpoint}, tt.configure), "18 02 07 00")
				w.pass(2 * time.Second)
				w.air.Do(func() { w.hub.heard = nil })
				w.set(tt.quantity, tt.less)
				w.pass(5 * time.Second)
				if got := w.payloads(tt.cluster); len(got) != 0 {
					t.Errorf("got %v although nothing worth it changed", got)
				}
				w.set(tt.quantity, tt.enough)
				w.pass(2 * time.Second)
				if got := w.payloads(tt.cluster); len(got) != 1 || !strings.HasSuffix(got[0], "0a"+strings.ReplaceAll(tt.want, " ", "")) {
					t.Errorf("got %v, want one report of %s", got, tt.want)
				}
			})
		})
	}
}

func TestReportingPeculiarities(t *testing.T) {
	const configure = "10 02 06 00 0505 21 0000 0500 0100 00 0b05 29 0000 0500 0100" // every 5 s
	configured := func(t *testing.T, model string) *world {
		w := newWorldOf(t, model, joined(), 0)
		w.set("voltage", 230)
		w.set("power", 100)
		w.want(w.zdo(0x0021, "01 a511021b00bc1500 01 040b 03 78563412004b1200 01"), "0100")
		w.want(w.ask(radio.Frame{Profile: 0x0104, Cluster: 0x0B04, SourceEndpoint: 1, DestinationEndpoint: 1}, configure), "18 02 07 00")
		w.air.Do(func() { w.hub.heard = nil })
		return w
	}
	t.Run("two attributes share a frame", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := configured(t, "TS011F")
			w.pass(7 * time.Second)
			if got := w.payloads(0x0B04); len(got) != 1 {
				t.Errorf("got %v, want one frame", got)
			}
		})
	})
	t.Run("each alone, in the order in which they were configured", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := configured(t, "INSPELNING")
			w.pass(7 * time.Second)
			if got := w.payloads(0x0B04); len(got) != 2 || got[0][6:10] != "0505" || got[1][6:10] != "0b05" {
				t.Errorf("got %v, want two frames", got)
			}
		})
	})
	t.Run("one that never reports", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := configured(t, "TS011F-poll")
			w.pass(time.Minute)
			if got := w.payloads(0x0B04); len(got) != 0 {
				t.Errorf("got %v, want nothing", got)
			}
		})
	})
	t.Run("one that forgets without power", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorldOf(t, "Contactor", joined(), 0)
			w.zdo(0x0021, "01 a511021b00bc1500 01 040b 03 78563412004b1200 01")
			w.want(w.ask(radio.Frame{Profile: 0x0104, Cluster: 0x0B04, SourceEndpoint: 1, DestinationEndpoint: 1}, "10 02 06 00 0b05 29 0000 0500 0100"), "18 02 07 00")
			w.pass(6 * time.Second)
			if got := w.payloads(0x0B04); len(got) < 1 {
				t.Errorf("got %v, want reports", got)
			}
			w.air.Do(w.node.Restart)
			w.pass(time.Second)
			w.air.Do(func() { w.hub.heard = nil })
			w.pass(time.Minute)
			if got := w.payloads(0x0B04); len(got) != 0 || len(w.node.Memory().Bindings) != 1 {
				t.Errorf("got %v, want no reports and the binding still there", got)
			}
		})
	})
	t.Run("one that reports by itself, until it is told not to", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorldOf(t, "EMIZB-132", joined(), 0)
			w.pass(2 * time.Second)
			mode := func() (n int) {
				for _, p := range w.payloads(0x0702) {
					if strings.HasPrefix(p, "1c1510") && strings.HasSuffix(p, "0a0203310002") {
						n++
					}
				}
				w.air.Do(func() { w.hub.heard = nil })
				return n
			}
			if n := mode(); n != 1 {
				t.Errorf("got %d reports of the mode, want 1", n)
			}
			w.pass(601 * time.Second)
			if n := mode(); n != 1 {
				t.Errorf("got %d reports of the mode after 10 minutes, want 1", n)
			}
			zcl := func(payload string) []string {
				return w.ask(radio.Frame{Profile: 0x0104, Cluster: 0x0702, SourceEndpoint: 1, DestinationEndpoint: 2}, payload)
			}
			w.want(zcl("14 1510 01 06 00 0203 31 0a00 ffff"), "1c 1510 01 07 00")
			mode()
			w.pass(time.Hour)
			if n := mode(); n != 0 {
				t.Errorf("got %d reports of the mode after they were ended, want none", n)
			}
			w.want(zcl("14 1510 02 06 00 0203 31 ffff 0000"), "1c 1510 02 07 00") // as it was born
			w.pass(10 * time.Minute)
			if n := mode(); n == 0 {
				t.Error("got no reports of the mode after they were left to the device")
			}
		})
	})
}

func TestRouters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "TS011F", joined(), 0)
		w.want(w.zdo(0x0031, "01 00"), "01 00 01 00 01 dddd000000000000 78563412004b1200 0000 04 02 00 "+hex.EncodeToString([]byte{lqi(w)}))
		w.want(w.zdo(0x0032, "02 00"), "02 00 01 00 01 0000 30 0000")
		w.want(w.zdo(0x0032, "02"), "02 80")
		w.want(w.zdo(0x0036, "03 0a 00"), "03 00")
		w.air.Do(func() {
			if !w.node.Permits() {
				t.Error("the router is closed after it was opened")
			}
		})
		w.pass(11 * time.Second)
		w.air.Do(func() {
			if w.node.Permits() {
				t.Error("the router is open after its time")
			}
		})
		got := w.zdo(0x0038, "04 00f8ff07 03 01 00 0000")
		if len(got) != 1 || len(got[0]) != 2*(2+4+2+2+1+16) || !strings.HasPrefix(got[0], "040000f8ff07") {
			t.Errorf("energy scan: got %v", got)
		}
		w.want(w.zdo(0x0038, "05 00f8ff07 09 01 00 0000"), "05 80")
		// Another channel.
		w.want(w.ask(radio.Frame{Destination: radio.BroadcastAwake, Cluster: 0x0038}, "06 00001000 fe 01 0000"))
		w.pass(time.Second)
		w.air.Do(func() {
			if _, net, _ := w.node.Address(); net.Channel != 20 {
				t.Errorf("got channel %d, want 20", net.Channel)
			}
		})
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "HMSZB-110", joined(), 0)
		w.want(w.zdo(0x0031, "01 00"), "01 84")
		w.want(w.zdo(0x0036, "02 0a 00"), "02 84")
		w.want(w.zdo(0x0038, "03 00f8ff07 03 01 00 0000"), "03 84")
		// The hub is on another channel: the sleeper finds it by itself.
		w.air.Do(func() { w.hub.net.Channel = 25 })
		w.pass(time.Minute)
		w.air.Do(func() {
			if _, net, in := w.node.Address(); net.Channel != 25 || !in || w.hub.last.How != radio.SecuredRejoin {
				t.Errorf("got channel %d, %v, want 25 after a rejoin", net.Channel, w.hub.members)
			}
		})
	})
}

func lqi(w *world) (q uint8) {
	w.air.Do(func() { q = w.air.Neighbours(network, 0x7A3C)[0].LQI })
	return q
}

func TestJoiningThroughARouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "TS011F", joined(), 0)
		sensor, _ := w.add("SNZB-02D", 0x00124b0000000001, node.Memory{}, 0)
		where := func() (parent uint16, in bool) {
			w.air.Do(func() { _, _, in = sensor.Address(); parent = sensor.Parent() })
			return parent, in
		}
		w.pass(time.Minute)
		if _, in := where(); in {
			t.Fatal("the sensor joined a closed network")
		}
		w.air.Do(func() { w.hub.shut = true })
		w.zdo(0x0036, "01 3c 00")
		w.pass(time.Second)
		if _, in := where(); in {
			t.Fatal("the sensor joined although the trust centre admits nobody")
		}
		w.air.Do(func() { w.hub.shut = false; w.air.Changed() })
		w.pass(time.Second)
		parent, in := where()
		if !in || parent != 0x7A3C || w.hub.last.Parent != 0x7A3C || w.hub.last.How != radio.UnsecuredJoin || !w.hub.last.Sleepy {
			t.Errorf("got parent %04x %v, told as %+v; want the router", parent, in, w.hub.last)
		}
		if m := w.zdo(0x0031, "02 00"); len(m) != 1 || !strings.HasPrefix(m[0], "02000200") {
			t.Errorf("the router's neighbours: got %v, want 2", m)
		}

		// Without its parent it finds another one: there is the coordinator only.
		w.air.Do(func() { w.node.Silence(true) })
		w.pass(30 * time.Second)
		if parent, in := where(); !in || parent != radio.Coordinator || w.hub.last.How != radio.SecuredRejoin {
			t.Errorf("got parent %04x %v, told as %+v; want the coordinator", parent, in, w.hub.last)
		}
	})
}

func TestAnInstallCodeMustBeKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "TS011F", joined(), 0)
		w.air.Do(func() { w.hub.open = true })
		w.pass(time.Second)
		var members int
		coded := w.addCoded("SPLZB-131", 0x0015bc0000000009, radio.Key{1})
		w.air.Do(func() { w.air.Changed() })
		w.pass(5 * time.Second)
		w.air.Do(func() {
			members = len(w.hub.members)
			if _, _, in := coded.Address(); in {
				t.Error("a device joined with a link key that the trust centre does not have")
			}
			w.hub.key = radio.Key{1}
			w.air.Changed()
		})
		w.pass(5 * time.Second)
		w.air.Do(func() {
			if _, _, in := coded.Address(); !in || len(w.hub.members) != members+1 {
				t.Error("the device did not join with its link key")
			}
		})
	})
}

func TestTheOwnersHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, "TS011F", node.Memory{}, 0)
		try := func(what string, f func() error, want error) {
			t.Helper()
			w.air.Do(func() {
				if err := f(); err != want {
					t.Errorf("%s: got %v, want %v", what, err, want)
				}
			})
			w.pass(2 * time.Second)
		}
		try("leaving no network", w.node.Leave, node.ErrNotJoined)
		try("rejoining no network", w.node.Rejoin, node.ErrNotJoined)
		w.air.Do(func() { w.hub.open = true; w.air.Changed() })
		w.pass(2 * time.Second)
		w.air.Do(func() { w.hub.open = false })
		before, _, _ := w.node.Address()
		try("rejoining", w.node.Rejoin, nil)
		if after, _, in := w.node.Address(); !in || after == before || w.hub.last.How != radio.SecuredRejoin {
			t.Errorf("got %04x after %04x, want another address", after, before)
		}
		w.air.Do(func() { w.node.Silence(true) })
		try("the button without power", w.node.Press, node.ErrSilent)
		try("leaving without power", w.node.Leave, node.ErrSilent)
		try("rejoining without power", w.node.Rejoin, node.ErrSilent)
		w.air.Do(func() { w.hub.heard = nil; w.node.Silence(false) })
		w.pass(time.Second)
		if got := w.payloads(0x0013); len(got) != 1 {
			t.Errorf("got %v, want an announcement when the power is back", got)
		}
		try("leaving", w.node.Leave, nil)
		if _, _, in := w.node.Address(); in || w.hub.last.How != radio.Left {
			t.Errorf("still part of the network; told as %+v", w.hub.last)
		}
	})
}

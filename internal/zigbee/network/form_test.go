package network

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
)

func TestFormsANetworkOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start(func(o *Options) { o.Channel = 20 })
		up := w.awaitUp()
		if up.Channel != 20 || up.EUI64 != simulator.DefaultEUI64 || up.EZSPVersion != 13 || up.Firmware != "7.4.4 build 0 [GA]" || up.Err != nil {
			t.Errorf("got %+v", up)
		}
		if v := w.sim.State(); v.PAN != up.PANID || v.Channel != up.Channel || !v.NetworkUp || v.PermitOpen {
			t.Errorf("the dongle says %+v, we say %+v", v, up)
		}
		info, err := os.Stat(filepath.Join(w.dir, statefile.Name))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
			t.Errorf("the file with the key has mode %v, want %v", got, want)
		}
		saved := savedIn(t, w.dir)
		if !isOwn(&saved) || saved.NetworkKey == saved.LinkKey {
			t.Error("something about the network is a default")
		}
	})
}

func TestNewNetworksDiffer(t *testing.T) {
	a, err := newNetwork(11)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newNetwork(11)
	if err != nil {
		t.Fatal(err)
	}
	if a.NetworkKey == b.NetworkKey || a.LinkKey == b.LinkKey || a.ExtendedPANID == b.ExtendedPANID {
		t.Error("two networks have something in common")
	}
}

func TestDefaultsAreNotOwn(t *testing.T) {
	own, err := newNetwork(11)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*savedNetwork){
		"Zigbee2MQTTPAN":        func(n *savedNetwork) { n.PANID = 0x1A62 },
		"BroadcastPAN":          func(n *savedNetwork) { n.PANID = 0xFFFF },
		"Zigbee2MQTTExtendedID": func(n *savedNetwork) { n.ExtendedPANID = 0xDDDDDDDDDDDDDDDD },
		"Zigbee2MQTTKey":        func(n *savedNetwork) { n.NetworkKey = publicKeys[0] },
		"WellKnownLinkKey":      func(n *savedNetwork) { n.LinkKey = wellKnownLinkKey },
		"ZeroKey":               func(n *savedNetwork) { n.NetworkKey = secret{} },
	} {
		t.Run(name, func(t *testing.T) {
			n := *own
			spoil(&n)
			if isOwn(&n) {
				t.Error("a default passes for an own network")
			}
		})
	}
}

func TestResumesWithoutPairing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		first := w.awaitUp()
		paired := w.pair()
		w.report()
		w.stop()
		key := savedIn(t, w.dir)

		w.start()
		if got := w.net.Devices(); len(got) != 1 || !got[0].Configured || got[0].Interview != InterviewSuccessful {
			t.Fatalf("before the dongle is there: got %+v", got)
		}
		second := w.awaitUp()
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("the network has changed (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(key, savedIn(t, w.dir)); diff != "" {
			t.Errorf("the saved network has changed (-first +second):\n%s", diff)
		}
		e := w.report()
		if e.Device.EUI64 != paired.EUI64 || e.Device.NodeID != paired.NodeID {
			t.Errorf("got a report of %+v, want %+v", e.Device, paired)
		}
		for _, e := range w.seen {
			switch e.Kind {
			case Joined, InterviewStarted, Configured:
				t.Errorf("%v although nothing is new", e.Kind)
			}
		}
	})
}

func TestRestoresTheNetworkOnAnEmptyDongle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		before := w.awaitUp()
		w.pair()
		w.stop()
		w.sim.Close()

		w.plug(simulator.Options{EUI64: 0x00124b0099999999})
		key := savedIn(t, w.dir).NetworkKey
		w.start()
		after := w.awaitUp()
		before.EUI64, before.Firmware = after.EUI64, after.Firmware
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
		if got := savedIn(t, w.dir).NetworkKey; got != key {
			t.Error("the restored network has another key")
		}
		w.stop()
		w.start() // and that is resumed like any other
		w.awaitUp()
	})
}

// savedIn is the network in the state of a directory.
func savedIn(t *testing.T, dir string) savedNetwork {
	t.Helper()
	f, err := statefile.Open(filepath.Join(dir, statefile.Name))
	if err != nil {
		t.Fatal(err)
	}
	var saved savedNetwork
	if ok, err := f.Get(statefile.Network, &saved); err != nil || !ok {
		t.Fatalf("no network is saved: %v", err)
	}
	return saved
}

func TestLeavesAForeignNetworkAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := newWorld(t, simulator.Options{})
		other.start()
		theirs := other.awaitUp()
		other.stop()

		w := newWorld(t, simulator.Options{})
		w.start()
		ours := w.awaitUp()
		w.stop()

		w.sim = other.sim
		w.start()
		down := w.awaitDown()
		if down.Err == nil || !strings.Contains(down.Err.Error(), hex16(theirs.PANID)) || !strings.Contains(down.Err.Error(), hex16(ours.PANID)) {
			t.Errorf("got error %v, want one that names both networks", down.Err)
		}
		if hint := Hint(down.Err); !strings.Contains(hint, statefile.Name) {
			t.Errorf("got hint %q, want one that names %s", hint, statefile.Name)
		}
		w.stop()
		other.start()
		if got := other.awaitUp(); got.PANID != theirs.PANID {
			t.Errorf("the foreign network is now %+v, was %+v", got, theirs)
		}
	})
}

func TestTakesOverTheDonglesNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		before := w.awaitUp()
		w.pair()
		w.stop()

		w.dir = t.TempDir() // the data directory is lost
		w.start()
		after := w.awaitUp()
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
		e := w.await(Configured, nil) // the meter is found when it reports
		if e.EUI64 != meterEUI64 || e.Device.ModelID != "EMIZB-141" {
			t.Errorf("got %+v", e.Device)
		}
		w.report()
	})
}

func TestStatesThatCannotBeRead(t *testing.T) {
	const head, rest = `{"version":1,"readable_from":1,"network":`, `}`
	good := head + `{"pan_id":"0x1234","extended_pan_id":"0x0123456789abcdef","channel":11,"update_id":0,
		"network_key":"00112233445566778899aabbccddeeff","network_key_sequence":0,"network_key_frame_counter":1,
		"trust_centre_link_key":"ffeeddccbbaa99887766554433221100","coordinator":"0x00124b0012345678","formed":"2026-01-01T00:00:00Z"}` + rest
	tests := []struct{ name, state, wantErr string }{
		{"Good", good, ""},
		{"Cut", good[:80], "cannot be read"},
		{"OfALaterVersion", strings.Replace(good, `"readable_from":1`, `"readable_from":9`, 1), "newer version"},
		{"ShortKey", strings.Replace(good, "00112233445566778899aabbccddeeff", "0011", 1), "cannot be read"},
		{"NoKey", strings.Replace(good, `"network_key":"00112233445566778899aabbccddeeff",`, "", 1), "missing"},
		{"ImpossibleChannel", strings.Replace(good, `"channel":11`, `"channel":99`, 1), "out of range"},
		{"Empty", "", "cannot be read"},
		{"DevicesAreNoList", head[:len(head)-len(`"network":`)] + `"devices":{}}`, "devices"},
		{"EarlierRelease", "", "form 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, statefile.Name)
			if tt.name == "EarlierRelease" {
				path = filepath.Join(dir, "network.json")
				tt.state = `{"version":9}`
			}
			if err := os.WriteFile(path, []byte(tt.state), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := New(Options{Dial: unusedDial, Dir: dir})
			switch {
			case tt.wantErr == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr) || Hint(err) == ""):
				t.Errorf("got %v (hint %q), want %q and a hint", err, Hint(err), tt.wantErr)
			case err != nil && strings.Contains(err.Error(), "00112233"):
				t.Errorf("the error shows the key: %v", err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tt.state {
				t.Error("the file was changed")
			}
		})
	}
}

// The state of the release before this one, as it wrote it.
func TestTakesOverAnEarlierReleasesState(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"network.json": `{"version":1,"pan_id":"0x1234","extended_pan_id":"0x0123456789abcdef","channel":15,"update_id":1,
			"network_key":"00112233445566778899aabbccddeeff","network_key_sequence":2,"network_key_frame_counter":3,
			"trust_centre_link_key":"ffeeddccbbaa99887766554433221100","coordinator":"0x00124b0012345678","formed":"2026-01-01T00:00:00Z"}`,
		"devices.json": `{"version":1,"devices":[{"eui64":"` + meterEUI64.String() + `","node_id":4660,"type":"EndDevice","model_id":"EMIZB-141",
			"manufacturer_code":4117,"power_source":3,"endpoints":[{"id":2,"profile":260,"device_id":83,"in":[0,1794]}],
			"interview":"SUCCESSFUL","configured":true,"link_quality":200,"last_seen":"2026-01-02T00:00:00Z",
			"joined":"2026-01-01T00:00:00Z","available":true,"sleepy":true}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := New(Options{Dial: unusedDial, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := n.saved; got == nil || got.PANID != 0x1234 || got.KeySequence != 2 || got.NetworkKey[1] != 0x11 || got.FrameCounter != 3 {
		t.Error("the network is another")
	}
	d, ok := n.Device(meterEUI64)
	if !ok || d.ModelID != "EMIZB-141" || !d.Configured || len(d.Endpoints) != 1 || !n.devices[meterEUI64].sleepy {
		t.Errorf("got %+v", d)
	}
}

func TestDevicesSurviveTheirFile(t *testing.T) {
	dir := t.TempDir()
	n, err := New(Options{Dial: unusedDial, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	hw := uint16(3)
	want := Device{
		EUI64: meterEUI64, NodeID: 0x1234, Type: TypeEndDevice, ManufacturerName: "frient A/S", ModelID: "EMIZB-141",
		DateCode: "20260101", HWVersion: &hw, ManufacturerCode: 0x1015, PowerSource: 3,
		Endpoints: []Endpoint{{ID: 2, Profile: 0x0104, DeviceID: 0x53, In: []uint16{0, 0x0702}, Out: []uint16{0x000A},
			Bindings:  []Binding{{Cluster: 0x0702, Target: 1, TargetEndpoint: 1}},
			Reporting: []Reporting{{Cluster: 0x0702, Attribute: 0x0400, Min: 10, Max: 300, Change: 5}}}},
		Interview: InterviewSuccessful, Configured: true, LinkQuality: 200, Available: true,
		Joined: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), LastSeen: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
	}
	n.devices[want.EUI64] = newDevice(want, true)
	n.dirty = true
	n.saveDevices()
	n, err = New(Options{Dial: unusedDial, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Device{want}, n.Devices()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !n.devices[want.EUI64].sleepy || n.nodes[0x1234] == nil {
		t.Error("that it sleeps, or its address, was lost")
	}
}

func TestImpossibleOptions(t *testing.T) {
	if _, err := New(Options{Dir: t.TempDir()}); err == nil {
		t.Error("no Dial, no error")
	}
	if _, err := New(Options{Dial: unusedDial, Dir: t.TempDir(), Channel: 27}); err == nil || Hint(err) == "" {
		t.Errorf("channel 27: got %v", err)
	}
}

func TestKeysDoNotPrintThemselves(t *testing.T) {
	k := secret{1, 2, 3}
	for _, got := range []string{k.String(), k.GoString()} {
		if got != "(key)" {
			t.Errorf("got %q", got)
		}
	}
}

func unusedDial(context.Context) (io.ReadWriteCloser, error) {
	return nil, errors.New("not to be called")
}

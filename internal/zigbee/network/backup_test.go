package network

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// backupIn is the backup in a directory.
func backupIn(t *testing.T, dir string) *coordbackup.Backup {
	t.Helper()
	path := filepath.Join(dir, coordbackup.Name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := coordbackup.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fi.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("the backup has mode %v, want %v", got, want)
	}
	return b
}

func TestBacksUpByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start(func(o *Options) { o.Version = "1.2.3" })
		up := w.awaitUp()
		time.Sleep(time.Second)
		b := backupIn(t, w.dir)
		saved := savedIn(t, w.dir)
		want := coordbackup.Backup{
			Source: "hems@1.2.3", Time: b.Time, EZSPVersion: 13, Coordinator: up.EUI64, PANID: up.PANID, ExtendedPANID: up.ExtendedPANID,
			Channel: up.Channel, Channels: b.Channels, SecurityLevel: 5,
			NetworkKey: coordbackup.Key(saved.NetworkKey), LinkKeySeed: coordbackup.Key(saved.LinkKey), FrameCounter: b.FrameCounter,
		}
		if diff := cmp.Diff(&want, b); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		d := w.pair()
		time.Sleep(2 * backupDelay)
		b = backupIn(t, w.dir)
		if len(b.Devices) != 1 || b.Devices[0].EUI64 != meterEUI64 || b.Devices[0].NodeID != d.NodeID {
			t.Errorf("after a join: got %+v", b.Devices)
		}
		counter := b.FrameCounter
		time.Sleep(2 * time.Hour)
		if b = backupIn(t, w.dir); b.FrameCounter < counter || b.FrameCounter == 0 {
			t.Errorf("two hours later: the frame counter is %d, was %d", b.FrameCounter, counter)
		}

		asked, err := w.net.Backup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !asked.SameNetwork(b) || asked.FrameCounter < b.FrameCounter || len(asked.Devices) != 1 {
			t.Errorf("asked for: got %+v", asked)
		}
		w.stop()
		if asked, err = w.net.Backup(t.Context()); err != nil || !asked.SameNetwork(b) {
			t.Errorf("without a dongle: %v, %v", asked, err)
		}
	})
}

func TestNothingToBackUp(t *testing.T) {
	n, err := New(Options{Dial: unusedDial, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := n.Backup(t.Context()); !errors.Is(err, ErrDown) {
		t.Errorf("got %v, %v", b, err)
	}
}

// The network goes on on another dongle, whether that can take the address of
// the one before or not.
func TestAnotherDongleTakesTheAddress(t *testing.T) {
	const other = 0x00124b0099999999
	for name, tt := range map[string]struct {
		ezsp uint8
		want zcl.EUI64
	}{
		"FirmwareThatCan":    {13, simulator.DefaultEUI64},
		"NewFirmware":        {16, simulator.DefaultEUI64},
		"FirmwareThatCannot": {8, other},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, simulator.Options{EZSP: tt.ezsp})
				w.start()
				before := w.awaitUp()
				w.pair()
				w.stop()
				counter := savedIn(t, w.dir).FrameCounter
				w.sim.Close()

				w.plug(simulator.Options{EZSP: tt.ezsp, EUI64: other})
				w.start()
				after := w.awaitUp()
				if after.EUI64 != tt.want {
					t.Errorf("the dongle is %v, want %v", after.EUI64, tt.want)
				}
				if after.PANID != before.PANID || after.ExtendedPANID != before.ExtendedPANID || after.Channel != before.Channel {
					t.Errorf("got %+v, was %+v", after, before)
				}
				b, err := w.net.Backup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if b.FrameCounter < counter+counterBump || b.Coordinator != tt.want {
					t.Errorf("frame counter %d (was %d), coordinator %v", b.FrameCounter, counter, b.Coordinator)
				}
				d, _ := w.net.Device(meterEUI64)
				if same := after.EUI64 == before.EUI64; d.Configured != same {
					t.Errorf("configured: %v, want %v: it is bound to %v, the coordinator is %v", d.Configured, same, before.EUI64, after.EUI64)
				}
				w.stop()
				w.start() // and it is resumed like any other
				if again := w.awaitUp(); again.EUI64 != tt.want {
					t.Errorf("started again it is %v, want %v", again.EUI64, tt.want)
				}
			})
		})
	}
}

// A backup that somebody has put there makes the network on an empty dongle, or
// is what an existing network is recognised by.
func TestRestoresAPlacedBackup(t *testing.T) {
	for _, name := range []string{"OnAnEmptyDongle", "OnTheDongleItself"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, simulator.Options{})
				w.start()
				before := w.awaitUp()
				w.pair()
				w.stop()
				text, err := os.ReadFile(filepath.Join(w.dir, coordbackup.Name))
				if err != nil {
					t.Fatal(err)
				}
				if name == "OnAnEmptyDongle" {
					w.sim.Close()
					w.plug(simulator.Options{EUI64: 0x00124b0099999999})
				}
				w.dir = t.TempDir()
				if err := os.WriteFile(filepath.Join(w.dir, coordbackup.Name), text, 0o600); err != nil {
					t.Fatal(err)
				}
				w.start()
				if d, ok := w.net.Device(meterEUI64); !ok || d.NodeID == unknownNode || d.Interview != InterviewPending {
					t.Errorf("before the dongle is there: got %+v", d)
				}
				after := w.awaitUp()
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("(-before +after):\n%s", diff)
				}
				if savedIn(t, w.dir).NetworkKey == (secret{}) {
					t.Error("it was not saved")
				}
			})
		})
	}
}

func TestPlacedBackupsThatCannotBe(t *testing.T) {
	for name, text := range map[string]string{"Damaged": "{", "Empty": "", "Other": `{"a":1}`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, coordbackup.Name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := New(Options{Dial: unusedDial, Dir: dir})
			if err == nil || !strings.Contains(err.Error(), path) || Hint(err) == "" {
				t.Errorf("got %v (hint %q), want an error with the path and a hint", err, Hint(err))
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != text {
				t.Errorf("the file was changed: %q, %v", got, err)
			}
		})
	}
}

// zstack is a backup of a dongle of another kind: keys of single devices, and
// nothing to hash them from.
func zstack(keys int) *coordbackup.Backup {
	b := &coordbackup.Backup{
		Source: "zigbee-herdsman@1", Coordinator: 0x00124b0021cc0001, PANID: 0x2b3c, ExtendedPANID: 0x00124b0021cc0001,
		Channel: 25, SecurityLevel: 5, NetworkKey: coordbackup.Key{1, 2, 3}, FrameCounter: 5000,
	}
	for i := range keys {
		b.Devices = append(b.Devices, coordbackup.Device{
			EUI64: zcl.EUI64(0x0015bc003f000001 + i), NodeID: uint16(0x100 + i),
			LinkKey: &coordbackup.LinkKey{Key: coordbackup.Key{9, byte(i)}, Outgoing: 700},
		})
	}
	return b
}

func TestRestoresANetworkOfAnotherKindOfDongle(t *testing.T) {
	for name, version := range map[string]uint8{"EZSP8": 8, "EZSP13": 13, "EZSP18": 18} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, simulator.Options{EZSP: version})
				want := zstack(20)
				text, err := want.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(w.dir, coordbackup.Name), text, 0o600); err != nil {
					t.Fatal(err)
				}
				w.start()
				up := w.awaitUp()
				if up.PANID != want.PANID || up.ExtendedPANID != want.ExtendedPANID || up.Channel != want.Channel {
					t.Errorf("got %+v", up)
				}
				for range 2 { // the second time the dongle is resumed
					b, err := w.net.Backup(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if !b.SameNetwork(want) || b.LinkKeySeed.IsZero() || len(b.Devices) != len(want.Devices) {
						t.Fatalf("got %+v", b)
					}
					for i, d := range b.Devices {
						if d.LinkKey == nil || d.LinkKey.Key != want.Devices[i].LinkKey.Key {
							t.Errorf("device %v has another key", d.EUI64)
						}
					}
					w.stop()
					w.start()
					w.awaitUp()
				}
			})
		})
	}
}

func TestImportSections(t *testing.T) {
	device := func(e zcl.EUI64) ImportedDevice { return ImportedDevice{Device: Device{EUI64: e, NodeID: 0x1234}} }
	for name, tt := range map[string]struct {
		backup  *coordbackup.Backup
		devices []ImportedDevice
		want    string
	}{
		"Good":      {zstack(2), []ImportedDevice{device(0x0015bc003f000001), device(7), device(8)}, ""},
		"BadBackup": {&coordbackup.Backup{}, nil, "coordinator"},
		"NoAddress": {zstack(0), []ImportedDevice{device(0)}, "no address"},
		"Twice":     {zstack(0), []ImportedDevice{device(7), device(7)}, "twice"},
		"TooMany":   {zstack(maxDevices + 1), nil, "a network can have"},
		"NoDevices": {zstack(0), nil, ""},
		"OfNowhere": {zstack(0), []ImportedDevice{{Device: Device{EUI64: 3, NodeID: 0xFFFF}}}, ""},
		"AtNought":  {zstack(0), []ImportedDevice{{Device: Device{EUI64: 3, NodeID: 0}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sections, err := ImportSections(tt.backup, tt.devices)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n, err := New(Options{Dial: unusedDial, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.state.PutAll(sections); err != nil {
				t.Fatal(err)
			}
			if err := n.load(); err != nil {
				t.Fatal(err)
			}
			at := make(map[uint16]bool)
			for _, d := range n.Devices() {
				if d.NodeID != unknownNode && at[d.NodeID] {
					t.Errorf("two devices have the address %#x", d.NodeID)
				}
				at[d.NodeID] = true
			}
			if name == "Good" && len(n.devices) != 4 {
				t.Errorf("got %d devices", len(n.devices))
			}
		})
	}
}

func TestAhead(t *testing.T) {
	for in, want := range map[uint32]uint32{0: counterBump, 1000: 1000 + counterBump, 0xFFFFFFFE: 0xFFFFFFFE, 0xFFFFFF00: 0xFFFFFFFE} {
		if got := ahead(in); got != want {
			t.Errorf("%d: got %d, want %d", in, got, want)
		}
	}
}

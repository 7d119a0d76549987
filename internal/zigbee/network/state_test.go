package network

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// crowd writes a state with a network and so many devices, each as a plug with
// metering has it after its interview: two endpoints, bindings and reports.
func crowd(t testing.TB, dir string, devices int) {
	t.Helper()
	f, err := statefile.Open(filepath.Join(dir, statefile.Name))
	if err != nil {
		t.Fatal(err)
	}
	saved, err := newNetwork(15)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[zcl.EUI64]string)
	var list []savedDevice
	for i := range devices {
		e := zcl.EUI64(0x0015bc003f000000 + i)
		three, hardware := uint8(3), uint16(3)
		d := Device{
			EUI64: e, NodeID: uint16(i + 1), Type: TypeRouter, ManufacturerName: "_TZ3000_2putqrmw", ModelID: "TS011F",
			DateCode: "20260101", SWBuildID: "1.0.5", ZCLVersion: &three, AppVersion: &three, StackVersion: &three, HWVersion: &hardware,
			ManufacturerCode: 0x1141, PowerSource: 1, Interview: InterviewSuccessful, Configured: true, LinkQuality: 120,
			LastSeen: time.Now().UTC(), Joined: time.Now().UTC(), Available: true,
			Endpoints: []Endpoint{
				{ID: 1, Profile: 0x0104, DeviceID: 0x0051, In: []uint16{0, 3, 4, 5, 6, 0x0702, 0x0B04, 0xE000, 0xE001}, Out: []uint16{0x0019, 0x000A}},
				{ID: 242, Profile: 0xA1E0, DeviceID: 0x0061, Out: []uint16{0x0021}},
			},
		}
		for _, c := range []uint16{6, 0x0702, 0x0B04} {
			d.Endpoints[0].Bindings = append(d.Endpoints[0].Bindings, Binding{Cluster: c, Target: 0x00124b0012345678, TargetEndpoint: 1})
			for a := range uint16(2) {
				d.Endpoints[0].Reporting = append(d.Endpoints[0].Reporting, Reporting{Cluster: c, Attribute: 0x0500 + a, Min: 10, Max: 65000, Change: 5})
			}
		}
		list = append(list, savedDevice{Device: d})
		names[e] = "room " + e.String() + "/plug"
	}
	if err := f.PutAll(map[string]any{statefile.Network: saved, statefile.Devices: list, statefile.Names: names}); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkLoad500 measures the time from a state file of 500 devices to a
// Network that knows them: it has to stay under 100 ms.
func BenchmarkLoad500(b *testing.B) {
	dir := b.TempDir()
	crowd(b, dir, 500)
	fi, err := os.Stat(filepath.Join(dir, statefile.Name))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n, err := New(Options{Dial: unusedDial, Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if got := len(n.devices); got != 500 {
			b.Fatalf("%d devices", got)
		}
	}
	b.ReportMetric(float64(fi.Size())/1024, "KiB")
}

// BenchmarkSave500 measures the time to save 500 devices durably.
func BenchmarkSave500(b *testing.B) {
	dir := b.TempDir()
	crowd(b, dir, 500)
	n, err := New(Options{Dial: unusedDial, Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n.dirty = true
		n.saveDevices()
		if n.dirty {
			b.Fatal("not saved")
		}
	}
}

// TestLoads500DevicesInTime: the best of a few, since others may be at work on
// the machine.
func TestLoads500DevicesInTime(t *testing.T) {
	dir := t.TempDir()
	crowd(t, dir, 500)
	const most = slower * 100 * time.Millisecond
	best := time.Hour
	for range 20 {
		start := time.Now()
		n, err := New(Options{Dial: unusedDial, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
		if got := len(n.devices); got != 500 {
			t.Fatalf("%d devices", got)
		}
		if best < most {
			break
		}
	}
	t.Logf("500 devices in %v", best)
	if best > most {
		t.Errorf("500 devices are loaded in %v, want at most %v", best, most)
	}
}

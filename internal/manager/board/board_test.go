package board

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSensors(t *testing.T) {
	const (
		temp  = "sys/class/thermal/thermal_zone0/temp"
		firm  = "sys/devices/platform/soc/soc:firmware/get_throttled"
		name  = "sys/class/hwmon/hwmon1/name"
		alarm = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
	)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  Sensors
	}{
		{"None", nil, Sensors{}},
		{"Warm", map[string]string{temp: "48312\n"}, Sensors{Celsius: 48.312, Measured: true}},
		{"Garbage", map[string]string{temp: "hot", firm: "zzz"}, Sensors{}},
		{"AllWell", map[string]string{firm: "0\n", name: "rpi_volt\n", alarm: "0\n"}, Sensors{Powered: true}},
		{"Throttled", map[string]string{firm: "50005\n"}, Sensors{UnderVoltage: true, Powered: true}},
		{"ThrottledByHeatAlone", map[string]string{firm: "80008\n"}, Sensors{Powered: true}},
		{"Alarm", map[string]string{firm: "0\n", name: "rpi_volt\n", alarm: "1\n"}, Sensors{UnderVoltage: true, Powered: true}},
		{"AnotherSensor", map[string]string{name: "nvme\n", alarm: "1\n"}, Sensors{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				write(t, root, name, text)
			}
			if diff := cmp.Diff(tt.want, Sense(root)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestModel(t *testing.T) {
	root := t.TempDir()
	if got := Model(root); got != "" {
		t.Errorf("got %q of nothing", got)
	}
	write(t, root, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.1\x00")
	if got, want := Model(root), "Raspberry Pi 4 Model B Rev 1.1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSpace(t *testing.T) {
	s, err := SpaceOf(t.TempDir())
	if err != nil || s.Total <= 0 || s.Free < 0 || s.Free > s.Total {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := SpaceOf(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a directory that is not there")
	}
}

// TestSerialDevicesAreGivenAway uses what root can make: device nodes. Another
// user can only see that nothing but a device is touched.
func TestSerialDevicesAreGivenAway(t *testing.T) {
	dev := t.TempDir()
	write(t, dev, "ttyUSB7", "a file")
	if err := os.Symlink("/etc/passwd", filepath.Join(dev, "ttyACM7")); err != nil {
		t.Fatal(err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	var want []string
	if uid == 0 && mayMakeNodes(dev) {
		uid, gid = 902, 902
		for _, name := range []string{"ttyACM0", "ttyUSB0", "ttyS0"} {
			if err := unix.Mknod(filepath.Join(dev, name), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
				t.Fatal(err)
			}
		}
		want = []string{filepath.Join(dev, "ttyACM0"), filepath.Join(dev, "ttyUSB0")}
	}
	got, err := GiveSerial(dev, uid, gid)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("given away (-want +got):\n%s", diff)
	}
	if got, err := GiveSerial(dev, uid, gid); got != nil || err != nil {
		t.Errorf("a second time: %v, %v", got, err)
	}
	for _, name := range want {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil || int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("%s belongs to %d:%d, %v", name, st.Uid, st.Gid, err)
		}
	}
}

// mayMakeNodes tells whether root may make device nodes here: not in every
// container.
func mayMakeNodes(dir string) bool {
	path := filepath.Join(dir, "null")
	defer os.Remove(path)
	return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) == nil
}

func TestWritten(t *testing.T) {
	dir := t.TempDir()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev))
	for _, tt := range []struct {
		name, text string
		want       int64
		err        bool
	}{
		{"Partition", "     120      5     9000     40      300      12     2050      70        0      100      110\n", 2050 * 512, false},
		{"CutShort", "1 2 3 4 5 6\n", 0, true},
		{"NoNumber", "1 2 3 4 5 6 seven\n", 0, true},
		{"Negative", "1 2 3 4 5 6 -7\n", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, name, tt.text)
			got, err := Written(root, dir)
			if got != tt.want || (err != nil) != tt.err {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
	if _, err := Written(t.TempDir(), dir); err == nil {
		t.Error("a disk without statistics has some")
	}
}

package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/image/firmware"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

const gokLine = "console=tty1 console=serial0,115200 root=PARTUUID=60c24cc1-f3f9-427a-8199-1f73bb360001/PARTNROFF=1 init=/gokrazy/init rootwait panic=10 oops=panic      "

// packed is a disk as gok leaves it: what is at the top of its boot partition,
// and a root of 5000 bytes. Changes replace files, "-" removes one.
func packed(t *testing.T, changes map[string]string) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "card.img")
	if err := os.WriteFile(disk, table([2]uint64{8192, 212991}, [2]uint64{212992, 213247}, [2]uint64{213248, 213503}, [2]uint64{213504, 213759}), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"vmlinuz": strings.Repeat("kernel ", 10_000), "cmdline.txt": gokLine, "start_x.elf": "for cameras"}
	for _, name := range sharedFiles {
		files[name] = "firmware: " + name
	}
	for _, b := range firmware.Boards {
		files[b.DeviceTrees[0]] = "device tree of the " + b.Name
	}
	maps.Copy(files, changes)
	root := make([]byte, 128<<10)
	copy(root, "hsqs")
	binary.LittleEndian.PutUint64(root[40:], 5000)
	if changes["root"] != "" {
		copy(root, changes["root"])
	}
	delete(files, "root")
	var all []bootpart.File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if files[name] != "-" {
			all = append(all, bootpart.File{Name: name, Data: []byte(files[name])})
		}
	}
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	boot := stretch{f, partition{4 << 20, 100 << 20}}
	for _, err := range []error{
		f.Truncate(213760 * sector),
		bootpart.Format(boot, boot.size, bootpart.Options{}),
		bootpart.WriteShared(boot, all),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.WriteAt(root, 212992*sector); err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestSlots(t *testing.T) {
	disk := packed(t, nil)
	if err := makeSlots(t.Context(), disk, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files, err := bootFS(f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := append([]string{"config.txt", "tryboot.txt", "hems.txt", "a/vmlinuz.gz", "a/cmdline.txt", "a/overlays/README", "a/slot.json"}, sharedFiles...)
	for _, b := range firmware.Boards {
		want = append(want, "a/"+b.DeviceTrees[0])
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	boot, err := load(disk, firmware.Pi4, false)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := boot.Image()
	if err != nil || !bytes.Equal(kernel, []byte(strings.Repeat("kernel ", 10_000))) {
		t.Errorf("the kernel is another one: %v", err)
	}
	line, err := slot.CommandLine(slot.A, "60c24cc1-f3f9-427a-8199-1f73bb360001", "1.2.3") // gok's number
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(line) + " watchdog.open_timeout=60"; boot.CommandLine != want {
		t.Errorf("command line\n got %s\nwant %s", boot.CommandLine, want)
	}
	if _, err := fs.Stat(files, "cmdline.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something bootable is at the top: %v", err)
	}
}

func TestSlotsRefuse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changes map[string]string
		version string
		want    string
	}{
		{"NoKernel", map[string]string{"vmlinuz": "-"}, "1", "vmlinuz"},
		{"NoFirmware", map[string]string{"start4.elf": "-"}, "1", "taking the firmware: open start4.elf"},
		{"NoNumber", map[string]string{"cmdline.txt": "root=/dev/mmcblk0p2"}, "1", "gok's command line has no root=PARTUUID="},
		{"NumberThatIsNone", map[string]string{"cmdline.txt": "root=PARTUUID=x/PARTNROFF=1"}, "1", `"x" is not the number`},
		{"NoTreeOfABoard", map[string]string{"bcm2711-rpi-4-b.dtb": "-"}, "1", "what a Raspberry Pi 4 Model B would do with it: the board stands still"},
		{"NoRoot", map[string]string{"root": "none"}, "1", "it is no SquashFS"},
		{"VersionOfTwoWords", nil, "1 2", `the version "1 2" is not`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := makeSlots(t.Context(), packed(t, tt.changes), tt.version)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %q", err, tt.want)
			}
		})
	}
}

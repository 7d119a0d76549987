package flash

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machine is a tree of proc and sys as the kernel shows it, of a computer that
// runs from sda, with a card in sdb; changes replace files, "-" removes one.
func machine(t *testing.T, changes map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"proc/self/mountinfo": "22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n" +
			"30 22 0:5 / /proc rw - proc proc rw\n",
		"proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",

		"devices/ata1/block/sda/dev":            "8:0\n",
		"devices/ata1/block/sda/size":           "1000000000\n",
		"devices/ata1/block/sda/ro":             "0\n",
		"devices/ata1/block/sda/removable":      "0\n",
		"devices/ata1/block/sda/sda1/partition": "1\n",
		"devices/ata1/block/sda/sda1/dev":       "8:1\n",
		"devices/ata1/block/sda/sda2/partition": "2\n",
		"devices/ata1/block/sda/sda2/dev":       "8:2\n",
		"devices/ata1/model":                    "Disk 9000\n",

		"devices/usb1/block/sdb/dev":            "8:16\n",
		"devices/usb1/block/sdb/size":           "62333952\n",
		"devices/usb1/block/sdb/ro":             "0\n",
		"devices/usb1/block/sdb/removable":      "1\n",
		"devices/usb1/block/sdb/sdb1/partition": "1\n",
		"devices/usb1/block/sdb/sdb1/dev":       "8:17\n",
		"devices/usb1/model":                    "STORAGE DEVICE  \n",
		"devices/usb1/vendor":                   "Generic \n",
	}
	for name, text := range changes {
		files[name] = text
	}
	for name, text := range files {
		if text == "-" {
			continue
		}
		path := filepath.Join(root, strings.Replace(name, "devices/", "sys/devices/", 1))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// /sys/block/X is a link to the disk, whose "device" is a link upwards.
	disks, err := filepath.Glob(filepath.Join(root, "sys", "devices", "*", "block", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "sys", "block"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range disks {
		for link, to := range map[string]string{
			filepath.Join(root, "sys", "block", filepath.Base(d)): d,
			filepath.Join(d, "device"):                            filepath.Dir(filepath.Dir(d)),
		} {
			if err := os.Symlink(to, link); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

const need = 1_300_000_000

// dm is a disk made of others by device mapper.
func dm(holder string) map[string]string {
	return map[string]string{
		"devices/virtual/block/dm-0/dev":     "253:0\n",
		"devices/virtual/block/dm-0/dm/name": "vault\n",
		holder + "/holders/dm-0/x":           "",
	}
}

func TestJudge(t *testing.T) {
	mounts := func(lines string) map[string]string {
		return map[string]string{"proc/self/mountinfo": "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n" + lines}
	}
	with := func(a, b map[string]string) map[string]string {
		for k, v := range b {
			a[k] = v
		}
		return a
	}
	for _, tt := range []struct {
		name    string
		number  string
		force   bool
		changes map[string]string
		want    error  // nil: it is taken
		says    string // what to do next
	}{
		{"CardInAReader", "8:16", false, nil, nil, ""},
		{"Partition", "8:17", false, nil, ErrPartition, "name the disk, /dev/sdb"},
		{"PartitionForced", "8:17", true, nil, ErrPartition, "name the disk, /dev/sdb"},
		{"Unknown", "8:32", false, nil, ErrNoDisk, "none with the number 8:32"},
		{"SystemsOwn", "8:0", false, nil, ErrSystem, "(/): name another disk"},
		{"SystemsOwnForced", "8:0", true, nil, ErrSystem, "name another disk"},
		{"SystemsOwnBySourceAlone", "8:0", true, map[string]string{"proc/self/mountinfo": "22 1 0:30 /@ / rw - btrfs /dev/sda2 rw\n"}, ErrSystem, ""},
		{"SystemsOwnThroughAMapper", "8:16", true, with(dm("devices/usb1/block/sdb/sdb1"), map[string]string{
			"proc/self/mountinfo": "22 1 253:0 / / rw - ext4 /dev/mapper/vault rw\n"}), ErrSystem, ""},
		{"SystemsOwnByTheMappersName", "8:16", true, with(dm("devices/usb1/block/sdb/sdb1"), map[string]string{
			"proc/self/mountinfo": "22 1 0:30 /@ / rw - btrfs /dev/mapper/vault rw\n"}), ErrSystem, ""},
		{"Mounted", "8:16", false, mounts("40 22 8:17 / /media/card rw - vfat /dev/sdb1 rw\n"), ErrMounted, "umount /media/card"},
		{"MountedForced", "8:16", true, mounts("40 22 8:17 / /media/card rw - vfat /dev/sdb1 rw\n"), ErrMounted, "umount /media/card"},
		{"MountedWhole", "8:16", false, mounts("40 22 8:16 / /media/card rw - vfat /dev/sdb rw\n"), ErrMounted, "umount /media/card"},
		{"MountedAtABlank", "8:16", false, mounts("40 22 8:17 / /media/my\\040card rw - vfat /dev/sdb1 rw\n"), ErrMounted, "umount /media/my card"},
		{"MountedAndTheSystems", "8:16", true, mounts("40 22 8:17 / /media/card rw - vfat /dev/sdb1 rw\n41 22 8:17 / /boot rw - vfat /dev/sdb1 rw\n"), ErrSystem, "(/boot)"},
		{"Swap", "8:16", false, map[string]string{"proc/swaps": "Filename Type\n/dev/sdb1 partition 1 0 -2\n"}, ErrSwap, "swapoff /dev/sdb1"},
		{"SwapOfAnotherDisk", "8:16", false, map[string]string{"proc/swaps": "Filename Type\n/dev/sda1 partition 1 0 -2\n"}, nil, ""},
		{"NoSwapInTheKernel", "8:16", false, map[string]string{"proc/swaps": "-"}, nil, ""},
		{"Held", "8:16", true, dm("devices/usb1/block/sdb"), ErrHeld, "(/dev/dm-0): close that first"},
		{"PartitionHeld", "8:16", true, dm("devices/usb1/block/sdb/sdb1"), ErrHeld, "(/dev/dm-0): close that first"},
		{"WriteProtected", "8:16", true, map[string]string{"devices/usb1/block/sdb/ro": "1\n"}, ErrReadOnly, "move the card's slide"},
		{"NoCardInTheReader", "8:16", true, map[string]string{"devices/usb1/block/sdb/size": "0\n"}, ErrNoMedium, "put one into the reader"},
		{"NotRemovable", "8:48", false, map[string]string{"devices/ata2/block/sdd/dev": "8:48", "devices/ata2/block/sdd/size": "62333952", "devices/ata2/block/sdd/removable": "0", "devices/ata2/model": "Big"},
			ErrNotRemovable, "(Big, 31.9 GB): look again whether it is the card"},
		{"NotRemovableForced", "8:48", true, map[string]string{"devices/ata2/block/sdd/dev": "8:48", "devices/ata2/block/sdd/size": "62333952", "devices/ata2/block/sdd/removable": "0"}, nil, ""},
		{"FixedDiskAtAUSBPlug", "8:16", false, map[string]string{"devices/usb1/block/sdb/removable": "0\n"}, nil, ""},
		{"SDCardInASlot", "179:0", false, map[string]string{"devices/mmc0/block/mmcblk0/dev": "179:0", "devices/mmc0/block/mmcblk0/size": "62333952", "devices/mmc0/block/mmcblk0/removable": "0", "devices/mmc0/type": "SD\n"}, nil, ""},
		{"SolderedMemory", "179:0", false, map[string]string{"devices/mmc0/block/mmcblk0/dev": "179:0", "devices/mmc0/block/mmcblk0/size": "62333952", "devices/mmc0/block/mmcblk0/removable": "0", "devices/mmc0/type": "MMC\n"}, ErrNotRemovable, ""},
		{"TooSmall", "8:16", true, map[string]string{"devices/usb1/block/sdb/size": "2000000\n"}, ErrTooSmall, "it has 1.0 GB, the image needs 1.3 GB: take a larger card"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := judgeBlock(machine(t, tt.changes), "/dev/card", tt.number, need, tt.force)
			if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v that says %q", err, tt.want, tt.says)
			}
		})
	}
}

func TestTheDiskIsNamed(t *testing.T) {
	got, err := judgeBlock(machine(t, nil), "/dev/sdb", "8:16", need, false)
	if err != nil {
		t.Fatal(err)
	}
	want := Disk{Path: "/dev/sdb", Block: true, Model: "Generic STORAGE DEVICE", Bytes: 62333952 * 512, number: "8:16"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Disk{})); diff != "" {
		t.Errorf("disk (-want +got):\n%s", diff)
	}
	if got, want := got.String(), "/dev/sdb (Generic STORAGE DEVICE, 31.9 GB)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got.Model = ""
	if got, want := got.String(), "/dev/sdb (of unknown make, 31.9 GB)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsNoDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "card")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		force      bool
		want       error
	}{
		{"Missing", filepath.Join(dir, "missing"), true, ErrNoDisk},
		{"Directory", dir, true, ErrNoDisk},
		{"CharacterDevice", "/dev/null", true, ErrNoDisk},
		{"File", file, false, ErrFile},
		{"FileForced", file, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Judge("", tt.path, 1, tt.force)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.want == nil && d.String() != file+" (a file)" {
				t.Errorf("got %s", d)
			}
		})
	}
}

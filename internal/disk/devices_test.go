package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const cmdline = "console=tty1 root=PARTUUID=60C24CC1-f3f9-427a-8199-1f73bb360001/PARTNROFF=2 init=/user/hems-boot rootwait\n"

func TestRoot(t *testing.T) {
	id, n, err := Root(cmdline)
	if id != "60c24cc1-f3f9-427a-8199-1f73bb360001" || n != 3 || err != nil {
		t.Errorf("got %q, %d, %v", id, n, err)
	}
	for _, other := range []string{
		"", "root=/dev/mmcblk0p2", "root=PARTUUID=60c24cc1-02",
		"root=PARTUUID=60c24cc1-f3f9-427a-8199-1f73bb360001",
		"root=PARTUUID=60c24cc1-f3f9-427a-8199-1f73bb360001/PARTNROFF=",
		"xroot=PARTUUID=60c24cc1-f3f9-427a-8199-1f73bb360001/PARTNROFF=1",
	} {
		if id, n, err := Root(other); err == nil {
			t.Errorf("%q: got %q, %d", other, id, n)
		}
	}
}

// system makes a /sys and a /dev that have these disks and, of each, a first
// partition.
func system(t *testing.T, disks map[string][]byte) (sys, dev string) {
	t.Helper()
	sys, dev = t.TempDir(), t.TempDir()
	for name, b := range disks {
		p := (&System{Name: name}).PartitionName(1)
		for _, dir := range []string{"class/block/" + name, "class/block/" + p} {
			if err := os.MkdirAll(filepath.Join(sys, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for path, b := range map[string][]byte{
			filepath.Join(sys, "class/block", p, "partition"): []byte("1\n"),
			filepath.Join(dev, name):                          b,
			filepath.Join(dev, p):                             b, // must not be taken for a disk
		} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return sys, dev
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{
		"mmcblk0": "mmcblk0p4", "mmcblk1": "mmcblk1p4", "nvme0n1": "nvme0n1p4", "loop0": "loop0p4", "sda": "sda4", "vda": "vda4",
	} {
		t.Run(name, func(t *testing.T) {
			sys, dev := system(t, map[string][]byte{name: cardTable, "ram0": nil, "sdb": make([]byte, 34*Sector)})
			s, err := Find(sys, dev, cmdline)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Partition(4); got != filepath.Join(dev, want) {
				t.Errorf("got %s, want %s", got, want)
			}
			if got := s.Disk(); got != filepath.Join(dev, name) || len(s.Partitions) != 4 {
				t.Errorf("got %s with %v", got, s.Partitions)
			}
		})
	}
	t.Run("NoneYet", func(t *testing.T) {
		other := bytes.ReplaceAll(cardTable, []byte{0xc1, 0x4c, 0xc2, 0x60}, []byte{0xc1, 0x4c, 0xc2, 0x61})
		resum(other)
		sys, dev := system(t, map[string][]byte{"sda": nil, "sdb": other})
		if s, err := Find(sys, dev, cmdline); err == nil || !strings.Contains(err.Error(), "1f73bb360001") {
			t.Errorf("got %+v, %v", s, err)
		}
	})
	t.Run("NoSuchWord", func(t *testing.T) {
		if s, err := Find(t.TempDir(), t.TempDir(), "quiet"); err == nil || !strings.Contains(err.Error(), "command line") {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

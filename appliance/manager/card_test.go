package manager

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/manager/updates/updatestest"
)

const cmdline = "console=tty1 root=PARTUUID=" + updatestest.PartUUID + "/PARTNROFF=1 init=/user/hems-boot hems_slot=a hems_id=1.0.0\n"

// gpt is the beginning of a disk whose first partition is the card's.
func gpt() []byte {
	disk := make([]byte, 34*512)
	h, entries := disk[512:][:92], disk[2*512:]
	le := binary.LittleEndian
	for i := range 4 {
		e := entries[128*i:]
		e[0] = 1
		copy(e[16:], []byte{0xc1, 0x4c, 0xc2, 0x60, 0xf9, 0xf3, 0x7a, 0x42, 0x81, 0x99, 0x1f, 0x73, 0xbb, 0x36, 0x00, byte(i + 1)})
		le.PutUint64(e[32:], uint64(8192*(i+1)))
		le.PutUint64(e[40:], uint64(8192*(i+2)-1))
	}
	copy(h, "EFI PART")
	le.PutUint32(h[8:], 0x10000)
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], 1)
	le.PutUint64(h[72:], 2)
	le.PutUint32(h[80:], 128)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries[:128*128]))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return disk
}

func TestOpenCard(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	c := updatestest.New(t)
	for i, name := range []string{"", "boot", "a", "b"} {
		device := "mmcblk0"
		content := gpt()
		if i > 0 {
			device += "p" + string(rune('0'+i))
			var err error
			if content, err = os.ReadFile(filepath.Join(c.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(sys, "class/block", device), 0o755); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := os.WriteFile(filepath.Join(sys, "class/block", device, "partition"), []byte("1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dev, device), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	card, uuid, maxRoot, err := openCard(sys, dev, cmdline)
	if err != nil {
		t.Fatal(err)
	}
	if uuid != updatestest.PartUUID || maxRoot != updatestest.MaxRoot {
		t.Errorf("the boot partition is %s, a root may have %d bytes", uuid, maxRoot)
	}
	st, err := card.Status()
	if err != nil || st.Running != "a" || st.Committed != "a" {
		t.Errorf("the card says %+v, %v", st, err)
	}
	for _, other := range []string{
		strings.Replace(cmdline, "hems_slot=a", "", 1),
		strings.Replace(cmdline, "root=PARTUUID=", "root=/dev/", 1),
		strings.Replace(cmdline, "60c24cc1", "00000000", 1),
	} {
		if _, _, _, err := openCard(sys, dev, other); err == nil {
			t.Errorf("%q: no error", other)
		}
	}
	if err := os.Remove(filepath.Join(dev, "mmcblk0p3")); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := openCard(sys, dev, cmdline); err == nil {
		t.Error("without the third partition: no error")
	}
}

func TestKernelWord(t *testing.T) {
	const cmdline = "console=tty1 hems_slot=b hems_id=1.2.3+g1 hems_idle=9 hems_trial=90\n"
	for key, want := range map[string]string{"hems_slot": "b", "hems_id": "1.2.3+g1", "hems_trial": "90", "hems": "", "root": ""} {
		if got := kernelWord(cmdline, key); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

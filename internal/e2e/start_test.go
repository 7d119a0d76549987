//go:build vm

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/image"
	"github.com/smartcore-ireland/hems/internal/disk"
)

// A startedCard is a machine that boots a card of its own.
type startedCard struct {
	t       *testing.T
	vm      *image.VM
	console string // the file
	events  chan image.Event
	ended   chan error
	stop    context.CancelFunc
}

// newCard is a copy of the image on a card of 4 GB, with what damage does to it.
func newCard(t *testing.T, damage func(card string)) *startedCard {
	t.Helper()
	dir := tempDir(t)
	c := &startedCard{t: t, console: filepath.Join(dir, "console.log"), events: make(chan image.Event, 100)}
	c.vm = &image.VM{Disk: filepath.Join(dir, "card.img"), Console: c.console, Events: func(e image.Event) { c.events <- e }}
	err := image.NewDisk(t.Context(), cardImage(t), c.vm.Disk, 4<<30, func(part string) error {
		if damage != nil {
			damage(part)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.powerOff()
		if t.Failed() {
			t.Logf("the console:\n%s", tail(c.said(), 60))
		}
	})
	return c
}

// powerOn starts the machine with further words on the kernel's command line.
func (c *startedCard) powerOn(words ...string) {
	c.t.Helper()
	if err := os.WriteFile(c.console, nil, 0o600); err != nil { // what was said before is forgotten
		c.t.Fatal(err)
	}
	c.vm.Words = words
	ctx, cancel := context.WithCancel(context.Background())
	c.stop, c.ended = cancel, make(chan error, 1)
	go func() { c.ended <- c.vm.Run(ctx) }()
}

// powerOff pulls the plug.
func (c *startedCard) powerOff() {
	c.t.Helper()
	if c.stop == nil {
		return
	}
	c.vm.PowerCut()
	if err := <-c.ended; !errors.Is(err, image.ErrPowerCut) {
		c.t.Errorf("the machine ended with %v", err)
	}
	c.stop()
	c.stop = nil
}

func (c *startedCard) said() string {
	b, err := os.ReadFile(c.console)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// says waits until the console says each of these, regular expressions.
func (c *startedCard) says(wants ...string) {
	c.t.Helper()
	for _, want := range wants {
		re := regexp.MustCompile(want)
		for deadline := time.Now().Add(90 * time.Second); !re.MatchString(c.said()); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				c.t.Fatalf("the console does not say %q", want)
			}
		}
	}
}

// saysInTurn waits until the console says each of these, each after the one before
// it: what was said before a restart of the machine is in the same file.
func (c *startedCard) saysInTurn(wants ...string) {
	c.t.Helper()
	at := 0
	for _, want := range wants {
		re := regexp.MustCompile(want)
		for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			if found := re.FindStringIndex(c.said()[at:]); found != nil {
				at += found[1]
				break
			}
			if time.Now().After(deadline) {
				c.t.Fatalf("the console does not say %q after what comes before it", want)
			}
		}
	}
}

// What gokrazy says when it finds /perm taken.
const (
	gokrazyIsRefused = `Could not mount permanent storage partition /dev/vda4 as ext4: device or resource busy`
	gokrazyIsUp      = `Could not mount permanent storage partition /dev/vda4 as bcachefs: `
	programsStart    = `now listening on /run/gokrazy-http\.sock`
)

// perm is the fourth partition.
func perm(t *testing.T, card string) disk.Partition {
	t.Helper()
	f, err := os.Open(card)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parts, err := disk.Partitions(f)
	if err != nil || len(parts) != 4 {
		t.Fatalf("the card has %v, %v", parts, err)
	}
	return parts[3]
}

// scribble writes what is in no file system over a part of a partition.
func scribble(t *testing.T, card string, at, size int64) {
	t.Helper()
	f, err := os.OpenFile(card, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, size)
	if _, err := rand.NewChaCha8([32]byte{}).Read(b); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// sound checks /perm of a card that is off: once its journal is replayed nothing
// may be wrong. It returns the file system's size in bytes.
func (c *startedCard) sound() int64 {
	c.t.Helper()
	checkPerm(c.t, c.vm.Disk)
	out := systemTool(c.t, "debugfs", "-R", "show_super_stats -h", fmt.Sprintf("%s?offset=%d", c.vm.Disk, perm(c.t, c.vm.Disk).Offset))
	m := regexp.MustCompile(`Block count:\s+(\d+)`).FindStringSubmatch(out)
	if m == nil {
		c.t.Fatalf("debugfs: %s", out)
	}
	var blocks int64
	if _, err := fmt.Sscan(m[1], &blocks); err != nil {
		c.t.Fatal(err)
	}
	return blocks * 4096
}

// TestTheCardGrows puts the image on a larger card: its first start takes all of
// it, and the second has nothing to do.
func TestTheCardGrows(t *testing.T) {
	c := newCard(t, nil)
	was := perm(t, c.vm.Disk)
	c.powerOn()
	c.says(`hems-boot: watchdog "i6300ESB timer"`, `hems-boot: perm: clean`, `hems-boot: /perm has grown to the card's size`,
		gokrazyIsRefused, gokrazyIsUp, programsStart)
	c.powerOff()
	systemTool(t, "sfdisk", "--verify", c.vm.Disk)
	now := perm(t, c.vm.Disk)
	if left := 4<<30 - now.Offset - now.Size; now.Offset != was.Offset || left < 33*disk.Sector || left > 64*disk.Sector {
		t.Errorf("/perm is at %d with %d bytes and leaves %d", now.Offset, now.Size, left)
	}
	// The kernel leaves out a last group that would be nothing but overhead.
	if size := c.sound(); size > now.Size || size < now.Size-16<<20 {
		t.Errorf("the file system has %d bytes, the partition %d", size, now.Size)
	}

	c.powerOn()
	c.says(`hems-boot: perm: (recovering journal|clean)`, gokrazyIsRefused, gokrazyIsUp)
	c.powerOff()
	if said := c.said(); strings.Contains(said, "has grown") || strings.Contains(said, "resizing") {
		t.Error("a card that was grown is grown again")
	}
}

// TestATornPartitionTable leaves the table's header as a cut does that tears its
// one sector: the kernel takes the backup, and the start repairs the table.
func TestATornPartitionTable(t *testing.T) {
	c := newCard(t, nil)
	f, err := os.OpenFile(c.vm.Disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := disk.Grow(f, 4<<30); err != nil {
		t.Fatal(err)
	}
	want := perm(t, c.vm.Disk)
	scribble(t, c.vm.Disk, disk.Sector+40, 300)
	if _, err := disk.Partitions(f); err == nil {
		t.Fatal("the table is not torn")
	}
	c.powerOn()
	c.says(`hems-boot: /perm has grown to the card's size`, gokrazyIsRefused)
	c.powerOff()
	systemTool(t, "sfdisk", "--verify", c.vm.Disk)
	if got := perm(t, c.vm.Disk); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// place is where debugfs says that something of the first group of /perm is, in
// bytes from the card's beginning.
func place(t *testing.T, card, what string) int64 {
	t.Helper()
	p := perm(t, card)
	out := systemTool(t, "debugfs", "-R", "show_super_stats", fmt.Sprintf("%s?offset=%d", card, p.Offset))
	m := regexp.MustCompile(what + ` at (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("debugfs: %s", out)
	}
	var block int64
	if _, err := fmt.Sscan(m[1], &block); err != nil {
		t.Fatal(err)
	}
	return p.Offset + block*4096
}

// TestPermIsRepaired damages the file system as a card does.
func TestPermIsRepaired(t *testing.T) {
	// found has the kernel's mark of a file system that is known to be damaged.
	found := func(t *testing.T, card string) {
		at := fmt.Sprintf("%s?offset=%d", card, perm(t, card).Offset)
		systemTool(t, "debugfs", "-w", "-R", "set_super_value state 2", at)
		if out := systemTool(t, "debugfs", "-R", "show_super_stats -h", at); !strings.Contains(out, "not clean with errors") {
			t.Fatalf("debugfs: %s", out)
		}
	}
	for name, damage := range map[string]func(t *testing.T, card string){
		"ABitmap": func(t *testing.T, card string) {
			bitmap := place(t, card, "block bitmap")
			found(t, card)
			scribble(t, card, bitmap, 4096)
		},
		"TheSuperblock": func(t *testing.T, card string) { scribble(t, card, perm(t, card).Offset+1024, 1024) },
		"Inodes": func(t *testing.T, card string) { // the journal's among them
			inodes := place(t, card, "inode table")
			found(t, card)
			scribble(t, card, inodes, 8192)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCard(t, func(card string) { damage(t, card) })
			c.powerOn()
			c.says(`hems-boot: /perm: e2fsck: `, `EXT4-fs \(vda4\): mounted filesystem`, gokrazyIsRefused, gokrazyIsUp, programsStart)
			c.powerOff()
			if strings.Contains(c.said(), "runs in memory") {
				t.Error("it runs in memory")
			}
			c.sound()
		})
	}
}

// TestPermFailsLater has damage that no quick check sees: the kernel finds it when
// the appliance runs, and stops all writing and reading. The appliance starts
// again by itself, once, and the start repairs it.
func TestPermFailsLater(t *testing.T) {
	c := newCard(t, func(card string) {
		scribble(t, card, place(t, card, "block bitmap"), 4096)
	})
	c.powerOn("hems_mend=10")
	c.saysInTurn(`hems-boot: perm: clean`, `EXT4-fs \(vda4\): Remounting filesystem read-only`,
		`hems-boot: /perm: vda4 takes no data any more`, `hems-boot: the appliance is started again, so that the card is repaired`,
		`reboot: Restarting system`, `hems-boot: /perm: e2fsck: `, `FILE SYSTEM WAS MODIFIED`,
		`EXT4-fs \(vda4\): mounted filesystem`, gokrazyIsRefused)
	c.powerOff()
	c.sound()
}

// TestPermInMemory destroys the file system: the appliance starts nevertheless,
// and gokrazy does not get hold of what is left.
func TestPermInMemory(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, card string){
		"GarbageAllOver": func(t *testing.T, card string) {
			p := perm(t, card)
			scribble(t, card, p.Offset, p.Size)
		},
		// gokrazy would mount this one.
		"AFileSystemOfAnotherKind": func(t *testing.T, card string) {
			f, err := os.OpenFile(card, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			parts, err := disk.Partitions(f)
			if err != nil {
				t.Fatal(err)
			}
			scribble(t, card, parts[3].Offset, parts[3].Size)
			boot := io.NewSectionReader(f, parts[0].Offset, parts[0].Size)
			if _, err := io.Copy(io.NewOffsetWriter(f, parts[3].Offset), boot); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCard(t, func(card string) { damage(t, card) })
			c.powerOn()
			c.says(`hems-boot: /perm: runs in memory`, gokrazyIsRefused,
				`Could not mount permanent storage partition /dev/vda4 as vfat: device or resource busy`, gokrazyIsUp, programsStart)
			c.powerOff()
			if strings.Contains(c.said(), "mounted filesystem") {
				t.Error("something of the card was mounted")
			}
		})
	}
}

// putRoot puts a root file system on the card that starts hems-boot as the image's
// does, and then nothing: there is no manager. It is slot b's, and the words that
// boot it are returned; config.txt names slot a, so it is on trial.
func putRoot(t *testing.T, card string) []string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"dev", "proc", "sys", "perm", "run", "mnt", "user", "gokrazy"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for program, from := range map[string]string{"user/hems-boot": "../../cmd/hems-boot", "gokrazy/init": "./testdata/init"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(root, program), from)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	f, err := os.Open(card)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parts, err := disk.Partitions(f)
	if err != nil {
		t.Fatal(err)
	}
	systemTool(t, "mkfs.ext4", "-q", "-F", "-d", root, "-E", fmt.Sprintf("offset=%d", parts[2].Offset), card, "65536k")
	return []string{"root=PARTUUID=" + parts[0].UUID + "/PARTNROFF=2", "hems_slot=b", "hems_trial=10"}
}

// TestNobodyConfirms boots a system that hangs on trial: the watchdog resets the
// board.
func TestNobodyConfirms(t *testing.T) {
	c := newCard(t, nil)
	c.powerOn(putRoot(t, c.vm.Disk)...)
	c.says(`hems-boot: watchdog "i6300ESB timer" resets the board`, `hems-boot: hems-manager gave its first sign of life`,
		`init: boot.json: [^}]*"trial": true`, `"timeout_s": 15`,
		`hems-boot: this system was on trial and was not confirmed within 10s: the watchdog is not kicked any more`)
	for {
		select {
		case e := <-c.events:
			if e.Kind != image.Reset {
				continue
			}
			if e.Cause != image.ByWatchdog {
				t.Errorf("the board %v", e)
			}
			return
		case <-time.After(60 * time.Second):
			t.Fatal("the board was not reset")
		}
	}
}

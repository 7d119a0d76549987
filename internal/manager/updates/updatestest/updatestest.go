// Package updatestest is a card of files with two slots, what stands for the
// board's firmware, and releases for it, for tests: the slots, bundles and
// signatures are the real ones.
package updatestest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/sign"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// What the card is.
const (
	PartUUID = "60c24cc1-f3f9-427a-8199-1f73bb360001"
	Board    = "test-board"
	MaxRoot  = 128 << 10 // bytes

	first = "1.0.0" // the version that runs from slot a of a new card
	try   = "0 tryboot"
)

// Card is the card, and the board it is in.
type Card struct {
	Dir   string    // of the partitions' files: boot, a, b
	Slot  slot.Slot // that runs
	Trust sign.Trust

	t      testing.TB
	signer bundle.Signer

	mu      sync.Mutex
	failing func(name string) error
}

// New is a card on which 1.0.0 runs from slot a.
func New(t testing.TB) *Card {
	t.Helper()
	c := &Card{t: t, Dir: t.TempDir(), Slot: slot.A}
	top, key := made(sign.NewRoot()), made(sign.NewKey())
	c.signer = bundle.Signer{Key: key, Certificate: made(top.Certify(key.Public(), "test"))}
	c.Trust = sign.NewTrust(top.Public())
	for name, size := range map[string]int64{"boot": 2 << 20, "a": MaxRoot, "b": MaxRoot} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dev := c.boot()
	defer dev.Close()
	if err := bootpart.Format(dev, dev.Size(), bootpart.Options{SharedClusters: 384, SlotClusters: 512, Sectors: slot.Sectors(slot.A)}); err != nil {
		t.Fatal(err)
	}
	files := made(slot.BootFiles(slot.A, Content(first), slot.DigestOf(root(first))))
	if err := bootpart.WriteSlot(dev, slot.A, files); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "a"), append(root(first), make([]byte, MaxRoot-len(root(first)))...), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (c *Card) boot() *slot.Disk { return made(slot.OpenDevice(filepath.Join(c.Dir, "boot"))) }

// random is bytes that depend on a name alone.
func random(name string, n int) []byte {
	r := rand.NewChaCha8(sha256.Sum256([]byte(name)))
	b := make([]byte, n)
	r.Read(b)
	return b
}

// root is the root file system of a version.
func root(version string) []byte {
	b := random(version, 40<<10)
	copy(b, "hsqs")
	binary.LittleEndian.PutUint64(b[40:], uint64(len(b)-100))
	return b
}

// bootFiles are the boot files of a version, in a bundle's order.
func bootFiles(version string) []bootpart.File {
	return []bootpart.File{
		{Name: "vmlinuz.gz", Data: append([]byte{0x1f, 0x8b}, random("k"+version, 20<<10)...)},
		{Name: "test.dtb", Data: random("d"+version, 900)},
		{Name: "overlays/README", Data: []byte("overlays\n")},
	}
}

// Content is a version, for Stage.
func Content(version string) slot.Content {
	r := root(version)
	return slot.Content{Version: version, Boot: bootFiles(version), Root: bytes.NewReader(r), RootSize: int64(len(r)), PartUUID: PartUUID}
}

// Bundle is a release of a version, signed.
func (c *Card) Bundle(version string) []byte {
	c.t.Helper()
	files := []bundle.Source{bundle.Bytes("root.img", root(version))}
	for _, f := range bootFiles(version) {
		files = append(files, bundle.Bytes("boot/"+f.Name, f.Data))
	}
	var b bytes.Buffer
	m := bundle.Manifest{Version: version, Board: Board, Built: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Notes: "notes"}
	if err := bundle.Write(&b, m, files, c.signer, nil); err != nil {
		c.t.Fatal(err)
	}
	return b.Bytes()
}

// Open is the card as the system that runs sees it.
func (c *Card) Open() *slot.Card {
	open := func(name string) slot.Device {
		d := made(slot.OpenDevice(filepath.Join(c.Dir, name)))
		c.t.Cleanup(func() { d.Close() })
		return device{d, c, name}
	}
	return made(slot.New(slot.Parts{Boot: open("boot"), Roots: map[slot.Slot]slot.Device{slot.A: open("a"), slot.B: open("b")}}, c.Slot))
}

// Version is the version that stands in the running slot.
func (c *Card) Version() string { return made(c.Open().Look(c.Slot)).Version }

// Reboot is the firmware and the first process after a restart with an argument:
// they choose Slot.
func (c *Card) Reboot(argument string) {
	c.t.Helper()
	dev := c.boot()
	name := bootpart.ConfigFile
	if argument == try {
		name = bootpart.TryFile
	}
	c.Slot = slot.ParseConfig(made(bootpart.ReadSector(dev, name)))
	dev.Close()
	if b := made(c.Open().CountBoot(context.Background())); b.GaveUp {
		c.Reboot("")
	}
}

// Arm has the next restart with an argument try a slot, whatever is in it.
func (c *Card) Arm(s slot.Slot) {
	c.t.Helper()
	dev := c.boot()
	defer dev.Close()
	if err := bootpart.WriteSector(dev, bootpart.TryFile, slot.ConfigText(s)); err != nil {
		c.t.Fatal(err)
	}
}

// Fail has f decide whether a write to a partition ("boot", "a", "b") fails; nil:
// none does.
func (c *Card) Fail(f func(partition string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = f
}

// device is a partition that can be made to fail.
type device struct {
	*slot.Disk
	c    *Card
	name string
}

func (d device) WriteAt(p []byte, off int64) (int, error) {
	d.c.mu.Lock()
	failing := d.c.failing
	d.c.mu.Unlock()
	if failing != nil {
		if err := failing(d.name); err != nil {
			return 0, err
		}
	}
	return d.Disk.WriteAt(p, off)
}

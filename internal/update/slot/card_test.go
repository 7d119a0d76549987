package slot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/image/firmware"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// partUUID is the number of the cards' boot partition.
const partUUID = "60c24cc1-f3f9-427a-8199-1f73bb360001"

// The parts of a card in memory.
const (
	boot = iota
	rootA
	rootB
	partCount
)

func rootOf(s slot.Slot) int {
	if s == slot.A {
		return rootA
	}
	return rootB
}

// An event is something that happened to a card: bytes written, a sync, or a mark
// of the test.
type event struct {
	part int
	off  int64
	data []byte
	sync bool
	mark func(*state)
}

// card is a card in memory that notes what is written to it.
type card struct {
	parts  [partCount][]byte
	log    []event
	budget int // sectors that can still be written; negative: any number
	lie    func(part int) bool
	damage func(part int, off int64, p []byte)
}

var errCut = errors.New("the power is cut")

// small is a geometry in which a card is checked in no time.
var small = bootpart.Options{SharedClusters: 384, SlotClusters: 512}

const (
	bootSize = 2 << 20
	rootSize = 512 << 10
)

func newCard(t testing.TB, first system) *card {
	t.Helper()
	c := &card{budget: -1}
	c.parts[boot] = make([]byte, bootSize)
	c.parts[rootA], c.parts[rootB] = make([]byte, rootSize), make([]byte, rootSize)
	opts := small
	opts.Sectors = slot.Sectors(slot.A)
	dev := c.dev(boot)
	if err := bootpart.Format(dev, bootSize, opts); err != nil {
		t.Fatal(err)
	}
	var shared []bootpart.File
	for _, name := range []string{"bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"} {
		shared = append(shared, bootpart.File{Name: name, Data: random(name, 3000)})
	}
	if err := bootpart.WriteShared(dev, shared); err != nil {
		t.Fatal(err)
	}
	if err := bootpart.WriteSlot(dev, slot.A, first.files(t, slot.A)); err != nil {
		t.Fatal(err)
	}
	copy(c.parts[rootA], first.root)
	c.log = nil
	return c
}

// dev is a part of the card.
func (c *card) dev(part int) *device { return &device{c, part} }

// open is the card as the system that runs from s sees it.
func (c *card) open(t testing.TB, s slot.Slot) *slot.Card {
	t.Helper()
	k, err := slot.New(slot.Parts{Boot: c.dev(boot), Roots: map[slot.Slot]slot.Device{slot.A: c.dev(rootA), slot.B: c.dev(rootB)}}, s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type device struct {
	c    *card
	part int
}

func (d *device) Size() int64 { return int64(len(d.c.parts[d.part])) }

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > d.Size() {
		return 0, io.EOF
	}
	n := copy(p, d.c.parts[d.part][off:])
	if n < len(p) {
		return n, io.EOF
	}
	if d.c.damage != nil {
		d.c.damage(d.part, off, p)
	}
	return n, nil
}

func (d *device) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off%bootpart.SectorBytes != 0 || len(p)%bootpart.SectorBytes != 0 || off+int64(len(p)) > d.Size() {
		return 0, fmt.Errorf("writing %d bytes at %d", len(p), off)
	}
	if d.c.budget >= 0 {
		sectors := min(d.c.budget, len(p)/bootpart.SectorBytes)
		d.c.budget -= sectors
		if sectors*bootpart.SectorBytes < len(p) {
			p = p[:sectors*bootpart.SectorBytes]
			d.write(p, off)
			return len(p), errCut
		}
	}
	d.write(p, off)
	return len(p), nil
}

func (d *device) write(p []byte, off int64) {
	copy(d.c.parts[d.part][off:], p)
	d.c.log = append(d.c.log, event{part: d.part, off: off, data: bytes.Clone(p)})
}

func (d *device) Sync() error {
	if d.c.budget == 0 {
		return errCut
	}
	if d.c.lie == nil || !d.c.lie(d.part) {
		d.c.log = append(d.c.log, event{part: d.part, sync: true})
	}
	return nil
}

// mark notes something among the writes.
func (c *card) mark(f func(*state)) { c.log = append(c.log, event{mark: f}) }

// random is bytes that depend on a name alone.
func random(name string, n int) []byte {
	sum := sha256.Sum256([]byte(name))
	r := rand.NewChaCha8(sum)
	b := make([]byte, n)
	r.Read(b)
	return b
}

// A system is what an update brings.
type system struct {
	version string
	boot    []bootpart.File
	root    []byte
}

// newSystem makes a system of about size bytes of kernel and twice that of root.
func newSystem(version string, size int) system {
	s := system{version: version, root: random(version+"root", 2*size+700)}
	copy(s.root, "hsqs")
	binary.LittleEndian.PutUint64(s.root[40:], uint64(len(s.root)-300))
	s.boot = []bootpart.File{{Name: slot.KernelFile, Data: append([]byte{0x1f, 0x8b}, random(version, size)...)}}
	for _, b := range firmware.Boards {
		s.boot = append(s.boot, bootpart.File{Name: b.DeviceTrees[0], Data: random(version+b.Name, 1500)})
	}
	for i := range 3 {
		name := fmt.Sprintf("overlays/an-overlay-with-a-long-name-%s-%d.dtbo", version, i)
		s.boot = append(s.boot, bootpart.File{Name: name, Data: random(name, 600)})
	}
	return s
}

func (s system) content() slot.Content {
	return slot.Content{Boot: s.boot, Root: bytes.NewReader(s.root), RootSize: int64(len(s.root)), PartUUID: partUUID, Version: s.version}
}

func (s system) files(t testing.TB, in slot.Slot) []bootpart.File {
	t.Helper()
	files, err := slot.BootFiles(in, s.content(), slot.DigestOf(s.root))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// whole says what is wrong with the system in a slot of a card; nil when every
// byte of it is there.
func (s system) whole(t testing.TB, parts *[partCount][]byte, in slot.Slot) error {
	fsys, err := bootpart.Open(bytes.NewReader(parts[boot]))
	if err != nil {
		return err
	}
	want := map[string][]byte{}
	for _, f := range s.files(t, in) {
		want[in.Dir()+f.Name] = f.Data
	}
	err = fs.WalkDir(fsys, string(in), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got, err := fsys.ReadFile(name)
		if err != nil {
			return err
		}
		if data, ok := want[name]; !ok || !bytes.Equal(got, data) {
			return fmt.Errorf("%s is not of version %s", name, s.version)
		}
		delete(want, name)
		return nil
	})
	if err == nil && len(want) > 0 {
		err = fmt.Errorf("%d files of version %s are missing", len(want), s.version)
	}
	if err == nil && !bytes.HasPrefix(parts[rootOf(in)], s.root) {
		err = fmt.Errorf("the root of slot %s is not of version %s", in, s.version)
	}
	return err
}

// start is what the firmware makes of a card: the slot and the version it boots.
func start(parts *[partCount][]byte, board firmware.Board, tryboot bool) (slot.Slot, string, error) {
	fsys, err := bootpart.Open(bytes.NewReader(parts[boot]))
	if err != nil {
		return "", "", err
	}
	b, err := firmware.Load(fsys, board, tryboot)
	if err != nil {
		return "", "", err
	}
	s, err := bootpart.ParseSlot(strings.TrimSuffix(b.Prefix, "/"))
	if err != nil {
		return "", "", err
	}
	word := func(name string) string {
		for _, w := range strings.Fields(b.CommandLine) {
			if value, ok := strings.CutPrefix(w, name+"="); ok {
				return value
			}
		}
		return ""
	}
	if got, want := word("root"), fmt.Sprintf("PARTUUID=%s/PARTNROFF=%d", partUUID, rootOf(s)); got != want {
		return "", "", fmt.Errorf("slot %s mounts the root %s, not %s", s, got, want)
	}
	if b.Overlays != s.Dir()+"overlays/" {
		return "", "", fmt.Errorf("slot %s takes overlays from %s", s, b.Overlays)
	}
	return s, word("hems_id"), nil
}

// must ends the test for an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// update does what the appliance does for a good update, up to the commit.
func (c *card) update(t testing.TB, from slot.Slot, s system) {
	t.Helper()
	old := c.open(t, from)
	must(t, old.Stage(context.Background(), from.Other(), s.content(), nil))
	must(t, old.Arm(context.Background(), from.Other()))
	if got, version, err := start(&c.parts, firmware.Pi4, true); err != nil || got != from.Other() || version != s.version {
		t.Fatalf("the trial boots slot %s, version %s, %v", got, version, err)
	}
	must(t, c.open(t, from.Other()).Commit())
}

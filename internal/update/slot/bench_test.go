package slot_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// diskCard is a card of the real size in files of this machine, with a system of
// about the real size.
func diskCard(b *testing.B) (*slot.Card, system, int64) {
	b.Helper()
	dir := b.TempDir()
	open := func(name string, size int64) *slot.Disk {
		path := filepath.Join(dir, name)
		must(b, os.WriteFile(path, nil, 0o600))
		must(b, os.Truncate(path, size))
		d, err := slot.OpenDevice(path)
		must(b, err)
		b.Cleanup(func() { d.Close() })
		return d
	}
	parts := slot.Parts{Boot: open("p1", 100<<20), Roots: map[slot.Slot]slot.Device{slot.A: open("p2", 500<<20), slot.B: open("p3", 500<<20)}}
	must(b, bootpart.Format(parts.Boot, 100<<20, bootpart.Options{Sectors: slot.Sectors(slot.A)}))
	s := newSystem("2.0.0", 16<<20)
	must(b, bootpart.WriteSlot(parts.Boot, slot.A, s.files(b, slot.A)))
	_, err := parts.Roots[slot.A].WriteAt(append(bytes.Clone(s.root), make([]byte, -len(s.root)&511)...), 0)
	must(b, err)
	k, err := slot.New(parts, slot.A)
	must(b, err)
	bytes := int64(len(s.root))
	for _, f := range s.boot {
		bytes += int64(len(f.Data))
	}
	return k, s, bytes
}

func BenchmarkStage(b *testing.B) {
	k, s, n := diskCard(b)
	b.SetBytes(n)
	for b.Loop() {
		must(b, k.Stage(context.Background(), slot.B, s.content(), nil))
	}
}

func BenchmarkVerify(b *testing.B) {
	k, _, n := diskCard(b)
	b.SetBytes(n)
	for b.Loop() {
		_, err := k.Verify(context.Background(), slot.A)
		must(b, err)
	}
}

// BenchmarkCountBoot is what each start of the appliance waits for.
func BenchmarkCountBoot(b *testing.B) {
	k, _, _ := diskCard(b)
	for b.Loop() {
		_, err := k.CountBoot(context.Background())
		must(b, err)
	}
}

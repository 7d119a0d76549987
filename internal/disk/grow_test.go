package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A memory is a disk in memory that keeps what was written to it between two
// syncs apart, as a disk with a cache may at a power cut.
type memory struct {
	b      []byte
	epochs [][]step
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if off%Sector != 0 || len(p)%Sector != 0 || off < Sector || off+int64(len(p)) > int64(len(m.b)) {
		return 0, errors.New("not whole sectors of the disk, or the very first")
	}
	if len(m.epochs) == 0 {
		m.epochs = [][]step{nil}
	}
	last := &m.epochs[len(m.epochs)-1]
	*last = append(*last, step{off / Sector, slices.Clone(p)})
	return copy(m.b[off:], p), nil
}

func (m *memory) Sync() error {
	m.epochs = append(m.epochs, nil)
	return nil
}

// small has partitions as a card has them, in few sectors.
var small = newTable([2]uint64{80, 99}, [2]uint64{100, 149}, [2]uint64{150, 199}, [2]uint64{200, 255})

// smallDisk is small with its backup, as gok makes them both, on a disk of so
// many sectors that holds something everywhere else.
func smallDisk(t testing.TB, sectors int64) *memory {
	t.Helper()
	const gok = 256 + 32 + 1
	b := make([]byte, gok*Sector)
	rand.NewChaCha8([32]byte{1}).Read(b)
	copy(b[Sector:], small[Sector:])
	m := &memory{b: b}
	if _, err := Grow(m, gok*Sector); err != nil { // makes the backup
		t.Fatal(err)
	}
	m.epochs = nil
	m.b = append(m.b, make([]byte, sectors*Sector-int64(len(m.b)))...)
	return m
}

func mustPartitions(t testing.TB, disk io.ReaderAt) []Partition {
	t.Helper()
	parts, err := Partitions(disk)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func TestGrowTakesTheWholeCard(t *testing.T) {
	m := smallDisk(t, 4000)
	before := slices.Clone(m.b)
	was := mustPartitions(t, m)
	grown, err := Grow(m, int64(len(m.b)))
	if err != nil || !grown {
		t.Fatalf("got %v, %v", grown, err)
	}
	want := slices.Clone(was)
	want[3].Size = (3960 - 200) * Sector // the table takes 33 sectors, the page's rest is left
	if diff := cmp.Diff(want, mustPartitions(t, m)); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	backup, err := readTable(m, 3999)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := backup.partitions()
	if diff := cmp.Diff(want, parts); err != nil || diff != "" {
		t.Errorf("the backup's partitions: %v (-want +got):\n%s", err, diff)
	}
	if !bytes.Equal(m.b[:Sector], before[:Sector]) {
		t.Error("the first sector was changed")
	}
	for _, between := range [][2]int{{34 + 32, 256}, {289, 4000 - 33}} { // but for the scratch place
		if !bytes.Equal(m.b[between[0]*Sector:between[1]*Sector], before[between[0]*Sector:between[1]*Sector]) {
			t.Errorf("something in sectors %d to %d was changed", between[0], between[1])
		}
	}
	le := binary.LittleEndian
	for name, at := range map[string][2]uint64{"the header": {1, 3999}, "the backup": {3999, 1}} {
		h := m.b[at[0]*Sector:]
		got := []uint64{le.Uint64(h[24:]), le.Uint64(h[32:]), le.Uint64(h[40:]), le.Uint64(h[48:])}
		if diff := cmp.Diff([]uint64{at[0], at[1], 34, 3966}, got); diff != "" {
			t.Errorf("%s: its place, the other's, first and last usable sector (-want +got):\n%s", name, diff)
		}
	}

	m.epochs = nil
	if grown, err := Grow(m, int64(len(m.b))); grown || err != nil || len(m.epochs) != 0 {
		t.Errorf("a second time: got %v, %v, %d epochs of writes", grown, err, len(m.epochs))
	}
}

func TestGrowRepairs(t *testing.T) {
	whole := smallDisk(t, 1000)
	if _, err := Grow(whole, int64(len(whole.b))); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int{"TheHeader": 1, "AnEntry": 2, "TheBackupsHeader": 999, "TheBackupsEntries": 999 - 20} {
		t.Run(name, func(t *testing.T) {
			m := &memory{b: slices.Clone(whole.b)}
			m.b[at*Sector+30] ^= 1
			if got, err := PartitionsOrBackup(m, int64(len(m.b))); err != nil || !slices.Equal(got, mustPartitions(t, whole)) {
				t.Errorf("before: got %+v, %v", got, err)
			}
			if grown, err := Grow(m, int64(len(m.b))); !grown || err != nil {
				t.Fatalf("got %v, %v", grown, err)
			}
			if !bytes.Equal(m.b, whole.b) {
				t.Error("it is not as it was")
			}
		})
	}
}

func TestGrowRefuses(t *testing.T) {
	rehead := func(change func(h []byte)) func(*memory) {
		return func(m *memory) {
			change(m.b[Sector:][:92])
			resum(m.b)
		}
	}
	parts := func(p ...[2]uint64) func(*memory) {
		return func(m *memory) { copy(m.b[Sector:], newTable(p...)[Sector:]) }
	}
	for _, tt := range []struct {
		name   string
		damage func(*memory)
		want   string
	}{
		{"NoTable", func(m *memory) { clear(m.b) }, "there is no header"},
		{"ASmallerCard", func(m *memory) { m.b = m.b[:250*Sector] }, "smaller than the table says"},
		{"NoPartition", parts(), "there is no partition"},
		{"ABackwardPartition", parts([2]uint64{100, 90}), "ends before it begins"},
		{"NoRoomBeforeThem", parts([2]uint64{40, 99}), "no room before it"},
		{"OutOfOrder", parts([2]uint64{300, 399}, [2]uint64{100, 199}), "partition 1 is behind the last one"},
		{"FewerEntries", rehead(func(h []byte) { binary.LittleEndian.PutUint32(h[80:], 4) }), "does not have 128 entries"},
		{"EntriesElsewhere", func(m *memory) {
			copy(m.b[40*Sector:], m.b[2*Sector:34*Sector])
			rehead(func(h []byte) { binary.LittleEndian.PutUint64(h[72:], 40) })(m)
		}, "another tool has moved them"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := smallDisk(t, 1000)
			tt.damage(m)
			before := slices.Clone(m.b)
			_, err := Grow(m, int64(len(m.b)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if !bytes.Equal(m.b, before) {
				t.Error("something was written nevertheless")
			}
		})
	}
}

// TestPowerCutsWhileGrowing replays what Grow writes and cuts the power at every
// moment: what was synced is there; of what was not, any sectors may be, and one
// may be torn.
func TestPowerCutsWhileGrowing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	start := smallDisk(t, 1000)
	was := mustPartitions(t, start)

	// A state is good if the kernel reads a table with the first three partitions,
	// and if a later Grow ends the work.
	check := func(t *testing.T, b []byte, torn bool) {
		t.Helper()
		m := &memory{b: b}
		tb, err := readTable(m, 1)
		if err != nil && torn {
			tb, err = readTable(m, 999) // as the kernel does with the word "gpt"
		}
		if err != nil {
			t.Fatalf("no table can be read: %v", err)
		}
		parts, err := tb.partitions()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(was[:3], parts[:3]); diff != "" {
			t.Fatalf("partitions (-want +got):\n%s", diff)
		}
		if _, err := Grow(m, 1000*Sector); err != nil {
			t.Fatal(err)
		}
		if got := mustPartitions(t, m); got[3].Size != (960-200)*Sector {
			t.Fatalf("afterwards the last partition is %+v", got[3])
		}
	}

	replay := func(t *testing.T, from []byte) (cuts [][]byte) {
		m := &memory{b: slices.Clone(from)}
		if _, err := Grow(m, int64(len(m.b))); err != nil {
			t.Fatal(err)
		}
		disk := slices.Clone(from)
		for _, epoch := range m.epochs {
			var sectors []step // each by itself
			for _, s := range epoch {
				for i := range int64(len(s.data) / Sector) {
					sectors = append(sectors, step{s.at + i, s.data[i*Sector:][:Sector]})
				}
			}
			for range 30 {
				cut := slices.Clone(disk)
				for _, s := range sectors {
					if random.IntN(2) == 0 {
						copy(cut[s.at*Sector:], s.data)
					}
				}
				check(t, slices.Clone(cut), false)
				cuts = append(cuts, slices.Clone(cut))
				if len(sectors) > 0 {
					s := sectors[random.IntN(len(sectors))]
					if random.IntN(2) == 0 {
						copy(cut[s.at*Sector:], s.data[:random.IntN(Sector)])
					} else {
						random := rand.NewChaCha8([32]byte{byte(s.at)})
						random.Read(cut[s.at*Sector:][:Sector]) // an interrupted write of a flash cell
					}
					check(t, slices.Clone(cut), true)
					cuts = append(cuts, cut)
				}
			}
			for _, s := range sectors {
				copy(disk[s.at*Sector:], s.data)
				check(t, slices.Clone(disk), false)
				cuts = append(cuts, slices.Clone(disk))
			}
		}
		if !bytes.Equal(disk, m.b) {
			t.Fatal("the replay ends elsewhere")
		}
		return cuts
	}
	cuts := replay(t, start.b)
	t.Logf("%d cuts of a first run", len(cuts))
	again := 0
	for range 10 { // and the power is cut again while that is put right
		again += len(replay(t, cuts[random.IntN(len(cuts))]))
	}
	t.Logf("%d cuts of a second run", again)
}

// A card whose growth was cut may be copied to a larger one.
func TestGrowAfterACutOnALargerCard(t *testing.T) {
	m := smallDisk(t, 1000)
	from := slices.Clone(m.b)
	if _, err := Grow(m, int64(len(m.b))); err != nil {
		t.Fatal(err)
	}
	disk := slices.Clone(from)
	for i, epoch := range m.epochs {
		for _, s := range epoch {
			copy(disk[s.at*Sector:], s.data)
		}
		larger := &memory{b: append(slices.Clone(disk), make([]byte, 500*Sector)...)}
		if _, err := Grow(larger, int64(len(larger.b))); err != nil {
			t.Fatalf("after %d steps: %v", i+1, err)
		}
		if got := mustPartitions(t, larger); got[3].Size != (1464-200)*Sector {
			t.Errorf("after %d steps: the last partition is %+v", i+1, got[3])
		}
	}
}

func TestGrowTellsOfADiskThatFails(t *testing.T) {
	for n := range 6 {
		m := smallDisk(t, 1000)
		_, err := Grow(&failing{memory: m, after: n}, int64(len(m.b)))
		if err == nil || !strings.Contains(err.Error(), "no space") {
			t.Errorf("after %d writes: got %v", n, err)
		}
		mustPartitions(t, m)
	}
}

type failing struct {
	*memory
	after int
}

func (f *failing) WriteAt(p []byte, off int64) (int, error) {
	if f.after--; f.after < 0 {
		return 0, errors.New("no space")
	}
	return f.memory.WriteAt(p, off)
}

func FuzzGrow(f *testing.F) {
	f.Add(slices.Concat(make([]byte, Sector), small[Sector:]), uint16(300))
	f.Add(slices.Concat(make([]byte, Sector), small[Sector:], make([]byte, 300*Sector)), uint16(0))
	f.Add(smallDisk(f, 289).b, uint16(200))
	f.Fuzz(func(t *testing.T, b []byte, more uint16) {
		disk := append(slices.Clone(b[:len(b)/Sector*Sector]), make([]byte, int(more%512)*Sector)...)
		m := &memory{b: disk}
		before, berr := Partitions(m)
		grown, err := Grow(m, int64(len(disk)))
		if err != nil || berr != nil {
			return
		}
		after := mustPartitions(t, m)
		n := len(before)
		if diff := cmp.Diff(before[:n-1], after[:n-1]); diff != "" || after[n-1].Size < before[n-1].Size || after[n-1].Offset != before[n-1].Offset {
			t.Errorf("grown %v: (-before +after):\n%s", grown, cmp.Diff(before, after))
		}
		if end := after[n-1].Offset + after[n-1].Size; end > int64(len(disk))-33*Sector {
			t.Errorf("the last partition ends at %d, over the backup table of a disk of %d bytes", end, len(disk))
		}
	})
}

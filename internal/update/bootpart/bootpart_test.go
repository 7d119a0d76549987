package bootpart

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// memory is a partition in memory that notes which bytes were written.
type memory struct {
	b      []byte
	writes []span
}

type span struct{ from, to int64 }

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if off%SectorBytes != 0 || len(p)%SectorBytes != 0 || off < 0 || off+int64(len(p)) > int64(len(m.b)) {
		return 0, fmt.Errorf("a write of %d bytes at %d", len(p), off)
	}
	m.writes = append(m.writes, span{off, off + int64(len(p))})
	return copy(m.b[off:], p), nil
}

// small is a geometry in which the layout is that of the card and the whole
// partition is copied in no time.
var small = Options{SharedClusters: 256, SlotClusters: 256}

const smallSize = 1 << 20

func format1(t testing.TB, opts Options, size int64) *memory {
	t.Helper()
	m := &memory{b: make([]byte, size)}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range m.b[:min(size, smallSize)] {
		m.b[i] = byte(rnd.Uint32()) // what the partition held before must not matter
	}
	if err := Format(m, size, opts); err != nil {
		t.Fatal(err)
	}
	return m
}

func content(name string, n int) File {
	rnd := rand.New(rand.NewPCG(uint64(n), uint64(len(name))))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return File{name, b}
}

// bootFiles are of the kind a slot has, with all its kinds of names and sizes.
func bootFiles() []File {
	files := []File{
		content("vmlinuz.gz", 50_001), content("cmdline.txt", 200), content("empty.txt", 0),
		content("one-cluster.bin", 1024), content("overlays/README", 17), content("CAPITALS.TXT", 5),
		content("thirteen.unit", 13), content("bcm2712d0-rpi-5-b.dtb", 3000), content("two.dots.txt", 2),
	}
	for i := range 60 {
		files = append(files, content(fmt.Sprintf("overlays/vc4-kms-dsi-%d-a-very-long-panel-name.dtbo", i), 100+i))
	}
	return files
}

func readAll(t testing.TB, fsys fs.FS, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		got[strings.TrimPrefix(name, dir+"/")] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func open(t testing.TB, m *memory) *FS {
	t.Helper()
	fsys, err := Open(m)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func TestTheCardsRegionsBeginAtWholeMiB(t *testing.T) {
	g, err := newGeometry(100<<20, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{g.slots[0], g.slots[1], g.offset(g.slots[0].first), g.offset(g.slots[1].first), g.offset(g.slots[1].end), g.reserved % sectorsPerCluster}
	want := []any{region{8192, 54272}, region{54272, 100352}, int64(10 << 20), int64(55 << 20), int64(100 << 20), uint32(0)}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(region{})); diff != "" {
		t.Errorf("geometry (-want +got):\n%s", diff)
	}
}

func TestSlotsReadBack(t *testing.T) {
	m := format1(t, small, smallSize)
	shared := []File{content("bootcode.bin", 1234), content("start4.elf", 100_000)}
	if err := WriteShared(m, shared); err != nil {
		t.Fatal(err)
	}
	a, b := bootFiles(), []File{content("vmlinuz.gz", 3), content("overlays/x.dtbo", 4)}
	for s, files := range map[Slot][]File{A: a, B: b} {
		if err := WriteSlot(m, s, files); err != nil {
			t.Fatal(err)
		}
		if err := CompareSlot(m, s, files); err != nil {
			t.Fatal(err)
		}
	}
	blank := strings.Repeat(" ", 511) + "\n"
	want := map[string]string{"config.txt": blank, "tryboot.txt": blank, "hems.txt": blank}
	for prefix, files := range map[string][]File{"": shared, "a/": a, "b/": b} {
		for _, f := range files {
			want[prefix+f.Name] = string(f.Data)
		}
	}
	got := readAll(t, open(t, m), ".")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%.2000s", diff)
	}
	if err := fstest.TestFS(open(t, m), "a/vmlinuz.gz", "config.txt"); err != nil {
		t.Error(err)
	}
}

func TestANameIsFoundInAnyCase(t *testing.T) {
	m := format1(t, small, smallSize)
	if err := WriteSlot(m, A, bootFiles()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"A/VMLINUZ.GZ", "a/OverLays/readme", "a/bcm271~1.dtb", "CONFIG.TXT"} {
		if _, err := open(t, m).ReadFile(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := open(t, m).ReadFile("a/vmlinuz")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestASlotIsWrittenInItsOwnSectors holds what the card's safety rests on.
func TestASlotIsWrittenInItsOwnSectors(t *testing.T) {
	m := format1(t, small, smallSize)
	g, err := readGeometry(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Slots {
		r := g.slot(s)
		allowed := []span{{g.offset(r.first), g.offset(r.end)}, {g.fatOffset(0, r.first), g.fatOffset(0, r.end)}, {g.fatOffset(1, r.first), g.fatOffset(1, r.end)}}
		m.writes = nil
		if err := WriteSlot(m, s, bootFiles()); err != nil {
			t.Fatal(err)
		}
		if len(m.writes) == 0 {
			t.Fatal("nothing was written")
		}
		for _, w := range m.writes {
			inside := false
			for _, a := range allowed {
				inside = inside || w.from >= a.from && w.to <= a.to
			}
			if !inside {
				t.Errorf("slot %s: a write at %d..%d is outside of %v", s, w.from, w.to, allowed)
			}
		}
	}
}

func TestASlotIsWrittenOverAnything(t *testing.T) {
	m := format1(t, small, smallSize)
	if err := WriteSlot(m, B, bootFiles()); err != nil {
		t.Fatal(err)
	}
	clean := bytes.Clone(m.b)
	g, err := readGeometry(m)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	r := g.slot(B)
	for _, at := range []span{{g.offset(r.first), g.offset(r.end)}, {g.fatOffset(0, r.first), g.fatOffset(0, r.end)}, {g.fatOffset(1, r.first), g.fatOffset(1, r.end)}} {
		for i := at.from; i < at.to; i++ {
			m.b[i] = byte(rnd.Uint32())
		}
	}
	if err := CompareSlot(m, B, bootFiles()); err == nil {
		t.Fatal("garbage was taken for the files")
	}
	if err := WriteSlot(m, B, bootFiles()); err != nil {
		t.Fatal(err)
	}
	if err := CompareSlot(m, B, bootFiles()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.b[:g.offset(r.first)], clean[:g.offset(r.first)]) {
		t.Error("the directories, the FAT or the other slot are not as after the first write")
	}
}

func TestASectorIsReplacedInPlace(t *testing.T) {
	text := []byte(fmt.Sprintf("%-511s\n", "os_prefix=a/"))
	opts := small
	opts.Sectors = map[string][]byte{ConfigFile: text}
	m := format1(t, opts, smallSize)
	if got, err := ReadSector(m, ConfigFile); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("the first config.txt: %q, %v", got, err)
	}
	for _, name := range sectorFiles {
		want := []byte(fmt.Sprintf("%-511s\n", "this is "+name))
		m.writes = nil
		if err := WriteSector(m, name, want); err != nil {
			t.Fatal(err)
		}
		if len(m.writes) != 1 || m.writes[0].to-m.writes[0].from != SectorBytes {
			t.Errorf("%s: writes %v, want one of one sector", name, m.writes)
		}
		got, err := open(t, m).ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if err := WriteSector(m, "start.elf", make([]byte, SectorBytes)); err == nil {
		t.Error("another file was taken for one of one sector")
	}
	if err := WriteSector(m, ConfigFile, make([]byte, 511)); err == nil {
		t.Error("511 bytes were taken for a sector")
	}
}

func TestWhatDoesNotFitIsRefusedBeforeAnyWrite(t *testing.T) {
	m := format1(t, small, smallSize)
	many := make([]File, maxFiles+1)
	for i := range many {
		many[i].Name = fmt.Sprint(i)
	}
	tests := map[string]struct {
		write func() error
		large bool
	}{
		"a slot too large":        {func() error { return WriteSlot(m, A, []File{{"vmlinuz.gz", make([]byte, 256<<10)}}) }, true},
		"firmware too large":      {func() error { return WriteShared(m, []File{{"start.elf", make([]byte, 256<<10)}}) }, true},
		"too many files":          {func() error { return WriteSlot(m, A, many) }, false},
		"two of one name":         {func() error { return WriteSlot(m, A, []File{{"a", nil}, {"A", nil}}) }, false},
		"a file as a directory":   {func() error { return WriteSlot(m, A, []File{{"a", nil}, {"a/b", nil}}) }, false},
		"a path that leads out":   {func() error { return WriteSlot(m, A, []File{{"../b/vmlinuz.gz", nil}}) }, false},
		"a name with a backslash": {func() error { return WriteSlot(m, A, []File{{`a\b`, nil}}) }, false},
		"a name beyond ASCII":     {func() error { return WriteSlot(m, A, []File{{"ä", nil}}) }, false},
		"an empty name":           {func() error { return WriteSlot(m, A, []File{{"", nil}}) }, false},
		"too deep":                {func() error { return WriteSlot(m, A, []File{{strings.Repeat("d/", 20) + "f", nil}}) }, false},
		"firmware in a directory": {func() error { return WriteShared(m, []File{{"c/start.elf", nil}}) }, false},
		"firmware in a slot":      {func() error { return WriteShared(m, []File{{"a/start.elf", nil}}) }, false},
		"a third slot":            {func() error { return WriteSlot(m, "c", nil) }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m.writes = nil
			err := test.write()
			if err == nil || errors.Is(err, ErrTooLarge) != test.large {
				t.Errorf("error %v", err)
			}
			if len(m.writes) > 0 {
				t.Errorf("%d writes before the error", len(m.writes))
			}
		})
	}
	if err := WriteSlot(m, A, []File{{"vmlinuz.gz", make([]byte, 255<<10)}}); err != nil {
		t.Errorf("what fits exactly: %v", err)
	}
	if err := Format(&memory{b: make([]byte, 1000)}, 1000, Options{}); err == nil {
		t.Error("a partition that is too small was formatted")
	}
}

func TestThePartitionOfAnotherIsRefused(t *testing.T) {
	image := gokImage(t)
	m := &memory{b: bytes.Clone(image)}
	if err := WriteSlot(m, A, nil); err == nil || len(m.writes) > 0 {
		t.Errorf("a slot was written into another's file system: %v", err)
	}
	if err := WriteSector(m, ConfigFile, make([]byte, SectorBytes)); err == nil || len(m.writes) > 0 {
		t.Errorf("a sector was written into another's file system: %v", err)
	}
	if _, err := Open(bytes.NewReader(nil)); err == nil {
		t.Error("nothing was opened")
	}
}

func TestTheSameFilesGiveTheSameBytes(t *testing.T) {
	sum := func(reverse bool) [32]byte {
		m := &memory{b: make([]byte, smallSize)}
		if err := Format(m, smallSize, small); err != nil {
			t.Fatal(err)
		}
		files := bootFiles()
		if reverse {
			for i, j := 0, len(files)-1; i < j; i, j = i+1, j-1 {
				files[i], files[j] = files[j], files[i]
			}
		}
		if err := WriteSlot(m, A, files); err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(m.b)
	}
	if sum(false) != sum(true) {
		t.Error("the order of the files is in the bytes")
	}
}

func TestCompareSlotSees(t *testing.T) {
	m := format1(t, small, smallSize)
	files := bootFiles()
	if err := WriteSlot(m, A, files); err != nil {
		t.Fatal(err)
	}
	g, err := readGeometry(m)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := open(t, m).find("open", "a/vmlinuz.gz")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		at    int64 // of a byte that changes; 0: none does
		files []File
	}{
		"a byte of the kernel":   {g.offset(kernel.first) + 1000, files},
		"a byte of a FAT":        {g.fatOffset(1, g.slot(A).first) + 40, files},
		"a file that is missing": {0, append(bootFiles(), File{"more", nil})},
		"a file too many":        {0, files[1:]},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			damaged := &memory{b: bytes.Clone(m.b)}
			if test.at > 0 {
				damaged.b[test.at] ^= 1
			}
			if err := CompareSlot(damaged, A, test.files); err == nil {
				t.Error("it was not seen")
			}
		})
	}
	if err := CompareSlot(m, A, files); err != nil {
		t.Errorf("undamaged: %v", err)
	}
}

// gokImage is the beginning of a boot partition as gokrazy's packer makes it:
// FAT16, clusters of 2 KiB, one FAT, long names throughout, short ones in lower
// case.
func gokImage(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "gok-fat16.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var image []byte
	for line := range strings.Lines(string(text)) {
		var at, count int
		var row []byte
		if n, err := fmt.Sscanf(line, "%x %d %x", &at, &count, &row); n < 2 {
			if strings.HasPrefix(line, "#") {
				continue
			}
			t.Fatalf("line %q: %v", line, err)
		}
		image = append(image, make([]byte, at-len(image))...)
		image = append(image, bytes.Repeat(row, count)...)
	}
	return image
}

func TestGoksImageIsRead(t *testing.T) {
	fsys, err := Open(bytes.NewReader(gokImage(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"cmdline.txt":         "console=tty1 root=PARTUUID=60c24cc1-f3f9-427a-8199-1f73bb360001/PARTNROFF=1\n",
		"vmlinuz":             strings.Repeat("kernel gokrazy!\n", 300),
		"bcm2712-rpi-5-b.dtb": "device tree",
		"overlays/vc4-kms-dsi-waveshare-panel.dtbo": "overlay",
		"EFI/BOOT/BOOTAA64.EFI":                     "efi",
	}
	if diff := cmp.Diff(want, readAll(t, fsys, ".")); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

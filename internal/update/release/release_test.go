package release

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

const (
	sector    = 512
	bootStart = 64      // sectors
	bootSize  = 1 << 20 // bytes
	rootStart = bootStart + bootSize/sector
	rootSize  = 64 << 10 // bytes
)

var built = time.Date(2026, 11, 21, 10, 20, 30, 0, time.UTC)

// squash is a root partition whose file system takes n bytes of it.
func squash(n uint64) []byte {
	b := make([]byte, rootSize)
	copy(b, "hsqs")
	binary.LittleEndian.PutUint32(b[8:], uint32(built.Unix()))
	binary.LittleEndian.PutUint64(b[40:], n)
	for i := 96; i < min(int(n), len(b)); i++ {
		b[i] = byte(i)
	}
	return b
}

func slotFiles() []bootpart.File {
	return []bootpart.File{
		{Name: "vmlinuz.gz", Data: []byte("kernel")},
		{Name: "bcm2711-rpi-4-b.dtb", Data: []byte("tree")},
		{Name: "overlays/README", Data: []byte("readme")},
		{Name: "overlays/a.dtbo", Data: []byte("overlay")},
		{Name: "cmdline.txt", Data: []byte("console=tty1 hems_slot=a hems_id=1.2.3-dev.4+gabc1234\n")},
		{Name: "slot.json", Data: []byte("{}")},
	}
}

// card writes an image with a boot partition and slot a's root, and returns its
// file.
func card(t testing.TB, files []bootpart.File, root []byte) string {
	t.Helper()
	disk := make(memory, rootStart*sector+rootSize)
	copy(disk, table([2]uint64{bootStart, rootStart - 1}, [2]uint64{rootStart, rootStart + rootSize/sector - 1}))
	part := disk[bootStart*sector:][:bootSize]
	if err := bootpart.Format(part, bootSize, bootpart.Options{SharedClusters: 256, SlotClusters: 256}); err != nil {
		t.Fatal(err)
	}
	if err := bootpart.WriteSlot(part, bootpart.A, files); err != nil {
		t.Fatal(err)
	}
	copy(disk[rootStart*sector:], root)
	file := filepath.Join(t.TempDir(), "hems.img")
	if err := os.WriteFile(file, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error)  { return bytes.NewReader(m).ReadAt(p, off) }
func (m memory) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }

// table is the beginning of a disk with these partitions, each as its first and
// last sector (UEFI specification 2.10, tables 5-5 and 5-6).
func table(sectors ...[2]uint64) []byte {
	disk := make([]byte, 34*sector)
	h, entries := disk[sector:][:92], disk[2*sector:]
	le := binary.LittleEndian
	for i, s := range sectors {
		e := entries[i*128:]
		e[0] = 1 // any type but zero
		le.PutUint64(e[32:], s[0])
		le.PutUint64(e[40:], s[1])
	}
	copy(h, "EFI PART")
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[72:], 2) // where the entries begin
	le.PutUint32(h[80:], 128)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return disk
}

func keys(t testing.TB) (dir string, root sign.Public) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "keys")
	root, err := NewKeys(dir, "the release machine")
	if err != nil {
		t.Fatal(err)
	}
	return dir, root
}

func TestARelease(t *testing.T) {
	dir, root := keys(t)
	image := card(t, slotFiles(), squash(9000))
	for _, tt := range []struct {
		name     string
		change   func(r *Release)
		file     string // beside the image
		version  string
		progress bool
	}{
		{"OfTheImagesVersion", func(*Release) {}, "hems-1.2.3-dev.4+gabc1234.hems", "1.2.3-dev.4+gabc1234", false},
		{"OfAVersion", func(r *Release) { r.Version = "v2.0.0" }, "hems-2.0.0.hems", "2.0.0", false},
		{"InAFile", func(r *Release) { r.Output = filepath.Join(filepath.Dir(r.Image), "x.hems") }, "x.hems", "1.2.3-dev.4+gabc1234", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var done, total int64
			r := Release{Image: image, Keys: dir, Notes: "faster"}
			tt.change(&r)
			if tt.progress {
				r.Progress = func(d, t int64) { done, total = d, t }
			}
			made, err := r.Run()
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(filepath.Dir(image), tt.file); made.File != want {
				t.Errorf("it is in %s, want %s", made.File, want)
			}
			if tt.progress && (total == 0 || done != total) {
				t.Errorf("progress ended at %d of %d", done, total)
			}
			f, err := os.Open(made.File)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			b, err := bundle.Open(f, made.Size, bundle.Policy{Trust: sign.NewTrust(root)})
			if err != nil {
				t.Fatal(err)
			}
			m := b.Manifest()
			if m.Version != tt.version || m.Notes != "faster" || m.Board != bundle.Board || !m.Built.Equal(built) {
				t.Errorf("it says it is %+v", m)
			}
			want := map[string]string{"vmlinuz.gz": "kernel", "bcm2711-rpi-4-b.dtb": "tree", "overlays/README": "readme", "overlays/a.dtbo": "overlay",
				"root.img": string(squash(9000)[:9000])}
			got := map[string]string{}
			for _, c := range append(b.Boot(), b.Root()) {
				data, err := io.ReadAll(c.Open())
				if err != nil {
					t.Fatal(err)
				}
				got[c.Name] = string(data)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("contents (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAReleaseIsRefused(t *testing.T) {
	good, _ := keys(t)
	other, _ := keys(t)
	image := card(t, slotFiles(), squash(9000))
	without := func(name string) string {
		var files []bootpart.File
		for _, f := range slotFiles() {
			if f.Name != name {
				files = append(files, f)
			}
		}
		return card(t, files, squash(9000))
	}
	file := func(b []byte) string {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	// keysWith are the good keys, with one file replaced, or removed.
	keysWith := func(name, from string) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, name))
		if from != "" {
			b, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for _, tt := range []struct {
		name string
		r    Release
		want string
	}{
		{"NoImage", Release{Image: "/nowhere/hems.img", Keys: good}, `no such file or directory: build it with "make image"`},
		{"NoTable", Release{Image: file(make([]byte, 1<<20)), Keys: good}, `there is no header: build it again with "make image"`},
		{"OnePartition", Release{Image: file(table([2]uint64{34, 40})), Keys: good}, "it has 1 partitions"},
		{"NoBootPartition", Release{Image: file(append(table([2]uint64{64, 128}, [2]uint64{129, 200}), make([]byte, 200*sector)...)), Keys: good}, "opening the FAT"},
		{"NoRoot", Release{Image: card(t, slotFiles(), nil), Keys: good}, "the root partition has no SquashFS"},
		{"RootLongerThanItsPartition", Release{Image: card(t, slotFiles(), squash(rootSize+1)), Keys: good}, "the root partition has no SquashFS"},
		{"NoKernel", Release{Image: without("vmlinuz.gz"), Keys: good}, "it does not list a kernel"},
		{"NoCommandLine", Release{Image: without("cmdline.txt"), Keys: good}, "there is no system in slot a: open cmdline.txt: file does not exist"},
		{"NoVersion", Release{Image: card(t, append(slotFiles()[:4], bootpart.File{Name: "cmdline.txt", Data: []byte("x")}), squash(9000)), Keys: good}, `the version "" is not one such as 1.2.3`},
		{"OtherVersion", Release{Image: image, Version: "newest", Keys: good}, `the version "newest" is not one such as 1.2.3`},
		{"NoKeys", Release{Image: image, Keys: "/nowhere/keys"}, `make one with "hems keys new /nowhere/keys"`},
		{"NoCertificate", Release{Image: image, Keys: keysWith(CertificateFile, "")}, `let a root key make it with "hems keys certify"`},
		{"CertificateOfAnotherKey", Release{Image: image, Keys: keysWith(CertificateFile, filepath.Join(other, CertificateFile))}, "use the certificate of this key"},
		{"RootSigns", Release{Image: image, Keys: keysWith(SigningKeyFile, filepath.Join(good, RootKeyFile))}, sign.ErrWrongLevel.Sentence},
		{"NotesTooLong", Release{Image: image, Keys: good, Notes: strings.Repeat("a", 9000)}, "its notes are longer"},
		{"NowhereToWrite", Release{Image: image, Keys: good, Output: "/nowhere/x.hems"}, "/nowhere/x.hems.part"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := tt.r.Run()
			if err == nil || !strings.Contains(err.Error(), tt.want) || made.File != "" {
				t.Errorf("got %q, %v, want %q", made.File, err, tt.want)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(tt.r.Image), "*.hems*")); left != nil {
				t.Errorf("%v is left", left)
			}
		})
	}
}

func ExampleRelease() {
	_, err := Release{Image: "hems.img", Keys: "/nowhere"}.Run()
	fmt.Println(err)
	// Output: making the release: reading the signing key: open /nowhere/signing.pem: no such file or directory: make one with "hems keys new /nowhere"
}

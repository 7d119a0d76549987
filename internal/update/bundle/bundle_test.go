package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/update/refusal"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// maker is somebody who may release.
type maker struct {
	root   sign.Root
	key    sign.Key
	signer Signer
	trust  sign.Trust
}

func newMaker(t testing.TB) *maker {
	t.Helper()
	m := &maker{root: made(sign.NewRoot()), key: made(sign.NewKey())}
	m.signer = Signer{m.key, made(m.root.Certify(m.key.Public(), "the release machine"))}
	m.trust = sign.NewTrust(m.root.Public())
	return m
}

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var built = time.Date(2026, 11, 21, 10, 20, 30, 0, time.UTC)

// contents are small files with every kind of padding.
var contents = map[string][]byte{
	"boot/vmlinuz.gz":               bytes.Repeat([]byte("kernel "), 100),
	"boot/bcm2710-rpi-3-b.dtb":      bytes.Repeat([]byte{1}, 512),
	"boot/bcm2711-rpi-4-b.dtb":      []byte("tree"),
	"boot/overlays/README":          []byte("overlays\n"),
	"boot/overlays/disable-bt.dtbo": bytes.Repeat([]byte{2}, 511),
	"boot/overlays/overlay_map.dtb": bytes.Repeat([]byte{3}, 513),
	"root.img":                      bytes.Repeat([]byte("hsqs"), 256),
}

// order is the order of the files in a bundle.
var order = []string{
	"boot/vmlinuz.gz", "boot/bcm2710-rpi-3-b.dtb", "boot/bcm2711-rpi-4-b.dtb",
	"boot/overlays/README", "boot/overlays/disable-bt.dtbo", "boot/overlays/overlay_map.dtb", "root.img",
}

func sources() []Source {
	var s []Source
	for name, b := range contents {
		s = append(s, Bytes(name, b))
	}
	return s
}

func manifest() Manifest {
	return Manifest{Version: "1.2.3", Board: Board, Built: built, Notes: "faster\nand better"}
}

// release is a good bundle.
func (m *maker) release(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, manifest(), sources(), m.signer, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// forge writes an archive of any members, as only somebody with their own
// program can. The manifest lists what change leaves, signed with the good key.
func (m *maker) forge(t testing.TB, change func(m *Manifest), names []string, contents map[string][]byte) []byte {
	t.Helper()
	mf := manifest()
	mf.Format, mf.Product = 1, Product
	for _, name := range names {
		mf.Files = append(mf.Files, File{name, int64(len(contents[name])), sha256.Sum256(contents[name])})
	}
	change(&mf)
	text := made(json.Marshal(mf))
	return archive(built, append([]string{manifestName, signatureName}, names...), map[string][]byte{
		manifestName: text, signatureName: made(m.key.Sign(text, m.signer.Certificate)).Encode(),
	}, contents)
}

// archive is a tar of the members, found in the first map that has them.
func archive(at time.Time, names []string, from ...map[string][]byte) []byte {
	var out []byte
	for _, name := range names {
		for _, f := range from {
			if b, ok := f[name]; ok {
				size := int64(len(b))
				out = slices.Concat(out, header(name, size, at)[:], b, make([]byte, padded(size)-size))
				break
			}
		}
	}
	return append(out, end[:]...)
}

func (m *maker) policy() Policy { return Policy{Trust: m.trust, Running: "1.2.2"} }

func open(b []byte, p Policy) (*Bundle, error) { return Open(bytes.NewReader(b), int64(len(b)), p) }

func TestWriteAndOpen(t *testing.T) {
	m := newMaker(t)
	file := m.release(t)
	p := m.policy()
	var last [2]int64
	p.Progress = func(done, total int64) { last = [2]int64{done, total} }
	b, err := open(file, p)
	if err != nil {
		t.Fatal(err)
	}
	if size := int64(len(file)); last != [2]int64{size, size} {
		t.Errorf("progress ended at %d, want all of %d", last, size)
	}
	want := manifest()
	want.Format, want.Product = 1, Product
	for _, name := range order {
		want.Files = append(want.Files, File{name, int64(len(contents[name])), sha256.Sum256(contents[name])})
	}
	if diff := cmp.Diff(want, b.Manifest()); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if got := b.SignedBy().Name; got != "the release machine" {
		t.Errorf("signed by %q", got)
	}
	for i, c := range append(b.Boot(), b.Root()) {
		name := order[i]
		if want := strings.TrimPrefix(name, "boot/"); c.Name != want {
			t.Errorf("file %d is %s, want %s", i, c.Name, want)
		}
		if err := iotest.TestReader(c.Open(), contents[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	peeked, err := Peek(iotest.OneByteReader(bytes.NewReader(file)), m.policy())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, peeked); diff != "" {
		t.Errorf("manifest of the beginning (-want +got):\n%s", diff)
	}
	if again := m.release(t); !bytes.Equal(file, again) {
		t.Error("the same release has two forms")
	}
}

// TestOthersReadIt lists a bundle with Go's reader and with the system's tar.
func TestOthersReadIt(t *testing.T) {
	file := newMaker(t).release(t)
	want := append([]string{manifestName, signatureName}, order...)
	var got []string
	r := tar.NewReader(bytes.NewReader(file))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || h.Mode != 0o644 || !h.ModTime.Equal(built) {
			t.Errorf("%s has type %c, mode %o, time %s", h.Name, h.Typeflag, h.Mode, h.ModTime)
		}
		if b, err := io.ReadAll(r); err != nil || contents[h.Name] != nil && !bytes.Equal(b, contents[h.Name]) {
			t.Errorf("%s reads back differently: %v", h.Name, err)
		}
		got = append(got, h.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	path := filepath.Join(t.TempDir(), "hems-1.2.3.hems")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tar", "tf", path).CombinedOutput()
	if err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	if diff := cmp.Diff(want, strings.Fields(string(out))); diff != "" {
		t.Errorf("members by tar (-want +got):\n%s", diff)
	}
}

func TestVersions(t *testing.T) {
	m := newMaker(t)
	file := m.release(t) // 1.2.3
	for _, tt := range []struct {
		running    string
		allowOlder bool
		want       error
	}{
		{"1.2.2", false, nil},
		{"v1.2.2", false, nil},
		{"1.2.3", false, nil}, // again
		{"1.2.3+g1234567.dirty", false, nil},
		{"1.2.3-dev.7", false, nil},
		{"1.2.4-dev.7", false, ErrOlder},
		{"1.10.0", false, ErrOlder},
		{"v2.0.0", false, ErrOlder},
		{"v2.0.0", true, nil},
		{"", false, nil},
		{"development", false, nil},
		{"b4c47e2-dirty", false, nil},
	} {
		p := Policy{Trust: m.trust, Running: tt.running, AllowOlder: tt.allowOlder}
		if _, err := open(file, p); !errors.Is(err, tt.want) {
			t.Errorf("1.2.3 on %q (older allowed: %t): got %v, want %v", tt.running, tt.allowOlder, err, tt.want)
		}
	}
	if !Older("0.3.0-dev.9+gabc", "0.3.0-dev.10+gabd") || Older("0.3.0-dev.10", "0.3.0-dev.9") || Older("0.3.0", "0.3.0-dev.10") {
		t.Error("development versions are out of order")
	}
	for version, want := range map[string]bool{
		"1.2.3": true, "v1.2.3": true, "0.3.0-dev.12+gabc1234.dirty": true,
		"": false, "v": false, "1": false, "1.2": false, "vv1.2.3": false, "1.2.3.4": false, "01.2.3": false, "1.2.3 ": false,
		"1.2.3-" + strings.Repeat("a", 200): false,
	} {
		if got := ValidVersion(version); got != want {
			t.Errorf("%q is valid: %t, want %t", version, got, want)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	m := newMaker(t)
	for _, tt := range []struct {
		name   string
		change func(m *Manifest, files []Source) []Source
		want   string
	}{
		{"NoVersion", func(m *Manifest, s []Source) []Source { m.Version = ""; return s }, `its version is ""`},
		{"VersionOfGit", func(m *Manifest, s []Source) []Source { m.Version = "b4c47e2"; return s }, `its version is "b4c47e2"`},
		{"NeverBuilt", func(m *Manifest, s []Source) []Source { m.Built = time.Time{}; return s }, "it was built at 0001"},
		{"LongNotes", func(m *Manifest, s []Source) []Source { m.Notes = strings.Repeat("a", maxNotes+1); return s }, "its notes are longer"},
		{"NoRoot", func(_ *Manifest, s []Source) []Source {
			return slices.DeleteFunc(s, func(s Source) bool { return s.Name == rootName })
		}, "it does not list a kernel, the rest, and a root"},
		{"NoKernel", func(_ *Manifest, s []Source) []Source {
			return slices.DeleteFunc(s, func(s Source) bool { return s.Name == kernelName })
		}, "it does not list a kernel, the rest, and a root"},
		{"Twice", func(_ *Manifest, s []Source) []Source {
			return append(s, Bytes("boot/bcm2711-rpi-4-b.dtb", []byte("other")))
		},
			"it lists boot/bcm2711-rpi-4-b.dtb after boot/bcm2711-rpi-4-b.dtb"},
		{"CommandLine", func(_ *Manifest, s []Source) []Source { return append(s, Bytes("boot/cmdline.txt", []byte("panic"))) },
			"it does not list a kernel, the rest, and a root"},
		{"Empty", func(_ *Manifest, s []Source) []Source { return append(s, Bytes("boot/a.dtb", nil)) }, "it lists boot/a.dtb with 0 bytes"},
		{"Shorter", func(_ *Manifest, s []Source) []Source { s[0].Size++; return s }, "has not the"},
		{"Longer", func(_ *Manifest, s []Source) []Source { s[0].Size--; return s }, "has not the"},
		{"Changing", func(_ *Manifest, s []Source) []Source {
			calls := 0
			return append(s, Source{"boot/a.dtb", 1, func() (io.ReadCloser, error) {
				calls++
				return io.NopCloser(strings.NewReader(fmt.Sprint(calls))), nil
			}})
		}, "boot/a.dtb changed while it was read"},
		{"CannotBeOpened", func(_ *Manifest, s []Source) []Source {
			return append(s, Source{"boot/a.dtb", 1, func() (io.ReadCloser, error) { return nil, os.ErrPermission }})
		}, "permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mf := manifest()
			files := tt.change(&mf, sources())
			err := Write(io.Discard, mf, files, m.signer, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if err := Write(io.Discard, manifest(), sources(), Signer{newMaker(t).key, m.signer.Certificate}, nil); err == nil {
		t.Error("a bundle is signed with a key that has no certificate")
	}
}

func TestAContentThatChangesAfterwardsIsSeen(t *testing.T) {
	m := newMaker(t)
	file := m.release(t)
	b, err := open(file, m.policy())
	if err != nil {
		t.Fatal(err)
	}
	root := b.Root()
	file[root.offset+5] ^= 1
	if _, err := io.ReadAll(root.Open()); !errors.Is(err, ErrContents) {
		t.Errorf("got %v, want %v", err, ErrContents)
	}
}

func TestADiskThatFailsIsNoRefusal(t *testing.T) {
	m := newMaker(t)
	file := m.release(t)
	for at := int64(0); at < int64(len(file)); at += 300 {
		_, err := Open(failing{bytes.NewReader(file), at}, int64(len(file)), m.policy())
		if !errors.Is(err, os.ErrDeadlineExceeded) || refusal.Of(err) != nil {
			t.Errorf("failing at %d: got %v", at, err)
		}
	}
}

// failing is a disk that cannot be read from an offset on.
type failing struct {
	r  io.ReaderAt
	at int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= f.at {
		return f.r.ReadAt(p, off)
	}
	n, err := f.r.ReadAt(p[:max(0, f.at-off)], off)
	return n, errors.Join(err, os.ErrDeadlineExceeded)
}

package slot

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// openFile is a file of size bytes as a Disk; direct, with the block device's way
// through aligned memory.
func openFile(t testing.TB, size int, direct bool) (*Disk, []byte) {
	t.Helper()
	content := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(content)
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDevice(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if direct {
		if d.direct, err = unix.Mmap(-1, 0, directBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
			t.Fatal(err)
		}
	}
	return d, content
}

func TestADiskReadsAndWritesAnything(t *testing.T) {
	const size = 3<<20 + 512*3
	for name, direct := range map[string]bool{"a file": false, "in whole sectors": true} {
		t.Run(name, func(t *testing.T) {
			d, content := openFile(t, size, direct)
			if d.Size() != size {
				t.Errorf("size %d, want %d", d.Size(), size)
			}
			rnd := rand.New(rand.NewPCG(1, 1))
			for range 200 {
				if rnd.IntN(2) == 0 {
					at := rnd.IntN(size/512) * 512
					n := min(1+rnd.IntN(5000), (size-at)/512) * 512
					copy(content[at:], bytes.Repeat([]byte{byte(rnd.Uint32())}, n))
					if got, err := d.WriteAt(content[at:][:n], int64(at)); err != nil || got != n {
						t.Fatalf("writing %d at %d: %d, %v", n, at, got, err)
					}
				}
				at := rnd.IntN(size)
				n := min(rnd.IntN(2<<20), size-at)
				b := make([]byte, n)
				if got, err := d.ReadAt(b, int64(at)); err != nil || got != n {
					t.Fatalf("reading %d at %d: %d, %v", n, at, got, err)
				}
				if !bytes.Equal(b, content[at:][:n]) {
					t.Fatalf("%d bytes at %d are different", n, at)
				}
			}
			if err := d.Sync(); err != nil {
				t.Error(err)
			}
			b := make([]byte, 1000)
			if n, err := d.ReadAt(b, size-400); n != 400 || !errors.Is(err, io.EOF) {
				t.Errorf("reading over the end: %d, %v", n, err)
			}
			for _, w := range []struct{ off, n int64 }{{1, 512}, {0, 511}, {-512, 512}, {size - 512, 1024}} {
				if _, err := d.WriteAt(make([]byte, w.n), w.off); err == nil {
					t.Errorf("%d bytes at %d were written", w.n, w.off)
				}
			}
		})
	}
}

func TestOpenDeviceRefuses(t *testing.T) {
	for _, path := range []string{t.TempDir(), "/dev/null", filepath.Join(t.TempDir(), "missing")} {
		if d, err := OpenDevice(path); err == nil {
			d.Close()
			t.Errorf("%s was opened", path)
		}
	}
}

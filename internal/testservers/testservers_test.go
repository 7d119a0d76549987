package testservers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFilesOfFlux: what is in Rust, and what only tests read, is left out; a
// module stays.
func TestFilesOfFlux(t *testing.T) {
	for path, want := range map[string]bool{
		"go.mod": true, "go.sum": true, "runtime/global.go": true, "libflux/go/libflux/parser.go": false,
		"libflux/flux-core/src/lib.rs": false, "stdlib/flux_test.go": false, "README.md": false,
	} {
		if got := fluxKept(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

// TestNewest: a program is built again when any file of its module, however
// deep, is newer.
func TestNewest(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	for name, at := range map[string]time.Time{filepath.Join(dir, "go.mod"): want.Add(-time.Hour), filepath.Join(deep, "stub.go"): want} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := newest(dir); err != nil || !got.Equal(want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var got tail
	for range 1000 {
		got.Write([]byte(strings.Repeat("x", 100)))
	}
	got.Write([]byte("the end"))
	if len(got) > 9<<10 || !strings.HasSuffix(string(got), "the end") {
		t.Errorf("%d bytes are kept, which end with %q", len(got), got[max(0, len(got)-10):])
	}
}

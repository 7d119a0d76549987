//go:build vm

package image

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestE2fsckFromDebian brings the card's e2fsck from this machine's package
// sources.
func TestE2fsckFromDebian(t *testing.T) {
	var p pin
	if err := json.Unmarshal(e2fsckPin, &p); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "e2fsck")
	if err := p.bring(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "e2fsck"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(b), "\x7fELF") {
		t.Error("it is no program")
	}
	for name, want := range map[string]os.FileMode{"e2fsck": 0o755, "copyright": 0o644} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", name, got, want)
		}
	}

	other := p
	other.Version = "0.0-never"
	err = other.bring(t.Context(), filepath.Join(t.TempDir(), "other"))
	if err == nil || !strings.Contains(err.Error(), "cannot be had") || !strings.Contains(err.Error(), "image/e2fsck.json") {
		t.Errorf("a version that Debian does not have: got %v", err)
	}
}

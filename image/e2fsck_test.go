package image

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The pin and config.json speak of the same files.
func TestTheCardGetsWhatIsPinned(t *testing.T) {
	var p pin
	if err := json.Unmarshal(e2fsckPin, &p); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../config.json")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		PackageConfig map[string]struct{ ExtraFilePaths map[string]string }
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for _, c := range config.PackageConfig {
		for _, from := range c.ExtraFilePaths {
			if name, ok := strings.CutPrefix(from, "build/e2fsck/"); ok {
				wanted = append(wanted, name)
			}
		}
	}
	slices.Sort(wanted)
	var got []string
	for name, f := range p.Files {
		got = append(got, name)
		if len(f.SHA256) != 64 || f.From == "" {
			t.Errorf("%s: %+v pins nothing", name, f)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, wanted) || len(got) == 0 {
		t.Errorf("e2fsck.json has %q, config.json takes %q", got, wanted)
	}
	if p.Package == "" || p.Version == "" || p.Architecture != "arm64" {
		t.Errorf("the package is %q %q for %q", p.Package, p.Version, p.Architecture)
	}
}

func TestPinnedFiles(t *testing.T) {
	p := pin{Package: "e2fsck-static", Version: "1", Files: map[string]pinned{
		// SHA-256 of "abc" (FIPS 180-2, appendix B.1).
		"e2fsck": {From: "sbin/e2fsck.static", SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	}}
	dir := t.TempDir()
	if err := p.check(dir); err == nil {
		t.Error("a file that is not there passes")
	}
	for text, want := range map[string]string{"abc": "", "abd": "sbin/e2fsck.static of e2fsck-static 1 is not the file it was", "": "image/e2fsck.json"} {
		if err := os.WriteFile(filepath.Join(dir, "e2fsck"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := p.check(dir)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	// What is there and right is not brought again: there is no apt to ask here.
	t.Setenv("PATH", "")
	if err := os.WriteFile(filepath.Join(dir, "e2fsck"), []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.bring(t.Context(), dir); err != nil {
		t.Errorf("got %v", err)
	}
}

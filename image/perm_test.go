//go:build vm

package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPermOfASmallDisk makes and seeds a file system in a disk of 84 MiB: the
// tools of e2fsprogs do it, as for an image.
func TestPermOfASmallDisk(t *testing.T) {
	ctx := t.Context()
	disk := filepath.Join(t.TempDir(), "disk,one.img")
	one := [2]uint64{34, 40}
	const first, end = 8192, 8192 + 80<<20/sector
	if err := os.WriteFile(disk, table(one, one, one, [2]uint64{first, end - 34}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, end*sector); err != nil {
		t.Fatal(err)
	}
	if err := makePerm(ctx, disk); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"hems/secrets/mqtt-home": "secret\n", "hems/empty": "", "other": strings.Repeat("x", 100_000)} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Seed(ctx, disk, dir); err != nil {
		t.Fatal(err)
	}
	perm := fmt.Sprintf("%s?offset=%d", disk, first*sector)
	for name, want := range map[string]string{
		"/hems/secrets":           "Type: directory    Mode:  0700",
		"/hems/secrets/mqtt-home": "Type: regular    Mode:  0600",
	} {
		out, err := output(ctx, "debugfs", "-R", "stat "+name, perm)
		if err != nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "User:     0   Group:     0") {
			t.Errorf("%s: got %s, %v, want %q and root", name, out, err, want)
		}
	}
	if out, err := output(ctx, "e2fsck", "-fn", perm); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}

	if err := os.Symlink("other", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := Seed(ctx, disk, dir); err == nil || !strings.Contains(err.Error(), "neither a file nor a directory") {
		t.Errorf("a link: got %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "other"), 64<<20); err != nil {
		t.Fatal(err)
	}
	if err := Seed(ctx, disk, dir); err == nil || !strings.Contains(err.Error(), "reads back differently") {
		t.Errorf("more than fits: got %v", err)
	}
}

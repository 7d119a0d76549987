//go:build vm

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// brokenRoot is a root file system in which a program of testdata/broken has
// taken the place of another: made of a real one with squashfs-tools, for the
// real processor.
func brokenRoot(t *testing.T, root, program, inPlaceOf string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	systemTool(t, "unsquashfs", "-quiet", "-no-progress", "-dest", tree, root)
	target := filepath.Join(tree, filepath.FromSlash(inPlaceOf))
	if _, err := os.Stat(target); err != nil {
		t.Fatalf("the root has no %s: %v", inPlaceOf, err)
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", target, "./testdata/broken/"+program)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", program, err, out)
	}
	broken := filepath.Join(dir, "root.img")
	// Fast rather than small: it is written once and read once.
	systemTool(t, "mksquashfs", tree, broken, "-quiet", "-no-progress", "-noappend", "-all-root", "-comp", "gzip", "-Xcompression-level", "1")
	return broken
}

package privilege

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ids are a user and a group to give files to: others than ours where we are
// root, else our own, with which nothing changes.
func ids() (uid, gid int) {
	if os.Geteuid() == 0 {
		return 64901, 64902
	}
	return os.Getuid(), os.Getgid()
}

// listing is each file below dir with its owner and mode.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		name, err := filepath.Rel(dir, path)
		all[name] = fmt.Sprintf("%d:%d %v", st.Uid, st.Gid, info.Mode())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, mode); err != nil {
		t.Fatal(err)
	}
}

func TestBelowGivesEverythingButLinks(t *testing.T) {
	uid, gid := ids()
	top := t.TempDir()
	dir, other := filepath.Join(top, "dir"), filepath.Join(top, "other")
	write(t, filepath.Join(dir, "a"), 0o600)
	write(t, filepath.Join(dir, "sub", "b"), 0o640)
	write(t, filepath.Join(other, "theirs"), 0o600)
	write(t, filepath.Join(other, "too"), 0o600)
	if err := os.Symlink(other, filepath.Join(dir, "symlink")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(other, "too"), filepath.Join(dir, "sub", "hard")); err != nil {
		t.Fatal(err)
	}
	before := listing(t, other)
	err := Below(dir, uid, gid)
	if os.Geteuid() == 0 && (err == nil || !strings.Contains(err.Error(), "sub/hard: it has another name")) {
		t.Errorf("error %v, want one about the file with two names", err)
	}
	if diff := cmp.Diff(before, listing(t, other)); diff != "" {
		t.Errorf("what the links lead to has changed (-before +after):\n%s", diff)
	}
	us := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	them := fmt.Sprintf("%d:%d", uid, gid)
	want := map[string]string{
		".":        us + " drwx------",
		"a":        them + " -rw-------",
		"sub":      them + " drwx------",
		"sub/b":    them + " -rw-r-----",
		"sub/hard": us + " -rw-------",
		"symlink":  us + " Lrwxrwxrwx",
	}
	if diff := cmp.Diff(want, listing(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestDirectoryAndFileSetOwnerAndMode(t *testing.T) {
	uid, gid := ids()
	top := t.TempDir()
	dir, file := filepath.Join(top, "x", "dir"), filepath.Join(top, "x", "dir", "file")
	for range 2 { // the second time there is nothing to do
		if err := Directory(dir, Owner{uid, gid, os.ModeDir | os.ModeSetgid | 0o710}); err != nil {
			t.Fatal(err)
		}
		if err := File(file, Owner{uid, gid, 0o640}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); err != nil {
			write(t, file, 0o600)
		}
	}
	them := fmt.Sprintf("%d:%d", uid, gid)
	want := map[string]string{".": them + " dgrwx--x---", "file": them + " -rw-r-----"}
	if diff := cmp.Diff(want, listing(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoFileOrDirectoryIsRefused(t *testing.T) {
	uid, gid := ids()
	top := t.TempDir()
	target, link, pipe := filepath.Join(top, "target"), filepath.Join(top, "link"), filepath.Join(top, "pipe")
	write(t, target, 0o600)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe, top} {
		if err := File(path, Owner{uid, gid, 0o644}); err == nil {
			t.Errorf("File took over %s", path)
		}
	}
	if err := Directory(target, Owner{uid, gid, os.ModeDir | 0o755}); err == nil {
		t.Error("Directory took over a file")
	}
	want := fmt.Sprintf("%d:%d -rw-------", os.Getuid(), os.Getgid())
	if got := listing(t, top)["target"]; got != want {
		t.Errorf("the link's target is %s, want %s", got, want)
	}
}

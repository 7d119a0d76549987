//go:build vm

package bootpart

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// need finds a program that the VM's tests install.
func need(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: install dosfstools and mtools", name)
	return ""
}

// TestOtherProgramsAgree lets fsck.vfat check a card's boot partition after some
// updates, and mtools read every file of it.
func TestOtherProgramsAgree(t *testing.T) {
	fsck, mcopy, mdir := need(t, "fsck.vfat"), need(t, "mcopy"), need(t, "mdir")
	name := filepath.Join(t.TempDir(), "p1.img")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 100 << 20
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		out, err := exec.Command(fsck, "-n", "-v", name).CombinedOutput()
		if err != nil {
			t.Errorf("fsck.vfat %s: %v\n%s", when, err, out)
		}
	}
	if err := Format(f, size, Options{HiddenSectors: 8192}); err != nil {
		t.Fatal(err)
	}
	check("after formatting")
	slot := func(kernel, overlays int) []File {
		files := append(bootFiles(), content("vmlinuz", kernel))
		for i := range overlays {
			files = append(files, content(fmt.Sprintf("overlays/another-device-%d-with-a-name.dtbo", i), 2000+i))
		}
		return files
	}
	if err := WriteShared(f, []File{content("bootcode.bin", 52_000), content("start.elf", 3_000_000), content("fixup4.dat", 5400)}); err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, step := range []struct {
		slot             Slot
		kernel, overlays int
	}{{A, 16 << 20, 300}, {B, 40 << 20, 100}, {A, 1 << 20, 10}, {B, 15 << 20, 400}} {
		files := slot(step.kernel, step.overlays)
		if err := WriteSlot(f, step.slot, files); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("after writing %s", step.slot))
		for k := range all {
			if Slot(k[:1]) == step.slot {
				delete(all, k)
			}
		}
		for _, file := range files {
			all[step.slot.Dir()+file.Name] = file.Data
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command(mcopy, "-s", "-n", "-i", name, "::/a", "::/b", dir).CombinedOutput(); err != nil {
		t.Fatalf("mcopy: %v\n%s", err, out)
	}
	for path, want := range all {
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("mcopy: %s is different", path)
		}
	}
	out, err := exec.Command(mdir, "-i", name, "::/a/overlays").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("another-device-9-with-a-name.dtbo")) {
		t.Errorf("mdir: %v\n%s", err, out)
	}
}

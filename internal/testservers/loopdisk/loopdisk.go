// Package loopdisk gives tests an ext4 file system on a disk of its own, which
// is a file: what reaches that disk can be counted, and copied as it is when the
// power is cut. It needs root. It knows disks and mounts and must never know
// what the tests keep there.
package loopdisk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Card is how the appliance's card is mounted; Plain is what a system does that
// says nothing.
const (
	Card  = "noatime,nosuid,nodev,errors=remount-ro,data=ordered,commit=30"
	Plain = "nosuid,nodev"
)

const insideEnv = "HEMS_TEST_LOOPDISK"

// Private runs the test that calls it once more, in a process with mounts of its
// own that go when it ends, however it ends. It is true in that process; where it
// is false the test has run, and has nothing more to do.
func Private(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) == t.Name() {
		return true
	}
	if os.Getuid() != 0 {
		t.Fatal("this test mounts a disk of its own: run it as root")
	}
	args := []string{"-test.run", "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"}
	value := false // of a flag that is left out
	for _, a := range os.Args[1:] {
		name, _, joined := strings.Cut(a, "=")
		switch name {
		case "-test.run", "-test.testlogfile", "-test.coverprofile":
			value = !joined
			continue
		}
		if !value {
			args = append(args, a)
		}
		value = false
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), insideEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("in a process with mounts of its own: %v", err)
	}
	return false
}

// Disk is a mounted disk.
type Disk struct {
	Dir   string // where it is mounted
	Image string // the file that it is
	dev   string // loop0
}

// New makes a disk of this many bytes and mounts it, until the test ends.
func New(t testing.TB, size int64, options string) *Disk {
	t.Helper()
	image := filepath.Join(scratch(t), "disk.img")
	f, err := os.Create(image)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	tool(t, "mkfs.ext4", "e2fsprogs", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
	return Mount(t, image, options)
}

// Mount mounts an image until the test ends.
func Mount(t testing.TB, image, options string) *Disk {
	t.Helper()
	d := &Disk{Dir: scratch(t), Image: image}
	tool(t, "mount", "mount", "-o", "loop,"+options, image, d.Dir)
	t.Cleanup(func() { d.Unmount(t) })
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if w := strings.Fields(line); len(w) > 1 && w[1] == d.Dir {
			d.dev = filepath.Base(w[0])
		}
	}
	if !strings.HasPrefix(d.dev, "loop") {
		t.Fatalf("%s is on %q, not on a loop device", d.Dir, d.dev)
	}
	return d
}

// Unmount lets the disk go. A second time does nothing.
func (d *Disk) Unmount(t testing.TB) {
	t.Helper()
	if d.Dir == "" {
		return
	}
	tool(t, "umount", "mount", d.Dir)
	os.Remove(d.Dir)
	d.Dir = ""
}

func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hemsdisk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// tool runs a program of the system.
func tool(t testing.TB, name, pkg string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		t.Fatalf("%v: apt-get install %s", err, pkg)
	}
	if out, err := exec.CommandContext(context.Background(), path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// Settle has the system write what it still has in memory, so that it does not
// come later.
func (d *Disk) Settle(t testing.TB) {
	t.Helper()
	tool(t, "sync", "coreutils", "-f", d.Dir)
}

// Counts are what a disk was asked for since it was made.
type Counts struct {
	Writes, Bytes, Flushes uint64
}

// Counts says what reached the disk.
func (d *Disk) Counts(t testing.TB) Counts {
	t.Helper()
	b, err := os.ReadFile("/sys/block/" + d.dev + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	w := strings.Fields(string(b))
	n := func(i int) uint64 {
		if i >= len(w) {
			return 0
		}
		v, err := strconv.ParseUint(w[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return Counts{Writes: n(4), Bytes: n(6) * 512, Flushes: n(15)}
}

// Since is what came after before.
func (c Counts) Since(before Counts) Counts {
	return Counts{c.Writes - before.Writes, c.Bytes - before.Bytes, c.Flushes - before.Flushes}
}

func (c Counts) String() string {
	return fmt.Sprintf("%d writes, %d bytes, %d flushes", c.Writes, c.Bytes, c.Flushes)
}

// Cut copies the disk as it is now: what the file system has in memory and has
// not written is not in the copy. Where something was written while it was
// copied, it is copied again.
func (d *Disk) Cut(t testing.TB, to string) {
	t.Helper()
	for range 20 {
		before := d.Counts(t)
		if err := copySparse(d.Image, to); err != nil {
			t.Fatal(err)
		}
		if d.Counts(t) == before {
			return
		}
	}
	t.Fatal("the disk is written all the time, so that no copy is of one moment")
}

// copySparse leaves holes where there is nothing.
func copySparse(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	const seekData, seekHole = 3, 4
	for at := int64(0); at < info.Size(); {
		start, err := in.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			break
		}
		if err != nil {
			return err
		}
		end, err := in.Seek(start, seekHole)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, start), io.NewSectionReader(in, start, end-start)); err != nil {
			return err
		}
		at = end
	}
	return out.Close()
}

package keeper

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/boot/report"
)

// What the person is told when the file system fails while the appliance runs.
const (
	saidErrors = "The memory card has faults. Restart the appliance: it checks and repairs the card when it starts. " +
		"If this is told again afterwards, make a backup and take a new card."
	saidReadOnly = "The memory card takes no data any more: what is measured now is not kept. Restart the appliance: it checks and repairs the card when it starts. " +
		"If this is told again afterwards, the card is worn out: take a new card and restore your last backup."
)

// look compares the file system of /perm with what is told of it. What was found
// to be wrong stays wrong until the next start, which repairs it.
func (k *Keeper) look() {
	k.mu.Lock()
	name, state := k.perm, k.report.Perm.State
	k.mu.Unlock()
	if name == "" {
		return
	}
	if state == report.ReadOnly {
		k.mend()
		return
	}
	m, err := mountAt(k.Proc, k.Perm)
	if err != nil {
		return // it is being stopped, in good order
	}
	n := errorCount(k.Sys, name)
	var said, detail string
	switch {
	case m.readOnly():
		state, said, detail = report.ReadOnly, saidReadOnly, fmt.Sprintf("%s is %s", name, m.Super)
	case n > k.found && !takesData(k.Perm):
		state, said, detail = report.ReadOnly, saidReadOnly, fmt.Sprintf("%s takes no data any more: the kernel found %d errors", name, n)
	case n > k.found:
		state, said, detail = report.Errors, saidErrors, fmt.Sprintf("the kernel found %d errors on %s", n, name)
	default:
		return
	}
	k.found = n
	k.Log("/perm: %s", detail)
	k.mu.Lock()
	p := &k.report.Perm
	p.State, p.Message = state, said
	p.Detail = strings.TrimSpace(p.Detail + "\n" + detail)
	k.mu.Unlock()
	k.tell()
}

// takesData tries to write a file that has no name and is never closed written.
// From 6.12 on the kernel, when it has found an error, does not call a file system
// read-only but refuses everything that is asked of it.
func takesData(dir string) bool {
	f, err := os.OpenFile(dir, os.O_WRONLY|unix.O_TMPFILE, 0o600)
	if err == nil {
		f.Close()
	}
	return !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EROFS)
}

// MendAfter is how long the appliance has run when it is started again for a file
// system that takes no data, unless the kernel's command line names another time:
// in no case does it do nothing but start.
const MendAfter = 10 * time.Minute

// mend starts the appliance again when the file system takes no data any more:
// only a start repairs it, and until then nobody is told anything, for neither can
// anything be read. It is done once: not when this start has repaired it already,
// and not in a trial, which ends in a restart by itself.
func (k *Keeper) mend() {
	k.mu.Lock()
	due := !k.mended && k.sound && !k.report.Trial && time.Since(k.policy.ready) >= k.mendAfter
	k.mended = k.mended || due
	k.mu.Unlock()
	if !due {
		return
	}
	k.Log("the appliance is started again, so that the card is repaired")
	if err := k.Restart(); err != nil {
		k.Log("starting the appliance again: %v", err)
	}
}

// errorCount is how many errors ext4 has found since the last full check. A file
// system that does not count has none.
func errorCount(sys, name string) int {
	b, err := os.ReadFile(filepath.Join(sys, "fs/ext4", filepath.Base(name), "errors_count"))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}

// A mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	FS, Source string
	Options    string // of the mount
	Super      string // of the file system
}

func (m mount) readOnly() bool {
	words := append(strings.Split(m.Options, ","), strings.Split(m.Super, ",")...)
	return slices.ContainsFunc(words, func(w string) bool { return w == "ro" || w == "emergency_ro" || w == "shutdown" })
}

// errNotMounted is that nothing is mounted at a directory.
var errNotMounted = errors.New("nothing is mounted")

// mountAt finds what is mounted at a directory: the last, where one lies over
// the other.
func mountAt(proc, dir string) (mount, error) {
	f, err := os.Open(filepath.Join(proc, "self/mountinfo"))
	if err != nil {
		return mount{}, fmt.Errorf("reading what is mounted: %w", err)
	}
	defer f.Close()
	return findMount(f, dir)
}

func findMount(info io.Reader, dir string) (mount, error) {
	found := mount{}
	err := fmt.Errorf("%w at %s", errNotMounted, dir)
	lines := bufio.NewScanner(info)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if !ok || len(b) < 6 || len(a) < 3 || b[4] != dir {
			continue
		}
		found, err = mount{FS: a[0], Source: a[1], Options: b[5], Super: a[2]}, nil
	}
	if e := lines.Err(); e != nil {
		return mount{}, fmt.Errorf("reading what is mounted: %w", e)
	}
	return found, err
}

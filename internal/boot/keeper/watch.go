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

	"github.com/smartcore-ireland/hems/internal/boot/report"
)

// What the person is told when the file system fails while the appliance runs.
const (
	saidErrors = "The memory card has faults. Restart the appliance: it checks and repairs the card when it starts. " +
		"If this is told again afterwards, make a backup and take a new card."
	saidReadOnly = "The memory card takes no data any more: what is measured now is not kept. Restart the appliance: it checks and repairs the card when it starts. " +
		"If this is told again afterwards, the card is worn out: make a backup and take a new card."
)

// look compares the file system of /perm with what is told of it. What was found
// to be wrong stays wrong until the next start, which repairs it.
func (k *Keeper) look() {
	k.mu.Lock()
	name, state := k.perm, k.report.Perm.State
	k.mu.Unlock()
	if name == "" || state == report.ReadOnly {
		return
	}
	m, err := mountAt(k.Proc, k.Perm)
	if err != nil {
		return // it is being stopped, in good order
	}
	var found report.State
	var said, detail string
	if m.readOnly() {
		found, said, detail = report.ReadOnly, saidReadOnly, fmt.Sprintf("%s is %s", name, m.Super)
	} else if n := errorCount(k.Sys, name); n > 0 && state != report.Errors {
		found, said, detail = report.Errors, saidErrors, fmt.Sprintf("the kernel found %d errors on %s", n, name)
	} else {
		return
	}
	k.Log("/perm: %s", detail)
	k.mu.Lock()
	p := &k.report.Perm
	p.State, p.Message = found, said
	p.Detail = strings.TrimSpace(p.Detail + "\n" + detail)
	k.mu.Unlock()
	k.tell()
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

package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/image/firmware"
)

// An ending is how a machine's run from one choice of the firmware to the next
// ended.
type ending struct {
	off   bool
	try   bool
	cause Cause
	words string
}

// once runs the machine until it resets, switches itself off, or ctx ends.
func (v *VM) once(ctx context.Context, boot firmware.Boot, console *console) (ending, error) {
	kernel := v.Disk + ".vmlinuz"
	if err := os.WriteFile(kernel, boot.Kernel, 0o600); err != nil {
		return ending{}, fmt.Errorf("taking the kernel out of the card: %w", err)
	}
	qemu, err := tool("qemu-system-aarch64")
	if err != nil {
		return ending{}, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return ending{}, err
	}
	defer ours.Close()
	words := append([]string{boot.CommandLine}, v.Words...)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, qemu, v.args(kernel, onSerial(strings.Join(words, " ")))...)
	cmd.Stdout, cmd.Stderr = console, &stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// Out of the terminal's group, so that Ctrl-C is ours; and gone with us. The
	// kernel counts the thread that started it as its parent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return ending{}, err
	}
	v.started(cmd.Process)
	defer v.started(nil)

	m := newMonitor(ours)
	over := make(chan struct{})
	late := make(chan bool, 1)
	go func() { late <- v.guard(m, cmd.Process, boot.Watchdog, over) }()
	err = cmd.Wait()
	close(over)
	m.wait() // its end of the line is closed
	if <-late {
		return ending{cause: ByNotTaking, words: console.lastWords()}, nil
	}
	if err != nil {
		return ending{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	argument, restarting := console.restart()
	switch {
	case m.saw("WATCHDOG"):
		return ending{cause: ByWatchdog, words: console.lastWords()}, nil
	case m.reason() == "guest-shutdown":
		return ending{off: true}, nil
	case m.reason() != "guest-reset":
		return ending{}, errors.New("it ended by itself")
	case !restarting && console.panicked() != "":
		return ending{cause: ByPanic, words: console.panicked()}, nil
	}
	return ending{cause: ByReboot, try: firmware.Tryboot(argument), words: argument}, nil
}

// guard is kernel_watchdog_timeout: the firmware starts the board's watchdog and
// the kernel, told by watchdog.open_timeout, keeps it content until a program of
// the system opens it or that time is up. QEMU's watchdog cannot be handed over
// running, so the machine is ended here when no program has started it in time.
// It says whether it did that.
func (v *VM) guard(m *monitor, p *os.Process, timeout time.Duration, over <-chan struct{}) bool {
	if timeout == 0 {
		return false
	}
	began := time.Now()
	for {
		select {
		case <-over:
			return false
		case <-time.After(250 * time.Millisecond):
		}
		if m.watchdogRuns() {
			return false
		}
		// A board has its processors for itself: time in which the machine had to
		// wait for one of this host's does not count.
		if time.Since(began) > timeout+min(waited(p.Pid), 2*timeout) {
			return p.Kill() == nil
		}
	}
}

// waited is how long the thread of a process that waited longest for a processor
// did so (Documentation/scheduler/sched-stats.rst: the second field).
func waited(pid int) time.Duration {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0
	}
	var longest time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if fields := strings.Fields(string(b)); err == nil && len(fields) > 1 {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err == nil {
				longest = max(longest, time.Duration(n))
			}
		}
	}
	return longest
}

// socketPair is two ends of a stream; the second one is for a child.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a way to the virtual machine: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}

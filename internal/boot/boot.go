// Package boot is what happens between the kernel and gokrazy's init: the
// watchdog gets its keeper, the boot is counted, /perm is checked, repaired,
// grown and mounted, a restore that was waiting is put in place, and then the
// first process becomes gokrazy's, which starts the programs. It knows the
// machine and the order of these steps. It must never know what the programs do.
//
// No step may keep the next from being taken: what fails is logged and told in
// the report, and gokrazy's init is started in any case.
package boot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/boot/keeper"
	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/disk"
)

// next is gokrazy's init.
const next = "/gokrazy/init"

// Main is the program: the first process, or the keeper it started.
func Main() {
	switch first := os.Getpid() == 1; {
	case !first && len(os.Args) == 2 && os.Args[1] == "keeper":
		log := openLog("/dev/kmsg")
		k := &keeper.Keeper{Device: "/dev/watchdog", Runtime: report.Runtime, Proc: "/proc", Sys: "/sys", Perm: "/perm",
			Log: log.printf, Handover: keeper.Line(),
			// gokrazy's init then stops all programs, unmounts /perm, and restarts.
			Restart: func() error { return unix.Kill(1, unix.SIGTERM) }}
		if err := k.Run(context.Background()); err != nil {
			log.printf("the watchdog's keeper has ended: %v", err)
		}
		os.Exit(1)
	case !first:
		fmt.Fprintln(os.Stderr, "error: hems-boot is the first process of the appliance and cannot be started later")
		fmt.Fprintln(os.Stderr, "hint: the kernel starts it, by init=/user/hems-boot on its command line")
		os.Exit(125) // gokrazy does not start it again
	default:
		b := &start{log: openLog("/dev/kmsg"), proc: "/proc", sys: "/sys", dev: "/dev", perm: "/perm", fsck: "/usr/sbin/e2fsck",
			mount: unix.Mount, reboot: func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) }}
		b.run()
		err := syscall.Exec(next, []string{next}, os.Environ())
		b.log.printf("starting gokrazy: %v: the kernel restarts the board", err)
		time.Sleep(time.Second) // the console is slower than the kernel
		os.Exit(1)
	}
}

// start is one start of the appliance.
type start struct {
	log                  *logger
	proc, sys, dev, perm string // mount points
	fsck                 string // the program e2fsck
	// mount and reboot are the kernel's, but not in a test, whose machine is in use.
	mount  func(source, target, fstype string, flags uintptr, data string) error
	reboot func() error

	cmdline string
	keeper  *keeper.Process
	hand    keeper.Handover
	disk    *disk.System
}

func (b *start) run() {
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"mounting what the kernel tells", b.mountKernel},
		{"starting the watchdog's keeper", b.startKeeper},
		{"reading the kernel's command line", b.readCommandLine},
		{"counting the boot", b.countBoot},
		{"bringing up /perm", b.bringUpPerm},
		{"putting a restore in place", b.applyRestore},
		{"letting programs listen on port 80", b.openPorts},
		{"handing over", b.handOver},
	} {
		if err := b.step(s.do); err != nil {
			b.log.printf("%s: %v", s.name, err)
		}
	}
}

func (b *start) step(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v\n%s", r, debug.Stack())
		}
	}()
	return do()
}

// mountKernel mounts the kernel's own file systems, where the kernel has not.
func (b *start) mountKernel() error {
	for _, m := range []struct{ fs, at string }{{"devtmpfs", b.dev}, {"proc", b.proc}, {"sysfs", b.sys}} {
		if err := b.mount(m.fs, m.at, m.fs, 0, ""); err != nil && err != unix.EBUSY {
			b.log.printf("mounting %s: %v", m.at, err)
		}
	}
	b.log.everything(b.proc)
	return nil
}

func (b *start) startKeeper() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	b.keeper, err = keeper.Start(program)
	return err
}

// readCommandLine finds the slot and the disk.
func (b *start) readCommandLine() error {
	text, err := os.ReadFile(filepath.Join(b.proc, "cmdline"))
	if err != nil {
		return err
	}
	b.cmdline = string(text)
	b.hand.Report.Slot = word(b.cmdline, "hems_slot")
	b.hand.Report.TrialLimit = int(duration(b.cmdline, "hems_trial", keeper.TrialLimit) / time.Second)
	b.hand.MendAfter = duration(b.cmdline, "hems_mend", keeper.MendAfter)
	for deadline := time.Now().Add(nodeWithin); ; time.Sleep(50 * time.Millisecond) {
		b.disk, err = disk.Find(b.sys, b.dev, b.cmdline)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// word is the value of a word of a kernel's command line; the last one counts.
func word(cmdline, name string) (value string) {
	for w := range strings.FieldsSeq(cmdline) {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			value = v
		}
	}
	return value
}

// Bounds of a time that the command line may name.
const minTime, maxTime = 10 * time.Second, time.Hour

// duration is the value of a word of a kernel's command line, in seconds; usual
// when there is none or it is out of bounds.
func duration(cmdline, name string, usual time.Duration) time.Duration {
	n, err := strconv.Atoi(word(cmdline, name))
	if d := time.Duration(n) * time.Second; err == nil && d >= minTime && d <= maxTime {
		return d
	}
	return usual
}

// openPorts lets the gateway, which is nobody special, have port 80.
func (b *start) openPorts() error {
	return os.WriteFile(filepath.Join(b.proc, "sys/net/ipv4/ip_unprivileged_port_start"), []byte("80"), 0)
}

// handOver is last: what is not told the keeper now is never told.
func (b *start) handOver() error {
	if b.keeper == nil {
		return nil // said already
	}
	if b.hand.Report.Trial {
		b.hand.Trial = time.Duration(b.hand.Report.TrialLimit) * time.Second
	}
	return b.keeper.Hand(b.hand, 5*time.Second)
}

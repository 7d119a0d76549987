// Package privilege gives up what only root may do: it makes files another
// user's, and then makes the process that user's, with no way back. It knows
// the kernel's ids and capabilities, and must never know who the users are.
package privilege

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Drop makes the whole process that of uid and gid, with the further groups,
// without capabilities, and unable to gain any by running a program. It must be
// root before; afterwards it cannot become root again, which is tried. After an
// error the process may be half of either and should end.
//
// The program must be built without cgo, whose threads Go cannot reach.
func Drop(uid, gid int, groups []int) error {
	if uid <= 0 || gid <= 0 {
		return fmt.Errorf("giving up root: uid %d and gid %d are not a user's", uid, gid)
	}
	if os.Geteuid() != 0 {
		return errors.New("giving up root: the process is not root's")
	}
	// First what needs capabilities: the bounding set, or a program with file
	// capabilities would have them.
	for c := uintptr(0); ; c++ {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err != nil {
			break // the kernel knows no more
		}
		if err := prctl(unix.PR_CAPBSET_DROP, c); err != nil {
			return fmt.Errorf("giving up root: taking away capability %d: %w", c, err)
		}
	}
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("giving up root: for programs that it may run: %w", err)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("giving up root: setting the groups: %w", err)
	}
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("giving up root: setting the group: %w", err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("giving up root: setting the user: %w", err)
	}
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("giving up root: taking away the capabilities: %w", err)
	}
	return verify(uid, gid, groups)
}

// prctl sets an attribute of each thread.
func prctl(option int, value uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, uintptr(option), value, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// dropCapabilities empties all sets. Those that count are empty since the user
// is no longer root; what could be inherited is not.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// verify tries to get back what was given up.
func verify(uid, gid int, groups []int) error {
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	if ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid || sgid != gid {
		return fmt.Errorf("giving up root: the process is user %d %d %d, group %d %d %d, not %d and %d",
			ruid, euid, suid, rgid, egid, sgid, uid, gid)
	}
	got, err := syscall.Getgroups()
	if err != nil {
		return fmt.Errorf("giving up root: reading the groups: %w", err)
	}
	want := slices.Sorted(slices.Values(groups))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("giving up root: the process has the groups %v, not %v", got, want)
	}
	if syscall.Setuid(0) == nil || syscall.Setresuid(-1, 0, -1) == nil || syscall.Setgid(0) == nil {
		return errors.New("giving up root: the process could become root again")
	}
	return nil
}

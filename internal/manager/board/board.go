// Package board is the machine under the appliance: how it is started again,
// its host name, its sensors, its serial devices, the room on its card. It knows
// the kernel's calls and files and must never know why any of it is done.
package board

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TryOnce is the argument of Reboot with which the Raspberry Pi's firmware takes
// tryboot.txt in place of config.txt, this once.
const TryOnce = "0 tryboot"

// Reboot starts the machine again at once: what is not on the disk is lost. An
// argument is for the firmware. It returns only when it could not.
func Reboot(argument string) error {
	cmd := uintptr(unix.LINUX_REBOOT_CMD_RESTART)
	var p *byte
	if argument != "" {
		cmd = unix.LINUX_REBOOT_CMD_RESTART2
		var err error
		if p, err = unix.BytePtrFromString(argument); err != nil {
			return fmt.Errorf("starting the machine again: %w", err)
		}
	}
	// unix.Reboot has no argument.
	_, _, errno := unix.Syscall6(unix.SYS_REBOOT, unix.LINUX_REBOOT_MAGIC1, unix.LINUX_REBOOT_MAGIC2, cmd, uintptr(unsafe.Pointer(p)), 0, 0)
	return fmt.Errorf("starting the machine again: %w", errno)
}

// ReadOnly writes out what is in memory and takes no more for the file system
// mounted at dir. It fails while a file there is open for writing.
func ReadOnly(dir string) error {
	unix.Sync()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("making %s read-only: %w", dir, err)
	}
	return nil
}

// Space is the room of a file system, in bytes.
type Space struct{ Total, Free int64 }

// SpaceOf is the room of the file system that dir is on; Free is what a user
// other than root may use.
func SpaceOf(dir string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Space{}, fmt.Errorf("asking for the room on the card: %w", err)
	}
	return Space{int64(st.Blocks) * st.Bsize, int64(st.Bavail) * st.Bsize}, nil
}

// Written is how many bytes were written to the disk or partition that dir is on,
// since the kernel started (Linux, Documentation/block/stat.rst: the seventh
// number, in sectors of 512 bytes). root is where sys is.
func Written(root, dir string) (int64, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, fmt.Errorf("asking which disk %s is on: %w", dir, err)
	}
	name := fmt.Sprintf("sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev))
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return 0, fmt.Errorf("asking what was written to the disk: %w", err)
	}
	f := strings.Fields(string(b))
	if len(f) < 7 {
		return 0, fmt.Errorf("asking what was written to the disk: %s has %d numbers", name, len(f))
	}
	sectors, err := strconv.ParseInt(f[6], 10, 54)
	if err != nil || sectors < 0 {
		return 0, fmt.Errorf("asking what was written to the disk: %s says %.20q", name, f[6])
	}
	return sectors * 512, nil
}

// HostName is the kernel's host name.
func HostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// SetHostName sets the kernel's host name.
func SetHostName(name string) error {
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	return nil
}

// Uptime is how long the kernel runs.
func Uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// Model is the board's own name for itself, such as "Raspberry Pi 4 Model B Rev
// 1.1", empty when it has none. root is "/", or a test's.
func Model(root string) string {
	return read0(filepath.Join(root, "proc/device-tree/model"))
}

// Sensors is what the board says of itself. Without sensors all is zero.
type Sensors struct {
	Celsius      float64 // of the processor
	Measured     bool    // Celsius is known
	UnderVoltage bool    // the supply is or was too weak since the start
	Powered      bool    // UnderVoltage is known
}

// throttled is bits of the firmware's get_throttled: under-voltage now, and
// since the start.
const throttled = 1<<0 | 1<<16

// Sense reads the sensors that /sys has. root is "/", or a test's.
func Sense(root string) (s Sensors) {
	if milli, err := strconv.Atoi(read0(filepath.Join(root, "sys/class/thermal/thermal_zone0/temp"))); err == nil {
		s.Celsius, s.Measured = float64(milli)/1000, true
	}
	if bits, err := strconv.ParseUint(read0(filepath.Join(root, "sys/devices/platform/soc/soc:firmware/get_throttled")), 16, 64); err == nil {
		s.UnderVoltage, s.Powered = bits&throttled != 0, true
	}
	names, err := filepath.Glob(filepath.Join(root, "sys/class/hwmon/hwmon*/name"))
	if err != nil {
		panic(err) // the pattern is right
	}
	for _, name := range names {
		if read0(name) != "rpi_volt" {
			continue
		}
		if alarm := read0(filepath.Join(filepath.Dir(name), "in0_lcrit_alarm")); alarm != "" {
			s.UnderVoltage, s.Powered = s.UnderVoltage || alarm != "0", true
		}
	}
	return s
}

// read0 is a small file's text up to a NUL, without blanks around it; empty when
// it cannot be read.
func read0(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return ""
	}
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.TrimSpace(s)
}

// GiveSerial makes uid and gid the owner of the serial devices that a dongle can
// be: ttyACM* and ttyUSB* in dev. It returns those that it gave away, and what
// went wrong with others; a device that is just being unplugged is no error.
func GiveSerial(dev string, uid, gid int) (given []string, err error) {
	for _, pattern := range []string{"ttyACM*", "ttyUSB*"} {
		names, globErr := filepath.Glob(filepath.Join(dev, pattern))
		if globErr != nil {
			panic(globErr) // the pattern is right
		}
		for _, name := range names {
			var st unix.Stat_t
			if err := unix.Lstat(name, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
				continue
			}
			if int(st.Uid) == uid && int(st.Gid) == gid {
				continue
			}
			if e := os.Lchown(name, uid, gid); e != nil {
				if !errors.Is(e, os.ErrNotExist) {
					err = errors.Join(err, fmt.Errorf("giving the radio its device: %w", e))
				}
				continue
			}
			given = append(given, name)
		}
	}
	return given, err
}

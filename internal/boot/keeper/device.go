package keeper

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// setTimeout is WDIOC_SETTIMEOUT of linux/watchdog.h.
const setTimeout = 0xc0045706

// held keeps the watchdog's file for the life of the process. Were it collected,
// its descriptor would be closed, and the next program that opens and closes the
// device could disarm it.
var held *os.File

// A device is an open watchdog. It resets the board by itself when it was not
// kicked for its timeout, and also when this process ends: it is closed without
// the letter that disarms it.
type device struct {
	identity string
	timeout  time.Duration
}

// openDevice opens a watchdog and asks it for a timeout, which it may grant or
// not: timeout says what it has. bcm2835_wdt takes no more than 15 s.
func openDevice(path string, timeout time.Duration) (*device, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the watchdog: %w", err)
	}
	held = f
	fd := int(f.Fd())
	d := &device{identity: "unknown"}
	d.kick()
	if info, err := unix.IoctlGetWatchdogInfo(fd); err == nil {
		d.identity = strings.TrimRight(string(info.Identity[:]), "\x00")
	}
	err = unix.IoctlSetPointerInt(fd, setTimeout, int(timeout/time.Second))
	if s, e := unix.IoctlGetInt(fd, unix.WDIOC_GETTIMEOUT); e == nil {
		d.timeout = time.Duration(s) * time.Second
	}
	if err != nil {
		return d, fmt.Errorf("setting the watchdog's timeout to %v: %w: it has %v", timeout, err, d.timeout)
	}
	return d, nil
}

// kick starts the timeout anew. It fails only as the device fails, and then the
// board is reset, which is what a watchdog is for.
func (d *device) kick() error { return unix.IoctlWatchdogKeepalive(int(held.Fd())) }

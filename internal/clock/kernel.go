package clock

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is a clock that can be set.
type Clock interface {
	Now() time.Time
	// Step adds d to the clock at once.
	Step(d time.Duration) error
	// Slew adds d to the clock by letting it run faster or slower for a while.
	Slew(d time.Duration) error
	// Battery is what the clock with a battery says; false when there is none
	// or it does not know.
	Battery() (time.Time, bool)
	// SetBattery sets the clock with a battery, if there is one.
	SetBattery(t time.Time) error
}

// Kernel is the computer's own clock. Setting it needs CAP_SYS_TIME.
type Kernel struct{}

// Now implements Clock.
func (Kernel) Now() time.Time { return time.Now() }

// Step implements Clock.
func (Kernel) Step(d time.Duration) error {
	tx := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO}
	ts := unix.NsecToTimespec(int64(d))         // 0 ≤ ts.Nsec, as the kernel wants it
	tx.Time.Sec, tx.Time.Usec = ts.Sec, ts.Nsec // ns, by ADJ_NANO
	_, err := unix.Adjtimex(&tx)
	return err
}

// Slew implements Clock: by 0.5 ms in each second.
func (Kernel) Slew(d time.Duration) error {
	tx := unix.Timex{Modes: unix.ADJ_OFFSET_SINGLESHOT, Offset: d.Microseconds()}
	_, err := unix.Adjtimex(&tx)
	return err
}

const rtc = "/dev/rtc0"

// Battery implements Clock.
func (Kernel) Battery() (time.Time, bool) {
	f, err := os.Open(rtc)
	if err != nil {
		return time.Time{}, false
	}
	defer f.Close()
	t, err := unix.IoctlGetRTCTime(int(f.Fd()))
	if err != nil {
		return time.Time{}, false
	}
	return time.Date(int(t.Year)+1900, time.Month(t.Mon+1), int(t.Mday), int(t.Hour), int(t.Min), int(t.Sec), 0, time.UTC), true
}

// SetBattery implements Clock.
func (Kernel) SetBattery(t time.Time) error {
	f, err := os.Open(rtc)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	t = t.UTC()
	return unix.IoctlSetRTCTime(int(f.Fd()), &unix.RTCTime{
		Sec: int32(t.Second()), Min: int32(t.Minute()), Hour: int32(t.Hour()),
		Mday: int32(t.Day()), Mon: int32(t.Month() - 1), Year: int32(t.Year() - 1900),
	})
}

package metrics

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/metrics"
)

const (
	// grace is how long after the start of a card readings wait for a time
	// server, and graceBattery where a clock with a battery says the same time.
	grace        = 10 * time.Minute
	graceBattery = time.Minute
	// batteryWithin is how far that clock, which has seconds, may be away.
	batteryWithin = 3 * time.Second
)

// clock is what is known about the time: on a card, where it is forgotten with
// the power, that it is right once hems-manager has synchronised it.
func clock(env appliance.Env) metrics.Clock {
	if !env.Card {
		return metrics.Clock{}
	}
	wait := grace
	if hasBattery("/sys/class/rtc/rtc0", time.Now()) {
		wait = graceBattery
	}
	return metrics.Clock{
		Right: func() bool {
			_, err := os.Stat(env.Run("clock.json"))
			return err == nil
		},
		Grace: max(0, wait-uptime()),
		Built: appliance.Built(),
	}
}

// uptime is how long ago the computer was started, 0 if that is not known.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// hasBattery says whether the clock with a battery says what the computer's
// does.
func hasBattery(rtc string, now time.Time) bool {
	b, err := os.ReadFile(rtc + "/since_epoch")
	if err != nil {
		return false
	}
	s, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return err == nil && now.Sub(time.Unix(s, 0)).Abs() < batteryWithin
}

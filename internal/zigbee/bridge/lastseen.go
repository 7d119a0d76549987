package bridge

import (
	"strconv"
	"time"
)

// LastSeen is how a state says when its device was last heard.
type LastSeen string

// The forms of last_seen: none, UTC with milliseconds, local time, or
// milliseconds since 1970.
const (
	LastSeenDisable LastSeen = "disable"
	LastSeenISO     LastSeen = "ISO_8601"
	LastSeenLocal   LastSeen = "ISO_8601_local"
	LastSeenEpoch   LastSeen = "epoch"
)

// append writes the time as a JSON value.
func (l LastSeen) append(dst []byte, at time.Time) []byte {
	switch l {
	case LastSeenEpoch:
		return strconv.AppendInt(dst, at.UnixMilli(), 10)
	case LastSeenLocal:
		dst = at.Local().AppendFormat(append(dst, '"'), "2006-01-02T15:04:05-07:00")
	default:
		dst = at.UTC().AppendFormat(append(dst, '"'), "2006-01-02T15:04:05.000Z07:00")
	}
	return append(dst, '"')
}

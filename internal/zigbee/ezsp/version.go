package ezsp

import "fmt"

// Version is a version of the protocol. The NCP has one; the host adapts.
type Version uint8

// Versions spoken here. Silicon Labs left out 15; a newer one than the newest
// is spoken as that one.
const (
	OldestVersion Version = 8
	NewestVersion Version = 19
)

// within reports whether a version lies between two, both included; 0 is no
// limit.
func (v Version) within(first, last Version) bool {
	return (first == 0 || v >= first) && (last == 0 || v <= last)
}

// dialect is the version in whose form frames are written and read.
func (v Version) dialect() Version { return min(v, NewestVersion) }

// emberZNet names the firmware that a protocol version came with.
var emberZNet = map[Version]string{
	4: "5.x", 5: "6.0 to 6.3", 6: "6.4 to 6.5", 7: "6.6", 8: "6.7 to 6.10", 9: "7.0 to 7.1", 10: "7.2.0", 11: "7.2.2", 12: "7.3", 13: "7.4",
	14: "8.0", 16: "8.1", 17: "8.2.0", 18: "8.2.2", 19: "of the Simplicity SDK 2026.6",
}

// recommended is the firmware that whoever has too old a one should install:
// it is in wide use and every host speaks with it.
const recommended = 13

// ErrVersion says that the NCP speaks a version of EZSP older than those
// spoken here.
type ErrVersion struct {
	Version Version
	// Stack is the firmware's version, a hexadecimal digit each for major,
	// minor, patch and special: 0x6A30 is 6.10.3.
	Stack uint16
}

func (e ErrVersion) Error() string {
	return fmt.Sprintf("the dongle's firmware speaks EZSP %d (EmberZNet %s); this version of hems speaks EZSP %d to %d",
		e.Version, e.firmware(), OldestVersion, NewestVersion)
}

// Hint says what to do.
func (e ErrVersion) Hint() string {
	return fmt.Sprintf("update the dongle's firmware to EmberZNet %s", emberZNet[recommended])
}

func (e ErrVersion) firmware() string {
	if e.Stack != 0 {
		return StackVersion(e.Stack)
	}
	if s, ok := emberZNet[e.Version]; ok {
		return s
	}
	return "of unknown version"
}

// StackVersion writes the firmware version of a version reply: "7.4.1".
func StackVersion(v uint16) string {
	s := fmt.Sprintf("%d.%d.%d", v>>12, v>>8&15, v>>4&15)
	if v&15 != 0 {
		s += fmt.Sprintf(".%d", v&15)
	}
	return s
}

// FirmwareVersion is the value VERSION_INFO of an NCP.
type FirmwareVersion struct {
	Build                        uint16
	Major, Minor, Patch, Special uint8
	Type                         uint8
}

var firmwareLayout = layout[FirmwareVersion]{
	all(func(c *coder, v *FirmwareVersion) {
		u16(c, &v.Build)
		u8(c, &v.Major)
		u8(c, &v.Minor)
		u8(c, &v.Patch)
		u8(c, &v.Special)
		u8(c, &v.Type)
	}),
}

// firmwareGA is the Type of a release; all others are previews.
const firmwareGA = 0xAA

// String is like "7.4.4 build 0 [GA]".
func (v FirmwareVersion) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Special != 0 {
		s += fmt.Sprintf(".%d", v.Special)
	}
	s += fmt.Sprintf(" build %d", v.Build)
	if v.Type == firmwareGA {
		return s + " [GA]"
	}
	return s + " [preview]"
}

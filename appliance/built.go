package appliance

import (
	"os"
	"time"
)

// notBefore is a time before which no system of ours was built.
var notBefore = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

// Built is when this system was: gokrazy's packer stamps the programs. No clock
// is right that says an earlier time.
func Built() time.Time {
	path, err := os.Executable()
	if err != nil {
		return notBefore
	}
	info, err := os.Stat(path)
	if err != nil || info.ModTime().Before(notBefore) {
		return notBefore
	}
	return info.ModTime()
}

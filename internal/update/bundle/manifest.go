package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// A Manifest says what a bundle is.
type Manifest struct {
	Format  int       `json:"format"` // 1
	Product string    `json:"product"`
	Version string    `json:"version"` // semantic, without "v" before it
	Board   string    `json:"board"`
	Built   time.Time `json:"built"` // of the root file system; in whole seconds
	Notes   string    `json:"notes"` // for people: at most 8 KiB
	Files   []File    `json:"files"` // in the bundle's order
}

// File is a member of a bundle.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 Sum    `json:"sha256"`
}

// Sum is a SHA-256, in hexadecimal in JSON.
type Sum [sha256.Size]byte

func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText is the sum in hexadecimal.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (s *Sum) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("a SHA-256 has %d hexadecimal digits", len(text))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// The members' names: those of FAT files that need no thought about case.
const (
	kernelName     = "boot/vmlinuz.gz"
	rootName       = "root.img"
	overlaysReadme = "boot/overlays/README"
	bootDir        = "boot/"
	overlaysDir    = "boot/overlays/"
)

var (
	deviceTree = regexp.MustCompile(`^[a-z0-9][a-z0-9._+-]*\.dtb$`)
	overlay    = regexp.MustCompile(`^[a-z0-9][a-z0-9._+-]*\.dtbo?$`)
)

// rank is the place of a name among the members, or 0 for one that has none.
func rank(name string) int {
	base := strings.TrimPrefix(name, overlaysDir)
	switch inOverlays := base != name; {
	case name == kernelName:
		return 1
	case name == overlaysReadme:
		return 3
	case name == rootName:
		return 4
	case inOverlays && len(base) <= maxName && overlay.MatchString(base):
		return 3
	case !inOverlays && strings.HasPrefix(name, bootDir) && len(name)-len(bootDir) <= maxName && deviceTree.MatchString(name[len(bootDir):]):
		return 2
	}
	return 0
}

// before is the order of the members.
func before(a, b string) bool {
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra < rb
	}
	return a < b
}

// parseManifest reads a manifest whose signature is good. Fields that are not
// known are passed over.
func parseManifest(text []byte) (m Manifest, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, err
	}
	return m, m.check()
}

// check says what is wrong with a manifest.
func (m Manifest) check() error {
	switch {
	case m.Format != 1:
		return fmt.Errorf("its format is %d, this appliance knows 1: install a release from between first", m.Format)
	case !ValidVersion(m.Version) || strings.HasPrefix(m.Version, "v"):
		return fmt.Errorf("its version is %q, want one such as 1.2.3", m.Version)
	case m.Built.Unix() <= 0 || m.Built.Unix() >= 1<<33 || m.Built.Nanosecond() != 0:
		return fmt.Errorf("it was built at %s", m.Built.Format(time.RFC3339Nano))
	case len(m.Notes) > maxNotes || !utf8.ValidString(m.Notes):
		return fmt.Errorf("its notes are longer than %d bytes, or no text", maxNotes)
	case len(m.Files) > maxFiles:
		return fmt.Errorf("it lists %d files, at most %d are allowed", len(m.Files), maxFiles)
	case len(m.Files) < 2 || m.Files[0].Name != kernelName || m.Files[len(m.Files)-1].Name != rootName:
		return errors.New("it does not list a kernel, the rest, and a root")
	}
	for i, f := range m.Files {
		if rank(f.Name) == 0 {
			return fmt.Errorf("it lists %q, which has no place in a release", f.Name)
		}
		if i > 0 && !before(m.Files[i-1].Name, f.Name) {
			return fmt.Errorf("it lists %s after %s", f.Name, m.Files[i-1].Name)
		}
		if f.Size <= 0 || f.Size > maxMember {
			return fmt.Errorf("it lists %s with %d bytes", f.Name, f.Size)
		}
	}
	return nil
}

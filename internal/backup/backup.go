// Package backup makes one encrypted archive of what each process registers as
// its own, and takes one in again on this or another card. It knows the form of
// the archive, its limits, and where the restored files wait (the package
// staged puts them in place at the next start); it must never know what is in a
// process's files.
//
// An archive is an age file for a passphrase (scrypt), in it a gzip of a tar.
// The tar's first member is backup.json, a Manifest; then come the items'
// directories and files by their paths under the data directory. Any part of it
// can be looked at with the ordinary programs: age -d, then tar -tz.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Format is the version of the archive's form. A higher one is refused.
const Format = 1

// manifestName is the archive's first member.
const manifestName = "backup.json"

// MinPassphrase is the least number of characters of a passphrase, and
// MaxPassphrase the greatest number of its bytes.
const (
	MinPassphrase = 12
	MaxPassphrase = 1024
)

// workFactor is scrypt's, as the exponent of two: 64 MiB of memory, which the
// smallest board has to spare. Archives that need more are refused. Tests make
// it cheaper.
var workFactor = 16

// Errors a caller tells apart.
var (
	ErrWeak     = errors.New("the passphrase is too short")
	ErrWrong    = errors.New("the passphrase is not the one of this backup")
	ErrForeign  = errors.New("the file is not a backup of this appliance's kind")
	ErrNewer    = errors.New("the backup was made by a newer version")
	ErrDamaged  = errors.New("the backup is damaged or cut short")
	ErrRefused  = errors.New("the backup holds what no backup may hold")
	ErrNoSpace  = errors.New("the restored files would not fit on the card")
	ErrChanging = errors.New("a file changed while it was copied")
)

// An Item is a file or directory that a process registers as its own.
type Item struct {
	Path  string // relative to the data directory, with /
	Owner string // the process
	// Except are patterns (path.Match) of paths under the data directory that
	// are not taken. Temporary files, locks, sockets and links never are.
	Except []string
	// Snapshot is for a directory whose files must not be copied while their
	// process runs; nil: they may be.
	Snapshot *Snapshot
}

// A Snapshot is a consistent copy of the one file of an item that matters.
type Snapshot struct {
	File string // relative to the data directory: "store/hems.db"
	// Open asks the process for the copy.
	Open func(context.Context) (Stream, error)
	// Lock is the file that the process holds an exclusive flock on while it
	// may write. Where Open fails and nobody holds it, Files are copied while
	// we do; where somebody does, the item is missing from the backup.
	Lock  string
	Files []string // relative to the data directory
	What  string   // for people: "readings"
}

// A Stream is a file of known size, in bytes, that is read once.
type Stream struct {
	io.ReadCloser
	Size int64
}

// Manifest is backup.json.
type Manifest struct {
	Format   int       `json:"format"`
	MadeAt   time.Time `json:"made_at"`
	Version  string    `json:"version"` // of the appliance
	HostName string    `json:"host_name"`
	Items    []Content `json:"items"`
	Missing  []Missing `json:"missing,omitempty"`
}

// Content is what an item held when the backup was begun. A file that grows
// meanwhile is copied with what it has grown.
type Content struct {
	Path  string `json:"path"`
	Owner string `json:"owner"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Missing is an item that could not be taken. Restoring leaves it as it is on
// the card that is restored to.
type Missing struct {
	Path  string `json:"path"`
	Owner string `json:"owner"`
	What  string `json:"what"` // for people: "readings"
	Why   string `json:"why"`
}

// bytes is what the items need on a disk.
func (m Manifest) bytes() (n int64) {
	for _, i := range m.Items {
		n += i.Bytes
	}
	return n
}

// CheckPassphrase says what is wrong with a new passphrase: ErrWeak, or that it
// cannot be typed again.
func CheckPassphrase(p string) error {
	switch {
	case utf8.RuneCountInString(p) < MinPassphrase:
		return fmt.Errorf("%w: give at least %d characters, for example four words", ErrWeak, MinPassphrase)
	case len(p) > MaxPassphrase:
		return fmt.Errorf("the passphrase is longer than %d bytes", MaxPassphrase)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return errors.New("the passphrase holds a control character")
	}
	return nil
}

// whenRead is a reader that ends with ctx.
type whenRead struct {
	ctx context.Context
	r   io.Reader
}

func (w whenRead) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// Package hemsyaml owns the file hems.yaml for those who change it through the
// appliance: it edits so that a person's comments and order stay, writes only
// what a check given to it finds right, and keeps what the file said before. It
// knows YAML and must never know what a key means.
//
// The history is a directory: current.yaml is what the file said when it was
// last seen, and NNNNNN.json are what it said before, with when that ended and
// through whom. So a change that somebody made with an editor is noticed, and
// what it replaced is kept too.
package hemsyaml

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// MaxText bounds hems.yaml, and Keep is how many of what it said before are
// kept.
const (
	MaxText = 1 << 20 // bytes
	Keep    = 10
)

// ByHand is who changed the file when nobody did through this package.
const ByHand = "an editor"

// A Problem is one thing wrong in a text.
type Problem struct {
	Line int    // 1 and up; 0: none in particular
	Text string // what is wrong and what to do
}

// Invalid is all that is wrong in a text that was therefore not written.
type Invalid struct{ Problems []Problem }

func (e *Invalid) Error() string {
	var lines []string
	for _, p := range e.Problems {
		if p.Line > 0 {
			lines = append(lines, fmt.Sprintf("line %d: %s", p.Line, p.Text))
		} else {
			lines = append(lines, p.Text)
		}
	}
	return "hems.yaml would not be right: " + strings.Join(lines, "; ")
}

// Errors a caller tells apart.
var (
	ErrPath    = errors.New("there is no such place in hems.yaml")
	ErrLarge   = fmt.Errorf("hems.yaml may have at most %d bytes", MaxText)
	ErrChanged = errors.New("hems.yaml was changed by somebody else meanwhile")
	ErrUnknown = errors.New("that version of hems.yaml is not kept")
)

// Options are what a File needs.
type Options struct {
	Path    string // hems.yaml
	History string // the directory of the history, made when missing
	// Check says all that is wrong in a text; nothing: it may be written.
	Check func(text []byte) []Problem
	// Perm is the mode of a file that is not there yet; one that is keeps mode
	// and owner.
	Perm os.FileMode
	Now  func() time.Time // nil: time.Now
}

// A File is hems.yaml. Its methods may be called from any goroutine; changes
// happen one after the other.
type File struct {
	o  Options
	mu sync.Mutex
}

// Open returns the file. It reads and writes nothing yet.
func Open(o Options) *File {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &File{o: o}
}

// State is the file and what it said before.
type State struct {
	Text    string    `json:"text"`
	ETag    string    `json:"etag"`    // of the text, to change only what one has seen
	History []Version `json:"history"` // newest first
}

// Read returns the file as it is; a file that is not there is an empty text.
func (f *File) Read() (State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := f.notice()
	if err != nil {
		return State{}, err
	}
	versions, err := f.versions()
	if err != nil {
		return State{}, err
	}
	return State{Text: string(text), ETag: etag(text), History: versions}, nil
}

// Replace makes text the file. With an etag it does so only while the file is
// the one with that etag. Errors: *Invalid, ErrLarge, ErrChanged, of the disk.
func (f *File) Replace(text []byte, by, etag string) error {
	return f.change(by, "the whole file", etag, func([]byte) ([]byte, error) { return text, nil })
}

// Set changes values by their paths, all or none. Errors: ErrPath, and those of
// Replace.
func (f *File) Set(by string, changes ...Change) error {
	var what []string
	for _, c := range changes {
		what = append(what, c.Path)
	}
	return f.change(by, strings.Join(what, ", "), "", func(old []byte) ([]byte, error) { return Edit(old, changes...) })
}

// Restore brings back what the file said before. Errors: ErrUnknown, and those
// of Replace.
func (f *File) Restore(id, by string) error {
	return f.change(by, "an earlier version", "", func([]byte) ([]byte, error) {
		v, err := f.version(id)
		return []byte(v.Text), err
	})
}

// change is one change after the other: make gives the new text for the old.
func (f *File) change(by, what, seen string, make func(old []byte) ([]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, err := f.notice()
	if err != nil {
		return err
	}
	if seen != "" && seen != etag(old) {
		return ErrChanged
	}
	text, err := make(old)
	if err != nil {
		return err
	}
	if len(text) > MaxText {
		return ErrLarge
	}
	if !utf8.Valid(text) {
		return &Invalid{[]Problem{{Text: "it is not UTF-8 text"}}}
	}
	if problems := f.o.Check(text); len(problems) > 0 {
		return &Invalid{problems}
	}
	if string(text) == string(old) {
		return nil
	}
	if err := f.keep(old, by, what, f.o.Now()); err != nil {
		return err
	}
	if again, err := f.read(); err != nil {
		return err
	} else if string(again) != string(old) {
		return ErrChanged // with an editor, since we looked
	}
	if err := atomicfile.Replace(f.o.Path, text, f.o.Perm); err != nil {
		return err
	}
	return f.see(text)
}

// read reads the file; one that is not there is empty.
func (f *File) read() ([]byte, error) {
	file, err := os.Open(f.o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, MaxText+1))
	if err == nil && len(b) > MaxText {
		err = ErrLarge
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return b, nil
}

// etag is a short name of a text.
func etag(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// Package statefile is the one durable file of the Zigbee coordinator,
// zigbee.json: a JSON document that a person can read, with named sections of
// which each belongs to one room (the network's keys, its devices, the names
// people gave). It knows how a file is replaced so that a power cut costs
// nothing that was committed, which forms of it can be read, and how the files
// of earlier releases become sections of it.
//
// It must never know what a section means; of the earlier files it knows how
// they were wrapped, no more.
package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Name is the file's name in the directory of the coordinator.
const Name = "zigbee.json"

// The sections, in the order in which they stand in the file. Each is written
// by one room alone; others may be there and are kept.
const (
	Network = "network" // internal/zigbee/network: PAN, channel, keys
	Devices = "devices" // internal/zigbee/network: what the interviews found
	Names   = "names"   // internal/zigbee/bridge: friendly names by address
	Groups  = "groups"  // internal/zigbee/bridge
	Options = "options" // internal/zigbee/bridge: of devices and groups
	// LinkKeys are keys of single devices that came with a network from elsewhere:
	// internal/zigbee/network.
	LinkKeys = "link_keys"
	// InstallCodes are the keys of install codes whose device has not come yet:
	// internal/zigbee/network.
	InstallCodes = "install_codes"
	// Replaced is the network that an import took the place of, whose dongle may be
	// taken for the new one: internal/zigbee/network.
	Replaced = "replaced_network"
)

var order = []string{Network, LinkKeys, InstallCodes, Devices, Names, Groups, Options}

// Form is the form of the file that this release writes. A release that changes
// what a section means raises it, and raises oldestReader only when an earlier
// one would do harm with the file.
const (
	Form = 1
	// oldestReader is the earliest form whose releases can use what is written
	// here: after an update that is rolled back, the one before must.
	oldestReader = 1
)

// maxSize bounds what is read, in bytes: a thousand devices have about 3 MB.
const maxSize = 64 << 20

// oldSuffix is that of the copy of the file as of the last start. It costs
// nothing: it is another name of the same content until that is replaced.
const oldSuffix = ".old"

// laterDelay is the longest time that PutLater waits.
const laterDelay = time.Second

// Error is a fault of the file, with what to do about it.
type Error struct {
	Message string
	Advice  string
	Err     error // what was behind it, if anything
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

func (e *Error) Unwrap() error { return e.Err }

// File is the state of one coordinator. All methods may be called from any
// goroutine. One process alone may have it open to write: see Lock.
type File struct {
	path  string
	disk  disk
	notes []string

	mu       sync.Mutex
	sections map[string]json.RawMessage // laid out as in the file
	later    map[string]json.RawMessage // nil value: to be removed
	timer    *time.Timer                // runs while later has something in it
	failed   error                      // of the last write of what was put off
}

// Open reads the file at path. One that is not there is made of the files of
// earlier releases beside it (see takeOver), or is empty and comes into being
// with the first Put. The error is an *Error when the file makes no sense, or
// is of a release that is too new: nothing is changed then.
func Open(path string) (*File, error) { return openOn(path, osDisk{}) }

func openOn(path string, on disk) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, &Error{Message: "the zigbee data directory cannot be made", Advice: "check its permissions", Err: err}
	}
	f := &File{path: path, disk: on, later: make(map[string]json.RawMessage)}
	b, err := readBounded(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.sections = make(map[string]json.RawMessage)
	case err != nil:
		return nil, &Error{Message: path + " cannot be read", Advice: "check its owner and permissions, and the SD card", Err: err}
	default:
		if f.sections, err = parse(b); err != nil {
			return nil, f.unreadable(err)
		}
		if err := f.disk.link(path, path+oldSuffix); err != nil {
			f.note("the copy %s was not made: %v", path+oldSuffix, err)
		}
	}
	if err := f.takeOver(err == nil); err != nil {
		return nil, err
	}
	return f, nil
}

// unreadable is why the file cannot be used.
func (f *File) unreadable(err error) error {
	var own *Error
	if errors.As(err, &own) {
		own.Message = f.path + " " + own.Message
		return own
	}
	advice := "restore it from a backup, or move it aside: the network is then taken over from the dongle"
	if _, statErr := os.Stat(f.path + oldSuffix); statErr == nil {
		advice = "put " + f.path + oldSuffix + " (as of the last start) in its place, or restore it from a backup"
	}
	return &Error{Message: f.path + " cannot be read", Advice: advice, Err: err}
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Notes are what Open did that a person should know.
func (f *File) Notes() []string { return slices.Clone(f.notes) }

func (f *File) note(format string, a ...any) { f.notes = append(f.notes, fmt.Sprintf(format, a...)) }

// Get decodes a section into v and reports whether there is one. The error is
// an *Error that names the file.
func (f *File) Get(section string, v any) (bool, error) {
	f.mu.Lock()
	raw, ok := f.later[section]
	if !ok {
		raw = f.sections[section]
	}
	f.mu.Unlock()
	if raw == nil {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, f.Damaged(section, err)
	}
	return true, nil
}

// Damaged is the error of a section whose content makes no sense to the room it
// belongs to.
func (f *File) Damaged(section string, err error) error {
	return f.unreadable(fmt.Errorf("its %s: %w", section, err))
}

// Put writes a section, with all that PutLater has put off; v is what
// encoding/json makes of it, nil removes the section. When it returns nil the
// section survives a power cut; when it returns an error, the section is as it
// was.
func (f *File) Put(section string, v any) error { return f.PutAll(map[string]any{section: v}) }

// PutAll is Put for several sections, all or none of which change.
func (f *File) PutAll(sections map[string]any) error {
	laid := make(map[string]json.RawMessage, len(sections))
	for section, v := range sections {
		raw, err := encode(section, v)
		if err != nil {
			return err
		}
		laid[section] = raw
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(laid)
}

// PutLater takes a section whose loss is no harm: it is written with the next
// Put, within a second, or by Close, whichever is first. Get gives it at once.
func (f *File) PutLater(section string, v any) {
	raw, err := encode(section, v)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.failed = err
		return
	}
	f.later[section] = raw
	if f.timer == nil {
		f.timer = time.AfterFunc(laterDelay, func() { _ = f.Flush() }) // Close tells
	}
}

// Flush writes what PutLater has put off.
func (f *File) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.later) == 0 {
		return f.failed
	}
	f.failed = f.write(nil)
	return f.failed
}

// Close writes what PutLater has put off. A File that nothing was put off in
// needs no Close.
func (f *File) Close() error { return f.Flush() }

// write replaces the file: the sections of it, those put off, and those of now,
// which are given up when it fails. f.mu is held.
func (f *File) write(now map[string]json.RawMessage) error {
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	if len(f.later) == 0 && f.holds(now) {
		return nil
	}
	next := make(map[string]json.RawMessage, len(f.sections)+len(now))
	for _, from := range []map[string]json.RawMessage{f.sections, f.later, now} {
		for section, raw := range from {
			if next[section] = raw; raw == nil {
				delete(next, section)
			}
		}
	}
	if err := f.disk.write(f.path, compose(next)); err != nil {
		if len(f.later) > 0 { // it is tried again
			f.timer = time.AfterFunc(laterDelay, func() { _ = f.Flush() })
		}
		return &Error{
			Message: "the state of the zigbee network cannot be saved",
			Advice:  "check that the data directory is writable and has room",
			Err:     err,
		}
	}
	f.sections = next
	clear(f.later)
	f.failed = nil
	return nil
}

// holds reports whether the sections are in the file as they are: the SD card is
// spared then. f.mu is held.
func (f *File) holds(sections map[string]json.RawMessage) bool {
	for section, raw := range sections {
		if there, ok := f.sections[section]; ok != (raw != nil) || !bytes.Equal(there, raw) {
			return false
		}
	}
	return true
}

func encode(section string, v any) (json.RawMessage, error) {
	if section == "" || section == keyForm || section == keyReader {
		return nil, fmt.Errorf("statefile: %q is no name for a section", section)
	}
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("statefile: encoding the section %s: %w", section, err)
	}
	return layOut(b, 1), nil
}

// names of the sections, in their order.
func sorted(sections map[string]json.RawMessage) []string {
	var names []string
	for section := range sections {
		names = append(names, section)
	}
	rank := func(s string) int {
		if i := slices.Index(order, s); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(names, func(a, b string) int {
		if ra, rb := rank(a), rank(b); ra != rb {
			return ra - rb
		}
		return strings.Compare(a, b)
	})
	return names
}

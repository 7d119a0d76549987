package hemsyaml

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// Version is what the file said until somebody changed it.
type Version struct {
	ID   string    `json:"id"`   // greater than those of what was before it
	At   time.Time `json:"at"`   // when it was replaced, by a clock that may not have been set
	By   string    `json:"by"`   // through whom it was replaced
	What string    `json:"what"` // what was changed then
	Text string    `json:"text"`
}

// maxVersion bounds a file of the history: JSON may write a byte as six.
const maxVersion = 6*MaxText + 4096

var versionFile = regexp.MustCompile(`^([0-9]{6,12})\.json$`)

// notice reads the file, and keeps what it said before when somebody has
// changed it with an editor.
func (f *File) notice() ([]byte, error) {
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	known, err := os.ReadFile(f.known())
	if errors.Is(err, fs.ErrNotExist) {
		return text, f.see(text)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the history of hems.yaml: %w", err)
	}
	if string(known) == string(text) {
		return text, nil
	}
	at := f.o.Now()
	if info, err := os.Stat(f.o.Path); err == nil {
		at = info.ModTime()
	}
	if err := f.keep(known, ByHand, "", at); err != nil {
		return nil, err
	}
	return text, f.see(text)
}

// known is the file that holds what hems.yaml said when it was last seen.
func (f *File) known() string { return filepath.Join(f.o.History, "current.yaml") }

// see remembers what the file says.
func (f *File) see(text []byte) error {
	if err := os.MkdirAll(f.o.History, 0o700); err != nil {
		return fmt.Errorf("keeping the history of hems.yaml: %w", err)
	}
	return atomicfile.Write(f.known(), text, 0o600)
}

// keep adds what the file said to the history, unless it is its newest entry
// already: a power cut may come between keeping and replacing.
func (f *File) keep(text []byte, by, what string, at time.Time) error {
	ids, err := f.ids()
	if err != nil {
		return err
	}
	next := uint64(1)
	if len(ids) > 0 {
		if newest, err := f.version(name(ids[0])); err == nil && newest.Text == string(text) {
			return nil
		}
		next = ids[0] + 1
	}
	b, err := json.Marshal(Version{ID: name(next), At: at.UTC().Truncate(time.Second), By: short(by), What: short(what), Text: string(text)})
	if err != nil {
		return fmt.Errorf("keeping the history of hems.yaml: %w", err)
	}
	if err := atomicfile.Write(f.file(name(next)), append(b, '\n'), 0o600); err != nil {
		return err
	}
	for i, id := range ids {
		if i >= Keep-1 {
			_ = os.Remove(f.file(name(id))) // the next change tries again
		}
	}
	return nil
}

// short is what somebody said about himself, cut to what a list can show.
func short(s string) string {
	s = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s), "")
	if r := []rune(s); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return s
}

func name(id uint64) string { return fmt.Sprintf("%06d", id) }

func (f *File) file(id string) string { return filepath.Join(f.o.History, id+".json") }

// ids are the numbers of the versions that are kept, newest first.
func (f *File) ids() ([]uint64, error) {
	entries, err := os.ReadDir(f.o.History)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the history of hems.yaml: %w", err)
	}
	var ids []uint64
	for _, e := range entries {
		if m := versionFile.FindStringSubmatch(e.Name()); m != nil {
			if id, err := strconv.ParseUint(m[1], 10, 64); err == nil && name(id) == m[1] {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids, nil
}

// versions are what the file said before, newest first. One that cannot be read
// is left out: the others are worth having.
func (f *File) versions() ([]Version, error) {
	ids, err := f.ids()
	if err != nil {
		return nil, err
	}
	out := []Version{}
	for _, id := range ids[:min(len(ids), Keep)] {
		if v, err := f.version(name(id)); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

// version reads one of the history.
func (f *File) version(id string) (v Version, err error) {
	if !versionFile.MatchString(id + ".json") {
		return v, ErrUnknown
	}
	file, err := os.Open(f.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return v, ErrUnknown
	}
	if err != nil {
		return v, fmt.Errorf("reading the history of hems.yaml: %w", err)
	}
	defer file.Close()
	if err := json.NewDecoder(io.LimitReader(file, maxVersion)).Decode(&v); err != nil {
		return v, fmt.Errorf("reading the history of hems.yaml: %s: %w", file.Name(), err)
	}
	v.ID = id
	return v, nil
}

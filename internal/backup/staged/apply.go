package staged

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// ErrBetween is of an Apply that could neither finish nor turn back: the disk
// refuses both. Apply goes on with it when it is called again.
var ErrBetween = errors.New("the restored files and the ones before are mixed")

// Result is how a restore ended.
type Result string

// The results.
const (
	Restored Result = "restored" // the new set is in place
	Kept     Result = "kept"     // it could not be put there; the old one is whole
)

// Outcome is told to the person after a restore.
type Outcome struct {
	Result Result    `json:"result"` // empty: there was nothing to restore
	Why    string    `json:"why,omitempty"`
	From   List      `json:"from"`
	At     time.Time `json:"at"` // by a clock that may not be set yet
}

// Apply puts a set that waits in place of the old one. It must run before any
// process that has files in the data directory, and may be cut off anywhere:
// the next Apply goes on from there.
//
// Each item is moved by two renames, each on the disk before the next begins,
// so what is done is seen from what is where and needs no journal: an item that
// is still under .restore is not in place, one that is not there is. While the
// file ready exists the way is forward; when the disk refuses a step, renaming
// it to undo makes the way back, by the same rule, the only one. Only after the
// last move is that file removed, and only then the set that is not used.
func Apply(dataDir string) (Outcome, error) {
	return (&apply{dir: dataDir, write: atomicfile.Write, do: func(_, _ string, f func() error) error { return f() }}).run()
}

// LastOutcome is how the last restore ended; false when there was none.
func LastOutcome(dataDir string) (o Outcome, ok bool) {
	f, err := os.Open(filepath.Join(dataDir, outcome))
	if err != nil {
		return Outcome{}, false
	}
	defer f.Close()
	err = json.NewDecoder(io.LimitReader(f, maxList)).Decode(&o)
	return o, err == nil && o.Result != ""
}

type apply struct {
	dir string
	// do is called for each change to the disk: a test stops or fails there.
	do    func(what, path string, f func() error) error
	write func(path string, data []byte, perm os.FileMode) error
}

func (a *apply) run() (Outcome, error) {
	st, l, err := read(a.dir)
	if err != nil {
		return Outcome{}, err // nothing is touched that is not understood
	}
	switch st {
	case none:
		return Outcome{}, a.clean() // of an upload that was cut off, or of a restore's end
	case waiting:
		cause := a.forward(l)
		if cause == nil {
			o := Outcome{Result: Restored, From: l, At: time.Now()}
			return o, a.finish(o, ready)
		}
		a.tell(Outcome{Result: Kept, Why: cause.Error(), From: l, At: time.Now()})
		if err := a.rename(filepath.Join(Dir, ready), filepath.Join(Dir, undo)); err != nil {
			return Outcome{}, fmt.Errorf("restoring: %w: %w, and turning back: %w", ErrBetween, cause, err)
		}
	}
	if err := a.back(l); err != nil {
		return Outcome{}, fmt.Errorf("turning back from a restore: %w: %w", ErrBetween, err)
	}
	o, ok := LastOutcome(a.dir)
	if !ok || o.Result != Kept {
		o = Outcome{Result: Kept, Why: "the disk refused a step", From: l, At: time.Now()}
	}
	return o, a.finish(o, undo)
}

// finish tells how it ended and ends it. What cannot be cleared away now is
// cleared away the next time.
func (a *apply) finish(o Outcome, marker string) error {
	a.tell(o)
	if err := a.remove(filepath.Join(Dir, marker)); err != nil {
		return fmt.Errorf("ending a restore: %w", err)
	}
	if err := a.sync(Dir); err != nil {
		return fmt.Errorf("ending a restore: %w", err)
	}
	return a.clean()
}

// tell leaves the outcome for the manager. A disk too full for it is no reason
// to do anything else.
func (a *apply) tell(o Outcome) {
	b, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return
	}
	_ = a.do("tell", outcome, func() error {
		name := filepath.Join(a.dir, outcome)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		return a.write(name, append(b, '\n'), 0o600)
	})
}

// forward puts what waits in place.
func (a *apply) forward(l List) error {
	for _, item := range l.Items {
		item := filepath.FromSlash(item)
		fresh, old := filepath.Join(Dir, files, item), filepath.Join(Replaced, item)
		if !a.there(fresh) {
			continue // in place already
		}
		if a.there(item) {
			if err := a.mkdirAll(filepath.Dir(old)); err != nil {
				return err
			}
			if err := a.rename(item, old); err != nil {
				return err
			}
		}
		if err := a.mkdirAll(filepath.Dir(item)); err != nil {
			return err
		}
		if err := a.rename(fresh, item); err != nil {
			return err
		}
	}
	return nil
}

// back puts the old set in place again.
func (a *apply) back(l List) error {
	for _, item := range slices.Backward(l.Items) {
		item := filepath.FromSlash(item)
		fresh, old := filepath.Join(Dir, files, item), filepath.Join(Replaced, item)
		if !a.there(fresh) && a.there(item) {
			if err := a.rename(item, fresh); err != nil {
				return err
			}
		}
		if a.there(old) && !a.there(item) {
			if err := a.rename(old, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// clean removes the set that is not used.
func (a *apply) clean() error {
	for _, d := range []string{Replaced, Dir} {
		if !a.there(d) {
			continue
		}
		err := a.do("clear", d, func() error { return os.RemoveAll(filepath.Join(a.dir, d)) })
		if err == nil {
			err = a.sync(".")
		}
		if err != nil {
			return fmt.Errorf("clearing up after a restore: %w", err)
		}
	}
	return nil
}

func (a *apply) there(name string) bool {
	_, err := os.Lstat(filepath.Join(a.dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// rename moves what is at from, and returns once the move is on the disk.
func (a *apply) rename(from, to string) error {
	err := a.do("rename", from, func() error {
		return os.Rename(filepath.Join(a.dir, from), filepath.Join(a.dir, to))
	})
	if err != nil {
		return err
	}
	if err := a.sync(filepath.Dir(to)); err != nil {
		return err
	}
	if filepath.Dir(from) == filepath.Dir(to) {
		return nil
	}
	return a.sync(filepath.Dir(from))
}

// mkdirAll makes the directory name and those above it.
func (a *apply) mkdirAll(name string) error {
	if a.there(name) {
		return nil
	}
	if err := a.mkdirAll(filepath.Dir(name)); err != nil {
		return err
	}
	err := a.do("mkdir", name, func() error { return os.Mkdir(filepath.Join(a.dir, name), 0o700) })
	if err != nil {
		return err
	}
	return a.sync(filepath.Dir(name))
}

func (a *apply) remove(name string) error {
	return a.do("remove", name, func() error { return os.Remove(filepath.Join(a.dir, name)) })
}

func (a *apply) sync(name string) error {
	return a.do("sync", name, func() error { return syncPath(filepath.Join(a.dir, name)) })
}

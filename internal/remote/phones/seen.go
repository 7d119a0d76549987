package phones

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/remote"
)

const (
	keepEvery = 15 * time.Minute // it is no loss if less is forgotten
	maxSeen   = 1 << 20          // bytes of the file
)

// Sight is when and where a phone was seen last.
type Sight struct {
	At  time.Time  `json:"at"`
	Way remote.Way `json:"way"`
}

// seen is that of all phones, by the serials of their certificates.
type seen struct {
	path string

	mu    sync.Mutex
	by    map[string]Sight
	dirty bool
}

func (s *seen) open(path string) error {
	s.path, s.by = path, map[string]Sight{}
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxSeen {
		return errors.New(path + " is larger than it can be")
	}
	if err := json.NewDecoder(f).Decode(&s.by); err != nil || s.by == nil {
		s.by = map[string]Sight{}
		return err
	}
	return nil
}

func (s *seen) note(serial string, way remote.Way, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.by[serial]; old.Way == way && at.Sub(old.At) < time.Minute && !at.Before(old.At) {
		return
	}
	s.by[serial], s.dirty = Sight{at.UTC().Truncate(time.Second), way}, true
}

// keep writes the file where something is new.
func (s *seen) keep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirty || s.path == "" {
		return nil
	}
	b, err := json.Marshal(s.by)
	if err == nil {
		err = atomicfile.Write(s.path, b, 0o600)
	}
	s.dirty = err != nil
	return err
}

// Seen is when a phone was seen last, by the serial of its certificate; the zero
// Sight: never.
func (g *Guard) Seen(serial string) Sight {
	g.seen.mu.Lock()
	defer g.seen.mu.Unlock()
	return g.seen.by[serial]
}

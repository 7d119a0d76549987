package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func cursorNames(t *testing.T, s *Store) (n int) {
	t.Helper()
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	if err := s.db.QueryRow(`SELECT count(*) FROM cursor`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestProbeLeavesNothing: not in the file, nor in the numbers of readings or
// what destinations are sent, and it costs what it says.
func TestProbeLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	register(t, s, "a", "W")
	if err := s.Append(Reading{Entity: "a", Time: noon, Value: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := s.next
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	const frame = 4096 + 24
	if got := size() - before; got <= 0 || got > 4*frame {
		t.Errorf("a probe wrote %d bytes, want at most %d", got, 4*frame)
	}
	if got := cursorNames(t, s); got != 0 {
		t.Errorf("%d cursors are left", got)
	}
	if s.next != next {
		t.Errorf("the next reading has number %d, want %d", s.next, next)
	}
	b, err := s.Next(t.Context(), "destination/x", 10)
	if err != nil || len(b.Items) != 1 {
		t.Errorf("to be sent: %v, %v; want the one reading", b.Items, err)
	}
}

// TestProbeRemovesWhatAnEarlierOneLeft: its process was killed in between.
func TestProbeRemovesWhatAnEarlierOneLeft(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
	if err := s.Advance(t.Context(), "probe/LEFT", Batch{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Advance(t.Context(), "destination/x", Batch{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := cursorNames(t, s); got != 1 {
		t.Errorf("%d cursors are left, want the destination's", got)
	}
}

func TestProbeFails(t *testing.T) {
	t.Run("WhenTheFileIsGone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hems.db")
		s := open(t, path, Options{})
		if err := os.Rename(path, path+".elsewhere"); err != nil {
			t.Fatal(err)
		}
		if err := s.Probe(t.Context()); !errors.Is(err, ErrNotYet) {
			t.Errorf("got %v, want that nothing can be read back", err)
		}
	})
	t.Run("WhenAnotherFileIsThere", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hems.db")
		s, other := open(t, path, Options{}), open(t, path+"2", Options{})
		other.Close()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(path+"2"+suffix, path+suffix); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "what was written is not there") {
			t.Errorf("got %v, want that it is not there", err)
		}
	})
	t.Run("WhenItsTimeIsUp", func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Probe(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
	t.Run("WhenTheStoreIsClosed", func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
		s.Close()
		if err := s.Probe(t.Context()); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want %v", err, os.ErrClosed)
		}
	})
}

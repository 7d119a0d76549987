//go:build e2e

package storage

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

// TestAFullDisk has other files take the disk, to the last page or to a few more,
// while readings are committed and hours sealed; and frees it again. What was
// taken is all there in the end, and what waits is bounded.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	disk := loopdisk.New(t, 24<<20, loopdisk.Card)
	path := filepath.Join(disk.Dir, "hems.db")
	now := began
	o := store.Options{CommitInterval: 1000 * time.Hour, MaxPending: 3000, Now: func() time.Time { return now }}
	s, err := store.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(store.Series{Entity: "p"}); err != nil {
		t.Fatal(err)
	}
	n, failures, refused := 0, 0, 0
	take := func(k int) {
		for range k {
			err := s.Append(store.Reading{Entity: "p", Time: at(n), Value: rand.Float64()})
			switch {
			case err == nil:
				n++
			case errors.Is(err, store.ErrFull):
				refused++
			default:
				t.Fatal(err)
			}
		}
	}
	filler := filepath.Join(disk.Dir, "filler")
	for round := range 8 {
		fill(t, filler, rand.Int64N(40)*4096)
		for range 40 {
			take(100 + rand.IntN(200))
			if err := s.Commit(context.Background()); err != nil {
				failures++
			}
			if w := s.Waiting(); w > o.MaxPending {
				t.Fatalf("%d readings wait in memory", w)
			}
		}
		if round%3 == 2 { // the process is started again on a full disk
			before := n
			if err := s.Close(); err != nil {
				n = before - s.Waiting() // lost with the process, as it is told
			}
			if s, err = store.Open(path, o); err != nil {
				if err := os.Remove(filler); err != nil {
					t.Fatal(err)
				}
				if s, err = store.Open(path, o); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Remove(filler); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := s.Commit(context.Background()); err != nil {
			t.Fatalf("there is room again: %v", err)
		}
		if s.Failure() != nil || s.Waiting() != 0 {
			t.Errorf("there is room again: failure %v, %d wait", s.Failure(), s.Waiting())
		}
		count(t, path, n)
	}
	if c := s.Check(); c.Salvage != nil {
		t.Errorf("the file is damaged: %+v", c.Salvage)
	}
	if failures == 0 || refused == 0 {
		t.Errorf("%d commits failed, and %d readings were refused: the disk was never full", failures, refused)
	}
	t.Logf("%d readings, %d commits that failed, %d readings refused", n, failures, refused)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// count fails the test unless so many readings are there.
func count(t *testing.T, path string, want int) {
	t.Helper()
	r, err := store.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Samples(context.Background(), 1, began, began.AddDate(50, 0, 0))
	if err != nil || len(got) != want {
		t.Fatalf("%d readings are there (%v), want %d", len(got), err, want)
	}
}

// fill takes all of a disk but so many bytes.
func fill(t *testing.T, path string, but int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	var size int64
	for err == nil {
		var k int
		k, err = f.Write(b)
		size += int64(k)
	}
	for errors.Is(err, syscall.ENOSPC) && len(b) > 4096 {
		b = b[:4096]
		for err = nil; err == nil; {
			var k int
			k, err = f.Write(b)
			size += int64(k)
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(max(size-but, 0)), f.Sync()); err != nil {
		t.Fatal(err)
	}
}

// TestAReadOnlyDisk has the file system refuse to be written, as it does after an
// error of the disk, and lets it be written again.
func TestAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	disk := loopdisk.New(t, 24<<20, loopdisk.Card)
	path := filepath.Join(disk.Dir, "hems.db")
	o := store.Options{CommitInterval: 1000 * time.Hour, Now: func() time.Time { return began }}
	s, err := store.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	if _, err := s.Register(store.Series{Entity: "p"}); err != nil {
		t.Fatal(err)
	}
	n := 0
	take := func() {
		t.Helper()
		if err := s.Append(store.Reading{Entity: "p", Time: at(n), Value: 1}); err != nil {
			t.Fatal(err)
		}
		n++
	}
	take()
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	// A file that is open for writing keeps it from being mounted anew.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", disk.Dir, "", syscall.MS_RDONLY|syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(path, o); err == nil {
		s.Close()
		t.Fatal("a store on a read-only disk was opened")
	}
	count(t, path, n) // readers go on
	if err := syscall.Mount("", disk.Dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(path, o); err != nil {
		t.Fatal(err)
	}
	take()
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	count(t, path, n)
}

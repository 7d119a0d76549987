package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSnapshotIsTheStoreAsItIs: with the readings that wait, sealed hours and
// cursors, while the store goes on; nothing of it is left.
func TestSnapshotIsTheStoreAsItIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	id := register(t, s, "a", "W")
	var want []Sample
	take := func(at time.Time, v float64) {
		t.Helper()
		if err := s.Append(Reading{Entity: "a", Time: at, Value: v}); err != nil {
			t.Fatal(err)
		}
		want = append(want, Sample{at.UnixMilli(), v})
	}
	for i := range 200 {
		take(noon.Add(time.Duration(i)*time.Minute), float64(i))
		if i%10 == 9 {
			if err := s.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := s.Next(t.Context(), "destination/x", 30)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Advance(t.Context(), "destination/x", b); err != nil {
		t.Fatal(err)
	}
	c.set(noon.Add(4 * time.Hour))
	if err := s.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	take(noon.Add(4*time.Hour), 1000) // waits in memory

	before := listDir(t, dir)
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, listDir(t, dir)); diff != "" {
		t.Errorf("files while there is a snapshot (-before +after):\n%s", diff)
	}
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("a second one: %v, want %v", err, ErrBusy)
	}
	if err := s.Append(Reading{Entity: "a", Time: noon.Add(5 * time.Hour), Value: 2000}); err != nil { // too late
		t.Fatal(err)
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(f, snapshot)
	if err != nil || n != snapshot.Size {
		t.Fatalf("%d bytes of %d: %v", n, snapshot.Size, err)
	}
	f.Close()
	for range 2 { // it may be closed twice
		snapshot.Close()
	}

	restored := open(t, copied, Options{})
	if diff := cmp.Diff(s.Series(), restored.Series()); diff != "" {
		t.Errorf("series (-original +copy):\n%s", diff)
	}
	r, err := OpenReader(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Samples(t.Context(), id, noon.Add(-time.Hour), noon.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	rest, err := restored.Next(t.Context(), "destination/x", 1000)
	if err != nil || len(rest.Items) != len(want)-30 {
		t.Errorf("%d readings wait for the destination, %v; want %d", len(rest.Items), err, len(want)-30)
	}
	if again, err := s.Snapshot(t.Context()); err != nil {
		t.Errorf("after the first was closed: %v", err)
	} else {
		again.Close()
	}
}

func TestSnapshotThatFailsLeavesNothingAndIsNotTheLast(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hems.db")
	s := open(t, path, Options{})
	left := path + copySuffix + "123" // of a process that was killed
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Snapshot(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Close()
	want := []string{"hems.db", "hems.db-shm", "hems.db-wal", "hems.db.lock", "hems.db.state"}
	if diff := cmp.Diff(want, listDir(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestSnapshotNeedsRoom: the file is made to look larger than the disk.
func TestSnapshotNeedsRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.path = filepath.Join(t.TempDir(), "hems.db")
	if err := os.WriteFile(s.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.path, 4<<40); err != nil { // all of it a hole
		t.Fatal(err)
	}
	if err := s.roomForCopy(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v, want %v", err, ErrNoSpace)
	}
}

func listDir(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOriginsAreWrittenWithTheirReadings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{MaxPending: 3})
	register(t, s, "p", "W")
	commit(t, s)
	if err := s.AppendFrom(Origin{7, 70}, at("p", 0, 1), at("p", 1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := s.AppendFrom(Origin{8, 80}, at("p", 2, 3), at("p", 3, 4)); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if err := s.AppendFrom(Origin{9, 90}, at("stranger", 2, 3)); !errors.Is(err, ErrUnknownEntity) {
		t.Errorf("got %v, want ErrUnknownEntity", err)
	}
	check := func(s *Store, want map[uint16]uint32) {
		t.Helper()
		got, err := s.Origins(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("origins (-want +got):\n%s", diff)
		}
	}
	check(s, map[uint16]uint32{})
	if _, err := s.db.Exec(`PRAGMA query_only = 1`); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background()); err == nil {
		t.Fatal("a commit succeeded on a file that takes nothing")
	}
	if _, err := s.db.Exec(`PRAGMA query_only = 0`); err != nil {
		t.Fatal(err)
	}
	commit(t, s)
	check(s, map[uint16]uint32{7: 70, 9: 90})
	if err := s.AppendFrom(Origin{7, 71}, at("p", 4, 1)); err != nil { // the number is another's
		t.Fatal(err)
	}
	commit(t, s)
	check(s, map[uint16]uint32{7: 71, 9: 90})
	for i := range keptOrigins - 1 {
		if err := s.AppendFrom(Origin{uint16(100 + i), 1}, at("p", 10+time.Duration(i), 1)); err != nil {
			t.Fatal(err)
		}
		commit(t, s)
	}
	got, err := s.Origins(t.Context())
	if err != nil || got[7] != 71 || got[9] != 0 || len(got) != keptOrigins {
		t.Errorf("got %v, %v; want those of the last %d commits", got, err, keptOrigins)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, path, Options{}), got)
}

func TestRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	s.Remember("a", []byte("1"))
	s.Remember("b", []byte("2"))
	if _, err := s.db.Exec(`PRAGMA query_only = 1`); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background()); err == nil {
		t.Fatal("a commit succeeded on a file that takes nothing")
	}
	if _, err := s.db.Exec(`PRAGMA query_only = 0`); err != nil {
		t.Fatal(err)
	}
	s.Remember("a", []byte("3"))
	commit(t, s)
	s.Remember("b", nil)
	s.Remember("c", []byte("4"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path, Options{}).Remembered(t.Context())
	if diff := cmp.Diff(map[string][]byte{"a": []byte("3"), "c": []byte("4")}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

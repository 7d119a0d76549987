package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// mustBeDurable waits for a ticket, for as long as a loaded machine may take.
func mustBeDurable(t *testing.T, s *Store, ticket Ticket) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.WaitDurable(ctx, ticket); err != nil {
		t.Fatalf("waiting for ticket %d: %v", ticket, err)
	}
}

// never keeps a store from commits of its own, which come two seconds after a first
// reading: those of the test are then the only ones.
const never = 1000 * time.Hour

func TestTicketIsDurableAfterTheCommit(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{soon: never})
	register(t, s, "p", "W")
	commit(t, s)
	if s.Mark() != s.Durable() {
		t.Errorf("before any reading: Mark %d, Durable %d, want the same", s.Mark(), s.Durable())
	}
	appendAll(t, s, at("p", 0, 1), at("p", 1, 2))
	first := s.Mark()
	if s.Durable() >= first {
		t.Errorf("Durable %d before the commit of ticket %d", s.Durable(), first)
	}
	if err := s.Append(at("stranger", 0, 1)); !errors.Is(err, ErrUnknownEntity) {
		t.Fatalf("got error %v, want %v", err, ErrUnknownEntity)
	}
	if got := s.Mark(); got != first {
		t.Errorf("Mark after a refused reading: got %d, want %d", got, first)
	}
	commit(t, s)
	if got := s.Durable(); got != first {
		t.Errorf("Durable after the commit: got %d, want %d", got, first)
	}
	mustBeDurable(t, s, first)
	appendAll(t, s, at("p", 2, 3))
	if second := s.Mark(); second <= first || s.Durable() >= second {
		t.Errorf("second ticket %d after %d, Durable %d", second, first, s.Durable())
	}
}

func TestTicketIsNotDurableWhenTheCommitFails(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{soon: never})
	register(t, s, "p", "W")
	commit(t, s)
	if _, err := s.db.Exec(`PRAGMA query_only = 1`); err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, at("p", 0, 1))
	ticket := s.Mark()
	if err := s.Commit(context.Background()); err == nil {
		t.Fatal("a commit succeeded on a file that takes nothing")
	}
	if s.Durable() >= ticket {
		t.Errorf("Durable %d after a failed commit of ticket %d", s.Durable(), ticket)
	}
	if _, err := s.db.Exec(`PRAGMA query_only = 0`); err != nil {
		t.Fatal(err)
	}
	commit(t, s)
	mustBeDurable(t, s, ticket)
}

func TestCommitSoonDoesNotWaitForTheInterval(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{CommitInterval: 1000 * time.Hour})
	register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	mustBeDurable(t, s, s.Mark()) // the first reading is committed soon anyway
	appendAll(t, s, at("p", time.Second, 2))
	s.CommitSoon()
	s.CommitSoon()
	mustBeDurable(t, s, s.Mark())
}

func TestWaitingForATicketEndsWithTheStore(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
	register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	ticket := s.Mark()
	got := make(chan error, 2)
	go func() { got <- s.WaitDurable(context.Background(), ticket) }()
	go func() { got <- s.WaitDurable(context.Background(), ticket+1) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var stored, never int
	for range 2 {
		switch err := <-got; {
		case err == nil:
			stored++
		case errors.Is(err, os.ErrClosed):
			never++
		default:
			t.Errorf("got error %v", err)
		}
	}
	if stored != 1 || never != 1 {
		t.Errorf("got %d stored and %d not, want one each", stored, never)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s2 := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
	if err := s2.WaitDurable(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

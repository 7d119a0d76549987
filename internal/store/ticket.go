package store

import (
	"context"
	"fmt"
	"os"
)

// Ticket stands for all readings that Append has taken up to some moment.
// Tickets grow; those of one Store mean nothing to another.
type Ticket uint64

// Mark is the ticket of all readings taken so far. Readings that Append has
// refused are in no ticket: nothing is to be waited for.
func (s *Store) Mark() Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// Durable is the greatest ticket whose readings are in the file, where they
// survive a power cut. It never goes back. Advanced tells when it may have
// grown.
func (s *Store) Durable() Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable
}

// WaitDurable waits until the readings of a ticket are in the file. The error
// is ctx's, or os.ErrClosed when the store was closed before they could be.
func (s *Store) WaitDurable(ctx context.Context, t Ticket) error {
	for {
		s.mu.Lock()
		durable, advanced := s.durable, s.advanced
		s.mu.Unlock()
		if durable >= t {
			return nil
		}
		select {
		case <-advanced:
		case <-s.over:
			if s.Durable() >= t { // with the last commit
				return nil
			}
			return fmt.Errorf("waiting for readings to be stored: %w", os.ErrClosed)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// CommitSoon asks for a commit without waiting for the interval's end, and
// returns at once. It is for when somebody runs out of room for what waits,
// such as a broker for acknowledgements; a failed commit is tried again no
// sooner for it.
func (s *Store) CommitSoon() {
	select {
	case s.now <- struct{}{}:
	default:
	}
}

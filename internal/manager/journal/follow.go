package journal

import (
	"context"
	"errors"
)

// backlog is how many lines a slow follower may lag behind.
const backlog = 1000

// maxFollowers is how many may follow at a time.
const maxFollowers = 16

// ErrTooMany: as many follow the journal as may.
var ErrTooMany = errors.New("too many follow the logs at this moment: close one of them")

type follower struct {
	program string
	lines   chan Line
	missed  bool
}

func (f *follower) tell(l Line) {
	if f.program != "" && f.program != l.Program {
		return
	}
	select {
	case f.lines <- l:
	default:
		f.missed = true
	}
}

// Follow gives the last n lines of a program (all when program is empty), then
// each as it comes, to tell, until ctx ends or tell returns an error, which it
// returns. A follower that is more than a thousand lines behind misses some.
func (j *Journal) Follow(ctx context.Context, program string, n int, tell func(Line) error) error {
	f := &follower{program: program, lines: make(chan Line, backlog)}
	j.mu.Lock()
	if len(j.followers) >= maxFollowers {
		j.mu.Unlock()
		return ErrTooMany
	}
	last, err := j.tail(func(l Line) bool { return program == "" || l.Program == program }, n)
	j.followers[f] = struct{}{}
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.followers, f)
	}()
	if err != nil {
		j.log.Warn("the journal cannot be read whole", "err", err)
	}
	for _, l := range last {
		if err := tell(l); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-f.lines:
			if err := tell(l); err != nil {
				return err
			}
		}
	}
}

package broker

import (
	"log/slog"
	"time"
)

// retrier waits between attempts, longer each time, and logs an error once
// until it changes.
type retrier struct {
	log   *slog.Logger
	last  string
	pause time.Duration
}

// wait returns false when done was closed.
func (r *retrier) wait(done <-chan struct{}, err error) bool {
	if text := err.Error(); text != r.last {
		r.last = text
		r.log.Error(text)
	}
	r.pause = min(max(2*r.pause, 100*time.Millisecond), maxRetry)
	select {
	case <-done:
		return false
	case <-time.After(r.pause):
		return true
	}
}

func (r *retrier) reset() { r.last, r.pause = "", 0 }

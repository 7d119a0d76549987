package broker

import (
	"log/slog"
	"sync"
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

// limiter lets a log line through every ten seconds and counts the others.
type limiter struct {
	mu     sync.Mutex
	next   time.Time
	missed int
}

// allow tells whether to log now, and how many lines were left out before.
func (l *limiter) allow() (missed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) {
		l.missed++
		return 0, false
	}
	missed, l.missed = l.missed, 0
	l.next = now.Add(10 * time.Second)
	return missed, true
}

package network

import (
	"sync"
	"time"
)

// noise limits log lines that a stranger's frames can cause: one of a kind in
// noiseEvery; the counters of Stats tell how many there were.
type noise struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const noiseEvery = 10 * time.Second

// ok reports whether a line of the kind may be logged now. Kinds are names in
// this package's code, so there are few.
func (l *noise) ok(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.last[kind]) < noiseEvery {
		return false
	}
	if l.last == nil {
		l.last = make(map[string]time.Time)
	}
	l.last[kind] = now
	return true
}

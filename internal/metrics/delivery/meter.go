package delivery

import (
	"sync"
	"time"
)

// meter counts lines that a server takes: how fast now, and how many since it
// last had everything.
type meter struct {
	mu     sync.Mutex
	sent   uint64 // since the sender began
	caught uint64 // of these, when the server last had everything
	slots  [6]struct{ at, n int64 }
}

// slot is a part of the minute that the rate is taken over.
const slot = 10 * time.Second

// add counts n lines that were taken now.
func (m *meter) add(now time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += uint64(n)
	at := now.UnixNano() / int64(slot)
	s := &m.slots[at%int64(len(m.slots))]
	if s.at != at {
		s.at, s.n = at, 0
	}
	s.n += int64(n)
}

// caughtUp notes that nothing waits.
func (m *meter) caughtUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.caught = m.sent
}

// read returns how many lines were taken since the server last had everything,
// and how many a second over the last minute.
func (m *meter) read(now time.Time) (sent uint64, rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := now.UnixNano() / int64(slot)
	total, first := int64(0), at
	for _, s := range m.slots {
		if s.n > 0 && at-s.at < int64(len(m.slots)) {
			total += s.n
			first = min(first, s.at)
		}
	}
	span := now.Sub(time.Unix(0, first*int64(slot)))
	if total > 0 && span > 0 {
		rate = float64(total) / max(1, span.Seconds())
	}
	return m.sent - m.caught, rate
}

package core

import (
	"sync"
	"sync/atomic"
	"time"
)

// counts are since New.
type counts struct {
	signIns, access, refused, turnedAway, dropped, panics atomic.Uint64
	connected, expired, retainedRefused                   atomic.Uint64
	received, published, delivered, bytesIn, sockets      atomic.Uint64
}

// Stats are counts since New, and sizes now.
type Stats struct {
	FailedSignIns      uint64
	RefusedAccess      uint64 // publications, subscriptions, wills
	RefusedPackets     uint64 // connections ended for what they sent
	RefusedConnections uint64 // beyond the limits
	RefusedRetained    uint64 // messages beyond the limits
	DroppedMessages    uint64 // for clients that do not keep up
	Panics             uint64 // that ended one connection
	Received           uint64 // packets
	Published          uint64 // messages that came
	Delivered          uint64 // messages that went

	Connections   int
	Sessions      int
	Subscriptions int
	Retained      int
	RetainedBytes int64
	QueuedBytes   int64
}

// Stats are a copy.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		FailedSignIns: s.counts.signIns.Load(), RefusedAccess: s.counts.access.Load(),
		RefusedPackets: s.counts.refused.Load(), RefusedConnections: s.counts.turnedAway.Load(),
		RefusedRetained: s.counts.retainedRefused.Load(), DroppedMessages: s.counts.dropped.Load(),
		Panics: s.counts.panics.Load(), Received: s.counts.received.Load(),
		Published: s.counts.published.Load(), Delivered: s.counts.delivered.Load(),
		Connections: len(s.conns), Sessions: len(s.sessions), Subscriptions: s.subs.count,
		Retained: s.retained.count, RetainedBytes: s.retained.bytes, QueuedBytes: s.queued,
	}
}

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

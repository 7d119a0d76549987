package network

import (
	"context"
	"sync/atomic"
)

// Stats count what happens on the way between the dongle and the devices,
// since this process began.
type Stats struct {
	Messages    uint64 // heard from devices
	Malformed   uint64 // of those, not to be read in whole or in part
	Unknown     uint64 // from nodes that had not said who they are
	Requests    uint64 // sent to devices and expecting an answer
	Refused     uint64 // of those, answered with no
	Timeouts    uint64 // not answered in time
	Undelivered uint64 // the dongle could not bring them to the device
	Retries     uint64 // sent again after that
	Queued      uint64 // had to wait until a sleeping device woke up
	Waiting     int    // requests that wait for that now
	Dropped     uint64 // MessageReceived events lost to a slow reader of Events
	Unanswered  uint64 // replies to devices that were not sent, as there were too many at once
	RouteErrors uint64 // told by routers
	Conflicts   uint64 // network addresses that two devices had
	Restarts    uint64 // sessions with the dongle begun, the first one aside
	// Line is what the dongle's connection has counted; zero while it is down.
	Line LineStats
}

// LineStats are the counters of the connection to the dongle that is open now.
type LineStats struct {
	Commands, Callbacks, Malformed, Lost, Overflows uint64
}

type counters struct {
	messages, malformed, unknown, requests, refused, timeouts, undelivered, retries, queued atomic.Uint64
	unanswered, routeErrors, conflicts, sessions                                            atomic.Uint64
	waiting                                                                                 atomic.Int64
}

// Stats gives the counters as they are now.
func (n *Network) Stats() Stats {
	c := &n.stats
	s := Stats{
		Messages: c.messages.Load(), Malformed: c.malformed.Load(), Unknown: c.unknown.Load(),
		Requests: c.requests.Load(), Refused: c.refused.Load(), Timeouts: c.timeouts.Load(),
		Undelivered: c.undelivered.Load(), Retries: c.retries.Load(), Queued: c.queued.Load(),
		Waiting: int(c.waiting.Load()), Dropped: n.events.dropped.Load(),
		Unanswered: c.unanswered.Load(), RouteErrors: c.routeErrors.Load(), Conflicts: c.conflicts.Load(),
	}
	if began := c.sessions.Load(); began > 1 {
		s.Restarts = began - 1
	}
	n.mu.Lock()
	session := n.session
	n.mu.Unlock()
	if session != nil {
		l := session.ez.Stats()
		s.Line = LineStats{Commands: l.Commands, Callbacks: l.Callbacks, Malformed: l.Malformed, Lost: l.Lost, Overflows: l.Overflows}
	}
	return s
}

// logStats logs now and then what has gone wrong since the last time; nothing
// when nothing has.
func (s *session) logStats(ctx context.Context) {
	last := s.n.Stats()
	for sleep(ctx, s.n.timing.SaveEvery) == nil {
		now := s.n.Stats()
		if now.Malformed == last.Malformed && now.Timeouts == last.Timeouts && now.Undelivered == last.Undelivered &&
			now.Dropped == last.Dropped && now.RouteErrors == last.RouteErrors && now.Conflicts == last.Conflicts && now.Refused == last.Refused {
			continue
		}
		s.n.log.Info("zigbee: not all went well lately", "messages", now.Messages-last.Messages, "malformed", now.Malformed-last.Malformed,
			"requests", now.Requests-last.Requests, "timeouts", now.Timeouts-last.Timeouts, "undelivered", now.Undelivered-last.Undelivered,
			"refused", now.Refused-last.Refused, "dropped", now.Dropped-last.Dropped, "route errors", now.RouteErrors-last.RouteErrors,
			"address conflicts", now.Conflicts-last.Conflicts)
		last = now
	}
}

package network

import "time"

// Timing are the times that the coordinator keeps. Zero fields mean the
// defaults named beside them.
type Timing struct {
	Command time.Duration // answer of the dongle to a command: 5 s
	Request time.Duration // answer of a device that listens all the time: 10 s
	// SleepyRequest is for a device that sleeps between polls; its parent holds
	// a message for 7.68 s: 15 s.
	SleepyRequest time.Duration
	// Queue is how long a request waits for a device that sleeps: 75 min, a
	// check-in of every hour and some.
	Queue         time.Duration
	NetworkUp     time.Duration // after networkInit or formNetwork: 10 s
	KeepAlive     time.Duration // an idle dongle is asked for a sign of life: 7 s
	RetryMin      time.Duration // first wait before the dongle is tried again: 500 ms
	RetryMax      time.Duration // longest such wait: 5 s
	InterviewWait time.Duration // between the tries of an interview step: 2 s
	// ActiveTimeout is how long a device on the mains may be silent before it
	// is asked for a sign of life, and is offline if it gives none: 10 min.
	ActiveTimeout time.Duration
	// PassiveTimeout is how long a battery device may be silent: 25 h. A device
	// that has agreed to report more often than that is offline sooner: after
	// MissedReports of its longest reporting interval, but never before
	// ActiveTimeout.
	PassiveTimeout    time.Duration
	MissedReports     int           // 3
	AvailabilityCheck time.Duration // how often silence is looked for: 30 s
	RouteRequest      time.Duration // how often routers are asked for routes: 1 h
	SaveEvery         time.Duration // LastSeen and frame counters go to disk: 1 h
}

func (t Timing) withDefaults() Timing {
	def := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	def(&t.Command, 5*time.Second)
	def(&t.Request, 10*time.Second)
	def(&t.SleepyRequest, 15*time.Second)
	def(&t.Queue, 75*time.Minute)
	def(&t.NetworkUp, 10*time.Second)
	def(&t.KeepAlive, 7*time.Second)
	def(&t.RetryMin, 500*time.Millisecond)
	def(&t.RetryMax, 5*time.Second)
	def(&t.InterviewWait, 2*time.Second)
	def(&t.ActiveTimeout, 10*time.Minute)
	def(&t.PassiveTimeout, 25*time.Hour)
	def(&t.AvailabilityCheck, 30*time.Second)
	def(&t.RouteRequest, time.Hour)
	def(&t.SaveEvery, time.Hour)
	if t.MissedReports <= 0 {
		t.MissedReports = 3
	}
	return t
}

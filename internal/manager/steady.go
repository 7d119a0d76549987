package manager

import "time"

// steady turns one look after the other into something worth telling: what has
// just been started is starting, and what is away for a moment is not failing.
type steady struct {
	grace    time.Duration // after the beginning
	patience time.Duration // after it was well

	began, okAt, badSince time.Time
	err                   error
	known                 bool
}

// note takes the result of a look at now.
func (s *steady) note(now time.Time, err error) {
	s.known = true
	s.err = err
	if err == nil {
		s.okAt, s.badSince = now, time.Time{}
	} else if s.badSince.IsZero() {
		s.badSince = now
	}
}

// condition is what is made of the looks so far.
type condition int

const (
	well     condition = iota
	unknown            // too early to tell
	wavering           // well a moment ago
	failed
)

func (s *steady) at(now time.Time) condition {
	switch {
	case s.known && s.err == nil:
		return well
	case s.okAt.IsZero() && now.Sub(s.began) < s.grace:
		return unknown
	case !s.okAt.IsZero() && now.Sub(s.badSince) < s.patience:
		return wavering
	}
	return failed
}

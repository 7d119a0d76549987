// Package calendar divides time as people and their electricity contracts do:
// into hours, days, weeks, months and years of a place, and into the windows of
// a tariff. It knows clocks and names, and must never know what is counted or
// priced in them.
//
// Everything steps in UTC and asks the place only what its clocks show at a
// moment, which has one answer: never the reverse, which in the hour that comes
// twice has two, and never whether it is summer time, which the zone data has
// reversed for Ireland.
package calendar

import (
	"errors"
	"fmt"
	"time"
)

// Steps divides all of time into steps without gaps. A value is for one
// goroutine at a time.
type Steps interface {
	// Around returns the step that holds t: from ≤ t < to.
	Around(t time.Time) (from, to time.Time)
	// Length is how long a step usually is.
	Length() time.Duration
	// String is the step as ParseSteps reads it.
	String() string
}

// ErrStep is a step that nobody can take.
var ErrStep = errors.New("write whole seconds, minutes or hours of less than a day (10s, 5m, 6h), or hour, day, week, month or year")

// ParseSteps reads a step: a length of time from a second to less than a day
// ("10s", "5m", "30m"), which begins anew at each midnight of the place, or one of
// hour, day, week (from Monday), month and year. The error is ErrStep.
func ParseSteps(s string, place *time.Location) (Steps, error) {
	switch s {
	case "hour":
		return Every(time.Hour, place), nil
	case "day":
		return &days{place, s, 24 * time.Hour, dayOf}, nil
	case "week":
		return &days{place, s, 7 * 24 * time.Hour, weekOf}, nil
	case "month":
		return &days{place, s, 30 * 24 * time.Hour, monthOf}, nil
	case "year":
		return &days{place, s, 365 * 24 * time.Hour, yearOf}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second || d >= 24*time.Hour || d%time.Second != 0 {
		return nil, fmt.Errorf("%q is no step: %w", s, ErrStep)
	}
	return Every(d, place), nil
}

// Every divides each day of the place into steps of d, from its midnight; the last
// may be cut short. d is a second or more, and less than a day.
func Every(d time.Duration, place *time.Location) Steps { return &clock{d: d, place: place} }

// Day returns the day of the place that holds t: 23, 24 or 25 hours of it.
func Day(t time.Time, place *time.Location) (from, to time.Time) {
	y, m, d := t.In(place).Date()
	return Midnight(y, m, d, place), Midnight(y, m, d+1, place)
}

// Midnight is the first moment of a day of the place. Where clocks go forward at
// midnight that is one o'clock; where they go back over it, the first of the two
// midnights. The date is normalised as time.Date does.
func Midnight(y int, m time.Month, d int, place *time.Location) time.Time {
	const grain = 15 * time.Minute // every zone's clocks stand on it
	noon := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	y, m, d = noon.Date()
	same := func(t time.Time) bool {
		ty, tm, td := t.In(place).Date()
		return ty == y && tm == m && td == d
	}
	t := time.Date(y, m, d, 0, 0, 0, 0, place)
	for range 12 {
		if same(t) {
			break
		}
		t = t.Add(grain)
	}
	for same(t.Add(-time.Nanosecond)) {
		t = t.Add(-grain)
	}
	return t
}

// clock divides days by a length of time.
type clock struct {
	d        time.Duration
	place    *time.Location
	from, to time.Time // the day that was looked at last
}

func (c *clock) Around(t time.Time) (from, to time.Time) {
	if t.Before(c.from) || !t.Before(c.to) {
		c.from, c.to = Day(t, c.place)
	}
	from = c.from.Add(t.Sub(c.from) / c.d * c.d)
	if to = from.Add(c.d); to.After(c.to) {
		to = c.to
	}
	return from, to
}

func (c *clock) Length() time.Duration { return c.d }

func (c *clock) String() string {
	switch {
	case c.d == time.Hour:
		return "hour"
	case c.d%time.Hour == 0:
		return fmt.Sprintf("%dh", c.d/time.Hour)
	case c.d%time.Minute == 0:
		return fmt.Sprintf("%dm", c.d/time.Minute)
	}
	return fmt.Sprintf("%ds", c.d/time.Second)
}

// days are steps of whole days.
type days struct {
	place  *time.Location
	unit   string
	length time.Duration
	begin  func(y int, m time.Month, d int, weekday time.Weekday) (from, to [3]int)
}

func (s *days) Around(t time.Time) (from, to time.Time) {
	l := t.In(s.place)
	y, m, d := l.Date()
	a, b := s.begin(y, m, d, l.Weekday())
	return Midnight(a[0], time.Month(a[1]), a[2], s.place), Midnight(b[0], time.Month(b[1]), b[2], s.place)
}

func (s *days) Length() time.Duration { return s.length }

func (s *days) String() string { return s.unit }

func dayOf(y int, m time.Month, d int, _ time.Weekday) (from, to [3]int) {
	return [3]int{y, int(m), d}, [3]int{y, int(m), d + 1}
}

func weekOf(y int, m time.Month, d int, w time.Weekday) (from, to [3]int) {
	monday := d - (int(w)+6)%7
	return [3]int{y, int(m), monday}, [3]int{y, int(m), monday + 7}
}

func monthOf(y int, m time.Month, _ int, _ time.Weekday) (from, to [3]int) {
	return [3]int{y, int(m), 1}, [3]int{y, int(m) + 1, 1}
}

func yearOf(y int, _ time.Month, _ int, _ time.Weekday) (from, to [3]int) {
	return [3]int{y, 1, 1}, [3]int{y + 1, 1, 1}
}

package calendar

import (
	"errors"
	"fmt"
	"time"
)

// ErrMoment is a moment that cannot be read.
var ErrMoment = errors.New("write a date of the place (2026-11-20, 2026-11, 2026), a moment with its offset (2026-11-20T18:00:00Z), today, yesterday or now")

// ErrTwice is a time on the wall that is there twice or not at all, because the
// clocks change.
var ErrTwice = errors.New("the clocks change then: write the offset too, such as 2026-10-25T01:30:00+01:00")

// Span is from ≤ t < to.
type Span struct{ From, To time.Time }

// ParseMoment reads what a person means by a date: the span of that day, month or
// year in the place; or a moment (RFC 3339, or 2026-11-20T18:00 on the wall of the
// place), whose span is empty. now is what "now", "today" and "yesterday" go by.
// Years are 1970 to 2200. Errors are ErrMoment and ErrTwice.
func ParseMoment(s string, place *time.Location, now time.Time) (Span, error) {
	dayAt := func(offset int) Span {
		y, m, d := now.In(place).Date()
		return Span{Midnight(y, m, d+offset, place), Midnight(y, m, d+offset+1, place)}
	}
	switch s {
	case "now":
		return Span{now, now}, nil
	case "today":
		return dayAt(0), nil
	case "yesterday":
		return dayAt(-1), nil
	}
	for _, form := range []struct {
		layout      string
		years, m, d int
	}{{"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		if t, err := time.Parse(form.layout, s); err == nil && inRange(t) {
			y, m, d := t.Date()
			return Span{Midnight(y, m, d, place), Midnight(y+form.years, m+time.Month(form.m), d+form.d, place)}, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil && inRange(t) {
		return Span{t, t}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil && inRange(t) {
			at, err := onWall(t, place)
			if err != nil {
				return Span{}, fmt.Errorf("%s: %w", s, err)
			}
			return Span{at, at}, nil
		}
	}
	return Span{}, fmt.Errorf("%q is no time: %w", cut(s), ErrMoment)
}

func inRange(t time.Time) bool { return t.Year() >= 1970 && t.Year() <= 2200 }

// onWall is the moment at which clocks of the place show what t shows in UTC: each
// offset that the place has nearby is tried.
func onWall(t time.Time, place *time.Location) (at time.Time, err error) {
	found := map[int64]bool{}
	for _, near := range []time.Duration{-36 * time.Hour, 36 * time.Hour} {
		_, offset := t.Add(near).In(place).Zone()
		c := t.Add(-time.Duration(offset) * time.Second)
		if _, o := c.In(place).Zone(); o == offset {
			found[c.Unix()] = true
			at = c.In(place)
		}
	}
	if len(found) != 1 {
		return time.Time{}, ErrTwice
	}
	return at, nil
}

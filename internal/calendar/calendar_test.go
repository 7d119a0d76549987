package calendar

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata" // of the machine that runs the tests nothing is expected

	"github.com/google/go-cmp/cmp"
)

func load(t testing.TB, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// steps is a helper for tests: where the steps of the range begin, on the wall.
func walk(s Steps, from, to time.Time, place *time.Location) (all []string) {
	for t := from; t.Before(to); {
		a, b := s.Around(t)
		all = append(all, a.In(place).Format("Mon 2006-01-02 15:04:05 -0700"))
		t = b
	}
	return all
}

func TestSteps(t *testing.T) {
	dublin := load(t, "Europe/Dublin")
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		name, step, from, to string
		want                 []string
	}{
		{"HoursOverTheAutumnChange", "hour", "2026-10-25T00:00:00+01:00", "2026-10-25T03:00:00Z", []string{
			"Sun 2026-10-25 00:00:00 +0100", "Sun 2026-10-25 01:00:00 +0100", "Sun 2026-10-25 01:00:00 +0000", "Sun 2026-10-25 02:00:00 +0000"}},
		{"HoursOverTheSpringChange", "hour", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z", []string{
			"Sun 2026-03-29 00:00:00 +0000", "Sun 2026-03-29 02:00:00 +0100"}},
		{"DaysOverBoth", "day", "2026-10-24T12:00:00Z", "2026-10-27T00:00:00Z", []string{
			"Sat 2026-10-24 00:00:00 +0100", "Sun 2026-10-25 00:00:00 +0100", "Mon 2026-10-26 00:00:00 +0000"}},
		{"SixHoursOfALongDay", "6h", "2026-10-25T00:00:00+01:00", "2026-10-26T00:00:01Z", []string{
			"Sun 2026-10-25 00:00:00 +0100", "Sun 2026-10-25 05:00:00 +0000", "Sun 2026-10-25 11:00:00 +0000", "Sun 2026-10-25 17:00:00 +0000",
			"Sun 2026-10-25 23:00:00 +0000", "Mon 2026-10-26 00:00:00 +0000"}},
		{"WeeksFromMonday", "week", "2026-12-31T00:00:00Z", "2027-01-05T00:00:00Z", []string{
			"Mon 2026-12-28 00:00:00 +0000", "Mon 2027-01-04 00:00:00 +0000"}},
		{"Months", "month", "2026-02-27T00:00:00Z", "2026-04-02T00:00:00Z", []string{
			"Sun 2026-02-01 00:00:00 +0000", "Sun 2026-03-01 00:00:00 +0000", "Wed 2026-04-01 00:00:00 +0100"}},
		{"Years", "year", "2023-12-31T23:59:59Z", "2024-12-31T00:00:00Z", []string{
			"Sun 2023-01-01 00:00:00 +0000", "Mon 2024-01-01 00:00:00 +0000"}},
		{"FiveMinutes", "5m", "2026-11-20T00:04:59Z", "2026-11-20T00:10:01Z", []string{
			"Fri 2026-11-20 00:00:00 +0000", "Fri 2026-11-20 00:05:00 +0000", "Fri 2026-11-20 00:10:00 +0000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseSteps(tt.step, dublin)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, walk(s, at(tt.from), at(tt.to), dublin)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if s.String() != tt.step {
				t.Errorf("it is called %q, want %q", s, tt.step)
			}
		})
	}
}

// Every day of a place holds whole half hours of UTC: 46 and 50 where the clocks
// change in Ireland, and no moment is in two days or in none.
func TestDaysCoverTime(t *testing.T) {
	for _, tt := range []struct {
		zone string
		want map[int]int // days of a year by half hours
	}{
		{"Europe/Dublin", map[int]int{46: 1, 48: 363, 50: 1}},
		{"UTC", map[int]int{48: 365}},
		{"America/Santiago", map[int]int{46: 1, 48: 363, 50: 1}},    // at midnight
		{"Africa/Cairo", map[int]int{46: 1, 48: 363, 50: 1}},        // at midnight, and over it
		{"Australia/Lord_Howe", map[int]int{47: 1, 48: 363, 49: 1}}, // by half an hour
		{"Asia/Kathmandu", map[int]int{48: 365}},
	} {
		t.Run(tt.zone, func(t *testing.T) {
			place := load(t, tt.zone)
			got := map[int]int{}
			at := Midnight(2025, time.January, 1, place)
			end := Midnight(2026, time.January, 1, place)
			for at.Before(end) {
				from, to := Day(at, place)
				if !from.Equal(at) {
					t.Fatalf("the day of %v begins at %v", at, from)
				}
				if from2, to2 := Day(to.Add(-time.Nanosecond), place); !from2.Equal(from) || !to2.Equal(to) {
					t.Fatalf("the last moment of %v to %v lies in %v to %v", from, to, from2, to2)
				}
				got[int(to.Sub(from)/(30*time.Minute))]++
				at = to
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("days by half hours (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadSteps(t *testing.T) {
	for _, s := range []string{"", "0s", "-5m", "1ms", "1500ms", "24h", "48h", "decade", "5", "1e9h", "Hour"} {
		if _, err := ParseSteps(s, time.UTC); !errors.Is(err, ErrStep) {
			t.Errorf("%q: got %v, want ErrStep", s, err)
		}
	}
}

func TestParseMoment(t *testing.T) {
	dublin := load(t, "Europe/Dublin")
	now := time.Date(2026, 7, 1, 23, 30, 0, 0, time.UTC) // the second of July in Dublin
	for _, tt := range []struct {
		in, from, to string
		err          error
	}{
		{"2026-11-20", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", nil},
		{"2026-10-25", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z", nil},
		{"2026-03", "2026-03-01T00:00:00Z", "2026-03-31T23:00:00Z", nil},
		{"2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", nil},
		{"today", "2026-07-01T23:00:00Z", "2026-07-02T23:00:00Z", nil},
		{"yesterday", "2026-06-30T23:00:00Z", "2026-07-01T23:00:00Z", nil},
		{"now", "2026-07-01T23:30:00Z", "2026-07-01T23:30:00Z", nil},
		{"2026-11-20T18:00:00+01:00", "2026-11-20T17:00:00Z", "2026-11-20T17:00:00Z", nil},
		{"2026-07-20T18:00", "2026-07-20T17:00:00Z", "2026-07-20T17:00:00Z", nil},
		{"2026-07-20T18:00:05", "2026-07-20T17:00:05Z", "2026-07-20T17:00:05Z", nil},
		{"2026-10-25T00:59", "2026-10-24T23:59:00Z", "2026-10-24T23:59:00Z", nil},
		{"2026-10-25T01:30", "", "", ErrTwice},
		{"2026-10-25T02:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z", nil},
		{"2026-03-29T01:30", "", "", ErrTwice},
		{"2026-03-29T02:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z", nil},
		{"2026-02-30", "", "", ErrMoment},
		{"20/11/2026", "", "", ErrMoment},
		{"", "", "", ErrMoment},
		{"1969-12-31", "", "", ErrMoment},
		{"2201", "", "", ErrMoment},
		{"tomorrow\n", "", "", ErrMoment},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseMoment(tt.in, dublin, now)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				return
			}
			if f, u := got.From.UTC().Format(time.RFC3339), got.To.UTC().Format(time.RFC3339); f != tt.from || u != tt.to {
				t.Errorf("got %s to %s, want %s to %s", f, u, tt.from, tt.to)
			}
		})
	}
}

func FuzzParseMoment(f *testing.F) {
	dublin := load(f, "Europe/Dublin")
	for _, s := range []string{"2026-10-25T01:30", "2026-11", "today", "2026-11-20T18:00:00.123456789Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseMoment(s, dublin, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
		if err == nil && got.To.Before(got.From) {
			t.Errorf("%q is from %v to %v", s, got.From, got.To)
		}
	})
}

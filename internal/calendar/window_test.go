package calendar

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWindows(t *testing.T) {
	dublin := load(t, "Europe/Dublin")
	const nested = "day=00:00-24:00; night=23:00-08:00; peak=Mon-Fri 17:00-19:00; boost=02:00-04:00"
	for _, tt := range []struct{ name, windows, at, want string }{
		{"Day", nested, "2026-11-20T12:00:00Z", "day"},
		{"NightBegins", nested, "2026-11-20T23:00:00Z", "night"},
		{"NightGoesOverMidnight", nested, "2026-11-21T07:59:59Z", "night"},
		{"NightEnds", nested, "2026-11-21T08:00:00Z", "day"},
		{"LastMatchWins", nested, "2026-11-21T02:00:00Z", "boost"},
		{"PeakOnAFriday", nested, "2026-11-20T17:30:00Z", "peak"},
		{"NoPeakOnASaturday", nested, "2026-11-21T17:30:00Z", "day"},
		{"SummerOnTheWall", nested, "2026-07-01T16:30:00Z", "peak"},
		{"FirstPassOfTheAutumnHour", "a=01:00-02:00", "2026-10-25T00:30:00Z", "a"},
		{"SecondPassOfTheAutumnHour", "a=01:00-02:00", "2026-10-25T01:30:00Z", "a"},
		{"AfterIt", "a=01:00-02:00", "2026-10-25T02:00:00Z", ""},
		{"GMTInSummer", "night=23:00-08:00 GMT", "2026-07-01T07:59:00Z", "night"},    // 08:59 on the wall
		{"GMTInSummerEnds", "night=23:00-08:00 GMT", "2026-07-01T08:00:00Z", ""},     // 09:00 on the wall
		{"CivilInSummer", "night=23:00-08:00 civil", "2026-07-01T07:00:00Z", ""},     // 08:00 on the wall
		{"WeekdayOfTheBeginning", "w=Fri 23:00-08:00", "2026-11-21T03:00:00Z", "w"},  // Saturday
		{"NotTheDayItself", "w=Fri 23:00-08:00", "2026-11-20T03:00:00Z", ""},         // Friday
		{"AllDayIsFromNoonToNoon", "w=Sat 12:00-12:00", "2026-11-22T11:59:00Z", "w"}, // Sunday
		{"OverSunday", "w=Sat-Mon 00:00-24:00", "2026-11-22T12:00:00Z", "w"},
		{"SmartSet", "smart", "2026-11-22T18:00:00Z", "peak"},
		{"DayNightSet", "day-night", "2026-07-01T22:30:00Z", "day"}, // 23:30 on the wall
		{"Nothing", "peak=17:00-19:00", "2026-11-20T12:00:00Z", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ws, err := ParseWindows(tt.windows)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := ws.At(at, dublin); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			again, err := ParseWindows(ws.String())
			if diff := cmp.Diff(ws, again); err != nil || diff != "" {
				t.Errorf("%q read again: %v (-want +got):\n%s", ws, err, diff)
			}
		})
	}
}

// A day of 25 hours has 20 half hours of night, one of 23 hours 16: the hour that
// comes twice, or never, is at night.
func TestHalfHoursOfNight(t *testing.T) {
	dublin := load(t, "Europe/Dublin")
	for _, tt := range []struct {
		day  string
		want map[string]int
	}{
		{"2026-10-25", map[string]int{"day": 26, "night": 20, "peak": 4}},
		{"2026-03-29", map[string]int{"day": 26, "night": 16, "peak": 4}},
		{"2026-11-20", map[string]int{"day": 26, "night": 18, "peak": 4}},
	} {
		day, err := ParseMoment(tt.day, dublin, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for at := day.From; at.Before(day.To); at = at.Add(30 * time.Minute) {
			got[Sets["smart"].At(at, dublin)]++
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.day, diff)
		}
	}
}

func TestNames(t *testing.T) {
	ws, err := ParseWindows("a=00:00-12:00; b=12:00-13:00; a=13:00-14:00")
	if diff := cmp.Diff([]string{"a", "b"}, ws.Names()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestBadWindows(t *testing.T) {
	for _, s := range []string{"", ";;", "x", "=00:00-01:00", "a=", "a=1-2", "a=00:00-24:01", "a=24:00-01:00", "a=00:60-01:00", "a=Xyz 00:00-01:00",
		"a=Mon 00:00", "a=Mon Tue 00:00-01:00", "a=00:00-01:00 UTC", "a=Mon- 00:00-01:00", "a\nb=00:00-01:00", "a=+1:00-02:00", "a=00:00-01:00 GMT GMT",
		strings.Repeat("a", 41) + "=00:00-01:00", strings.Repeat("a=00:00-01:00;", 65), "\xff=00:00-01:00"} {
		if ws, err := ParseWindows(s); !errors.Is(err, ErrWindows) {
			t.Errorf("%q: got %v, %v; want ErrWindows", s, ws, err)
		}
	}
}

func FuzzParseWindows(f *testing.F) {
	f.Add("day=00:00-24:00; night=23:00-08:00; peak=Mon-Fri 17:00-19:00; boost=Sat,Sun 02:00-04:00 GMT")
	f.Add("smart")
	f.Fuzz(func(t *testing.T, s string) {
		ws, err := ParseWindows(s)
		if err != nil {
			return
		}
		again, err := ParseWindows(ws.String())
		if err != nil || !cmp.Equal(ws, again) {
			t.Errorf("%q became %q and then %v, %v", s, ws, again, err)
		}
		ws.At(time.Unix(0, 0), time.UTC)
	})
}

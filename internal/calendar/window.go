package calendar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Window is a part of each day, or of some days of the week, in which a tariff
// has a rate.
type Window struct {
	Name string
	Days Weekdays // of the window's beginning; 0: every day
	// From and To are minutes since midnight, 0 to 1440. A window whose end is not
	// after its beginning goes on into the next day.
	From, To int
	// GMT: its clock never changes, as that of a day and night meter; otherwise it
	// is the clock on the wall.
	GMT bool
}

// Weekdays is a set: bit time.Sunday and so on.
type Weekdays uint8

// Has reports whether the window's day can be d.
func (w Weekdays) Has(d time.Weekday) bool { return w == 0 || w&(1<<d) != 0 }

// Windows are those of a tariff. Where several hold a moment, the last one counts:
// the night within the day, the boost within the night.
type Windows []Window

// At is the name of the window that holds t in the place; empty: none does.
func (ws Windows) At(t time.Time, place *time.Location) string {
	if i := ws.index(t, place); i >= 0 {
		return ws[i].Name
	}
	return ""
}

func (ws Windows) index(t time.Time, place *time.Location) int {
	wall, gmt := t.In(place), t.UTC()
	for i := len(ws) - 1; i >= 0; i-- {
		clock := wall
		if ws[i].GMT {
			clock = gmt
		}
		if ws[i].holds(clock.Hour()*60+clock.Minute(), clock.Weekday()) {
			return i
		}
	}
	return -1
}

func (w Window) holds(minute int, day time.Weekday) bool {
	if w.From < w.To {
		return w.From <= minute && minute < w.To && w.Days.Has(day)
	}
	return minute >= w.From && w.Days.Has(day) || minute < w.To && w.Days.Has((day+6)%7)
}

// Names are the names of the windows, each once, in the order in which they come.
func (ws Windows) Names() []string {
	var names []string
	seen := map[string]bool{}
	for _, w := range ws {
		if !seen[w.Name] {
			seen[w.Name] = true
			names = append(names, w.Name)
		}
	}
	return names
}

// ErrWindows is a description of windows that cannot be read.
var ErrWindows = errors.New(`write windows as "day=08:00-23:00; night=23:00-08:00; peak=Mon-Fri 17:00-19:00; boost=02:00-04:00 GMT"`)

// Sets are windows with a name of their own: smart, of smart meters in Ireland;
// day-night, of the two-rate meters before them, whose clock never changes.
var Sets = map[string]Windows{
	"smart": {
		{Name: "day", From: 8 * 60, To: 23 * 60},
		{Name: "night", From: 23 * 60, To: 8 * 60},
		{Name: "peak", From: 17 * 60, To: 19 * 60},
	},
	"day-night": {
		{Name: "day", From: 8 * 60, To: 23 * 60, GMT: true},
		{Name: "night", From: 23 * 60, To: 8 * 60, GMT: true},
	},
}

const (
	maxWindows = 64
	maxName    = 40 // bytes
)

// ParseWindows reads windows, or the name of one of Sets. The error is
// ErrWindows with what is wrong.
func ParseWindows(s string) (Windows, error) {
	if set, ok := Sets[strings.TrimSpace(s)]; ok {
		return set, nil
	}
	var ws Windows
	for text := range strings.SplitSeq(s, ";") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		w, err := parseWindow(text)
		if err != nil {
			return nil, err
		}
		if ws = append(ws, w); len(ws) > maxWindows {
			return nil, fmt.Errorf("more than %d windows: %w", maxWindows, ErrWindows)
		}
	}
	if len(ws) == 0 {
		return nil, fmt.Errorf("no window in %q: %w", cut(s), ErrWindows)
	}
	return ws, nil
}

func parseWindow(text string) (w Window, err error) {
	bad := func(what string) (Window, error) {
		return Window{}, fmt.Errorf("the window %q %s: %w", cut(strings.TrimSpace(text)), what, ErrWindows)
	}
	name, rest, ok := strings.Cut(text, "=")
	w.Name = strings.TrimSpace(name)
	switch {
	case !ok || w.Name == "":
		return bad("has no name")
	case len(w.Name) > maxName || strings.ContainsFunc(w.Name, func(r rune) bool { return r < ' ' || r == '"' || r == 0x7f || r == 0xfffd }):
		return bad("has a name that is too long or cannot be printed")
	}
	words := strings.Fields(rest)
	if n := len(words); n > 1 && (words[n-1] == "GMT" || words[n-1] == "civil") {
		w.GMT, words = words[n-1] == "GMT", words[:n-1]
	}
	if len(words) == 2 {
		if w.Days, ok = parseDays(words[0]); !ok {
			return bad("has days that cannot be read (Mon-Fri or Sat,Sun)")
		}
		words = words[1:]
	}
	if len(words) != 1 {
		return bad("cannot be read")
	}
	from, to, ok := strings.Cut(words[0], "-")
	var ok2 bool
	if w.From, ok2 = parseClock(from); !ok || !ok2 || w.From == 24*60 {
		return bad("begins at no time of day")
	}
	if w.To, ok = parseClock(to); !ok {
		return bad("ends at no time of day")
	}
	return w, nil
}

// parseClock reads 00:00 to 24:00.
func parseClock(s string) (minutes int, ok bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	h, err1 := strconv.ParseUint(s[:2], 10, 8)
	m, err2 := strconv.ParseUint(s[3:], 10, 8)
	minutes = int(h*60 + m)
	return minutes, err1 == nil && err2 == nil && m < 60 && minutes <= 24*60
}

func parseDays(s string) (set Weekdays, ok bool) {
	for part := range strings.SplitSeq(s, ",") {
		first, last, span := strings.Cut(part, "-")
		if !span {
			last = first
		}
		a, ok1 := parseDay(first)
		b, ok2 := parseDay(last)
		if !ok1 || !ok2 {
			return 0, false
		}
		for d := a; ; d = (d + 1) % 7 {
			set |= 1 << d
			if d == b {
				break
			}
		}
	}
	return set, true
}

func parseDay(s string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(s, d.String()) || strings.EqualFold(s, d.String()[:3]) {
			return d, true
		}
	}
	return 0, false
}

// String is the windows as ParseWindows reads them.
func (ws Windows) String() string {
	var b strings.Builder
	for i, w := range ws {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(w.Name + "=")
		sep := ""
		for d := time.Monday; w.Days != 0 && d <= time.Saturday+1; d++ {
			if day := d % 7; w.Days.Has(day) {
				b.WriteString(sep + day.String()[:3])
				sep = ","
			}
		}
		if sep != "" {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
		if w.GMT {
			b.WriteString(" GMT")
		}
	}
	return b.String()
}

// cut keeps what strangers sent short in an error.
func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

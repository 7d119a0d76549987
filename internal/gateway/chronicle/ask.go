package chronicle

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/ledger"
)

// ask is a question as it was understood.
type ask struct {
	entity   string
	meter    string // name of a device
	span     calendar.Span
	steps    calendar.Steps // nil: every reading
	windows  calendar.Windows
	source   ledger.Source
	csv      bool
	autoStep bool
}

// badAsk is a question that cannot be understood.
type badAsk struct{ code, text, hint string }

func (e *badAsk) Error() string { return e.text }

// read understands a request. takes are the names of the parameters that this
// question has, beside format.
func (c *Chronicle) read(r *http.Request, takes string) (a ask, err error) {
	known := append(strings.Fields(takes), "format")
	query := r.URL.Query()
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			return a, &badAsk{"parameter", fmt.Sprintf("there is no parameter %q here", name), "there are " + strings.Join(known, ", ")}
		case len(values) > 1:
			return a, &badAsk{"parameter", fmt.Sprintf("the parameter %q is there %d times", name, len(values)), "give it once"}
		}
	}
	switch format := query.Get("format"); format {
	case "", "json":
	case "csv":
		a.csv = true
	default:
		return a, &badAsk{"format", fmt.Sprintf("there is no format %q", format), "there are json and csv"}
	}
	a.entity = query.Get("entity")
	if _, after, ok := strings.Cut(a.entity, "."); ok {
		a.entity = after // Home Assistant's "sensor.…"
	}
	a.meter = query.Get("meter")
	if a.meter != "" && a.entity != "" {
		return a, &badAsk{"parameter", "entity and meter say the same twice", "give one of them"}
	}
	switch source := query.Get("source"); source {
	case "", "own":
		a.source = ledger.Own
	case "hdf":
		a.source = ledger.HDF
	default:
		return a, &badAsk{"source", fmt.Sprintf("there is no source %q", source), "there are own and hdf"}
	}
	now := c.Clock().Truncate(time.Millisecond) // as times are kept
	if a.span, err = c.span(query.Get("from"), query.Get("to"), now); err != nil {
		return a, &badAsk{"time", err.Error(), "from 2026-11-01 to 2026-11-30 is November; 2026-11-20T18:00:00Z is a moment"}
	}
	switch step := query.Get("step"); step {
	case "raw":
	case "":
		a.autoStep = true
		points := usualPoints
		if text := query.Get("points"); text != "" {
			if points, err = strconv.Atoi(text); err != nil || points < 10 || points > 5000 {
				return a, &badAsk{"points", "points is about how many a curve is to have, from 10 to 5000", "600, or leave it out"}
			}
		}
		a.steps = c.usual(a.span, points)
	default:
		if a.steps, err = calendar.ParseSteps(step, c.Place); err != nil {
			return a, &badAsk{"step", err.Error(), "5m, or leave it out"}
		}
	}
	if text := query.Get("windows"); text != "" {
		if a.windows, err = calendar.ParseWindows(text); err != nil {
			return a, &badAsk{"windows", err.Error(), "or name a set: smart, day-night"}
		}
		if slices.Contains(a.windows.Names(), outside) {
			return a, &badAsk{"windows", fmt.Sprintf("a window cannot be called %q", outside), "that is what lies in none"}
		}
	}
	return a, nil
}

// span is from the beginning of from (default: today) to the end of to (default:
// now, or the end of from where that is a past day).
func (c *Chronicle) span(from, to string, now time.Time) (calendar.Span, error) {
	if from == "" {
		from = "today"
	}
	begin, err := calendar.ParseMoment(from, c.Place, now)
	if err != nil {
		return calendar.Span{}, err
	}
	if to == "" {
		return calendar.Span{From: begin.From, To: now}, nil
	}
	end, err := calendar.ParseMoment(to, c.Place, now)
	if err != nil {
		return calendar.Span{}, err
	}
	return calendar.Span{From: begin.From, To: end.To}, nil
}

// usualPoints is how many points a curve has at most, unless a step is asked for.
const usualPoints = 600

// usual is the shortest step with which a curve of a span has no more points than
// that.
func (c *Chronicle) usual(span calendar.Span, points int) calendar.Steps {
	long := span.To.Sub(span.From)
	for _, d := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour} {
		if long/d <= time.Duration(points) {
			return calendar.Every(d, c.Place)
		}
	}
	day, _ := calendar.ParseSteps("day", c.Place)
	return day
}

// usualEnergy is the step that makes a table of some ten lines of a span.
func (c *Chronicle) usualEnergy(a ask) calendar.Steps {
	const day = 24 * time.Hour
	long := a.span.To.Sub(a.span.From)
	unit := "month"
	switch {
	case long <= 50*time.Hour:
		unit = "hour"
	case long <= 62*day:
		unit = "day"
	case long <= 200*day:
		unit = "week"
	case long > 5*365*day:
		unit = "year"
	}
	s, _ := calendar.ParseSteps(unit, c.Place)
	return s
}

// place is whose days the steps are, where they are of days.
func (a ask) place(place *time.Location) *time.Location {
	if a.steps != nil && a.steps.Length() >= 24*time.Hour {
		return place
	}
	return nil
}

// stepName is the step as it is asked for.
func (a ask) stepName() string {
	if a.steps == nil {
		return "raw"
	}
	return a.steps.String()
}

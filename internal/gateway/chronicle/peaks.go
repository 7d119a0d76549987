package chronicle

import (
	"net/http"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/history"
)

// peaksAnswer is the least, the mean and the most of each step.
type peaksAnswer struct {
	head
	Total extreme   `json:"total"`
	Rows  []peakRow `json:"rows"` // one for each step, known or not
	gaps
}

type peakRow struct {
	span
	extreme
}

type extreme struct {
	limits
	Windows map[string]limits `json:"windows,omitempty"` // by name, where they were asked for
}

// limits are in the unit of the answer; null where there is no reading.
type limits struct {
	Min      *float64   `json:"min"`
	Mean     *float64   `json:"mean"`
	Max      *float64   `json:"max"`
	At       *time.Time `json:"at,omitempty"` // of max: the five minutes that begin then
	Readings int64      `json:"readings"`
}

// Peaks answers GET /api/v1/history/peaks.
func (c *Chronicle) Peaks(w http.ResponseWriter, r *http.Request) {
	c.handle(w, r, "entity from to step windows", func(w http.ResponseWriter, r *http.Request, a ask) error {
		if a.entity == "" {
			if a.entity = c.Main(); a.entity == "" {
				return noMeter
			}
		}
		if a.autoStep {
			a.steps = c.usualEnergy(a)
		}
		q := history.Query{Entity: a.entity, From: a.span.From, To: a.span.To, Place: c.Place}
		if a.steps != nil {
			q.Steps = a.steps
		}
		rows, total, unit, found, err := c.History.Peaks(r.Context(), q, c.window(a.windows))
		if err != nil {
			return err
		}
		if a.csv {
			return c.peaksCSV(w, a, rows, unit, found)
		}
		if err := tooManyRows(len(rows)); err != nil {
			return err
		}
		v := peaksAnswer{head: c.head(a), Total: c.extreme(total), Rows: make([]peakRow, 0, len(rows)), gaps: c.gaps(found)}
		v.Unit = unit
		for _, p := range rows {
			v.Rows = append(v.Rows, peakRow{c.spanOf(p.Span), c.extreme(p)})
		}
		return c.json(w, r, v)
	})
}

func (c *Chronicle) extreme(p history.Peak) extreme {
	e := extreme{limits: c.limits(p.Extreme)}
	for name, x := range p.Windows {
		if e.Windows == nil {
			e.Windows = map[string]limits{}
		}
		e.Windows[name] = c.limits(x)
	}
	return e
}

func (c *Chronicle) limits(x history.Extreme) limits {
	if x.N == 0 {
		return limits{}
	}
	least, mean, most, at := thousandth(x.Min), thousandth(x.Mean), thousandth(x.Max), x.At.In(c.Place)
	return limits{&least, &mean, &most, &at, x.N}
}

// peaksCSV has a line for each step, with a column of the most for each window.
func (c *Chronicle) peaksCSV(w http.ResponseWriter, a ask, rows []history.Peak, unit string, found history.Coverage) error {
	s := newStream(w, "peaks", a.entity, a.span.From.In(c.Place), a.span.To.In(c.Place))
	columns := []string{"from", "to", in("min", unit), in("mean", unit), in("max", unit), "at", "readings"}
	for _, name := range names(a.windows) {
		columns = append(columns, name+" "+in("max", unit))
	}
	err := s.row(columns...)
	for _, p := range rows {
		if err != nil {
			break
		}
		row := []string{p.From.In(c.Place).Format(stamp), p.To.In(c.Place).Format(stamp)}
		if p.N == 0 {
			row = append(row, "", "", "", "", "0")
		} else {
			row = append(row, number(p.Min), number(p.Mean), number(p.Max), p.At.In(c.Place).Format(stamp), strconv.FormatInt(p.N, 10))
		}
		for _, name := range names(a.windows) {
			most := ""
			if x := p.Windows[name]; x.N > 0 {
				most = number(x.Max)
			}
			row = append(row, most)
		}
		err = s.row(row...)
	}
	return s.end(found.Complete(), err)
}

// alwaysOnAnswer is the power of the house when nobody does anything.
type alwaysOnAnswer struct {
	Entity string   `json:"entity"`
	span            // the night
	Power  *float64 `json:"power_w"` // null: there were too few readings
}

// nightHours are those of a night in which least is going on.
const nightHours = 6

// AlwaysOn answers GET /api/v1/history/always-on: of the night to the day from.
func (c *Chronicle) AlwaysOn(w http.ResponseWriter, r *http.Request) {
	c.handle(w, r, "entity from", func(w http.ResponseWriter, r *http.Request, a ask) error {
		if a.entity == "" {
			if a.entity = c.Main(); a.entity == "" {
				return noMeter
			}
		}
		if a.csv {
			return &badAsk{"format", "one figure is no table", "ask for JSON"}
		}
		from := a.span.From
		to := from.Add(nightHours * time.Hour)
		watt, ok, err := c.History.AlwaysOn(r.Context(), a.entity, from, to)
		if err != nil {
			return err
		}
		v := alwaysOnAnswer{Entity: a.entity, span: span{from.In(c.Place), to.In(c.Place)}}
		if ok {
			watt = thousandth(watt)
			v.Power = &watt
		}
		return c.json(w, r, v)
	})
}

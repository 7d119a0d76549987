package chronicle

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/ledger"
	"github.com/smartcore-ireland/hems/internal/store"
)

// energyAnswer is the energy of the counters that were asked for.
type energyAnswer struct {
	span
	Step   string        `json:"step"`
	Meters []meterEnergy `json:"meters"`
}

// meterEnergy is what one counter counted.
type meterEnergy struct {
	meter
	span            // widened to whole half hours
	Total energy    `json:"total"`
	Rows  []stepRow `json:"rows"` // one for each step, known or not
	gaps
}

// meter is what counts energy.
type meter struct {
	Entity    string `json:"entity"`
	Direction string `json:"direction"` // import, export
	Source    string `json:"source"`    // own, hdf
	Device    string `json:"device,omitempty"`
}

// stepRow is a step and its energy.
type stepRow struct {
	span
	energy
}

// energy is what was counted. KWh is exact: a decimal number, no binary fraction.
type energy struct {
	figures
	Complete bool               `json:"complete"`          // it was metered all along
	Notes    []string           `json:"notes,omitempty"`   // estimated, reset, replaced, …
	Windows  map[string]figures `json:"windows,omitempty"` // by name, where they were asked for
}

type figures struct {
	KWh       decimal    `json:"kwh"`                     // null: nothing is known
	Estimated decimal    `json:"estimated_kwh,omitempty"` // what of it was spread over a gap
	PeakKW    decimal    `json:"peak_kw,omitempty"`       // mean of the half hour with the most
	PeakAt    *time.Time `json:"peak_at,omitempty"`       // when that began
}

// decimal is a number as it is written in JSON; empty: null.
type decimal string

func (d decimal) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("null"), nil
	}
	return []byte(d), nil
}

// Energy answers GET /api/v1/history/energy.
func (c *Chronicle) Energy(w http.ResponseWriter, r *http.Request) {
	c.handle(w, r, "entity meter source from to step windows", func(w http.ResponseWriter, r *http.Request, a ask) error {
		meters, err := c.meters(r.Context(), a)
		if err != nil {
			return err
		}
		q := history.TallyQuery{Source: a.source, From: a.span.From, To: a.span.To, Window: c.window(a.windows)}
		switch {
		case a.steps == nil:
			return &badAsk{"step", "energy is counted by the half hour", "30m, or hour, day, week, month, year"}
		case a.autoStep:
			a.steps = c.usualEnergy(a)
			q.Steps = a.steps
		default:
			q.Steps = a.steps
		}
		var all []history.Tally
		for _, m := range meters {
			q.Entity, q.Direction = m.Name, m.Direction
			t, err := c.History.Tally(r.Context(), q)
			if err != nil {
				return err
			}
			all = append(all, t)
		}
		if a.csv {
			return c.energyCSV(w, a, all)
		}
		v := energyAnswer{span: span{a.span.From.In(c.Place), a.span.To.In(c.Place)}, Step: a.stepName(), Meters: []meterEnergy{}}
		for _, t := range all {
			if err := tooManyRows(len(t.Rows)); err != nil {
				return err
			}
			v.Meters = append(v.Meters, c.meterEnergy(t))
		}
		return c.json(w, r, v)
	})
}

// meters are the counters that are asked for: one entity, those of a device, or by
// default those of the main meter.
func (c *Chronicle) meters(ctx context.Context, a ask) ([]store.Meter, error) {
	if a.entity != "" && a.source == ledger.Own {
		return []store.Meter{{Name: a.entity, Source: a.source}}, nil
	}
	all, err := c.History.Meters(ctx)
	if err != nil {
		return nil, err
	}
	device := a.meter
	if device == "" && a.entity == "" {
		if device, err = c.mainDevice(ctx); err != nil {
			return nil, err
		}
	}
	var found []store.Meter
	for _, m := range all {
		wanted := a.entity != "" && m.Name == a.entity || a.entity == "" && device != "" && m.Device == device ||
			a.entity == "" && a.meter == "" && a.source == ledger.HDF
		if m.Source == a.source && wanted {
			found = append(found, m)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case a.entity != "" || a.meter != "":
		return nil, &badAsk{"unknown_meter", "no counter of energy is called " + strconv.Quote(a.entity+a.meter), "the question series lists the meters"}
	}
	return nil, noMeter
}

// mainDevice is the device of the main meter's power; empty: there is none.
func (c *Chronicle) mainDevice(ctx context.Context) (string, error) {
	entity := c.Main()
	if entity == "" {
		return "", nil
	}
	all, err := c.History.Series(ctx)
	device := ""
	for _, s := range all {
		if s.Entity == entity {
			device = s.Device
		}
	}
	return device, err
}

func (c *Chronicle) meterOf(m store.Meter) meter {
	return meter{Entity: m.Name, Direction: m.Direction.String(), Source: m.Source.String(), Device: m.Device}
}

func (c *Chronicle) meterEnergy(t history.Tally) meterEnergy {
	v := meterEnergy{meter: c.meterOf(t.Meter), span: c.spanOf(t.Total.Span), Total: c.energy(t.Total), Rows: make([]stepRow, 0, len(t.Rows)), gaps: c.gaps(t.Coverage)}
	for _, row := range t.Rows {
		v.Rows = append(v.Rows, stepRow{c.spanOf(row.Span), c.energy(row)})
	}
	return v
}

func (c *Chronicle) spanOf(s history.Span) span { return span{s.From.In(c.Place), s.To.In(c.Place)} }

func (c *Chronicle) energy(r history.Row) energy {
	e := energy{figures: c.figures(r.Sum), Complete: r.Complete(), Notes: r.Flags.Names()}
	for name, sum := range r.Windows {
		if e.Windows == nil {
			e.Windows = map[string]figures{}
		}
		e.Windows[name] = c.figures(sum)
	}
	return e
}

func (c *Chronicle) figures(s history.Sum) figures {
	if s.PeakAt.IsZero() {
		return figures{}
	}
	at := s.PeakAt.In(c.Place)
	f := figures{KWh: decimal(s.Energy.Decimal(0)), PeakKW: decimal((2 * s.Peak).Decimal(0)), PeakAt: &at}
	if s.Estimated != 0 {
		f.Estimated = decimal(s.Estimated.Decimal(0))
	}
	return f
}

// energyCSV has a line for each step of each meter, with a column for each window.
func (c *Chronicle) energyCSV(w http.ResponseWriter, a ask, all []history.Tally) error {
	s := newStream(w, "energy", a.entity+a.meter, a.span.From.In(c.Place), a.span.To.In(c.Place))
	columns := []string{"meter", "direction", "from", "to", "kWh", "estimated kWh", "complete", "peak kW", "peak at", "notes"}
	for _, name := range names(a.windows) {
		columns = append(columns, name+" kWh")
	}
	err := s.row(columns...)
	complete := true
	for _, t := range all {
		complete = complete && t.Complete()
		for _, r := range t.Rows {
			if err == nil {
				err = s.row(c.energyRow(a, t.Meter, r)...)
			}
		}
	}
	return s.end(complete, err)
}

func (c *Chronicle) energyRow(a ask, m store.Meter, r history.Row) []string {
	e := c.energy(r)
	at := ""
	if e.PeakAt != nil {
		at = e.PeakAt.Format(stamp)
	}
	row := []string{m.Name, m.Direction.String(), r.From.In(c.Place).Format(stamp), r.To.In(c.Place).Format(stamp),
		string(e.KWh), string(e.Estimated), strconv.FormatBool(e.Complete), string(e.PeakKW), at, strings.Join(e.Notes, " ")}
	for _, name := range names(a.windows) {
		row = append(row, string(e.Windows[name].KWh))
	}
	return row
}

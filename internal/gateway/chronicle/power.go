package chronicle

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/history"
)

// gaps is what every answer says of what is not there.
type gaps struct {
	Complete bool   `json:"complete"`
	Missing  []span `json:"missing"` // the first 200
	Gaps     int    `json:"gaps"`    // how many there are
}

// span is from ≤ t < to.
type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (c *Chronicle) gaps(v history.Coverage) gaps {
	g := gaps{Complete: v.Complete(), Missing: []span{}, Gaps: v.Gaps}
	for _, m := range v.Missing {
		g.Missing = append(g.Missing, span{m.From.In(c.Place), m.To.In(c.Place)})
	}
	return g
}

// head is what every answer in JSON begins with.
type head struct {
	Entity string `json:"entity,omitempty"`
	Unit   string `json:"unit,omitempty"`
	span
	Step string `json:"step"`
}

func (c *Chronicle) head(a ask) head {
	return head{Entity: a.entity, span: span{a.span.From.In(c.Place), a.span.To.In(c.Place)}, Step: a.stepName()}
}

// powerAnswer is a curve in columns. A step without a reading is absent.
type powerAnswer struct {
	head
	Time     []float64 `json:"time"` // Unix seconds, of each step's beginning
	Min      []float64 `json:"min,omitempty"`
	Mean     []float64 `json:"mean,omitempty"`
	Max      []float64 `json:"max,omitempty"`
	Readings []int     `json:"readings,omitempty"`
	Value    []float64 `json:"value,omitempty"` // of single readings, instead of those four
	gaps
}

// Power answers GET /api/v1/history/power.
func (c *Chronicle) Power(w http.ResponseWriter, r *http.Request) {
	c.handle(w, r, "entity from to step points", func(w http.ResponseWriter, r *http.Request, a ask) error {
		if a.entity == "" {
			if a.entity = c.Main(); a.entity == "" {
				return noMeter
			}
		}
		q := history.Query{Entity: a.entity, From: a.span.From, To: a.span.To, Place: a.place(c.Place)}
		if a.steps != nil { // else no interface, rather than one that holds nothing
			q.Steps = a.steps
		}
		curve, err := c.History.Curve(r.Context(), q)
		if err != nil {
			return err
		}
		if a.csv {
			return c.powerCSV(w, r, a, curve)
		}
		return c.powerJSON(w, r, a, curve)
	})
}

func (c *Chronicle) powerJSON(w http.ResponseWriter, r *http.Request, a ask, curve history.Curve) error {
	v := powerAnswer{head: c.head(a), Time: []float64{}}
	v.Unit = curve.Unit
	found, err := curve.Each(r.Context(), func(p history.Point) error {
		if len(v.Time) == maxPoints {
			return &badAsk{"too_many", fmt.Sprintf("that is more than %d points", maxPoints), "ask for a longer step or a shorter range, or for CSV, which has no limit"}
		}
		v.Time = append(v.Time, float64(p.Time.UnixMilli())/1000)
		if a.steps == nil {
			v.Value = append(v.Value, p.Mean)
			return nil
		}
		v.Min, v.Mean, v.Max = append(v.Min, thousandth(p.Min)), append(v.Mean, thousandth(p.Mean)), append(v.Max, thousandth(p.Max))
		v.Readings = append(v.Readings, p.N)
		return nil
	})
	if err != nil {
		return err
	}
	v.gaps = c.gaps(found)
	return c.json(w, r, v)
}

func (c *Chronicle) powerCSV(w http.ResponseWriter, r *http.Request, a ask, curve history.Curve) error {
	s := newStream(w, "power", a.entity, a.span.From.In(c.Place), a.span.To.In(c.Place))
	columns := []string{"time", in("min", curve.Unit), in("mean", curve.Unit), in("max", curve.Unit), "readings"}
	if a.steps == nil {
		columns = []string{"time", in("value", curve.Unit)}
	}
	err := s.row(columns...)
	if err != nil {
		return s.end(false, err)
	}
	found, err := curve.Each(r.Context(), func(p history.Point) error {
		at := p.Time.In(c.Place).Format(stamp)
		if a.steps == nil {
			return s.row(at, strconv.FormatFloat(p.Mean, 'f', -1, 64))
		}
		return s.row(at, number(p.Min), number(p.Mean), number(p.Max), strconv.Itoa(p.N))
	})
	return s.end(found.Complete(), err)
}

// in is the name of a column of figures in a unit.
func in(name, unit string) string {
	if unit == "" {
		return name
	}
	return name + " (" + unit + ")"
}

// noMeter is for questions that leave out what they are about.
var noMeter = &badAsk{"no_meter", "nothing measures the house yet, and no entity was named", "name one; the question series lists what there is"}

// stamp is RFC 3339 with milliseconds where there are any.
const stamp = "2006-01-02T15:04:05.999Z07:00"

func thousandth(v float64) float64 { return math.Round(v*1000) / 1000 }

// json writes an answer that is held in memory.
func (c *Chronicle) json(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	c.Write(w, r, http.StatusOK, "application/json", append(b, '\n'))
	return nil
}

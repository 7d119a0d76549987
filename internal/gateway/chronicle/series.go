package chronicle

import (
	"net/http"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// seriesAnswer is what there is to ask about.
type seriesAnswer struct {
	Series []series `json:"series"`
	Meters []meter  `json:"meters"` // those of which energy can be asked
}

type series struct {
	Entity      string `json:"entity"`
	Domain      string `json:"domain,omitempty"`
	Unit        string `json:"unit"`
	DeviceClass string `json:"device_class,omitempty"`
	StateClass  string `json:"state_class,omitempty"`
	Device      string `json:"device,omitempty"`
	Current     bool   `json:"current"` // false: the entity has another unit now
}

// Series answers GET /api/v1/history/series.
func (c *Chronicle) Series(w http.ResponseWriter, r *http.Request) {
	c.handle(w, r, "", func(w http.ResponseWriter, r *http.Request, a ask) error {
		all, err := c.History.Series(r.Context())
		if err != nil {
			return err
		}
		list := seriesOf(all)
		if a.csv {
			s := newStream(w, "series", "", a.span.From.In(c.Place), a.span.To.In(c.Place))
			err := s.row("entity", "domain", "unit", "device class", "state class", "device", "current")
			for _, v := range list {
				if err == nil {
					err = s.row(v.Entity, v.Domain, v.Unit, v.DeviceClass, v.StateClass, v.Device, strconv.FormatBool(v.Current))
				}
			}
			return s.end(true, err)
		}
		meters, err := c.History.Meters(r.Context())
		if err != nil {
			return err
		}
		v := seriesAnswer{Series: list, Meters: []meter{}}
		for _, m := range meters {
			v.Meters = append(v.Meters, c.meterOf(m))
		}
		return c.json(w, r, v)
	})
}

// stateAnswer is each change of an entity's state in a range, and first the state
// that it was in when the range began, which may have been reported before it.
type stateAnswer struct {
	Entity string `json:"entity"`
	span
	States []state `json:"states"`
}

type state struct {
	Time  time.Time `json:"time"`
	State string    `json:"state"`
}

// State answers GET /api/v1/history/state.
func (c *Chronicle) State(w http.ResponseWriter, r *http.Request) {
	c.handle(w, r, "entity from to", func(w http.ResponseWriter, r *http.Request, a ask) error {
		if a.entity == "" {
			return &badAsk{"parameter", "no entity was named", "name one; the question series lists what there is"}
		}
		all, err := c.History.States(r.Context(), a.entity, a.span.From, a.span.To)
		if err != nil {
			return err
		}
		if a.csv {
			s := newStream(w, "state", a.entity, a.span.From.In(c.Place), a.span.To.In(c.Place))
			err := s.row("time", "state")
			for _, v := range all {
				if err == nil {
					err = s.row(v.Time.In(c.Place).Format(stamp), v.Text)
				}
			}
			return s.end(len(all) > 0, err)
		}
		v := stateAnswer{Entity: a.entity, span: span{a.span.From.In(c.Place), a.span.To.In(c.Place)}, States: []state{}}
		for _, x := range all {
			v.States = append(v.States, state{x.Time.In(c.Place), x.Text})
		}
		return c.json(w, r, v)
	})
}

func seriesOf(all []store.Series) []series {
	current := map[string]int{} // the last of an entity is its current one
	for i, s := range all {
		current[s.Entity] = i
	}
	list := []series{}
	for i, s := range all {
		list = append(list, series{s.Entity, s.Domain, s.Unit, s.DeviceClass, s.StateClass, s.Device, current[s.Entity] == i})
	}
	return list
}

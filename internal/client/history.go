package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// History asks one appliance about the past, through its dashboard.
type History struct{ c *Client }

// History asks the appliance that c asks through its dashboard.
func (c *Client) History() *History {
	return &History{c.at(c.history)}
}

// Gaps is what an answer says of what is not there.
type Gaps struct {
	Complete bool `json:"complete"`
	Missing  []struct {
		From time.Time `json:"from"`
		To   time.Time `json:"to"`
	} `json:"missing"` // the first of them
	Gaps int `json:"gaps"` // how many there are
}

// Power is a curve in columns; a step without a reading is absent.
type Power struct {
	Entity string    `json:"entity"`
	Unit   string    `json:"unit"`
	Step   string    `json:"step"`
	From   time.Time `json:"from"` // in the home's time
	Time   []float64 `json:"time"` // Unix seconds
	Min    []float64 `json:"min"`
	Mean   []float64 `json:"mean"`
	Max    []float64 `json:"max"`
	Value  []float64 `json:"value"` // of single readings, instead of those three
	Gaps
}

// Energy is what counters counted.
type Energy struct {
	Step   string `json:"step"`
	Meters []struct {
		Entity    string      `json:"entity"`
		Direction string      `json:"direction"`
		Source    string      `json:"source"`
		Device    string      `json:"device"`
		Total     EnergyRow   `json:"total"`
		Rows      []EnergyRow `json:"rows"`
		Gaps
	} `json:"meters"`
}

// EnergyRow is what was counted in one step. Figures are exact decimal numbers;
// nil: nothing is known.
type EnergyRow struct {
	From      time.Time    `json:"from"`
	KWh       *json.Number `json:"kwh"`
	Estimated json.Number  `json:"estimated_kwh"`
	PeakKW    json.Number  `json:"peak_kw"`
	Complete  bool         `json:"complete"`
	Windows   map[string]struct {
		KWh *json.Number `json:"kwh"`
	} `json:"windows"`
}

// Peaks are the least, the mean and the most of each step.
type Peaks struct {
	Entity string    `json:"entity"`
	Unit   string    `json:"unit"`
	Step   string    `json:"step"`
	Total  PeakRow   `json:"total"`
	Rows   []PeakRow `json:"rows"`
	Gaps
}

// PeakRow is one of them; nil: there is no reading.
type PeakRow struct {
	From time.Time  `json:"from"`
	Min  *float64   `json:"min"`
	Mean *float64   `json:"mean"`
	Max  *float64   `json:"max"`
	At   *time.Time `json:"at"`
}

// SeriesList is what there is to ask about.
type SeriesList struct {
	Series []struct {
		Entity  string `json:"entity"`
		Unit    string `json:"unit"`
		Device  string `json:"device"`
		Current bool   `json:"current"`
	} `json:"series"`
	Meters []struct {
		Entity    string `json:"entity"`
		Direction string `json:"direction"`
		Source    string `json:"source"`
	} `json:"meters"`
}

// States are the changes of an entity's state.
type States struct {
	States []struct {
		Time  time.Time `json:"time"`
		State string    `json:"state"`
	} `json:"states"`
}

// AlwaysOn is the power of the house when nobody does anything.
type AlwaysOn struct {
	Entity string    `json:"entity"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Power  *float64  `json:"power_w"` // nil: there were too few readings
}

// Ask reads the answer to a question (power, energy, peaks, series, state,
// always-on) into v, one of the types above.
func (h *History) Ask(ctx context.Context, what string, query url.Values, v any) error {
	return h.c.ask(ctx, question{method: http.MethodGet, path: "/" + what, query: query}, v)
}

// CompleteTrailer follows an answer in CSV: "false" where readings are missing in the
// range.
const CompleteTrailer = "Hems-Complete"

// Copy writes the answer to a question as it comes, in the format that the query
// says. complete is false where it is known that readings are missing. An answer that
// broke off is an error.
func (h *History) Copy(ctx context.Context, w io.Writer, what string, query url.Values) (complete bool, err error) {
	res, err := h.c.send(ctx, question{method: http.MethodGet, path: "/" + what, query: query})
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return false, fmt.Errorf("the appliance's answer broke off: %w", err)
	}
	return res.Trailer.Get(CompleteTrailer) != "false", nil
}

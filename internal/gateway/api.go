package gateway

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/live"
)

const (
	dayHours  = 24
	maxHours  = 7 * 24
	buckets   = 288 // in a curve; 24 h make buckets of 5 min
	queryTime = 5 * time.Second
)

// curve is power over the last hours, in columns. Buckets without a reading are
// absent. It is also an answer of the JSON interface: names and units stay.
type curve struct {
	Entity string    `json:"entity"`
	From   int64     `json:"from"`   // Unix seconds, as all times here
	To     int64     `json:"to"`     // now: the last bucket is still being filled
	Step   int64     `json:"step_s"` // length of a bucket
	Time   []int64   `json:"time"`   // of each bucket's beginning
	Min    []float64 `json:"min"`    // W
	Mean   []float64 `json:"mean"`   // W
	Max    []float64 `json:"max"`    // W
}

// curve asks the history. An empty entity gives empty axes.
func (g *Gateway) curve(ctx context.Context, entity string, hours int) (curve, error) {
	step := max(time.Duration(hours)*time.Hour/buckets, 15*time.Second).Truncate(time.Second)
	to := g.o.Clock().Truncate(step).Add(step) // the bucket that is being filled is the last
	from := to.Add(-time.Duration(hours) * time.Hour)
	c := curve{Entity: entity, From: from.Unix(), To: g.o.Clock().Unix(), Step: int64(step.Seconds()),
		Time: []int64{}, Min: []float64{}, Mean: []float64{}, Max: []float64{}}
	if entity == "" {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	points, err := g.o.History.Power(ctx, entity, from, to, step)
	if err != nil && !live.Empty(err) {
		return c, err
	}
	for _, p := range points {
		c.Time = append(c.Time, p.Time.Unix())
		c.Min = append(c.Min, tenth(p.Min))
		c.Mean = append(c.Mean, tenth(p.Mean))
		c.Max = append(c.Max, tenth(p.Max))
	}
	return c, nil
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }

// snapshot is the answer of /api/v1/now.
type snapshot struct {
	Time time.Time `json:"time"`
	live.Now
	Health live.Health `json:"health"`
}

func (g *Gateway) apiNow(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, snapshot{Time: g.o.Clock().In(g.o.Home.TimeZone), Now: g.model.Now(), Health: g.model.Health()})
}

func (g *Gateway) apiDevices(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, map[string]any{"devices": g.model.Devices()})
}

func (g *Gateway) apiPower(w http.ResponseWriter, r *http.Request) {
	hours := dayHours
	if s := r.URL.Query().Get("hours"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxHours {
			writeError(w, http.StatusBadRequest, "hours is a whole number from 1 to "+strconv.Itoa(maxHours))
			return
		}
		hours = n
	}
	c, err := g.curve(r.Context(), g.model.Now().Entity, hours)
	if err != nil {
		g.log.Debug("a curve is not to be had", "err", err)
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusServiceUnavailable, "the stored readings cannot be read just now; try again in a few seconds")
		return
	}
	writeJSON(w, r, c)
}

func writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a number that is not finite
		writeError(w, http.StatusInternalServerError, "the answer cannot be written")
		return
	}
	writeCompressed(w, r, http.StatusOK, "application/json", append(body, '\n'))
}

// writeError answers a program: {"error": "…"}.
func writeError(w http.ResponseWriter, status int, text string) {
	writeJSONStatus(w, status, map[string]string{"error": text})
}

// writeJSONStatus answers with strings, which always marshal.
func writeJSONStatus(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

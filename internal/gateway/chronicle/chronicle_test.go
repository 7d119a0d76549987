package chronicle

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // of the machine that runs the tests nothing is expected

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/store"
)

// house is a Chronicle of a store: a meter with 1 kW and a tenth of a kWh each six
// minutes from the 24th of October 2026 at 00:00 to the 26th at 12:00, with a gap
// on the 25th from 10:00 to 12:00; it exports nothing but 50 Wh at noon of the 24th.
type house struct {
	t    *testing.T
	url  string
	main string
	now  time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	place, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, main: "house_power", now: time.Date(2026, 10, 26, 12, 0, 0, 0, place)}
	path := filepath.Join(t.TempDir(), "hems.db")
	s, err := store.Open(path, store.Options{CommitInterval: time.Hour, Now: func() time.Time { return h.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, d := range []store.Series{
		{Entity: "house_power", Domain: "sensor", Unit: "kW", DeviceClass: "power", StateClass: "measurement", Device: "House", Key: "power"},
		{Entity: "house_energy", Unit: "kWh", DeviceClass: "energy", StateClass: "total_increasing", Device: "House", Key: "energy"},
		{Entity: "house_produced_energy", Unit: "Wh", DeviceClass: "energy", StateClass: "total_increasing", Device: "House", Key: "produced_energy"},
		{Entity: "plug_power", Unit: "W", DeviceClass: "power", StateClass: "measurement", Device: "Plug", Key: "power"},
		{Entity: "house_mode", Domain: "select", Device: "House", Key: "mode"},
	} {
		if _, err := s.Register(d); err != nil {
			t.Fatal(err)
		}
	}
	for i, mode := range []string{"eco", `"warm", they said`} {
		if err := s.Append(store.Reading{Entity: "house_mode", Time: h.now.Add(time.Duration(i-2) * time.Hour), Text: mode}); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Date(2026, 10, 24, 0, 0, 0, 0, place)
	noon := time.Date(2026, 10, 24, 12, 0, 0, 0, place)
	gap := time.Date(2026, 10, 25, 10, 0, 0, 0, place)
	for at, i := begin, 0; !at.After(h.now); at, i = at.Add(6*time.Minute), i+1 {
		if at.After(gap) && at.Before(gap.Add(2*time.Hour)) {
			continue
		}
		out := 1000.0
		if at.After(noon) {
			out = 1050
		}
		if err := s.Append(store.Reading{Entity: "house_power", Time: at, Value: 1},
			store.Reading{Entity: "house_energy", Time: at, Value: float64(10_000+i) / 10},
			store.Reading{Entity: "house_produced_energy", Time: at, Value: out}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	past := history.Open(path, store.ReaderOptions{Zone: place})
	t.Cleanup(func() { past.Close() })
	c := New(Options{History: past, Place: place, Clock: func() time.Time { return h.now }, Main: func() string { return h.main },
		Write: func(w http.ResponseWriter, _ *http.Request, status int, kind string, b []byte) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write(b)
		}})
	mux := http.NewServeMux()
	mux.HandleFunc("/series", c.Series)
	mux.HandleFunc("/power", c.Power)
	mux.HandleFunc("/energy", c.Energy)
	mux.HandleFunc("/peaks", c.Peaks)
	mux.HandleFunc("/always-on", c.AlwaysOn)
	mux.HandleFunc("/state", c.State)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

// UnmarshalJSON reads an answer back.
func (d *decimal) UnmarshalJSON(b []byte) error {
	*d = decimal(b)
	if string(b) == "null" {
		*d = ""
	}
	return nil
}

// get returns the answer and its body.
func (h *house) get(question string) (*http.Response, string) {
	h.t.Helper()
	res, err := http.Get(h.url + strings.NewReplacer(" ", "%20", "+", "%2B").Replace(question))
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res, string(b)
}

// ask reads an answer that must be one.
func (h *house) ask(question string, v any) {
	h.t.Helper()
	res, body := h.get(question)
	if res.StatusCode != http.StatusOK {
		h.t.Fatalf("%s: got %s: %s", question, res.Status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		h.t.Fatalf("%s: %v in %s", question, err, body)
	}
}

func TestEnergy(t *testing.T) {
	h := newHouse(t)
	var got energyAnswer
	h.ask("/energy?from=2026-10-24&to=2026-10-25&windows=smart", &got)
	if len(got.Meters) != 2 || got.Step != "hour" && got.Step != "day" {
		t.Fatalf("got %+v; want both counters of the main meter", got)
	}
	h.ask("/energy?from=2026-10-24&to=2026-10-25&step=day&windows=smart", &got)
	in, out := got.Meters[0], got.Meters[1]
	if in.Direction != "import" || in.Entity != "house_energy" || out.Direction != "export" || out.Total.KWh != "0.05" {
		t.Errorf("got %+v and %+v", in.meter, out.meter)
	}
	// 24 hours of 1 kW and 25; of those, two in a gap.
	if len(in.Rows) != 2 || in.Rows[0].KWh != "24" || in.Rows[1].KWh != "25" || in.Total.KWh != "49" || !in.Rows[1].Complete {
		t.Errorf("rows: got %+v", in.Rows)
	}
	if in.Rows[1].Estimated != "2" || in.Rows[0].Estimated != "" || !cmp.Equal(in.Rows[1].Notes, []string{"estimated"}) {
		t.Errorf("estimated: got %q, %v; want 2 kWh", in.Rows[1].Estimated, in.Rows[1].Notes)
	}
	if w := in.Rows[1].Windows; w["night"].KWh != "10" || w["day"].KWh != "13" || w["peak"].KWh != "2" {
		t.Errorf("windows of the long day: got %+v", w)
	}
	if in.Total.PeakKW != "1" || in.Total.PeakAt == nil || !in.Complete {
		t.Errorf("got %+v, complete %v", in.Total, in.Complete)
	}

	res, body := h.get("/energy?entity=house_energy&from=2026-10-20&to=2026-10-24&step=day&format=csv&windows=smart")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 6 {
		t.Fatalf("got %v, %v", rows, err)
	}
	if want := []string{"house_energy", "import", "2026-10-20T00:00:00+01:00", "2026-10-21T00:00:00+01:00", "", "", "false", "", "", "", "", "", "", ""}; !cmp.Equal(rows[1], want) {
		t.Errorf("a day of which nothing is known: got %q, want %q", rows[1], want)
	}
	if want := []string{"house_energy", "import", "2026-10-24T00:00:00+01:00", "2026-10-25T00:00:00+01:00", "24", "", "true", "1", "2026-10-24T00:00:00+01:00", "", "13", "9", "2", ""}; !cmp.Equal(rows[5], want) {
		t.Errorf("got %q, want %q", rows[5], want)
	}
	if got := res.Header.Get("Content-Disposition"); got != `attachment; filename=hems-energy-house_energy-2026-10-20-2026-10-24.csv` {
		t.Errorf("Content-Disposition: got %q", got)
	}
	if got := res.Trailer.Get(CompleteHeader); got != "false" {
		t.Errorf("the trailer says complete %q, want false", got)
	}
}

func TestARangeWithoutDataSaysSo(t *testing.T) {
	h := newHouse(t)
	for _, question := range []string{"/power?from=2026-09-01&to=2026-09-02", "/peaks?from=2026-09-01&to=2026-09-02&step=day"} {
		var got gaps
		h.ask(question, &got)
		if got.Complete || got.Gaps != 1 || len(got.Missing) != 1 || got.Missing[0].To.Sub(got.Missing[0].From) != 48*time.Hour {
			t.Errorf("%s: got %+v; want two days missing", question, got)
		}
	}
	var got energyAnswer
	h.ask("/energy?from=2026-09-01&to=2026-09-02", &got)
	if m := got.Meters[0]; m.Complete || m.Gaps != 1 || m.Total.KWh != "" || m.Rows[0].KWh != "" {
		t.Errorf("energy: got %+v; want nothing known", m)
	}
	_, body := h.get("/energy?from=2026-09-01&to=2026-09-02")
	if !strings.Contains(body, `"total":{"kwh":null`) {
		t.Errorf("energy: got %s; want null, not 0", body)
	}
}

func TestPower(t *testing.T) {
	h := newHouse(t)
	var got powerAnswer
	h.ask("/power?from=2026-10-25T08:00&to=2026-10-25T14:00&step=hour", &got)
	if got.Unit != "W" || got.Entity != "house_power" || got.Step != "hour" || !cmp.Equal(got.Mean, []float64{1000, 1000, 1000, 1000, 1000}) || got.Readings[0] != 10 {
		t.Errorf("got %+v; want five hours of 1000 W", got)
	}
	if got.Complete || got.Gaps != 1 || got.Missing[0].From.Format(time.RFC3339) != "2026-10-25T10:00:00Z" {
		t.Errorf("got %+v; want the gap", got.gaps)
	}
	h.ask("/power?entity=sensor.house_power&from=2026-10-25T08:00&to=2026-10-25T08:10&step=raw", &got)
	if got.Step != "raw" || !cmp.Equal(got.Value, []float64{1000, 1000}) || !got.Complete {
		t.Errorf("raw: got %+v", got)
	}
	_, body := h.get("/power?from=2026-10-25&to=2026-10-25T01:00:00+01:00&step=30m&format=csv")
	want := "time,min (W),mean (W),max (W),readings\n2026-10-25T00:00:00+01:00,1000,1000,1000,5\n2026-10-25T00:30:00+01:00,1000,1000,1000,5\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}
	_, body = h.get("/power?from=2026-10-25&to=2026-10-25T00:10&step=raw&format=csv")
	if want := "time,value (W)\n2026-10-25T00:00:00+01:00,1000\n2026-10-25T00:06:00+01:00,1000\n"; body != want {
		t.Errorf("raw CSV: got %q, want %q", body, want)
	}
	// A range without a word about its step gets a curve that can be looked at.
	for _, from := range []string{"2026-10-26T11:00", "2026-10-26", "2026-10", "2016", "2026-10&points=50"} {
		h.ask("/power?from="+from, &got)
		if n := len(got.Time); n == 0 || n > 600 || n > 50 && strings.HasSuffix(from, "50") {
			t.Errorf("from %s: %d points by %s", from, n, got.Step)
		}
	}
}

func TestPeaksAndSeries(t *testing.T) {
	h := newHouse(t)
	var got peaksAnswer
	h.ask("/peaks?from=2026-10-24&to=2026-10-26&step=day&windows=night=23:00-08:00", &got)
	if len(got.Rows) != 3 || *got.Rows[1].Max != 1000 || got.Rows[1].Readings != 231 || got.Rows[1].Windows["night"].Readings != 100 || got.Rows[1].Windows["other"].Readings != 131 {
		t.Errorf("got %+v", got.Rows)
	}
	_, body := h.get("/peaks?from=2026-10-26&to=2026-10-26&step=6h&format=csv")
	want := "from,to,min (W),mean (W),max (W),at,readings\n" +
		"2026-10-26T00:00:00Z,2026-10-26T06:00:00Z,1000,1000,1000,2026-10-26T00:00:00Z,60\n" +
		"2026-10-26T06:00:00Z,2026-10-26T12:00:00Z,1000,1000,1000,2026-10-26T06:00:00Z,60\n" +
		"2026-10-26T12:00:00Z,2026-10-26T18:00:00Z,1000,1000,1000,2026-10-26T12:00:00Z,1\n" +
		"2026-10-26T18:00:00Z,2026-10-27T00:00:00Z,,,,,0\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}
	var list seriesAnswer
	h.ask("/series", &list)
	if len(list.Series) != 5 || len(list.Meters) != 2 || list.Series[3].Entity != "plug_power" || !list.Series[0].Current {
		t.Errorf("series: got %+v", list)
	}
	_, body = h.get("/series?format=csv")
	if !strings.HasPrefix(body, "entity,domain,unit,device class,state class,device,current\nhouse_power,sensor,kW,power,measurement,House,true\n") {
		t.Errorf("series: got %q", body)
	}
	var states stateAnswer
	h.ask("/state?entity=select.house_mode&from=2026-10-26T10:30", &states)
	if len(states.States) != 2 || states.States[0].State != "eco" || states.States[1].Time.Format(time.RFC3339) != "2026-10-26T11:00:00Z" {
		t.Errorf("states: got %+v", states)
	}
	_, body = h.get("/state?entity=house_mode&format=csv")
	if want := "time,state\n2026-10-26T10:00:00Z,eco\n2026-10-26T11:00:00Z,\"\"\"warm\"\", they said\"\n"; body != want {
		t.Errorf("states: got %q, want %q", body, want)
	}
	var base alwaysOnAnswer
	h.ask("/always-on?from=2026-10-26", &base)
	if base.Power == nil || *base.Power != 1000 {
		t.Errorf("always on: got %+v", base)
	}
	h.ask("/always-on?from=2026-10-01", &base)
	if base.Power != nil {
		t.Errorf("always on of a night without readings: got %v, want null", *base.Power)
	}
}

func TestWhatIsAskedWrong(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		question string
		status   int
		code     string
	}{
		{"/power?entity=nothing", 404, "unknown_entity"},
		{"/power?from=2026-10-25&to=2026-10-24T00:00", 400, "range"},
		{"/power?from=2027-01-01", 400, "range"},
		{"/power?from=2026-10-25T01:30", 400, "time"},
		{"/power?from=yesteryear", 400, "time"},
		{"/power?step=2ms", 400, "step"},
		{"/power?step=raw&windows=smart", 400, "parameter"},
		{"/power?stpe=5m", 400, "parameter"},
		{"/power?step=5m&step=1m", 400, "parameter"},
		{"/power?points=1", 400, "points"},
		{"/power?format=xml", 400, "format"},
		{"/energy?entity=plug_power", 400, "no_counter"},
		{"/energy?entity=nothing", 404, "unknown_entity"},
		{"/energy?meter=Nothing", 400, "unknown_meter"},
		{"/energy?meter=House&entity=house_energy", 400, "parameter"},
		{"/energy?step=5m", 400, "step"},
		{"/energy?step=raw", 400, "step"},
		{"/energy?from=1970&step=30m", 400, "step"},
		{"/energy?from=2024&step=hour", 400, "too_many"},
		{"/peaks?from=2024&step=hour", 400, "too_many"},
		{"/energy?windows=peak", 400, "windows"},
		{"/energy?windows=other=00:00-01:00", 400, "windows"},
		{"/energy?source=guess", 400, "source"},
		{"/energy?source=hdf", 400, "no_meter"},
		{"/peaks?step=1m", 400, "step"},
		{"/peaks?step=raw", 400, "step"},
		{"/always-on?format=csv", 400, "format"},
		{"/state", 400, "parameter"},
		{"/state?entity=nothing", 404, "unknown_entity"},
		{"/series?entity=x", 400, "parameter"},
		{"/power?entity=nothing&format=csv", 404, "unknown_entity"},
	} {
		t.Run(tt.question, func(t *testing.T) {
			res, body := h.get(tt.question)
			var got struct{ Code, Error, Hint string }
			if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != tt.status || got.Code != tt.code || got.Error == "" || got.Hint == "" {
				t.Errorf("got %s, %s, %v; want %d, %s", res.Status, body, err, tt.status, tt.code)
			}
			if got := res.Header.Get("Content-Disposition"); got != "" {
				t.Errorf("a refusal is to be saved as %q", got)
			}
		})
	}
	h.main = ""
	for _, question := range []string{"/power", "/energy", "/peaks", "/always-on"} {
		if res, body := h.get(question); res.StatusCode != 400 || !strings.Contains(body, "no_meter") {
			t.Errorf("%s without a meter: got %s, %s", question, res.Status, body)
		}
	}
}

func TestNothingYet(t *testing.T) {
	c := New(Options{History: history.Open(filepath.Join(t.TempDir(), "hems.db")), Place: time.UTC, Clock: time.Now, Main: func() string { return "p" }})
	for name, f := range map[string]http.HandlerFunc{"series": c.Series, "power": c.Power, "energy": c.Energy, "peaks": c.Peaks, "always-on": c.AlwaysOn} {
		w := httptest.NewRecorder()
		f(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "nothing_yet") {
			t.Errorf("%s: got %d, %s", name, w.Code, w.Body)
		}
	}
}

// An answer that breaks off after it has begun is no whole answer to whoever reads it.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	h := newHouse(t)
	c := New(Options{Place: time.UTC, Clock: func() time.Time { return h.now }, Main: func() string { return "p" }})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.handle(w, r, "", func(w http.ResponseWriter, r *http.Request, a ask) error {
			s := newStream(w, "power", "p", a.span.From, a.span.To)
			for range 10_000 {
				if err := s.row("a line"); err != nil {
					return err
				}
			}
			return s.end(true, fmt.Errorf("the disk has gone"))
		})
	}))
	t.Cleanup(srv.Close)
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes were read, and no error", len(b))
	}
}

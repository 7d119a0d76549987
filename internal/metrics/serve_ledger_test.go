package metrics

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/hdf"
	"github.com/smartcore-ireland/hems/internal/hdf/hdftest"
	"github.com/smartcore-ireland/hems/internal/ledger"
	"github.com/smartcore-ireland/hems/internal/store"
)

// books is a writer with a store, which is asked without a socket and a broker.
type books struct {
	t    *testing.T
	w    *Writer
	s    *store.Store
	log  logged
	zone *time.Location
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newBooks(t *testing.T, now time.Time) *books {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	b := &books{t: t, zone: zone}
	clock := func() time.Time { return now }
	b.s, err = store.Open(filepath.Join(t.TempDir(), "hems.db"), store.Options{CommitInterval: time.Hour, Now: clock, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.s.Close() })
	b.w, err = New(Options{OpenStore: func() (*store.Store, error) { return b.s, nil }, Zone: zone, Now: clock, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b.w.store = b.s
	return b
}

func (b *books) ask(method, path string, body []byte) (int, string) {
	b.t.Helper()
	rec := httptest.NewRecorder()
	b.w.handler().ServeHTTP(rec, httptest.NewRequest(method, path, bytes.NewReader(body)))
	text, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return rec.Code, string(text)
}

// into asks for a success and reads it into v.
func (b *books) into(v any, method, path string, body []byte) {
	b.t.Helper()
	status, text := b.ask(method, path, body)
	if status != http.StatusOK {
		b.t.Fatalf("%s %s: got %d %s", method, path, status, text)
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		b.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// meter appends readings of a counter that counts exactly what slots say.
func (b *books) meter(entity, key string, slots []ledger.Slot) {
	b.t.Helper()
	if _, err := b.s.Register(store.Series{Entity: entity, Key: key, Unit: "kWh", DeviceClass: "energy", StateClass: "total_increasing", Device: "house"}); err != nil {
		b.t.Fatal(err)
	}
	var sum ledger.Energy
	put := func(at int64) {
		if err := b.s.Append(store.Reading{Entity: entity, Time: time.Unix(at, 0), Value: (1000*ledger.KilowattHour + sum).KWh()}); err != nil {
			b.t.Fatal(err)
		}
	}
	put(slots[0].Start)
	for i, s := range slots {
		sum += s.Energy
		put(s.End())
		if i == len(slots)/2 { // the rest is still in memory
			if err := b.s.Commit(b.t.Context()); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// autumn is some days around the hour that comes twice.
func autumn(t *testing.T, zone *time.Location) (*hdftest.Made, time.Time) {
	t.Helper()
	from, _ := ledger.Day(2026, 10, 22, zone)
	_, to := ledger.Day(2026, 10, 28, zone)
	gaps := map[int64]bool{}
	for at := from + 60*1800; at < from+65*1800; at += 1800 {
		gaps[at] = true
	}
	return hdftest.Make(hdftest.House{Zone: zone, From: from, To: to, ExportFrom: from, ImportGaps: gaps, Seed: 3}), time.Unix(to+3*3600, 0)
}

type takenForTest struct {
	File struct {
		Form           string
		Last3          string `json:"mprn_ends_in"`
		Import, Export struct {
			From, To           string
			HalfHours          int `json:"half_hours"`
			Missing            int
			New, Same, Changed int
		}
	}
	Proofs *struct {
		Proven, Filled, Contradicted int
		Lost                         float64 `json:"lost_kwh"`
		Told                         []map[string]any
	}
}

func TestAFileIsTakenAndProven(t *testing.T) {
	dublin, _ := time.LoadLocation("Europe/Dublin")
	m, now := autumn(t, dublin)
	b := newBooks(t, now)
	var got takenForTest
	b.into(&got, "POST", "/v1/hdf", m.Intervals(hdftest.Format{}))
	if got.Proofs != nil || got.File.Last3 != "789" || got.File.Import.HalfHours != 7*48+2-5 || got.File.Import.New != 7*48+2-5 || got.File.Import.Missing != 5 ||
		got.File.Export.HalfHours != 7*48+2 || got.File.Import.From != "2026-10-22T00:00:00+01:00" || got.File.Import.To != "2026-10-29T00:00:00Z" {
		t.Errorf("the half hours: %+v", got)
	}
	b.into(&got, "POST", "/v1/hdf", m.Registers(hdftest.Format{}, false))
	b.into(&got, "POST", "/v1/hdf", m.Registers(hdftest.Format{}, true))
	// The last midnight is not read: 6 days of 5 registers, one of them with a gap.
	if p := got.Proofs; p == nil || p.Proven != 6*5-3 || p.Filled < 2 || p.Contradicted != 0 || p.Lost <= 0 {
		t.Errorf("what registers prove: %+v", p)
	}

	changed := *m
	changed.Import = slices.Clone(m.Import)
	changed.Import[5].Energy += ledger.KilowattHour
	b.into(&got, "POST", "/v1/hdf", changed.Intervals(hdftest.Format{Slash: true, BOM: true, LF: true, OldestFirst: true}))
	if i := got.File.Import; i.Changed != 1 || i.Same != 7*48+2-5-1 || i.New != 0 {
		t.Errorf("a later file with another value: %+v", i)
	}
	if got.Proofs == nil || got.Proofs.Contradicted != 2 {
		t.Errorf("proofs: %+v, want the day and a band of it contradicted", got.Proofs)
	}
	var files []takenForTest
	b.into(&files, "GET", "/v1/hdf", nil)
	if len(files) != 4 || files[0].Proofs == nil || files[3].File.Import.New != 7*48+2-5 {
		t.Errorf("the files: %+v", files)
	}
	if text := b.log.String(); strings.Contains(text, m.MPRN) || !strings.Contains(text, "a file of ESB Networks") {
		t.Errorf("the log has the MPRN in it, or nothing of the files: %s", text)
	}
	if _, text := b.ask("GET", "/v1/hdf", nil); strings.Contains(text, m.MPRN) || strings.Contains(text, strings.TrimLeft(m.Serial, "0")) {
		t.Errorf("the MPRN or the serial number is in an answer: %s", text)
	}
}

func TestOurOwnMeteringIsComparedWithTheFile(t *testing.T) {
	dublin, _ := time.LoadLocation("Europe/Dublin")
	m, now := autumn(t, dublin)
	b := newBooks(t, now)
	if _, err := b.s.Register(store.Series{Entity: "house_power", Unit: "W", DeviceClass: "power", Device: "house"}); err != nil {
		t.Fatal(err)
	}
	b.meter("house_energy", "energy", m.Import[48:])
	b.meter("house_returned", "energy_returned", m.Export)
	var c struct {
		Meter          string
		Import, Export []struct {
			Day                     string
			HalfHours               int     `json:"half_hours"`
			Own                     float64 `json:"own_kwh"`
			Difference              float64 `json:"difference_kwh"`
			Both                    int
			OwnMissing, FileMissing int
		}
	}
	b.into(&c, "GET", "/v1/ledger/compare", nil)
	if len(c.Import) != 0 {
		t.Errorf("without a file: %+v", c)
	}
	b.into(&struct{}{}, "POST", "/v1/hdf", m.Intervals(hdftest.Format{}))
	b.into(&c, "GET", "/v1/ledger/compare", nil)
	if c.Meter != "house_energy" || len(c.Import) != 7 || len(c.Export) != 7 {
		t.Fatalf("got %+v", c)
	}
	slots := 0
	for i, d := range c.Import {
		slots += d.Both
		if d.Difference != 0 || i > 0 && i != 1 && d.Both != d.HalfHours || d.Day != "2026-10-"+[]string{"22", "23", "24", "25", "26", "27", "28"}[i] {
			t.Errorf("day %+v", d)
		}
	}
	if slots != 6*48+2-5 || c.Import[3].HalfHours != 50 {
		t.Errorf("%d half hours are in both, of %d on the day of the clock change", slots, c.Import[3].HalfHours)
	}
	b.into(&c, "GET", "/v1/ledger/compare?from=2026-10-25&to=2026-10-25&meter=house", nil)
	if len(c.Import) != 1 || c.Import[0].Both != 50 {
		t.Errorf("one day: %+v", c.Import)
	}
}

func TestTheLedgerIsExportedAndTakenAgain(t *testing.T) {
	dublin, _ := time.LoadLocation("Europe/Dublin")
	m, now := autumn(t, dublin)
	b := newBooks(t, now)
	b.meter("house_energy", "energy", m.Import)
	b.meter("house_returned", "energy_returned", m.Export)
	status, text := b.ask("GET", "/v1/ledger/export?meter=house&format=hdf", nil)
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, text)
	}
	f, err := hdf.Parse([]byte(text), hdf.Options{Zone: dublin})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.Import, f.Import); diff != "" {
		t.Errorf("import (-want +got):\n%.1000s", diff)
	}
	if diff := cmp.Diff(m.Export, f.Export); diff != "" {
		t.Errorf("export (-want +got):\n%.1000s", diff)
	}
	b.into(&struct{}{}, "POST", "/v1/hdf", []byte(text))
	_, text = b.ask("GET", "/v1/ledger/export?source=hdf&from=2026-10-25&to=2026-10-25", nil)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 51 || rows[3][0] != "2026-10-25T01:00:00+01:00" || rows[5][0] != "2026-10-25T01:00:00Z" || rows[5][4] != "file" {
		t.Errorf("got %v, %d rows: %v", err, len(rows), rows[:min(len(rows), 6)])
	}
}

func TestQuestionsAboutTheLedgerThatMakeNoSense(t *testing.T) {
	b := newBooks(t, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	for _, tt := range []struct {
		question string
		body     string
		status   int
		code     string
	}{
		{"POST /v1/hdf", "a,b\n1,2\n", 400, "file"},
		{"POST /v1/hdf", "", 400, "file"},
		{"POST /v1/hdf", strings.Repeat("x", hdf.MaxSize+1), 413, "file"},
		{"GET /v1/ledger/compare?from=yesterday", "", 400, "question"},
		{"GET /v1/ledger/compare?from=2026-11-02&to=2026-11-01", "", 400, "question"},
		{"GET /v1/ledger/compare", "", 404, "meter"},
		{"GET /v1/ledger/compare?meter=nobody", "", 404, "meter"},
		{"GET /v1/ledger/export?format=xls", "", 400, "question"},
		{"GET /v1/ledger/export?source=both", "", 400, "question"},
		{"GET /v1/ledger/export?source=hdf", "", 400, "question"},
		{"GET /v1/ledger/export", "", 404, "meter"},
	} {
		method, path, _ := strings.Cut(tt.question, " ")
		status, text := b.ask(method, path, []byte(tt.body))
		if got := code(t, []byte(text)); status != tt.status || got != tt.code {
			t.Errorf("%s: got %d %s, want %d with the code %s", tt.question, status, text, tt.status, tt.code)
		}
	}
}

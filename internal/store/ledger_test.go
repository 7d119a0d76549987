package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/ledger"
)

// counter is a series of a counter of energy.
func counter(entity, key, unit string) Series {
	return Series{Entity: entity, Key: key, Unit: unit, DeviceClass: "energy", StateClass: "total_increasing", Device: "meter", UniqueID: "0x1_" + key}
}

// know registers series.
func know(t *testing.T, s *Store, series ...Series) {
	t.Helper()
	for _, d := range series {
		if _, err := s.Register(d); err != nil {
			t.Fatal(err)
		}
	}
}

// slot is a slot as a test writes it: its time after noon and kWh.
type slot struct {
	After time.Duration
	KWh   string
	Flags ledger.Flags
}

func slots(t *testing.T, r *Reader, meter string, d ledger.Direction, source ledger.Source, from, to time.Time) (all []slot) {
	t.Helper()
	got, err := r.Ledger(context.Background(), meter, d, source, from, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got {
		all = append(all, slot{time.Unix(s.Start, 0).Sub(noon), s.Energy.Decimal(3), s.Flags})
	}
	return all
}

func TestLedgerOfRawReadings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	know(t, s, counter("meter_energy", "energy", "kWh"), counter("meter_produced_energy", "produced_energy", "Wh"),
		Series{Entity: "meter_power", Unit: "W", DeviceClass: "power", StateClass: "measurement"})
	const m, h = time.Minute, time.Hour
	appendAll(t, s, at("meter_energy", -5*m, 100), at("meter_energy", 25*m, 100.6), at("meter_energy", 35*m, 100.7), at("meter_energy", 65*m, 101.3),
		at("meter_produced_energy", 0, 1000), at("meter_produced_energy", 10*m, 1250), at("meter_power", 0, 5))
	commit(t, s)
	r := reader(t, path)
	got := slots(t, r, "meter_energy", ledger.Import, ledger.Own, noon.Add(-h), noon.Add(3*h))
	want := []slot{{-30 * m, "0.100", ledger.Partial | ledger.Estimated}, {0, "0.550", ledger.Estimated}, {30 * m, "0.550", ledger.Estimated}, {h, "0.100", ledger.Estimated | ledger.Partial}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("import (-want +got):\n%s", diff)
	}
	got = slots(t, r, "meter_energy", ledger.Import, ledger.Own, noon.Add(30*m), noon.Add(h))
	if diff := cmp.Diff(want[2:3], got); diff != "" {
		t.Errorf("a part of it, counted from the reading before (-want +got):\n%s", diff)
	}
	got = slots(t, r, "meter_produced_energy", ledger.Export, ledger.Own, noon.Add(-h), noon.Add(3*h))
	if diff := cmp.Diff([]slot{{0, "0.250", ledger.Partial}}, got); diff != "" {
		t.Errorf("export (-want +got):\n%s", diff)
	}
	for _, meter := range []string{"meter_power", "nobody"} {
		if _, err := r.Ledger(context.Background(), meter, ledger.Import, ledger.Own, noon, noon.Add(h)); !errors.Is(err, ErrUnknownEntity) {
			t.Errorf("%s: got error %v, want %v", meter, err, ErrUnknownEntity)
		}
	}
	meters, err := r.Meters(context.Background())
	wantMeters := []Meter{
		{"meter_energy", ledger.Import, ledger.Own, "meter", "0x1_energy"},
		{"meter_produced_energy", ledger.Export, ledger.Own, "meter", "0x1_produced_energy"},
	}
	if diff := cmp.Diff(wantMeters, meters); err != nil || diff != "" {
		t.Errorf("meters: %v (-want +got):\n%s", err, diff)
	}
}

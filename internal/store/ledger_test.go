package store

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// sweepAt sets the clock and has the store do what it does each hour, to its end.
func sweepAt(t *testing.T, s *Store, c *clock, at time.Time) {
	t.Helper()
	c.set(at)
	commit(t, s)
	ledgerToItsEnd(t, s)
}

// ledgerToItsEnd sweeps until nothing is left to be counted, and returns how
// often.
func ledgerToItsEnd(t *testing.T, s *Store) (steps int) {
	t.Helper()
	for steps < 1000 {
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		steps++
		s.dbMu.Lock()
		due := s.ledgerDue
		s.dbMu.Unlock()
		if !due {
			return steps
		}
	}
	t.Fatal("the ledger does not come to an end")
	return steps
}

// kept are the slots in the table, of one meter.
func kept(t *testing.T, s *Store, meter string) (m meterRow, slots []ledger.Slot) {
	t.Helper()
	rows, err := loadMeters(context.Background(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.name == meter {
			slots, err := readDays(context.Background(), s.db, r.id, 0, math.MaxInt32)
			if err != nil {
				t.Fatal(err)
			}
			return r, slots
		}
	}
	return m, nil
}

// total is what slots add up to.
func total(slots []ledger.Slot) (e ledger.Energy) {
	for _, s := range slots {
		e += s.Energy
	}
	return e
}

// steady appends a counter's readings each 5 minutes, of 0.01 kWh more each.
func steady(t *testing.T, s *Store, entity string, from, to time.Duration, first float64) (last float64) {
	t.Helper()
	for d := from; d < to; d += 5 * time.Minute {
		appendAll(t, s, at(entity, d, first))
		last, first = first, math.Round(first*100+1)/100
	}
	return last
}

func TestLedgerIsKeptHourByHour(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	know(t, s, counter("e", "energy", "kWh"))
	value, before := 100.0, noon
	for h := range 24 {
		from := time.Duration(h) * 37 * time.Minute // which lies in any way to the hours
		value = steady(t, s, "e", from, from+35*time.Minute, value)
		if h%7 == 3 { // the process ends and begins again
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path, Options{Now: c.now})
		}
		before = noon.Add(from + 36*time.Minute)
		sweepAt(t, s, c, before)
		r := reader(t, path)
		got, err := r.Ledger(context.Background(), "e", ledger.Import, ledger.Own, noon.Add(-time.Hour), noon.Add(1000*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := ledger.FromUnit(value-100, "kWh")
		if total(got) != want {
			t.Fatalf("after %d steps the slots add up to %v, the counter rose by %v", h, total(got), want)
		}
		for i, v := range got {
			if v.Start != got[0].Start+int64(i)*ledger.SlotSeconds {
				t.Fatalf("after %d steps slot %d begins at %d, want each half hour once", h, i, v.Start)
			}
		}
	}
	m, slots := kept(t, s, "e")
	if m.until < before.Add(-2*time.Hour).UnixMilli() || len(slots) < 24 {
		t.Errorf("counted until %v with %d slots; it is %v", time.UnixMilli(m.until).UTC(), len(slots), before)
	}
	if rev, err := reader(t, path).Revisions(context.Background(), "e", ledger.Import, ledger.Own, noon, noon.Add(1000*time.Hour)); err != nil || len(rev) != 0 {
		t.Errorf("revisions %v, %v; want none", rev, err)
	}
}

// What a year of readings comes to is counted once, in steps between which
// others have their turn, and is what the raw readings say.
func TestLedgerOfAStoreThatHadNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	know(t, s, counter("a", "energy", "kWh"), counter("b", "energy2", "Wh"), counter("never", "energy3", "kWh"))
	value := 0.0
	for day := range 400 {
		for h := range 4 {
			value += 0.25
			appendAll(t, s, at("a", time.Duration(day*24+h*6)*time.Hour, value), at("b", time.Duration(day*24+h*6)*time.Hour, value*1000))
		}
		if day%25 == 24 {
			commit(t, s)
		}
	}
	commit(t, s)
	want, err := reader(t, path).Ledger(context.Background(), "a", ledger.Import, ledger.Own, noon, noon.Add(1000*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	c.set(noon.Add(400 * 24 * time.Hour))
	steps := ledgerToItsEnd(t, s)
	if steps < 3 {
		t.Errorf("it was counted in %d steps, want several", steps)
	}
	got, err := reader(t, path).Ledger(context.Background(), "a", ledger.Import, ledger.Own, noon, noon.Add(1000*24*time.Hour))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v; counted and kept (-want +got):\n%.2000s", err, diff)
	}
	_, slots := kept(t, s, "b")
	if len(slots) < 399*48 || total(slots) < 398*ledger.KilowattHour {
		t.Errorf("%d slots of the other counter, %v", len(slots), total(slots))
	}
}

func TestLateReadingsReviseTheLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	var log strings.Builder
	s := open(t, path, Options{Now: c.now, Log: logTo(&log)})
	know(t, s, counter("e", "energy", "kWh"))
	const h = time.Hour
	steady(t, s, "e", -h, 0, 100) // to 100.11
	steady(t, s, "e", 6*h, 9*h, 103.11)
	sweepAt(t, s, c, noon.Add(9*h))
	sweepAt(t, s, c, noon.Add(11*h))
	_, before := kept(t, s, "e")
	// All that was used between was used in one hour.
	appendAll(t, s, at("e", h, 100.11), at("e", 2*h, 103.11))
	commit(t, s)
	appendAll(t, s, at("e", 11*h, 105))
	sweepAt(t, s, c, noon.Add(11*h+time.Minute))
	sweepAt(t, s, c, noon.Add(13*h))
	_, after := kept(t, s, "e")
	if total(before) != total(after[:len(before)]) {
		t.Errorf("%v before and %v after", total(before), total(after[:len(before)]))
	}
	r := reader(t, path)
	revisions, err := r.Revisions(context.Background(), "e", ledger.Import, ledger.Own, noon.Add(-10*h), noon.Add(20*h))
	if err != nil || len(revisions) != 13 {
		t.Fatalf("got %d revisions (%v), want one for each half hour of the gap", len(revisions), err)
	}
	old := map[int64]ledger.Slot{}
	for _, v := range before {
		old[v.Start] = v
	}
	for _, v := range revisions {
		if v.Slot != old[v.Start] || v.Reason == "" || !v.At.Equal(noon.Add(13*h)) && !v.At.Equal(noon.Add(11*h+time.Minute)) {
			t.Errorf("revision %+v, want what the slot was: %+v", v, old[v.Start])
		}
	}
	got := slots(t, r, "e", ledger.Import, ledger.Own, noon.Add(h), noon.Add(2*h))
	want := []slot{{h, "1.500", ledger.Estimated | ledger.Revised}, {h + h/2, "1.500", ledger.Estimated | ledger.Revised}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the hour (-want +got):\n%s", diff)
	}
	if !strings.Contains(log.String(), "were revised") {
		t.Errorf("the log does not tell it:\n%s", &log)
	}
	n := len(revisions)
	sweepAt(t, s, c, noon.Add(15*h))
	if revisions, _ := r.Revisions(context.Background(), "e", ledger.Import, ledger.Own, noon.Add(-10*h), noon.Add(20*h)); len(revisions) != n {
		t.Errorf("an hour later there are %d revisions, want no more", len(revisions))
	}
}

func TestAClockThatWasAheadLeavesNothingInTheLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	know(t, s, counter("e", "energy", "kWh"))
	const h = time.Hour
	steady(t, s, "e", 0, 2*h, 100)
	sweepAt(t, s, c, noon.Add(2*h))
	ahead := 30 * 24 * h
	steady(t, s, "e", ahead, ahead+2*h, 100.24)
	sweepAt(t, s, c, noon.Add(ahead+2*h))
	sweepAt(t, s, c, noon.Add(ahead+4*h))
	if _, all := kept(t, s, "e"); len(all) < 30*48 {
		t.Fatalf("%d slots while the clock is ahead", len(all))
	}
	steady(t, s, "e", 4*h, 8*h, 100.48) // the clock is right again
	sweepAt(t, s, c, noon.Add(8*h))
	steady(t, s, "e", 8*h, 10*h, 100.96)
	sweepAt(t, s, c, noon.Add(10*h))
	sweepAt(t, s, c, noon.Add(12*h))
	_, all := kept(t, s, "e")
	last := all[len(all)-1]
	if last.Start > noon.Add(10*h).Unix() {
		t.Errorf("the last slot begins at %v", time.Unix(last.Start, 0).UTC())
	}
	got := slots(t, reader(t, path), "e", ledger.Import, ledger.Own, noon.Add(-h), noon.Add(12*h))
	var sum float64
	for _, v := range got {
		f, _ := strconv.ParseFloat(v.KWh, 64)
		sum += f
	}
	if math.Abs(sum-1.19) > 0.02 {
		t.Errorf("%v kWh in all, want 1.19; %v", sum, got[len(got)-3:])
	}
}

func TestRenamedCounterKeepsItsLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	know(t, s, counter("old", "energy", "kWh"))
	const h = time.Hour
	steady(t, s, "old", 0, 2*h, 100)
	sweepAt(t, s, c, noon.Add(3*h))
	know(t, s, counter("new", "energy", "kWh"))
	steady(t, s, "new", 2*h, 4*h, 100.24)
	know(t, s, counter("new", "energy", "Wh"))
	for d := 4 * h; d < 6*h; d += 10 * time.Minute {
		appendAll(t, s, at("new", d, 100_480))
	}
	sweepAt(t, s, c, noon.Add(7*h))
	sweepAt(t, s, c, noon.Add(9*h))
	r := reader(t, path)
	got, err := r.Ledger(context.Background(), "new", ledger.Import, ledger.Own, noon, noon.Add(24*h))
	if want := 480 * ledger.WattHour; err != nil || total(got) != want || len(got) != 12 {
		t.Errorf("got %v in %d slots (%v), want %v", total(got), len(got), err, want)
	}
	if m, _ := kept(t, s, "old"); m.id != 0 {
		t.Error("the ledger has two meters, want one under its new name")
	}
	if _, err := r.Ledger(context.Background(), "old", ledger.Import, ledger.Own, noon, noon.Add(24*h)); !errors.Is(err, ErrUnknownEntity) {
		t.Errorf("under its old name: %v", err)
	}
}

func TestLedgerOutlivesItsReadings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now, Retention: 48 * time.Hour})
	know(t, s, counter("e", "energy", "kWh"))
	const h = time.Hour
	value := 100.0
	for d := range 10 {
		from := time.Duration(d) * 24 * h
		value = steady(t, s, "e", from, from+24*h, value)
		sweepAt(t, s, c, noon.Add(from+24*h))
	}
	got, err := reader(t, path).Ledger(context.Background(), "e", ledger.Import, ledger.Own, noon, noon.Add(300*h))
	want, _ := ledger.FromUnit(value-100, "kWh")
	if err != nil || total(got) != want || len(got) != 480 {
		t.Errorf("got %v in %d slots (%v), want %v in 480", total(got), len(got), err, want)
	}
	// A reading of a time whose neighbours are gone changes nothing.
	appendAll(t, s, at("e", 3*h+time.Second, 7))
	sweepAt(t, s, c, noon.Add(242*h))
	sweepAt(t, s, c, noon.Add(244*h))
	again, err := reader(t, path).Ledger(context.Background(), "e", ledger.Import, ledger.Own, noon, noon.Add(300*h))
	if err != nil || total(again) != want {
		t.Errorf("got %v (%v), want %v", total(again), err, want)
	}
}

func TestDaysOfTheLedger(t *testing.T) {
	day := int64(20_000)
	var all []ledger.Slot
	for n := range int64(48) {
		if n%5 == 3 {
			continue
		}
		all = append(all, ledger.Slot{Start: day*daySeconds + n*1800, Energy: ledger.Energy(n * n * n * 1234567), Flags: ledger.Flags(n % 4 * 21)})
	}
	for _, slots := range [][]ledger.Slot{all, all[:1], all[47-10:], {{Start: day * daySeconds, Energy: -5}}} {
		b := encodeDay(day, slots)
		got, err := decodeDay(day, b)
		if diff := cmp.Diff(slots, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		for i := range b {
			bad := slices.Clone(b)
			bad[i] ^= 4
			if _, err := decodeDay(day, bad); !errors.Is(err, errBlob) {
				t.Fatalf("with byte %d changed: got error %v", i, err)
			}
		}
	}
}

func FuzzDecodeDay(f *testing.F) {
	f.Add(encodeDay(3, []ledger.Slot{{Start: 3 * daySeconds, Energy: 5, Flags: 1}})[5:])
	f.Fuzz(func(t *testing.T, data []byte) {
		b := binary.BigEndian.AppendUint32([]byte{ledgerForm}, crc32.Checksum(data, castagnoli))
		slots, err := decodeDay(3, append(b, data...))
		if err != nil {
			return
		}
		again, err := decodeDay(3, encodeDay(3, slots))
		if diff := cmp.Diff(slots, again); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

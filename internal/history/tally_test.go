package history

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/ledger"
	"github.com/smartcore-ireland/hems/internal/store"
)

var counter = store.Series{Entity: "house_energy", Unit: "kWh", DeviceClass: "energy", StateClass: "total_increasing", Device: "House", Key: "energy"}

// count fills a counter that counts wh Wh in each half hour from begin on, told
// every ten minutes.
func count(t *testing.T, s *store.Store, begin time.Time, wh func(halfHour int) int, halfHours int) {
	t.Helper()
	total := 1_000_000
	register(t, s, counter, begin, 10*time.Minute, func(i int) (float64, bool) {
		v := float64(total+wh(i/3)*(i%3)/3) / 1000
		if i%3 == 2 {
			total += wh(i / 3)
		}
		return v, true
	}, halfHours*3+1)
}

func tally(t *testing.T, h *History, q TallyQuery) Tally {
	t.Helper()
	got, err := h.Tally(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The day on which summer time ends has 50 half hours, and both passes of the hour
// that comes twice count, in the windows that they are in.
func TestTallyOverTheAutumnChange(t *testing.T) {
	s, h := home(t)
	place := dublin(t)
	day, after := calendar.Day(time.Date(2026, 10, 25, 12, 0, 0, 0, time.UTC), place)
	count(t, s, day, func(int) int { return 300 }, 50)
	smart := calendar.Sets["smart"]
	got := tally(t, h, TallyQuery{Entity: "house_energy", From: day, To: after, Steps: steps(t, "day", place),
		Window: func(at time.Time) string { return smart.At(at, place) }})
	if len(got.Rows) != 1 || !got.Rows[0].Complete() || !got.Complete() {
		t.Fatalf("got %d rows, missing %v; want one, complete", len(got.Rows), got.Missing)
	}
	row := got.Rows[0]
	if row.Energy != 15*ledger.KilowattHour || row.Estimated != 0 || row.Known != 25*time.Hour {
		t.Errorf("got %v, estimated %v, of %v; want 15 kWh of 25 h", row.Energy, row.Estimated, row.Known)
	}
	windows := map[string]ledger.Energy{}
	for name, w := range row.Windows {
		windows[name] = w.Energy
	}
	want := map[string]ledger.Energy{"night": 6 * ledger.KilowattHour, "day": 7800 * ledger.WattHour, "peak": 1200 * ledger.WattHour}
	if diff := cmp.Diff(want, windows); diff != "" {
		t.Errorf("by window (-want +got):\n%s", diff)
	}
	hours := tally(t, h, TallyQuery{Entity: "house_energy", From: day, To: after, Steps: steps(t, "hour", place)})
	if len(hours.Rows) != 25 || hours.Total.Energy != row.Energy || hours.Rows[1].Energy != 600*ledger.WattHour || hours.Rows[2].Energy != 600*ledger.WattHour {
		t.Errorf("by hour: got %d rows, %v together; want 25 of 0.6 kWh", len(hours.Rows), hours.Total.Energy)
	}
}

// A sum by any step is the same, to the µWh, and so is the half hour with the most.
func TestTallyAddsUp(t *testing.T) {
	s, h := home(t)
	place := dublin(t)
	begin := time.Date(2026, 3, 27, 0, 0, 0, 0, place)
	count(t, s, begin, func(i int) int { return (i*7919)%1000 + 3 }, 6*48)
	from, to := begin.Add(7*time.Hour+13*time.Minute), begin.Add(5*24*time.Hour)
	want := tally(t, h, TallyQuery{Entity: "house_energy", From: from, To: to})
	if len(want.Rows) != 1 || want.Total.Peak != 1002*ledger.WattHour && want.Total.Peak < 990*ledger.WattHour || !want.Complete() {
		t.Fatalf("got %+v", want.Total)
	}
	if !want.Total.From.Equal(begin.Add(7 * time.Hour)) {
		t.Errorf("it begins at %v, want it widened to the half hour", want.Total.From)
	}
	for _, step := range []string{"30m", "hour", "6h", "day", "week", "month", "year"} {
		got := tally(t, h, TallyQuery{Entity: "house_energy", From: from, To: to, Steps: steps(t, step, place)})
		var sum, peak ledger.Energy
		at := got.Total.From
		for _, r := range got.Rows {
			if !r.From.Equal(at) {
				t.Errorf("by %s: a row begins at %v, want %v", step, r.From, at)
			}
			at, sum, peak = r.To, sum+r.Energy, max(peak, r.Peak)
		}
		if !at.Equal(got.Total.To) || sum != want.Total.Energy || peak != want.Total.Peak || got.Total.Energy != sum {
			t.Errorf("by %s: %v, peak %v, up to %v; want %v, %v, %v", step, sum, peak, at, want.Total.Energy, want.Total.Peak, want.Total.To)
		}
	}
}

func TestTallyTellsWhatIsMissing(t *testing.T) {
	s, h := home(t)
	// It was made known at 01:10; between 02:00 and 04:00 it said nothing, and after
	// 05:10 no more.
	if _, err := s.Register(counter); err != nil {
		t.Fatal(err)
	}
	for _, r := range []reading{{70 * time.Minute, 10}, {80 * time.Minute, 10.1}, {90 * time.Minute, 10.2}, {100 * time.Minute, 10.3}, {2 * time.Hour, 10.6}, {4 * time.Hour, 12.6}, {5 * time.Hour, 13}, {310 * time.Minute, 13.1}} {
		if err := s.Append(store.Reading{Entity: counter.Entity, Time: after(r.at), Value: r.value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := tally(t, h, TallyQuery{Entity: "house_energy", From: midnight, To: after(8 * time.Hour), Steps: steps(t, "hour", time.UTC)})
	type row struct {
		Energy, Estimated ledger.Energy
		Known             time.Duration
		Complete          bool
	}
	var rows []row
	for _, r := range got.Rows {
		rows = append(rows, row{r.Energy, r.Estimated, r.Known, r.Complete()})
	}
	const kWh = ledger.KilowattHour
	want := []row{
		{}, {600 * ledger.WattHour, 0, 30 * time.Minute, false}, {kWh, kWh, time.Hour, true}, {kWh, kWh, time.Hour, true},
		{400 * ledger.WattHour, 400 * ledger.WattHour, time.Hour, true}, {100 * ledger.WattHour, 0, 30 * time.Minute, false}, {}, {},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got.Complete() || got.Gaps != 2 || got.Away != 4*time.Hour {
		t.Errorf("got %+v; want two spans missing, of four hours", got.Coverage)
	}
	none := tally(t, h, TallyQuery{Entity: "house_energy", From: after(20 * time.Hour), To: after(22 * time.Hour)})
	if none.Complete() || none.Total.Known != 0 || !none.Total.PeakAt.IsZero() || len(none.Missing) != 1 {
		t.Errorf("a range without a reading: got %+v", none)
	}
}

func TestTallySaysWhatIsWrong(t *testing.T) {
	s, h := home(t)
	count(t, s, midnight, func(int) int { return 100 }, 4)
	fill(t, s, "p", "W", reading{0, 1})
	for _, tt := range []struct {
		name string
		q    TallyQuery
		want error
	}{
		{"Backwards", TallyQuery{Entity: "house_energy", From: after(time.Hour), To: midnight}, ErrRange},
		{"UnknownEntity", TallyQuery{Entity: "x", From: midnight, To: after(time.Hour)}, ErrUnknownEntity},
		{"NoCounter", TallyQuery{Entity: "p", From: midnight, To: after(time.Hour)}, ErrNoCounter},
		{"OtherDirection", TallyQuery{Entity: "house_energy", Direction: ledger.Export, From: midnight, To: after(time.Hour)}, ErrNoCounter},
		{"TooFine", TallyQuery{Entity: "house_energy", From: midnight, To: after(time.Hour), Steps: steps(t, "5m", time.UTC)}, ErrSteps},
		{"OffTheHalfHour", TallyQuery{Entity: "house_energy", From: midnight, To: after(time.Hour), Steps: steps(t, "45m", time.UTC)}, ErrSteps},
		{"TooMany", TallyQuery{Entity: "house_energy", From: time.Unix(0, 0), To: after(0), Steps: steps(t, "30m", time.UTC)}, ErrSteps},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := h.Tally(context.Background(), tt.q); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	meters, err := h.Meters(context.Background())
	if err != nil || len(meters) != 1 || meters[0].Name != "house_energy" || meters[0].Direction != ledger.Import {
		t.Errorf("meters: got %+v, %v", meters, err)
	}
}

package live

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/store"
)

// ledger is the appliance's own store under a bench: readings wait in it for
// a commit, as they do in the home.
type ledger struct {
	*bench
	store *store.Store
	kWh   float64 // the meter's counter
}

func newLedger(t *testing.T, from time.Time) *ledger {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hems.db")
	s, err := store.Open(path, store.Options{CommitInterval: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h := history.Open(path)
	t.Cleanup(func() { h.Close() })
	l := &ledger{store: s, kWh: 91_557}
	l.bench = newBench(t, func(o *Options) { o.TimeZone = from.Location() })
	l.past, l.now = h, from
	l.announce("meter", "0x1")
	if _, err := s.Register(store.Series{Entity: "meter_energy", Unit: "kWh", UniqueID: "0x1_energy_zigbee2mqtt"}); err != nil {
		t.Fatal(err)
	}
	return l
}

// report is one of the meter's, at the bench's time.
func (l *ledger) report() {
	l.t.Helper()
	if err := l.store.Append(store.Reading{Entity: "meter_energy", Time: l.now, Value: l.kWh}); err != nil {
		l.t.Fatal(err)
	}
	l.hear("zigbee2mqtt/meter", fmt.Sprintf(`{"energy":%v}`, l.kWh), false)
}

func (l *ledger) commit() {
	l.t.Helper()
	if err := l.store.Commit(context.Background()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *ledger) check(what string, want float64) {
	l.t.Helper()
	got := l.Now().Today
	if got == nil || math.Abs(*got-want) > 1e-6 {
		l.t.Fatalf("%s, at %v: got %s kWh today, want %v", what, l.now.Format(time.DateTime), number(got), want)
	}
}

// Through midnight and a whole day of 23, 24 or 25 hours, the figure is the
// counter less what it was with the last reading before midnight, at every
// moment: whatever waits for its commit.
func TestTodayIsExactAtEveryMoment(t *testing.T) {
	dublin, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		day   time.Time
		hours float64
		every time.Duration
	}{
		{"OfMarch23Hours", time.Date(2026, 3, 29, 0, 0, 0, 0, dublin), 23, 97 * time.Second},
		{"OfOctober25Hours", time.Date(2026, 10, 25, 0, 0, 0, 0, dublin), 25, 101 * time.Second},
		{"OfSummer", time.Date(2026, 7, 1, 0, 0, 0, 0, dublin), 24, 11 * time.Second},
		{"WithAMeterThatIsSilentAtMidnight", time.Date(2026, 7, 1, 0, 0, 0, 0, dublin), 24, 47 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			end := tc.day.AddDate(0, 0, 1)
			if got := end.Sub(tc.day).Hours(); got != tc.hours {
				t.Fatalf("the day has %v hours, want %v", got, tc.hours)
			}
			l := newLedger(t, tc.day.Add(-5*time.Minute))
			l.report()
			l.commit()
			first := l.kWh // of the day: the last reading before it
			midnights := []time.Time{tc.day, end}
			l.pass(queryPause)
			committed, next := l.now, l.now.Add(tc.every)
			for l.now.Before(end.Add(5 * time.Minute)) {
				step := 10 * time.Second
				if l.now.After(tc.day.Add(5*time.Minute)) && l.now.Before(end.Add(-5*time.Minute)) {
					step = 10 * time.Minute
				}
				l.pass(step)
				if len(midnights) > 0 && !l.now.Before(midnights[0]) {
					first, midnights = l.kWh, midnights[1:]
				}
				l.check("before a report", l.kWh-first)
				if !l.now.Before(next) {
					l.kWh = math.Round((l.kWh+0.037)*1e3) / 1e3
					l.report()
					next = l.now.Add(tc.every)
					l.check("after a report", l.kWh-first)
				}
				if l.now.Sub(committed) >= time.Minute && l.now.Second() >= 30 {
					l.commit()
					committed = l.now
				}
			}
		})
	}
}

func TestTodayWithAMeterThatBeginsAgain(t *testing.T) {
	l := newLedger(t, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	l.report()
	l.commit()
	l.kWh += 2
	l.pass(time.Hour)
	l.report()
	l.check("before", 2)
	l.commit()
	l.pass(queryPause)
	l.kWh = 0.25 // a new meter in its place, or a flat battery
	l.pass(time.Second)
	l.report()
	l.check("before its commit", 2.25)
	l.pass(queryPause)
	l.commit()
	l.check("after its commit", 2.25)
	l.pass(queryPause)
	l.check("as the store has it", 2.25)
}

// A clock that was a year ahead for a moment leaves a reading there; one that
// goes back an hour leaves an hour of them. Neither is counted twice.
func TestTodayWithAClockThatWasWrong(t *testing.T) {
	l := newLedger(t, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	l.report()
	l.commit()
	right := l.now
	l.now = right.AddDate(1, 0, 0)
	l.kWh += 0.1
	l.report()
	l.now = right.Add(time.Minute)
	l.commit()
	l.kWh += 0.2
	l.pass(queryPause)
	l.report()
	l.commit()
	l.pass(queryPause)
	l.check("after a year ahead", 0.3)
	for range 60 {
		l.kWh += 0.01
		l.pass(time.Minute)
		l.report()
	}
	l.commit()
	l.pass(queryPause)
	l.check("an hour later", 0.9)
	l.now = l.now.Add(-time.Hour)
	for range 30 {
		l.kWh += 0.01
		l.pass(time.Minute)
		l.report()
		l.commit()
		l.check("in the hour that comes twice", l.kWh-91_557)
	}
}

package quantity

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// box is a set of quantities with a clock and a count of what was kept.
type box struct {
	*Set
	now  time.Time
	kept int
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// meter is a meter of a house, beside a plug with two channels.
var meter = []Quantity{
	{Name: "power", Rule: Power, Load: "house", Max: 60000},
	{Name: "energy", Rule: Import, Of: []string{"power"}, Value: 4000},
	{Name: "state", Rule: Kept, Value: 1},
	{Name: "plug", Rule: Power, Load: "fridge", Of: []string{"state"}, Min: -5000, Max: 5000},
	{Name: "plug_energy", Rule: Import, Of: []string{"plug"}, Value: 1.5},
	{Name: "plug_given", Rule: Export, Of: []string{"plug"}},
	{Name: "voltage", Rule: Steady, Value: 230, Swing: 5, Max: 400},
	{Name: "current", Rule: Amps, Of: []string{"plug", "voltage"}, Max: 60},
	{Name: "sum", Rule: Sum, Of: []string{"power", "plug"}, Max: 1e6},
	{Name: "share", Rule: Share, Of: []string{"plug"}, Value: 0.5, Max: 1e6},
	{Name: "divisor", Rule: Below, Of: []string{"plug"}, Value: 10, Swing: 1, At: 1000, Max: 100},
	{Name: "temperature", Rule: Daily, Value: 20, Swing: 2, Min: -40, Max: 60},
	{Name: "motion", Rule: Busy},
}

func open(t *testing.T, m Memory, ticking bool) *box {
	t.Helper()
	b := &box{now: noon}
	b.reopen(t, m, ticking)
	return b
}

// reopen is a restart of the process on a memory.
func (b *box) reopen(t *testing.T, m Memory, ticking bool) {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var kept Memory
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Quantities: meter, Memory: kept, Seed: 1, Now: func() time.Time { return b.now }, Ticking: ticking, Changed: func() { b.kept++ }})
	if err != nil {
		t.Fatal(err)
	}
	b.Set = s
}

func (b *box) set(t *testing.T, name string, v float64) {
	t.Helper()
	if err := b.Set.Set(name, v); err != nil {
		t.Fatal(err)
	}
}

func (b *box) want(t *testing.T, name string, want float64) {
	t.Helper()
	if got := b.Get(name); math.Abs(got-want) > 1e-6 {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

func TestEnergyNeverFalls(t *testing.T) {
	b := open(t, Memory{}, false)
	last := b.Get("energy")
	check := func(when string) {
		t.Helper()
		if got := b.Get("energy"); got < last {
			t.Fatalf("%s: the energy went from %v to %v kWh", when, last, got)
		} else {
			last = got
		}
	}
	for step := range 500 {
		b.now = b.now.Add(97*time.Second + 300*time.Millisecond)
		switch step % 7 {
		case 1:
			b.set(t, "power", float64(step*10))
		case 4:
			b.Release("power")
		case 5: // the process is killed and starts again on what it kept
			b.reopen(t, b.Memory(), false)
		}
		check("running")
	}
	b.now = b.now.Add(-time.Hour)
	check("the clock was set back")
}

func TestCountersIntegrateWhatIsHeld(t *testing.T) {
	b := open(t, Memory{}, false)
	before := b.Get("energy")
	b.set(t, "power", 3600)
	b.set(t, "plug", -720)
	for range 10 { // other changes in between do not lose a second
		b.now = b.now.Add(99*time.Second + 999*time.Millisecond)
		b.set(t, "voltage", 231)
	}
	b.now = b.now.Add(10 * time.Millisecond)
	b.want(t, "power", 3600)
	b.want(t, "energy", before+1)
	b.want(t, "plug_energy", 1.5)
	b.want(t, "plug_given", 0.2)
	b.Release("power")
	b.want(t, "energy", before+1)
	if _, held := b.Fixed("power"); held || b.Get("power") == 3600 {
		t.Error("the load is held after it was released")
	}
	if b.kept != 13 {
		t.Errorf("kept %d times, want 13", b.kept)
	}
}

func TestASwitchCutsItsLoad(t *testing.T) {
	b := open(t, Memory{}, false)
	b.set(t, "state", 0)
	before := b.Get("plug_energy")
	b.now = b.now.Add(24 * time.Hour)
	b.want(t, "plug", 0)
	b.want(t, "current", 0)
	b.want(t, "plug_energy", before)
	b.set(t, "state", 1)
	b.now = b.now.Add(24 * time.Hour)
	if got := b.Get("plug_energy") - before; got < 0.3 || got > 2 {
		t.Errorf("a day of the fridge: got %v kWh, want 0.3 to 2", got)
	}
}

func TestRules(t *testing.T) {
	b := open(t, Memory{}, false)
	b.set(t, "plug", 999)
	b.set(t, "voltage", 222)
	b.want(t, "current", 4.5)
	b.want(t, "share", 499.5)
	b.want(t, "divisor", 10)
	b.set(t, "plug", 1000)
	b.want(t, "divisor", 1)
	b.set(t, "power", 5)
	b.want(t, "sum", 1005)
	b.set(t, "sum", 7)
	b.want(t, "sum", 7)
	b.want(t, "nothing", 0)
	busy, warmest, coldest := 0, -100.0, 100.0
	for range 24 * 60 {
		b.now = b.now.Add(time.Minute)
		busy += int(b.Get("motion"))
		warmest, coldest = max(warmest, b.Get("temperature")), min(coldest, b.Get("temperature"))
	}
	if busy < 100 || busy > 400 {
		t.Errorf("somebody moved in %d minutes of a day, want 100 to 400", busy)
	}
	if warmest < 21 || warmest > 23 || coldest > 19 || coldest < 17 {
		t.Errorf("got %v to %v °C, want about 18 to 22", coldest, warmest)
	}
}

func TestReadingsAndSettingsSurvive(t *testing.T) {
	b := open(t, Memory{}, false)
	b.Get("energy")
	b.set(t, "energy", 0.57)
	b.set(t, "state", 0)
	b.set(t, "voltage", 240)
	b.Keep("2/0006/0000/8002", 2, nil)
	b.reopen(t, b.Memory(), false)
	b.want(t, "energy", 0.57)
	b.want(t, "state", 0)
	b.want(t, "voltage", 240)
	if n, _, ok := b.Recall("2/0006/0000/8002"); !ok || n != 2 {
		t.Errorf("setting: got %v %v, want 2", n, ok)
	}
	if _, _, ok := b.Recall("never"); ok {
		t.Error("a setting that nobody kept is there")
	}
}

func TestSetRefuses(t *testing.T) {
	b := open(t, Memory{}, false)
	for name, v := range map[string]float64{"nothing": 1, "power": -1, "plug": 5001, "state": 2, "energy": -1, "voltage": math.NaN()} {
		if err := b.Set.Set(name, v); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s = %v: got %v, want an error that names it", name, v, err)
		}
	}
	if b.kept != 0 {
		t.Errorf("kept %d times, want never", b.kept)
	}
}

func TestRestart(t *testing.T) {
	b := open(t, Memory{}, false)
	b.set(t, "plug_energy", 10)
	b.set(t, "plug", 0)
	b.Restart(5*time.Second, 36000)
	b.want(t, "plug_energy", 0)
	b.now = b.now.Add(6 * time.Second)
	b.want(t, "plug_energy", 9.99)
}

func TestTicksMakeEveryReportDiffer(t *testing.T) {
	b := open(t, Memory{}, true)
	b.kept = 0
	energy, power := b.Get("energy"), b.Get("power")
	for range 2500 {
		b.Tick()
		if b.Get("energy") <= energy || b.Get("power") == power {
			t.Fatalf("after a tick: %v kWh and %v W, before %v kWh and %v W", b.Get("energy"), b.Get("power"), energy, power)
		}
		energy, power = b.Get("energy"), b.Get("power")
	}
	if b.kept != 3 {
		t.Errorf("kept %d times, want 3", b.kept)
	}
	b.reopen(t, b.Memory(), true)
	if got := b.Get("energy"); got < energy {
		t.Errorf("after a kill: got %v kWh, want at least %v", got, energy)
	}
}

func TestBadTables(t *testing.T) {
	tests := map[string][]Quantity{
		"twice":    {{Name: "a"}, {Name: "a"}},
		"a name":   {{}},
		"no load":  {{Name: "a", Rule: Power, Load: "nonsense"}},
		"missing":  {{Name: "a", Rule: Sum, Of: []string{"b"}}},
		"no power": {{Name: "a"}, {Name: "b", Rule: Import, Of: []string{"a"}}},
		"current":  {{Name: "a"}, {Name: "b", Rule: Amps, Of: []string{"a"}}},
	}
	for name, table := range tests {
		if _, err := New(Options{Quantities: table, Now: time.Now}); err == nil {
			t.Errorf("%s: the table was taken", name)
		}
	}
}

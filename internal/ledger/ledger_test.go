package ledger

import (
	"testing"
	"time"
	_ "time/tzdata"
)

func TestDecimal(t *testing.T) {
	for _, tc := range []struct {
		e      Energy
		places int
		want   string
	}{
		{0, 0, "0"}, {0, 4, "0.0000"}, {161 * WattHour, 4, "0.1610"}, {KilowattHour, 0, "1"},
		{161500 * MicrowattHour * 1000, 4, "0.1615"}, {1, 4, "0.000000001"}, {-1500 * WattHour, 0, "-1.5"},
		{22035638 * WattHour, 3, "22035.638"}, {-1 << 63, 0, "-9223372036.854775808"},
	} {
		if got := tc.e.Decimal(tc.places); got != tc.want {
			t.Errorf("%d with %d places: got %s, want %s", tc.e, tc.places, got, tc.want)
		}
	}
}

func TestFromUnit(t *testing.T) {
	for _, tc := range []struct {
		value float64
		unit  string
		want  Energy
		ok    bool
	}{
		{12345.678, "kWh", 12345678 * WattHour, true},
		{0.1 + 0.2, "kWh", 300 * WattHour, true},
		{34458640, "Wh", 34458640 * WattHour, true},
		{34.45864, "MWh", 34458640 * WattHour, true},
		{3.6, "MJ", KilowattHour, true},
		{1, "W", 0, false},
		{1e12, "kWh", 0, false},
	} {
		got, ok := FromUnit(tc.value, tc.unit)
		if got != tc.want || ok != tc.ok {
			t.Errorf("%v %s: got %v, %v; want %v, %v", tc.value, tc.unit, got, ok, tc.want, tc.ok)
		}
	}
}

func TestDirectionOf(t *testing.T) {
	for name, want := range map[string]Direction{
		"energy": Import, "consumed_energy": Import, "energy_import": Import, "total_act_energy": Import,
		"produced_energy": Export, "total_act_ret_energy": Export, "energy_returned": Export, "exported": Export,
		"feed_in_energy": Export, "energy_to_grid": Export, "grid_energy": Import, "energy_in": Import,
		"Export active": Export,
	} {
		if got := DirectionOf(name, "x"); got != want {
			t.Errorf("key %s: got %v, want %v", name, got, want)
		}
		if got := DirectionOf("", name); got != want {
			t.Errorf("entity %s: got %v, want %v", name, got, want)
		}
	}
	if got := DirectionOf("energy", "return_duct_heater_energy"); got != Import {
		t.Errorf("the key does not say it: got %v, want import", got)
	}
}

func TestDaysOfTheClockChanges(t *testing.T) {
	dublin, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		day   string
		slots int64
	}{
		{"2023-03-26", 46}, {"2023-10-29", 50}, {"2024-03-31", 46}, {"2024-10-27", 50}, {"2025-03-30", 46},
		{"2025-10-26", 50}, {"2026-03-29", 46}, {"2026-10-25", 50}, {"2028-10-29", 50}, {"2026-11-20", 48}, {"2026-07-01", 48},
	} {
		d, err := time.Parse(time.DateOnly, tc.day)
		if err != nil {
			t.Fatal(err)
		}
		from, to := Day(d.Year(), d.Month(), d.Day(), dublin)
		if got := (to - from) / SlotSeconds; got != tc.slots {
			t.Errorf("%s: got %d slots, want %d", tc.day, got, tc.slots)
		}
		if got := time.Unix(from, 0).In(dublin).Format("2006-01-02 15:04"); got != tc.day+" 00:00" {
			t.Errorf("%s begins at %s", tc.day, got)
		}
		for at := from; at < to; at += SlotSeconds {
			if f, e := DayOf(at, dublin); f != from || e != to {
				t.Errorf("%s: the slot at %d is in the day from %d to %d", tc.day, at, f, e)
			}
		}
	}
}

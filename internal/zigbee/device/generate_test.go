package device

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func ep(id uint8, in ...uint16) Endpoint {
	return Endpoint{ID: id, Profile: zcl.ProfileHomeAutomation, DeviceID: 0x0051, In: in}
}

// properties are the keys of a model's exposes.
func properties(m *Model) string {
	var list []string
	for _, e := range m.Exposes() {
		if e.Property != "" {
			list = append(list, e.Property)
		}
		for _, f := range e.Features {
			list = append(list, f.Property)
		}
	}
	return strings.Join(list, " ")
}

func TestGenerated(t *testing.T) {
	for name, tt := range map[string]struct {
		power     uint8
		endpoints []Endpoint
		want      string
	}{
		"Plug":             {1, []Endpoint{ep(1, 0, 3, 4, 5, 6, 0x0702, 0x0b04)}, "identify state power_on_behavior power voltage current energy linkquality"},
		"MeterAlone":       {1, []Endpoint{ep(1, 0, 0x0702)}, "power energy linkquality"},
		"TwoSwitches":      {1, []Endpoint{ep(1, 0, 3, 6), ep(2, 6)}, "identify state_1 power_on_behavior_1 state_2 power_on_behavior_2 linkquality"},
		"TwoMeters":        {1, []Endpoint{ep(1, 0x0702, 0x0b04), ep(2, 0x0702, 0x0b04)}, "power_1 voltage_1 current_1 power_2 voltage_2 current_2 energy_1 energy_2 linkquality"},
		"Climate":          {3, []Endpoint{ep(1, 0, 1, 3, 0x0402, 0x0405, 0x0403)}, "battery voltage identify temperature humidity pressure linkquality"},
		"Room":             {3, []Endpoint{ep(1, 0, 1, 0x0400, 0x0406)}, "battery voltage illuminance occupancy linkquality"},
		"Zone":             {3, []Endpoint{ep(1, 0, 0x0500)}, "alarm_1 alarm_2 tamper battery_low linkquality"},
		"Dimmer":           {1, []Endpoint{{ID: 1, Profile: 0x0104, DeviceID: 0x0101, In: []uint16{0, 6, 8}}}, "state brightness power_on_behavior linkquality"},
		"PlugWithLevel":    {1, []Endpoint{ep(1, 0, 6, 8)}, "state power_on_behavior linkquality"},
		"MainsOfAModule":   {1, []Endpoint{ep(1, 0, 1, 6)}, "mains_voltage state power_on_behavior linkquality"},
		"Analog":           {1, []Endpoint{ep(1, 0, 0x000c)}, "analog_input linkquality"},
		"DeviceTemp":       {1, []Endpoint{ep(1, 0, 2)}, "device_temperature linkquality"},
		"MakersOwnProfile": {1, []Endpoint{{ID: 1, Profile: 0xc0c9, In: []uint16{6}}, ep(2, 0, 6)}, "state power_on_behavior linkquality"},
		"NothingOfUse":     {1, []Endpoint{ep(1, 0, 0x0b05)}, "linkquality"},
	} {
		t.Run(name, func(t *testing.T) {
			s := subject("Nobody", "Something", tt.endpoints...)
			s.PowerSource = tt.power
			m := For(s)
			if diff := cmp.Diff(tt.want, properties(m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if i := m.Info(); i.Supported || i.Source != "generated" || i.Model != "Something" || i.Vendor != "Nobody" {
				t.Errorf("got %+v", i)
			}
			for _, step := range m.Setup() {
				if !step.Optional {
					t.Errorf("%+v is not optional, and nobody knows the device", step)
				}
			}
			checkSetup(t, name, m)
		})
	}
	m := For(Subject{})
	if len(m.Exposes())+len(m.Setup())+len(m.Options()) != 0 {
		t.Errorf("of a device that has told nothing: got %v", properties(m))
	}
	if readings, notes := m.NewDecoder(nil).Decode(input(t, 1, 0x0006, "18010a 0000 10 01")); len(readings)+len(notes) != 0 {
		t.Errorf("of a device that has told nothing: got %v, %v", readings, notes)
	}
}

// learning is a device that tells more of what it is.
func TestGeneratedLearns(t *testing.T) {
	for name, tt := range map[string]struct {
		clusters []uint16
		tell     []step
		want     string
		then     step
	}{
		"Contact": {[]uint16{0x0500}, []step{{1, 0x0500, "180101 0100 00 31 1500", ""}}, "contact tamper battery_low linkquality",
			step{1, 0x0500, "18010a 0200 19 0900", `{"battery_low":true,"contact":false,"tamper":false}`}},
		"CarbonMonoxide": {[]uint16{0x0500}, []step{{1, 0x0500, "180101 0100 00 31 2b00", ""}}, "carbon_monoxide tamper battery_low test linkquality",
			step{1, 0x0500, "18010a 0200 19 0100", `{"battery_low":false,"carbon_monoxide":true,"tamper":false,"test":false}`}},
		"WaterLeak": {[]uint16{0x0500}, []step{{1, 0x0500, "180101 0100 00 31 2a00", ""}}, "water_leak tamper battery_low linkquality",
			step{1, 0x0500, "18010a 0200 19 0000", `{"battery_low":false,"tamper":false,"water_leak":false}`}},
		"ThreePhases": {[]uint16{0x0b04}, []step{{1, 0x0b04, "180101 0509 00 21 ec08 050a 00 21 ed08", ""}},
			"power voltage current power_phase_b voltage_phase_b current_phase_b power_phase_c voltage_phase_c current_phase_c total_power linkquality",
			step{1, 0x0b04, "18010a 0b09 29 9cff 0a0a 21 0500 0403 2b d2040000", `{"power_phase_b":-100,"total_power":1234}`}},
		"DirectCurrent": {[]uint16{0x0b04}, []step{{1, 0x0b04, "180101 0000 00 1b 40000000", ""}, {1, 0x0b04, "180101 0302 00 21 e803 0102 00 21 6400", ""}},
			"power voltage current linkquality", step{1, 0x0b04, "18010a 0001 29 b004 0301 29 dc05", `{"current":1.5,"voltage":12}`}},
		"Gas": {[]uint16{0x0702}, []step{{1, 0x0702, "180101 0003 00 30 01 0603 00 18 01", ""}, {1, 0x0702, "180101 0203 00 22 e80300 0103 00 22 010000", ""}},
			"flow gas linkquality", step{1, 0x0702, "18010a 0000 25 4e61bc000000 0002 18 02", `{"battery_low":true,"check_meter":false,"gas":12345.678}`}},
		"CubicFeetOfWater": {[]uint16{0x0702}, []step{{1, 0x0702, "180101 0003 00 30 02 0603 00 18 02", ""}, {1, 0x0702, "180101 0203 00 22 640000 0103 00 22 010000", ""}},
			"flow water_consumed linkquality", step{1, 0x0702, "18010a 0000 25 102700000000", `{"water_consumed":2.832}`}},
		"ProducedEnergy": {[]uint16{0x0702}, []step{{1, 0x0702, "180101 0203 00 22 e80300 0100 00 25 e80300000000", ""}},
			"power energy produced_energy linkquality", step{1, 0x0702, "18010a 0100 25 e90300000000", `{"produced_energy":1.001}`}},
		"NothingProduced": {[]uint16{0x0702}, []step{{1, 0x0702, "180101 0203 00 22 e80300 0100 00 25 000000000000", ""}},
			"power energy linkquality", step{1, 0x0702, "18010a 0004 2a 640000", `{"power":100}`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := subject("Nobody", "Something", ep(1, tt.clusters...))
			d := For(s).NewDecoder(nil)
			before := d.Model()
			learnt := false
			var told []Told
			for _, step := range tt.tell {
				in := input(t, step.endpoint, step.cluster, step.frame)
				told = before.Learn(told, in.Endpoint, in.Cluster, in.Frame.Manufacturer, in.Attributes)
				_, notes := d.Decode(in)
				for _, n := range notes {
					learnt = learnt || n.Kind == Learnt
				}
			}
			if diff := cmp.Diff(tt.want, properties(d.Model())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if changed := before != d.Model(); changed != learnt {
				t.Errorf("the model changed: %v, a note of it: %v", changed, learnt)
			}
			if got, notes := says(t, d, tt.then, noon); got != tt.then.want {
				t.Errorf("then: got %s, %v, want %s", got, notes, tt.then.want)
			}
			// The same from what was told, and from what was remembered.
			s.Told = told
			if diff := cmp.Diff(tt.want, properties(For(s))); diff != "" {
				t.Errorf("from what was told (-want +got):\n%s", diff)
			}
			if got := properties(before.NewDecoder(d.Memory()).Model()); got != tt.want {
				t.Errorf("from what was remembered: got %s", got)
			}
		})
	}
}

func TestLearnKeepsWhatStays(t *testing.T) {
	m := For(subject("Nobody", "Something", ep(1, 0x0702)))
	told := m.Learn(nil, 1, 0x0702, 0, []zcl.Attribute{{ID: 0x0001, Value: zcl.Number(zcl.Uint48, 5)}})
	want := []Told{{Endpoint: 1, Cluster: 0x0702, Attribute: 0x0001, Value: 1}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("a counter that is there (-want +got):\n%s", diff)
	}
	// A counter that counts is nothing new.
	again := m.Learn(told, 1, 0x0702, 0, []zcl.Attribute{{ID: 0x0001, Value: zcl.Number(zcl.Uint48, 6)}})
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("the counter counts (-want +got):\n%s", diff)
	}
	// One with a manufacturer's code is another.
	other := m.Learn(told, 1, 0x0702, zcl.ManufacturerDevelco, []zcl.Attribute{{ID: attrUnitOfMeasure, Value: zcl.Number(zcl.Uint16, 1)}})
	if diff := cmp.Diff(want, other); diff != "" {
		t.Errorf("a manufacturer's attribute (-want +got):\n%s", diff)
	}
}

func TestLinkyByItsModeAndTariff(t *testing.T) {
	s := subject("LiXee", "ZLinky_TIC\x00", ep(1, 0, 3, 0x0702, 0x0b01, 0x0b04, 0xff66))
	d := For(s).NewDecoder(nil)
	const tariff, mode = "180101 0000 00 42 04 42415345", "180101 0003 00 20 "
	d.Decode(input(t, 1, 0xff66, mode+"00"))
	d.Decode(input(t, 1, 0xff66, tariff))
	if got := properties(d.Model()); !strings.Contains(got, "current_summ_delivered") || strings.Contains(got, "current_tier1_summ_delivered") || !strings.Contains(got, "warn_d_p_s") {
		t.Errorf("historique, BASE: got %s", got)
	}
	d.Decode(input(t, 1, 0xff66, mode+"07"))
	if got := properties(d.Model()); !strings.Contains(got, "current_summ_received") || !strings.Contains(got, "rms_voltage_ph_c") || strings.Contains(got, "warn_d_p_s") {
		t.Errorf("standard, three phases, producer: got %s", got)
	}
	if got, _ := says(t, d, step{1, 0x0b04, "18010a 0505 21 e600 050a 21 e700", ""}, noon); got != `{"rms_voltage":230,"rms_voltage_ph_c":231}` {
		t.Errorf("got %s", got)
	}
	for _, p := range d.Model().Poll(nil) {
		for _, a := range p.Do {
			if len(a.IDs) > 2 {
				t.Errorf("asks for %v at once, want two at most", a.IDs)
			}
		}
	}
}

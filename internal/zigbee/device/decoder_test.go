package device

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestManufacturersAttributesAreNotStandardOnes(t *testing.T) {
	// The mode of an EMIZB-132, 0x0200, is no divisor.
	d := For(subject("frient A/S", "EMIZB-132")).NewDecoder(nil)
	for _, s := range []step{
		{2, 0x0702, "18010a 0000 25 4e61bc000000", `{"energy":12345.678}`},
		{2, 0x0702, "1c1510010a 0203 31 0302", `{"interface_mode":"kaifa_and_kamstrup"}`},
		{2, 0x0702, "18010a 0000 25 5061bc000000", `{"energy":12345.68}`},
		{2, 0x0b04, "18010a 0805 21 d204", `{"current":1.234}`}, // in thousandths in this mode
		{2, 0x0702, "1c1510010a 0203 31 0002", `{"interface_mode":"norwegian_han"}`},
		{2, 0x0b04, "18010a 0805 21 1000", `{"current":1.6}`},
	} {
		if got, notes := says(t, d, s, noon); got != s.want {
			t.Errorf("%s: got %s, %v, want %s", s.frame, got, notes, s.want)
		}
	}
}

func TestFrientDropsWhatIsWrongAsAWhole(t *testing.T) {
	d := For(subject("frient A/S", "SPLZB-131")).NewDecoder(nil)
	d.Decode(input(t, 2, 0x0702, "180101 0203 00 22 e80300 0103 00 22 010000"))
	for name, s := range map[string]step{
		"UnknownVoltage": {2, 0x0b04, "18010a 0505 21 ffff 0b05 29 0a00", `{}`},
		"ZeroEnergy":     {2, 0x0702, "18010a 0000 25 000000000000 0004 2a 0a0000", `{}`},
		"Whole":          {2, 0x0b04, "18010a 0505 21 0a5a 0b05 29 0a00", `{"power":10,"voltage":23050}`},
	} {
		if got, notes := says(t, d, s, noon); got != s.want || got == "{}" && len(notes) != 1 {
			t.Errorf("%s: got %s, %v, want %s", name, got, notes, s.want)
		}
	}
}

func TestSingleZerosOfPlugsAreHeld(t *testing.T) {
	d := For(subject("_TZ3000_2putqrmw", "TS011F")).NewDecoder(nil)
	current := func(raw string, now time.Time) string {
		s, _ := says(t, d, step{1, 0x0b04, "18010a 0805 21 " + raw, ""}, now)
		return s
	}
	if got := current("e803", noon); got != `{"current":1}` {
		t.Fatalf("got %s", got)
	}
	if got := current("0000", noon.Add(5*time.Second)); got != `{}` {
		t.Errorf("a zero: got %s at once", got)
	}
	if got := d.Next(); !got.Equal(noon.Add(16 * time.Second)) {
		t.Errorf("it is due at %v, want 11 s after it", got)
	}
	if got := current("e803", noon.Add(10*time.Second)); got != `{"current":1}` || !d.Next().IsZero() {
		t.Errorf("after another value: got %s, due at %v, want never", got, d.Next())
	}
	current("0000", noon.Add(20*time.Second))
	current("0000", noon.Add(25*time.Second)) // it does not begin again
	if readings, _ := d.Tick(noon.Add(30 * time.Second)); len(readings) != 0 {
		t.Errorf("too early: got %v", readings)
	}
	readings, _ := d.Tick(noon.Add(31 * time.Second))
	if got := asJSON(t, readings); got != `{"current":0,"power":0}` || !d.Next().IsZero() {
		t.Errorf("when it is due: got %s", got)
	}
	// A plug that is off draws nothing, whatever it says.
	says(t, d, step{1, 0x0006, "18010a 0000 10 00", ""}, noon)
	if got, _ := says(t, d, step{1, 0x0b04, "18010a 0b05 29 6400 0505 21 e600", ""}, noon); got != `{"power":0,"voltage":230}` {
		t.Errorf("while it is off: got %s", got)
	}
}

func TestPowerFollowsItsDivisor(t *testing.T) {
	d := For(subject("IKEA of Sweden", "INSPELNING Smart plug")).NewDecoder(nil)
	for _, s := range []step{
		{1, 0x0b04, "18010a 0506 21 0a00", `{}`},
		{1, 0x0b04, "18010a 0b05 29 fe26", `{"power":998.2}`},
		{1, 0x0b04, "18010a 0506 21 0100 0b05 29 b004", `{"power":1200}`}, // both in one message
		{1, 0x0b04, "18010a 0b05 29 d007", `{"power":2000}`},
		{1, 0x0b04, "18010a 0506 21 0000 0b05 29 d007", `{"power":2000}`}, // a divisor of 0 is none
	} {
		if got, _ := says(t, d, s, noon); got != s.want {
			t.Errorf("%s: got %s, want %s", s.frame, got, s.want)
		}
	}
	// It is remembered.
	d.Decode(input(t, 1, 0x0b04, "18010a 0506 21 0a00"))
	d = For(subject("IKEA of Sweden", "INSPELNING Smart plug")).NewDecoder(d.Memory())
	if got, _ := says(t, d, step{1, 0x0b04, "18010a 0b05 29 6400", ""}, noon); got != `{"power":10}` {
		t.Errorf("with what was remembered: got %s, want 10 W", got)
	}
}

func TestZones(t *testing.T) {
	smoke := subject("frient A/S", "SMSZB-120")
	for name, tt := range map[string]struct {
		of   Subject
		s    step
		want string
	}{
		"Smoke":          {smoke, step{35, 0x0500, "090100 2100 00 00 0000", ""}, `{"battery_low":false,"restore_reports":true,"smoke":true,"supervision_reports":false,"test":false}`},
		"ShortPayload":   {smoke, step{35, 0x0500, "090100 0801", ""}, `{"battery_low":true,"restore_reports":false,"smoke":false,"supervision_reports":false,"test":true}`},
		"TooShort":       {smoke, step{35, 0x0500, "090100 08", ""}, `{}`},
		"AsAttribute":    {smoke, step{35, 0x0500, "18010a 0200 19 0100", ""}, `{"battery_low":false,"restore_reports":false,"smoke":true,"supervision_reports":false,"test":false}`},
		"OtherEndpoint":  {smoke, step{36, 0x0500, "090100 0100", ""}, `{}`},
		"FromTheClient":  {smoke, step{35, 0x0500, "010100 0100", ""}, `{}`},
		"EnrollRequest":  {smoke, step{35, 0x0500, "090101 28001510", ""}, `{}`},
		"ContactClosed":  {subject("eWeLink", "DS01"), step{1, 0x0500, "090100 0000 00 00 0000", ""}, `{"battery_low":false,"contact":true}`},
		"ContactOpen":    {subject("eWeLink", "DS01"), step{1, 0x0500, "090100 0100 00 00 0000", ""}, `{"battery_low":false,"contact":false}`},
		"WaterOfAHeater": {subject("Sinope Technologies", "RM3500ZB"), step{1, 0x0500, "090100 0100 00 00 0000", ""}, `{"water_leak":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Time: noon, Endpoint: tt.s.endpoint, Cluster: tt.s.cluster}
			if strings.HasPrefix(tt.s.frame, "18") {
				in = input(t, tt.s.endpoint, tt.s.cluster, tt.s.frame)
			} else {
				in.Frame = parsed(t, tt.s.frame)
			}
			readings, _ := For(tt.of).NewDecoder(nil).Decode(in)
			if diff := cmp.Diff(tt.want, asJSON(t, readings)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func parsed(t testing.TB, s string) zcl.Frame {
	t.Helper()
	f, err := zcl.Parse(bytesOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMotionWithoutAnEnd(t *testing.T) {
	d := For(subject("LUMI", "lumi.sensor_motion.aq2")).NewDecoder(nil)
	if got, _ := says(t, d, step{1, 0x0406, "18010a 0000 18 01", ""}, noon); got != `{"occupancy":true}` {
		t.Fatalf("got %s", got)
	}
	says(t, d, step{1, 0x0406, "18010a 0000 18 01", ""}, noon.Add(time.Minute))
	if readings, _ := d.Tick(noon.Add(91 * time.Second)); len(readings) != 0 {
		t.Errorf("it ended while there was motion: %v", readings)
	}
	readings, _ := d.Tick(d.Next())
	if got := asJSON(t, readings); got != `{"occupancy":false}` || !d.Next().IsZero() {
		t.Errorf("90 s after the last motion: got %s", got)
	}
}

func TestListOfAPlug(t *testing.T) {
	// Tags 0x03 °C, 0x05 outages, 0x95 kWh, 0x96 V, 0x97 mA, 0x98 W.
	const list = "0328 1e 0521 0300 9539 00004841 9639 00901045 9739 0080bb44 9839 0000c842"
	b := bytesOf(t, list)
	attr := zcl.Attribute{ID: 0x00f7, Value: zcl.Octets(b)}
	d := For(subject("LUMI", "lumi.plug.maeu01")).NewDecoder(nil)
	in := Input{Time: noon, Endpoint: 1, Cluster: 0xfcc0, Frame: zcl.Frame{FromServer: true, Manufacturer: zcl.ManufacturerLumi, Command: zcl.CommandReport}, Attributes: []zcl.Attribute{attr}}
	readings, notes := d.Decode(in)
	const want = `{"current":1.5,"device_temperature":30,"energy":12.5,"power":100,"power_outage_count":2,"voltage":231.3}`
	if got := asJSON(t, readings); got != want || len(notes) != 0 {
		t.Errorf("got %s, %v, want %s", got, notes, want)
	}
	in.Attributes = []zcl.Attribute{{ID: 0x00f7, Value: zcl.Octets(b[:len(b)-1])}}
	if _, notes := d.Decode(in); len(notes) != 1 || notes[0].Kind != Impossible {
		t.Errorf("of a list that is cut: %v, want a note", notes)
	}
	// A list without the manufacturer's code is somebody else's.
	in.Frame.Manufacturer = 0
	if readings, _ := d.Decode(in); len(readings) != 0 {
		t.Errorf("without the code: got %v", readings)
	}
}

func TestWeatherByItsOldList(t *testing.T) {
	for form, want := range map[Form]string{
		Reference: `{"battery":73,"humidity":57.9,"pressure":1012.5,"temperature":21.73,"voltage":2.96}`,
		Z2M2:      `{"battery":73,"humidity":57.9,"pressure":1012.5,"temperature":21.73,"voltage":2960}`,
	} {
		s := subject("LUMI", "lumi.weather")
		s.Form = form
		list := bytesOf(t, "0121 900b 6429 7d08 6521 9e16 662b 828b0100")
		readings, _ := For(s).NewDecoder(nil).Decode(Input{Time: noon, Endpoint: 1, Cluster: 0x0000,
			Frame:      zcl.Frame{FromServer: true, Manufacturer: zcl.ManufacturerLumi, Command: zcl.CommandReport},
			Attributes: []zcl.Attribute{{ID: 0xff01, Value: zcl.Text(string(list))}}})
		if got := asJSON(t, readings); got != want {
			t.Errorf("form %d: got %s, want %s", form, got, want)
		}
	}
}

func TestOptionsOfADevice(t *testing.T) {
	for name, tt := range map[string]struct {
		options map[string]any
		form    Form
		want    string
	}{
		"None":             {nil, Z2M2, `{"energy":12345.68,"power":1500}`},
		"Ours":             {nil, Reference, `{"energy":12345.678,"power":1500}`},
		"Precision":        {map[string]any{"energy_precision": 0.0}, Z2M2, `{"energy":12346,"power":1500}`},
		"PrecisionAsText":  {map[string]any{"energy_precision": "1"}, Z2M2, `{"energy":12345.7,"power":1500}`},
		"Calibration":      {map[string]any{"power_calibration": -10.0}, Z2M2, `{"energy":12345.68,"power":1350}`},
		"OursCalibrated":   {map[string]any{"power_calibration": 1.0}, Reference, `{"energy":12345.678,"power":1515}`},
		"NonsenseIsNone":   {map[string]any{"power_calibration": "much", "energy_precision": nil}, Z2M2, `{"energy":12345.68,"power":1500}`},
		"AbsurdPrecision":  {map[string]any{"energy_precision": 1e9}, Z2M2, `{"energy":12345.678,"power":1500}`},
		"NegativeAndOther": {map[string]any{"energy_precision": -3.0, "friendly_name": "x"}, Z2M2, `{"energy":12346,"power":1500}`},
	} {
		t.Run(name, func(t *testing.T) {
			d := For(Subject{Identity: meter, Form: tt.form}).NewDecoder(nil)
			d.Options(tt.options)
			if got, _ := says(t, d, step{2, 0x0702, "18010a 0004 2a dc0500 0000 25 4e61bc000000", ""}, noon); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	// Temperatures are calibrated by what is added.
	d := For(subject("SONOFF", "SNZB-02D")).NewDecoder(nil)
	d.Options(map[string]any{"temperature_calibration": -1.5})
	if got, _ := says(t, d, step{1, 0x0402, "18010a 0000 29 6c07", ""}, noon); got != `{"temperature":17.5}` {
		t.Errorf("temperature: got %s, want 17.5", got)
	}
}

func TestPollsFollowTheOption(t *testing.T) {
	m := For(Subject{Identity: Identity{"_TZ3000_abcdefgh", "TS011F", 0}, AppVersion: 69})
	for name, tt := range map[string]struct {
		options map[string]any
		want    time.Duration
	}{
		"Default": {nil, time.Minute},
		"Chosen":  {map[string]any{"measurement_poll_interval": 10.0}, 10 * time.Second},
		"Never":   {map[string]any{"measurement_poll_interval": -1.0}, 0},
		"Tiny":    {map[string]any{"measurement_poll_interval": 0.001}, time.Second},
	} {
		polls := m.Poll(tt.options)
		switch {
		case tt.want == 0 && len(polls) != 0:
			t.Errorf("%s: got %v, want none", name, polls)
		case tt.want != 0 && (len(polls) != 1 || polls[0].Every != tt.want):
			t.Errorf("%s: got %v, want every %v", name, polls, tt.want)
		}
	}
	got := m.Poll(nil)[0].Do
	want := []Action{{Kind: Read, Endpoint: 1, Cluster: zcl.ClusterElectricalMeas, IDs: []uint16{0x0505, 0x0508, 0x050b}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("asks (-want +got):\n%s", diff)
	}
}

func TestMemory(t *testing.T) {
	m := For(subject("innr", "SP 240"))
	d := m.NewDecoder(nil)
	if got := d.Memory(); got != nil {
		t.Errorf("of nothing: %s", got)
	}
	d.Decode(input(t, 1, 0x0702, "180101 0203 00 22 640000 0103 86"))
	says(t, d, step{1, 0x0702, "18010a 0000 25 8f0000000000", ""}, noon)
	says(t, d, step{1, 0x0006, "18010a 0000 10 01", ""}, noon)
	const want = `{"attributes":{"1/0702/0000/0301":null,"1/0702/0000/0302":100},"counters":{"energy":{"value":1.43,"at":1767355200}},"on":true}`
	if got := string(d.Memory()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(m.NewDecoder(d.Memory()).Memory()); got != want {
		t.Errorf("remembered again: got %s", got)
	}
	for _, s := range []string{"", "null", "[]", "{", `{"attributes":5}`, `{"counters":{"energy":null,"other":{"value":1}}}`, `{"attributes":{"x":1}}`, strings.Repeat("x", maxMemory+1)} {
		d := m.NewDecoder([]byte(s))
		if got, _ := says(t, d, step{1, 0x0b04, "18010a 0505 21 e600", ""}, noon); got != `{"voltage":230}` {
			t.Errorf("after a memory of %.20q: got %s", s, got)
		}
	}
}

// What says it is in the state can come to be there.
func TestEveryStateHasASource(t *testing.T) {
	elsewhere := map[string]bool{"linkquality": true} // of the radio
	for name, m := range all(t, Z2M2) {
		keys := make(map[string]bool)
		for _, b := range m.bounds {
			keys[b.key] = true
			if b.full > 0 {
				keys["battery"] = true
			}
		}
		for _, list := range m.points {
			for _, p := range list {
				keys[p.key] = true
				if p.as == pointPhase {
					keys["voltage"+p.suffix], keys["current"+p.suffix], keys["power"+p.suffix] = true, true, true
				}
				if p.as == pointRC {
					keys["voltage"], keys["current"] = true, true
				}
			}
		}
		for _, z := range m.zones {
			for _, b := range z.bits {
				keys[joined(b.name, z.suffix)] = true
			}
		}
		special := len(m.special) > 0
		var check func(e Expose)
		check = func(e Expose) {
			if e.Property != "" && e.Access&AccessState != 0 && !keys[e.Property] && !elsewhere[e.Property] && !special {
				if _, told := m.settings[e.Property]; !told { // what is set is told when it was
					t.Errorf("%s: nothing ever says its %s", name, e.Property)
				}
			}
			for _, f := range e.Features {
				check(f)
			}
		}
		for _, e := range m.Exposes() {
			check(e)
		}
	}
}

func TestExposesAreJSON(t *testing.T) {
	for name, m := range all(t, Z2M2) {
		if _, err := json.Marshal(m.Exposes()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartsOfAFirmware(t *testing.T) {
	for build, want := range map[string]bool{"": false, "3.3.9": false, "3.4.0": false, "3.4.1": true, "4.0.0\x00": true, "3.10.0": true, "v5.0.0": false, "3.5": false, "9": false} {
		s := subject("NodOn", "SIN-4-1-21")
		s.SWBuildID = build
		if got := strings.Contains(properties(For(s)), "impulse_mode_configuration"); got != want {
			t.Errorf("build %q: got %v, want %v", build, got, want)
		}
	}
	for build, want := range map[string]string{"": "Led disable", "2.4.24": "Led disable", "2.4.25": "Led enable", "2.5.0": "Led enable"} {
		s := subject("IKEA of Sweden", "INSPELNING Smart plug")
		s.SWBuildID = build
		var got []string
		for _, e := range For(s).Exposes() {
			if e.Name == "led_enable" {
				got = append(got, e.Label)
			}
		}
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("build %q (-want +got):\n%s", build, diff)
		}
	}
}

func TestWiFiOfAShelly(t *testing.T) {
	d := For(subject("Shelly", "EM Mini")).NewDecoder(nil)
	for _, s := range []step{
		{239, 0xfc02, "1c9014010a 0000 42 0c 646973636f6e6e6563746564 0100 42 00 0400 10 00 0300 10 01", `{"dhcp_enabled":true,"ip_address":"","wifi_config":{"enabled":false},"wifi_status":"disconnected"}`},
		{239, 0xfc02, "1c9014010a 0500 42 04 686f6d65", `{"wifi_config":{"enabled":false,"ssid":"home"}}`},
		{239, 0xfc02, "1c9014010a 0600 42 06 736563726574", `{}`}, // a password is nobody's business
		{239, 0xfc02, "1c9014010a 0500 42 00", `{"wifi_config":{"enabled":false}}`},
	} {
		if got, _ := says(t, d, s, noon); got != s.want {
			t.Errorf("%s: got %s, want %s", s.frame, got, s.want)
		}
	}
	actions, now, errs := d.Model().Set(map[string]any{"wifi_config": map[string]any{"enabled": true, "password": "secret"}}, "", nil)
	want := []string{"239 fc02/1490 write 0004=bool:1", `239 fc02/1490 write 0006=string:"secret"`, "239 fc02/1490 write 0002=uint8:1"}
	var got []string
	for _, a := range actions {
		got = append(got, inWords(a))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(errs) != 0 {
		t.Errorf("actions (-want +got), %v:\n%s", errs, diff)
	}
	if diff := cmp.Diff(map[string]any{"wifi_config": map[string]any{"enabled": true}}, now); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	for _, m := range []map[string]any{{}, {"ssid": ""}, {"password": strings.Repeat("x", 65)}, {"enabled": "yes"}} {
		if _, _, errs := d.Model().Set(map[string]any{"wifi_config": m}, "", nil); len(errs) != 1 || strings.Contains(errs[0].Error(), "xxx") {
			t.Errorf("%v: got %v, want one error that does not tell it", m, errs)
		}
	}
}

func TestInputOfAShelly(t *testing.T) {
	m := For(subject("Shelly", "1PM", ep(1, 6, 0x0702, 0x0b04), ep(2, 7)))
	for frame, want := range map[string]string{"010100": `{"action":"input_1_off"}`, "010101": `{"action":"input_1_on"}`, "010102": `{"action":"input_1_toggle"}`} {
		readings, _ := m.NewDecoder(nil).Decode(Input{Endpoint: 2, Cluster: 0x0006, Frame: parsed(t, frame)})
		if got := asJSON(t, readings); got != want {
			t.Errorf("%s: got %s, want %s", frame, got, want)
		}
	}
	readings, _ := m.NewDecoder(nil).Decode(Input{Endpoint: 2, Cluster: 0x0005, Frame: parsed(t, "010105 0000 04")})
	if got := asJSON(t, readings); got != `{"action":"input_1_hold"}` {
		t.Errorf("a scene: got %s", got)
	}
	if readings, _ := m.NewDecoder(nil).Decode(Input{Endpoint: 1, Cluster: 0x0006, Frame: parsed(t, "010101")}); len(readings) != 0 {
		t.Errorf("from another endpoint: got %v", readings)
	}
}

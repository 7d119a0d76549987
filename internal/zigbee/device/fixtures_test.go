package device

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// step is a frame of a device and what it says, as JSON.
type step struct {
	endpoint uint8
	cluster  uint16
	frame    string
	want     string
}

// fixtures are raw values that devices are known to send, in the order in which
// they tell their scale first, and what they are in the form of Zigbee2MQTT 2:
// the values are those that its own converters make of them.
var fixtures = []struct {
	model, maker string
	endpoints    []Endpoint
	steps        []step
}{
	{model: "EMIZB-141", maker: "frient A/S", steps: []step{
		{2, 0x0702, "18010a 0004 2a dc0500", `{"power":1500}`},
		{2, 0x0702, "18010a 0004 2a 24faff", `{"power":-1500}`},
		{2, 0x0702, "18010a 0000 25 4e61bc000000", `{"energy":12345.68}`},
		{2, 0x0001, "18010a 2100 20 ab 2000 20 1f", `{"battery":85.5}`},
	}},
	{model: "EMIZB-132", maker: "frient A/S", steps: []step{
		{2, 0x0b04, "18010a 0403 2b d2040000 0503 2b c9ffffff", `{"power":1234,"power_reactive":-55}`},
		{2, 0x0b04, "18010a 0505 21 0009 0805 21 3900 0509 21 0709 0809 21 0c00 080a 21 0300", `{"current":5.7,"current_phase_b":1.2,"current_phase_c":0.3,"voltage":230.4,"voltage_phase_b":231.1}`},
		{2, 0x0702, "18010a 0000 25 dea180020000 0100 25 ad7291000000", `{"energy":41984.48,"produced_energy":9532.077}`},
		{2, 0x0702, "18010a 0000 25 000000000000", `{}`},
	}},
	{model: "EMIZB-151", maker: "frient A/S", steps: []step{
		{2, 0x0b04, "18010a 0106 21 0a00 0006 21 0100 0306 21 0100 0206 21 0100 0506 21 0100 0406 21 0100", `{}`},
		{2, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{2, 0x0b04, "18010a 0b05 29 0502 0b09 29 fa04 0b0a 29 1d00 0505 21 e808 0509 21 e908 050a 21 de08 0805 21 0500 0809 21 0500 080a 21 0000", `{"current":5,"current_phase_b":5,"current_phase_c":0,"power":517,"power_phase_b":1274,"power_phase_c":29,"voltage":228,"voltage_phase_b":228.1,"voltage_phase_c":227}`},
		{2, 0x0702, "18010a 0000 25 dea180020000 0100 25 ad7291000000 0001 25 52e991010000 0201 25 8cb8ee000000", `{"energy":41984.48,"energy_tier_1":26339.666,"energy_tier_2":15644.812,"produced_energy":9532.077}`},
	}},
	{model: "ZHEMI101", maker: "Develco", steps: []step{
		{2, 0x0702, "18010a 0003 30 00 0103 22 010000 0203 22 e80300 0303 18 f8 0403 18 f8 0603 18 00", `{"demand_formatting":248,"divisor":1000,"metering_device_type":0,"multiplier":1,"summation_formatting":248,"unit_of_measure":0}`},
		{2, 0x0702, "18010a 0000 25 87d612000000 0004 2a dc0500", `{"energy":1235,"power":1500}`},
		{2, 0x0702, "18010a 0002 18 03", `{"battery_low":true,"check_meter":true}`},
	}},
	{model: "TS011F", maker: "_TZ3000_2putqrmw", steps: []step{
		{1, 0x0b04, "18010a 0505 21 e900 0805 21 0002 0b05 29 7500", `{"current":0.51,"power":117,"voltage":233}`},
		{1, 0x0702, "18010a 0000 25 040200000000", `{"energy":5.16}`},
		{1, 0x0006, "18010a 0000 10 01", `{"state":"ON"}`},
		{1, 0x0006, "18010a 0080 30 01 0180 30 02 0280 30 02", `{"child_lock":"LOCK","indicator_mode":"on/off","power_outage_memory":"restore"}`},
	}},
	{model: "INSPELNING Smart plug", maker: "IKEA of Sweden", steps: []step{
		{1, 0x0b04, "18010a 0106 21 0a00 0006 21 0100 0306 21 e803 0206 21 0100 0506 21 0a00 0406 21 0100", `{}`},
		{1, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{1, 0x0b04, "18010a 0b05 29 d204 0505 21 0009 0805 21 4102", `{"current":0.58,"power":123.4,"voltage":230.4}`},
		{1, 0x0b04, "18010a 0506 21 0100", `{}`},
		{1, 0x0b04, "18010a 0b05 29 fe05", `{"power":1534}`},
		{1, 0x0702, "18010a 0000 25 880900000000", `{"energy":2.44}`},
		{1, 0x0006, "18010a 0000 10 00 0340 30 ff", `{"power_on_behavior":"previous","state":"OFF"}`},
	}},
	{model: "3RSP02028BZ", maker: "Third Reality, Inc", steps: []step{
		{1, 0x0b04, "18010a 0505 21 d404 0805 21 cc04 0b05 29 dc05 0003 21 3c00 1005 28 62", `{"ac_frequency":60,"current":1.23,"power":150,"power_factor":0.98,"voltage":123.6}`},
		{1, 0x0702, "18010a 0000 25 60ffb8000000", `{"energy":3.37}`},
		{1, 0x0006, "18010a 0340 30 ff", `{"power_on_behavior":"previous"}`},
	}},
	{model: "EM Mini", maker: "Shelly", steps: []step{
		{1, 0x0b04, "18010a 0106 21 6400 0006 21 0100 0306 21 e803 0206 21 0100 0506 21 0100 0406 21 0100 0104 21 6400 0004 21 0100", `{}`},
		{1, 0x0702, "18010a 0203 22 40420f 0103 22 010000", `{}`},
		{1, 0x0b04, "18010a 0b05 29 bffe 0505 21 055a 0805 21 7a05 0003 21 8a13", `{"ac_frequency":50.02,"current":1.4,"power":-321,"voltage":230.45}`},
		{1, 0x0702, "18010a 0000 25 b80416000000 0100 25 b168de3a0000", `{"energy":1.44,"produced_energy":987.654321}`},
	}},
	{model: "EM", maker: "Shelly", steps: []step{
		{2, 0x0b04, "18010a 0106 21 6400 0006 21 0100 0306 21 e803 0206 21 0100 0506 21 0100 0406 21 0100 0104 21 6400 0004 21 0100", `{}`},
		{2, 0x0702, "18010a 0203 22 40420f 0103 22 010000", `{}`},
		{2, 0x0b04, "18010a 0b05 29 4101 0505 21 055a", `{"power_2":321,"voltage_2":230.45}`},
		{2, 0x0702, "18010a 0100 25 b80416000000", `{"produced_energy_2":1.4429999999999998}`},
		{1, 0x0006, "18010a 0000 10 01", `{"state_1":"ON"}`},
	}},
	{model: "SPLZB-131", maker: "frient A/S", steps: []step{
		{2, 0x0b04, "18010a 0106 21 6400 0006 21 0100 0306 21 e803 0206 21 0100 0506 21 0100 0406 21 0100 0104 21 e803 0004 21 0100", `{}`},
		{2, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{2, 0x0b04, "18010a 0b05 29 0200 0505 21 2f5a 0805 21 2500 0003 21 42c3", `{"ac_frequency":49.99,"current":0.04,"power":2,"voltage":230.87}`},
		{2, 0x0702, "18010a 0000 25 290000000000", `{"energy":0.04}`},
		{2, 0x0002, "18010a 0000 29 2000", `{"device_temperature":32}`},
		{2, 0x0006, "18010a 0000 10 01", `{"state":"ON"}`},
	}},
	{model: "SMSZB-120", maker: "frient A/S", steps: []step{
		{38, 0x0402, "18010a 0000 29 6c08", `{"temperature":21.56}`},
		{35, 0x0001, "18010a 2000 20 1d", `{"battery":80,"voltage":2900}`},
		{35, 0x0502, "18010a 0000 21 f000", `{"max_duration":240}`},
		{35, 0x000f, "18010a 6700 30 07 6f00 18 01", `{"fault":true,"reliability":"unreliable_other"}`},
	}},
	{model: "ZLinky_TIC", maker: "LiXee", steps: []step{
		{1, 0x0702, "18010a 0000 25 000000000000 0001 25 4e61bc000000 0201 25 ceca23000000", `{"current_summ_delivered":14691.36,"current_tier1_summ_delivered":12345.68,"current_tier2_summ_delivered":2345.68}`},
		{1, 0x0b04, "18010a 0805 21 0700 0a05 21 5a00 0f05 21 4a06", `{"apparent_power":1610,"rms_current":7,"rms_current_max":90}`},
		{1, 0x0702, "18010a 2000 42 0448504a42 0803 42 0c303231353238363033333134", `{"active_register_tier_delivered":"HPJB","meter_serial_number":"021528603314"}`},
		{1, 0xff66, "18010a 0000 42 0442425228 0100 42 04424c4555 0500 21 0000", `{"current_tarif":"BBR(","tomorrow_color":"BLEU","warn_d_p_s":0}`},
	}},
	{model: "SEM-4-1-00", maker: "NodOn", steps: []step{
		{1, 0x0b04, "18010a 0106 21 6400 0006 21 0100 0306 21 6400 0206 21 0100 0506 21 0100 0406 21 0100 0104 21 6400 0004 21 0100", `{}`},
		{1, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{1, 0x0b04, "18010a 0b05 29 d204 0505 21 0b5a 0805 21 1902 0003 21 8913 1005 28 61 0f05 21 f804", `{"ac_frequency":50.01,"current":5.37,"power":1234,"power_apparent":1272,"power_factor":0.97,"voltage":230.51}`},
		{1, 0x0702, "18010a 0000 25 393000000000 0100 25 4d0000000000", `{"energy":12.35,"produced_energy":0.077}`},
	}},
	{model: "SEM-4-3-20", maker: "NodOn", steps: []step{
		{1, 0x0b04, "18010a 0106 21 6400 0006 21 0100 0306 21 6400 0206 21 0100 0506 21 0100 0406 21 0100 0104 21 6400 0004 21 0100", `{}`},
		{1, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{1, 0x0b04, "18010a 0b09 29 d204 0403 2b 050d0000 0503 2b fcffffff 0603 23 480d0000 0e0a 29 fdff 1009 28 5f", `{"power_factor_phase_b":0.95,"power_phase_b":1234,"power_reactive_phase_c":-3,"total_active_power":3333,"total_apparent_power":3400,"total_reactive_power":-4}`},
		{1, 0x0702, "18010a 0001 25 393000000000 0501 25 4d0000000000", `{"energy_tier_1":12.345,"produced_energy_tier_3":0.077}`},
	}},
	{model: "PC321", maker: "OWON Technology Inc.", steps: []step{
		{1, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{1, 0x0702, "18010a 0004 2a d20400 0000 25 d5dd00000000", `{"energy":56.79,"power":1234}`},
	}},
	{model: "SP 240", maker: "innr", steps: []step{
		{1, 0x0b04, "18010a 0106 21 0100 0006 21 0100 0306 21 e803 0206 21 0100 0506 21 0100 0406 21 0100", `{}`},
		{1, 0x0702, "18010a 0203 22 640000 0103 22 010000", `{}`},
		{1, 0x0b04, "18010a 0505 21 e700 0805 21 0e00 0b05 29 0200", `{"current":0.01,"power":2,"voltage":231}`},
		{1, 0x0702, "18010a 0000 25 8f0000000000", `{"energy":1.43}`},
	}},
	{model: " DIN power consumption module\x00\x00", maker: " Legrand", steps: []step{
		{1, 0x0b04, "18010a 0506 21 0100 0406 21 0100", `{}`},
		{1, 0x0b04, "18010a 0b05 29 c409 0f05 21 280a", `{"power":2500,"power_apparent":2600}`},
	}},
	{model: "S60ZBTPF", maker: "SONOFF", steps: []step{
		{1, 0x0702, "18010a 0203 22 640000 0103 22 010000", `{}`},
		{1, 0x0006, "18010a 0000 10 01", `{"state":"ON"}`},
		{1, 0x0702, "18010a 0000 25 d20400000000", `{"energy":12.34}`},
	}},
	{model: "SIN-4-FP-21", maker: "NodOn", steps: []step{
		{1, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{1, 0x0702, "18010a 0004 2a d20400 0000 25 d5dd00000000", `{"energy":56.79,"power":1234}`},
	}},
	{model: "Meter Reader", maker: "Eva", steps: []step{
		{1, 0x0702, "18010a 0203 22 e80300 0103 22 010000", `{}`},
		{1, 0x0b04, "18010a 0106 21 0a00 0006 21 0100 0306 21 6400 0206 21 0100", `{}`},
		{1, 0x0702, "18010a 0004 2a d20400 0000 25 d5dd00000000 0100 25 080000000000", `{"energy":56.79,"power":1234,"produced_energy":0.008}`},
		{1, 0x0b04, "18010a 0505 21 fd08 0809 21 9d00", `{"current_phase_b":1.57,"voltage":230.1}`},
	}},
	{model: "VINDSTYRKA", maker: "IKEA of Sweden", steps: []step{
		{1, 0x0402, "18010a 0000 29 9209", `{"temperature":24.5}`},
		{1, 0x0405, "18010a 0000 21 2413", `{"humidity":49}`},
	}},
	{model: "SNZB-02D", maker: "SONOFF", steps: []step{
		{1, 0x0402, "18010a 0000 29 070a", `{"temperature":25.67}`},
		{1, 0x0405, "18010a 0000 21 3d11", `{"humidity":44.13}`},
		{1, 0x0001, "18010a 2100 20 c7", `{"battery":99.5}`},
	}},
	{model: "X-plug", maker: "Nobody", endpoints: []Endpoint{{ID: 1, Profile: 0x0104, In: []uint16{0x0, 0x3, 0x4, 0x5, 0x6, 0x702, 0xb04}}}, steps: []step{
		{1, 0x0b04, "18010a 0106 21 6400 0006 21 0100 0306 21 e803 0206 21 0100 0506 21 0a00 0406 21 0100", `{}`},
		{1, 0x0702, "18010a 0203 22 80ee36 0103 22 010000", `{}`},
		{1, 0x0b04, "18010a 0505 21 3c5a 0805 21 0e00 0b05 29 2100", `{"current":0.01,"power":3.3,"voltage":231}`},
		{1, 0x0702, "18010a 0000 25 982e02000000", `{"energy":0.04}`},
	}},
	{model: "X-th", maker: "Nobody", endpoints: []Endpoint{{ID: 1, Profile: 0x0104, In: []uint16{0x0, 0x1, 0x3, 0x402, 0x405, 0x403}}}, steps: []step{
		{1, 0x0402, "18010a 0000 29 e0f8", `{"temperature":-18.24}`},
		{1, 0x0405, "18010a 0000 21 7b13", `{"humidity":49.87}`},
		{1, 0x0403, "18010a 0000 29 f503", `{"pressure":101.3}`},
		{1, 0x0001, "18010a 2100 20 c7", `{"battery":99.5}`},
	}},
}

// says is what a decoder makes of a step, as JSON with sorted keys.
func says(t testing.TB, d *Decoder, s step, now time.Time) (string, []Note) {
	t.Helper()
	in := input(t, s.endpoint, s.cluster, s.frame)
	in.Time = now
	readings, notes := d.Decode(in)
	return asJSON(t, readings), notes
}

func asJSON(t testing.TB, readings []Reading) string {
	t.Helper()
	values := make(map[string]any)
	for _, r := range readings {
		values[r.Key] = r.Value
	}
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestFixtures(t *testing.T) {
	for _, tt := range fixtures {
		t.Run(tt.model, func(t *testing.T) {
			s := subject(tt.maker, tt.model, tt.endpoints...)
			s.Form = Z2M2
			d := For(s).NewDecoder(nil)
			for i, step := range tt.steps {
				got, notes := says(t, d, step, noon.Add(time.Duration(i)*time.Hour))
				if diff := cmp.Diff(step.want, got); diff != "" {
					t.Errorf("step %d (-want +got), notes %v:\n%s", i, notes, diff)
				}
			}
		})
	}
}

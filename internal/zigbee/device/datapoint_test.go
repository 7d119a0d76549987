package device

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// datapointTable is the wire format of datapoints: one that parses is written
// back as the same bytes.
var datapointTable = []struct {
	name, payload string
	seq           uint16
	want          []datapoint
	short         bool
}{
	{"Value", "0100 65 02 0004 000003e8", 1, []datapoint{{101, dpValue, []byte{0, 0, 3, 0xe8}}}, false},
	{"Two", "0002 01 01 0001 01 66 04 0001 02", 0x0200, []datapoint{{1, dpBool, []byte{1}}, {102, dpEnum, []byte{2}}}, false},
	{"Raw", "0100 06 00 0008 08f3 0005dc 000159", 1, []datapoint{{6, dpRaw, []byte{0x08, 0xf3, 0x00, 0x05, 0xdc, 0x00, 0x01, 0x59}}}, false},
	{"None", "0100", 1, nil, false},
	{"Empty", "", 0, nil, true},
	{"HalfASequenceNumber", "01", 0, nil, true},
	{"HeaderCut", "0100 65 02 00", 1, nil, true},
	{"DataCut", "0100 01 01 0001 01 65 02 0004 0000", 1, []datapoint{{1, dpBool, []byte{1}}}, true},
	{"LengthOfAll", "0100 65 02 ffff 00", 1, nil, true},
}

func TestDatapoints(t *testing.T) {
	for _, tt := range datapointTable {
		t.Run(tt.name, func(t *testing.T) {
			b := bytesOf(t, tt.payload)
			seq, list, err := parseDatapoints(b)
			if seq != tt.seq || errors.Is(err, errDatapoint) != tt.short {
				t.Errorf("got sequence number %d, error %v", seq, err)
			}
			if diff := cmp.Diff(tt.want, list, cmp.AllowUnexported(datapoint{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !tt.short && !bytes.Equal(appendDatapoints(nil, seq, list...), b) {
				t.Errorf("written back: got %x, want %x", appendDatapoints(nil, seq, list...), b)
			}
		})
	}
}

func TestDatapointNumbers(t *testing.T) {
	for name, tt := range map[string]struct {
		d    datapoint
		want int64
		ok   bool
	}{
		"Value":         {numberPoint(1, 1000), 1000, true},
		"Negative":      {numberPoint(1, -5), -5, true},
		"Bool":          {boolPoint(1, true), 1, true},
		"ShortValue":    {datapoint{1, dpValue, []byte{7}}, 7, true},
		"Bitmap":        {datapoint{1, dpBitmap, []byte{1, 2}}, 0x102, true},
		"ValueOfTwo":    {datapoint{1, dpValue, []byte{1, 2}}, 0, false},
		"Text":          {datapoint{1, dpString, []byte("1")}, 0, false},
		"BitmapTooLong": {datapoint{1, dpBitmap, make([]byte, 5)}, 0, false},
		"BoolOfNothing": {datapoint{1, dpBool, nil}, 0, false},
	} {
		if got, ok := tt.d.number(); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %d, %v, want %d, %v", name, got, ok, tt.want, tt.ok)
		}
	}
}

// points is a report of datapoints.
func points(seq uint16, list ...datapoint) Input {
	return Input{Time: noon, Endpoint: 1, Cluster: zcl.ClusterTuya, Frame: zcl.Frame{ClusterSpecific: true, FromServer: true,
		Command: tuyaReport, Payload: appendDatapoints(nil, seq, list...)}}
}

func TestTuyaMeters(t *testing.T) {
	blob := func(id uint8, s string) datapoint { return datapoint{id, dpRaw, bytesOf(t, s)} }
	for name, tt := range map[string]struct {
		maker string
		list  []datapoint
		want  string
	}{
		"Clamp":          {"_TZE204_cjbofhxw", []datapoint{numberPoint(18, 1234), numberPoint(19, 2838), numberPoint(20, 2301), numberPoint(101, 56789)}, `{"current":1.234,"energy":56.789,"power":283.8,"voltage":230.1}`},
		"TwoClamps":      {"_TZE200_rks0sgb7", []datapoint{numberPoint(108, 283), numberPoint(111, -50), numberPoint(1, 12345), numberPoint(113, 50)}, `{"ac_frequency":50,"energy":123.45,"power_a":283,"power_b":-50}`},
		"Phases":         {"_TZE200_ves1ycwx", []datapoint{blob(6, "08f3 0005dc 000159"), blob(7, "08f4 000000 000000")}, `{"current_X":1.5,"current_Y":0,"power_X":345,"power_Y":0,"voltage_X":229.1,"voltage_Y":229.2}`},
		"NegativePhase":  {"_TZE200_bcusnqt8", []datapoint{blob(6, "08f3 0005dc 199841")}, `{"current":1.5,"power":-345,"voltage":229.1}`},
		"NegativeSum":    {"_TZE200_nslr42tt", []datapoint{numberPoint(9, 0x1999999c-345), numberPoint(131, 1500), numberPoint(133, 215)}, `{"current":1.5,"power":-345,"temperature":21.5}`},
		"Direction":      {"_TZE204_ac0fhfiq", []datapoint{{102, dpEnum, []byte{1}}, numberPoint(2, 100)}, `{"energy_flow":"producing","produced_energy":1}`},
		"OnARail":        {"_TZE200_byzdayie", []datapoint{boolPoint(1, true), numberPoint(17, 100), numberPoint(20, 2305)}, `{"energy":1,"state":"ON","voltage":230.5}`},
		"Breaker":        {"_TZE200_bkkmqmyo", []datapoint{blob(6, "000000000000000000000005dc08f3"), numberPoint(111, 987)}, `{"current":1.5,"power_factor":98.7,"voltage":229.1}`},
		"ShortPhase":     {"_TZE200_bcusnqt8", []datapoint{blob(6, "08f3")}, `{}`},
		"WrongType":      {"_TZE204_cjbofhxw", []datapoint{{18, dpString, []byte("12")}}, `{}`},
		"UnknownPoint":   {"_TZE204_cjbofhxw", []datapoint{numberPoint(77, 5)}, `{}`},
		"UnknownMeaning": {"_TZE204_ac0fhfiq", []datapoint{{102, dpEnum, []byte{9}}}, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			readings, _ := For(subject(tt.maker, "TS0601")).NewDecoder(nil).Decode(points(1, tt.list...))
			if diff := cmp.Diff(tt.want, asJSON(t, readings)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// burst is what a PJ-1203A sends of its first clamp, a frame a datapoint.
func burst(flow int, watts, milliamperes int32) []datapoint {
	var list []datapoint
	if flow >= 0 {
		list = append(list, datapoint{102, dpEnum, []byte{byte(flow)}})
	}
	return append(list, numberPoint(112, 2301), numberPoint(113, milliamperes), numberPoint(101, watts), numberPoint(110, 98), numberPoint(111, 5002), numberPoint(115, 1))
}

func TestPJ1203A(t *testing.T) {
	const at = `"timestamp_a":"2026-01-02T12:00:00.000Z"`
	for name, tt := range map[string]struct {
		options map[string]any
		list    []datapoint
		lost    int // which frame of it never comes; 0 is none
		want    string
		notes   []NoteKind
	}{
		"Consuming": {nil, burst(0, 2838, 1234), 0, `{"ac_frequency":50.02,"current_a":1.234,"energy_flow_a":"consuming","power_a":283.8,"power_factor_a":98,` + at + `,"voltage":230.1}`, nil},
		"Producing": {nil, burst(1, 2838, 1234), 0, `{"ac_frequency":50.02,"current_a":1.234,"energy_flow_a":"producing","power_a":283.8,"power_factor_a":98,` + at + `,"voltage":230.1}`, nil},
		"Signed": {map[string]any{"signed_power_a": true}, burst(1, 2838, 1234), 0,
			`{"ac_frequency":50.02,"current_a":1.234,"energy_flow_a":"sign","power_a":-283.8,"power_factor_a":98,` + at + `,"voltage":230.1}`, nil},
		"Inverted": {map[string]any{"invert_energy_flow_a": true}, burst(1, 2838, 1234), 0,
			`{"ac_frequency":50.02,"current_a":1.234,"energy_flow_a":"consuming","power_a":283.8,"power_factor_a":98,` + at + `,"voltage":230.1}`, nil},
		"WithoutCurrent":  {nil, burst(-1, 0, 0), 0, `{"ac_frequency":50.02,"current_a":0,"energy_flow_a":"consuming","power_a":0,"power_factor_a":100,` + at + `,"voltage":230.1}`, nil},
		"PowerIsLost":     {nil, burst(0, 2838, 1234), 4, `{"ac_frequency":50.02,"voltage":230.1}`, []NoteKind{Incomplete}},
		"DirectionIsLost": {nil, burst(0, 2838, 1234), 1, `{"ac_frequency":50.02,"voltage":230.1}`, nil},
		"OneZero":         {map[string]any{"single_zero_remove": true}, burst(0, 0, 1234), 0, `{"ac_frequency":50.02,"voltage":230.1}`, []NoteKind{Held}},
		"Late": {map[string]any{"late_energy_flow_a": true}, append(burst(0, 2838, 1234), datapoint{102, dpEnum, []byte{1}}), 0,
			`{"ac_frequency":50.02,"current_a":1.234,"energy_flow_a":"producing","power_a":283.8,"power_factor_a":98,` + at + `,"voltage":230.1}`, nil},
		"Energies": {nil, []datapoint{numberPoint(106, 12345), numberPoint(107, 678)}, 0, `{"energy_a":123.45,"energy_produced_a":6.78}`, nil},
		"EnergiesInverted": {map[string]any{"invert_energy_flow_a": true}, []datapoint{numberPoint(106, 12345), numberPoint(107, 678)}, 0,
			`{"energy_a":6.78,"energy_produced_a":123.45}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := For(subject("_TZE204_81yrt3lo", "TS0601")).NewDecoder(nil)
			d.Options(tt.options)
			d.Decode(points(0xfe00, numberPoint(111, 5000))) // so that it has been heard
			got := make(map[string]Reading)
			var kinds []NoteKind
			seq := uint16(0xfe00)
			for i, p := range tt.list {
				seq += pj1203aStep // it goes round
				if i+1 == tt.lost {
					continue
				}
				readings, notes := d.Decode(points(seq, p))
				for _, r := range readings {
					got[r.Key] = r
				}
				for _, n := range notes {
					kinds = append(kinds, n.Kind)
				}
			}
			var list []Reading
			for _, r := range got {
				list = append(list, r)
			}
			if diff := cmp.Diff(tt.want, asJSON(t, list)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.notes, kinds); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPJ1203AAddsItsClamps(t *testing.T) {
	d := For(subject("_TZE204_81yrt3lo", "TS0601")).NewDecoder(nil)
	seq, last := uint16(0), ""
	for _, p := range append(burst(0, 798, 500), datapoint{104, dpEnum, []byte{1}}, numberPoint(114, 300), numberPoint(105, 371), numberPoint(121, 90)) {
		seq += pj1203aStep
		in := points(seq, p)
		in.Time = noon.Add(time.Second)
		readings, _ := d.Decode(in)
		last = asJSON(t, readings)
	}
	if !strings.Contains(last, `"power_ab":42.7`) {
		t.Errorf("got %s, want 79.8 W less 37.1 W", last)
	}
	// A request for the time counts in the same sequence.
	d.Decode(Input{Time: noon, Endpoint: 1, Cluster: zcl.ClusterTuya, Frame: zcl.Frame{ClusterSpecific: true, FromServer: true, Command: tuyaTime, Payload: []byte{0, 8}}})
	d.Decode(points(seq+2*pj1203aStep, datapoint{102, dpEnum, []byte{0}}))
	if s := d.special.(*pjState); s.channels[0].sign == nil {
		t.Error("the direction was dropped after a request for the time")
	}
}

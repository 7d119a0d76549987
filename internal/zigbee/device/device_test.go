package device

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

var meter = Identity{ManufacturerName: "frient A/S", ModelID: "EMIZB-141", ManufacturerCode: zcl.ManufacturerDevelco}

func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// input is what a frame as it came over the air says about attributes.
func input(t testing.TB, endpoint uint8, cluster uint16, frame string) Input {
	t.Helper()
	f, err := zcl.Parse(bytesOf(t, frame))
	if err != nil {
		t.Fatal(err)
	}
	parse := zcl.ParseReport
	if f.Command == zcl.CommandReadResponse {
		parse = zcl.ParseReadResponse
	}
	list, err := parse(f.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Endpoint: endpoint, Cluster: cluster, Frame: f, Attributes: list}
}

// subject is a device with the cluster of a definition's parts.
func subject(maker, model string, endpoints ...Endpoint) Subject {
	return Subject{Identity: Identity{ManufacturerName: maker, ModelID: model}, Endpoints: endpoints}
}

func TestWhoIsKnown(t *testing.T) {
	for name, tt := range map[string]struct {
		id   Identity
		want bool
	}{
		"Meter":               {meter, true},
		"UnderTheOldName":     {Identity{ManufacturerName: "Develco Products A/S", ModelID: "EMIZB-141"}, true},
		"ManufacturerNotRead": {Identity{ModelID: "EMIZB-141"}, true},
		"OtherManufacturer":   {Identity{ManufacturerName: "somebody", ModelID: "EMIZB-141"}, false},
		"OtherModel":          {Identity{ManufacturerName: "frient A/S", ModelID: "EMIZB-142"}, false},
		"PaddedNames":         {Identity{ManufacturerName: " Legrand", ModelID: " Contactor\x00\x00\x00"}, true},
		"NothingRead":         {Identity{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := For(Subject{Identity: tt.id})
			if got := m.Info().Supported; got != tt.want {
				t.Errorf("got %v (%+v), want %v", got, m.Info(), tt.want)
			}
		})
	}
}

// decodeTable has recorded frames of an EMIZB-141 and what they say, and frames
// made after them that must say nothing.
var decodeTable = []struct {
	name     string
	endpoint uint8
	cluster  uint16
	frame    string
	want     []Reading
}{
	{"Demand", 2, 0x0702, "18820a 0004 2a dc0500", []Reading{{"power", 1500.0}}},
	{"DemandNegative", 2, 0x0702, "18820a 0004 2a 24faff", []Reading{{"power", -1500.0}}},
	{"DemandZero", 2, 0x0702, "18820a 0004 2a 000000", []Reading{{"power", 0.0}}},
	{"Summation", 2, 0x0702, "18830a 0000 25 4e61bc000000", []Reading{{"energy", 12345.678}}},
	{"SummationAt2To47", 2, 0x0702, "18830a 0000 25 ffffffffff7f", []Reading{{"energy", 140737488355.327}}},
	{"ReadOfBoth", 2, 0x0702, "180c01 0004 00 2a dc0500 0000 00 25 4e61bc000000", []Reading{{"power", 1500.0}, {"energy", 12345.678}}},
	{"Battery", 2, 0x0001, "18840a 2100 20 aa 2000 20 2e", []Reading{{"battery", 85.0}, {"voltage", 4.6}}},
	{"BatteryHalfPercent", 2, 0x0001, "18840a 2100 20 b3", []Reading{{"battery", 89.5}}},

	{"DemandUnknown", 2, 0x0702, "18820a 0004 2a 000080", nil},
	{"SummationUnknown", 2, 0x0702, "18830a 0000 25 ffffffffffff", nil},
	{"BatteryUnknown", 2, 0x0001, "18840a 2100 20 ff 2000 20 ff", nil},
	{"BatteryOver100Percent", 2, 0x0001, "18840a 2100 20 c9", nil},
	{"ReadUnsupported", 2, 0x0702, "180c01 0004 86", nil},
	{"NotANumber", 2, 0x0702, "18830a 0000 42 0131", nil},
	{"FloatInfinite", 2, 0x0702, "18820a 0004 39 0000807f", nil},
	{"AttributeOfNoUse", 2, 0x0702, "18820a 0103 22 010000", nil},
	{"OtherCluster", 2, 0x0b04, "18820a 0004 2a dc0500", nil},
	{"OtherEndpoint", 1, 0x0702, "18820a 0004 2a dc0500", nil},
	// The manufacturer's attributes have the numbers of standard ones.
	{"ManufacturerDemand", 2, 0x0702, "1c1510820a 0004 2a dc0500", nil},
	{"ManufacturerSummation", 2, 0x0702, "1c1510830a 0000 25 4e61bc000000", nil},
	{"PulseConfiguration", 2, 0x0702, "1c15101001 0003 00 21 e803", []Reading{{"pulse_configuration", 1000.0}}},
}

func TestDecode(t *testing.T) {
	m := For(Subject{Identity: meter})
	for _, tt := range decodeTable {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := m.NewDecoder(nil).Decode(input(t, tt.endpoint, tt.cluster, tt.frame))
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("readings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadingsKeepTheCountersResolutionInJSON(t *testing.T) {
	m := For(Subject{Identity: meter})
	for _, raw := range []uint64{0, 1, 10, 999, 1234567, 12345678, 281474976710654} {
		got, _ := m.NewDecoder(nil).Decode(Input{Endpoint: 2, Cluster: zcl.ClusterMetering, Attributes: []zcl.Attribute{
			{ID: zcl.AttrSummationDelivered, Value: zcl.Number(zcl.Uint48, raw)},
		}})
		if len(got) != 1 {
			t.Fatalf("%d: got %v, want one reading", raw, got)
		}
		b, err := json.Marshal(got[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		whole, thousandths, _ := strings.Cut(string(b), ".")
		back := whole + (thousandths + "000")[:3]
		want := zcl.Number(zcl.Uint48, raw).String()
		if got := strings.TrimLeft(back, "0"); got != strings.TrimLeft(want, "0") || len(thousandths) > 3 {
			t.Errorf("%d Wh is written as %s kWh", raw, b)
		}
	}
}

// all gives every definition with a device that it matches.
func all(t testing.TB, f Form) map[string]*Model {
	t.Helper()
	list := make(map[string]*Model)
	for _, family := range families {
		for _, d := range family {
			for _, m := range d.Match {
				for _, model := range m.Models {
					s := Subject{Identity: Identity{ModelID: model, ManufacturerName: "somebody"}, Form: f, SWBuildID: m.SWBuild, DateCode: m.DateCode}
					if len(m.Makers) > 0 {
						s.ManufacturerName = m.Makers[0]
					}
					if len(m.AppVersions) > 0 {
						s.AppVersion = m.AppVersions[0]
					}
					got := For(s)
					if want, _, _ := d.label(s.ManufacturerName); got.Info().Model != want {
						t.Errorf("%q of %q is taken for %s, want %s", model, s.ManufacturerName, got.Info().Model, want)
					}
					list[fmt.Sprintf("%s of %s %d", trimmed(model), trimmed(s.ManufacturerName), s.AppVersion)] = got
				}
			}
		}
	}
	return list
}

func TestDefinitionsAreSound(t *testing.T) {
	for _, f := range []Form{Reference, Z2M2} {
		for name, m := range all(t, f) {
			info := m.Info()
			if !info.Supported || info.Source != "native" || info.Model == "" || info.Vendor == "" || info.Description == "" {
				t.Errorf("%s: %+v is not complete", name, info)
			}
			exposes := m.Exposes()
			if len(exposes) < 2 || exposes[len(exposes)-1].Name != "linkquality" {
				t.Errorf("%s exposes %d, or the link quality is not last", name, len(exposes))
			}
			keys := make(map[string]bool)
			var check func(e Expose, inside bool)
			check = func(e Expose, inside bool) {
				if e.Type == "" || e.Property == "" && len(e.Features) == 0 || len(e.Features) == 0 && (e.Name == "" || e.Label == "" || e.Description == "" || e.Access == 0) {
					t.Errorf("%s: %+v is not complete", name, e)
				}
				if e.Property != "" && !inside && keys[e.Property] {
					t.Errorf("%s: %s is there twice", name, e.Property)
				}
				keys[e.Property] = true
				if e.Type == Enum && len(e.Values) == 0 || e.Type == Binary && (e.ValueOn == nil || e.ValueOff == nil) {
					t.Errorf("%s: %s has no values", name, e.Property)
				}
				if e.Access&AccessSet != 0 && e.Property != "" && !inside {
					if _, ok := m.settings[e.Property]; !ok {
						t.Errorf("%s: %s says it can be set, and cannot", name, e.Property)
					}
				}
				if e.Access&AccessGet != 0 && e.Property != "" && !inside {
					if _, errs := m.Get([]string{e.Property}, ""); len(errs) > 0 {
						t.Errorf("%s: %s says it can be asked for, and cannot: %v", name, e.Property, errs)
					}
				}
				for _, f := range e.Features {
					check(f, e.Type == Composite)
				}
			}
			for _, e := range exposes {
				check(e, false)
			}
			options := make(map[string]bool)
			for _, o := range m.Options() {
				if options[o.Name] || o.Access != AccessSet || o.Description == "" {
					t.Errorf("%s: option %+v is there twice, or not complete", name, o)
				}
				options[o.Name] = true
			}
			checkSetup(t, name, m)
		}
	}
}

func checkSetup(t *testing.T, name string, m *Model) {
	t.Helper()
	for _, step := range m.Setup() {
		if step.Endpoint == 0 {
			t.Errorf("%s: a step on cluster 0x%04x has no endpoint", name, step.Cluster)
		}
		if len(step.Reporting) > 4 || len(step.Reporting) > 0 && !step.Bind {
			t.Errorf("%s: cluster 0x%04x: %d reports in one request, bound %v", name, step.Cluster, len(step.Reporting), step.Bind)
		}
		for _, r := range step.Reporting {
			if r.Min >= r.Max || !r.Type.Known() || r.Type.Analog() && r.Change == 0 {
				t.Errorf("%s: cluster 0x%04x: %+v makes no sense", name, step.Cluster, r)
			}
			if r.Max > 300 && step.Cluster != zcl.ClusterPowerConfig && step.Cluster != zcl.ClusterBinaryInput {
				t.Errorf("%s: cluster 0x%04x attribute 0x%04x is reported every %d s, want 300 at most", name, step.Cluster, r.Attribute, r.Max)
			}
		}
		for _, g := range step.Read {
			if len(g.Attributes) > 4 && step.Cluster != zcl.ClusterBasic {
				t.Errorf("%s: cluster 0x%04x: %d attributes in one read", name, step.Cluster, len(g.Attributes))
			}
		}
	}
	for _, p := range m.Poll(nil) {
		if p.Every < time.Minute || len(p.Do) == 0 {
			t.Errorf("%s: %+v makes no sense", name, p)
		}
	}
}

func TestExposes(t *testing.T) {
	type row struct {
		Name, Unit, Category string
		Access               int
	}
	var got []row
	for _, e := range For(Subject{Identity: meter}).Exposes() {
		got = append(got, row{e.Name, e.Unit, e.Category, e.Access})
	}
	want := []row{
		{"power", "W", "", 5},
		{"energy", "kWh", "", 5},
		{"battery", "%", "diagnostic", 5},
		{"voltage", "V", "diagnostic", 5},
		{"pulse_configuration", "", "", 7},
		{"current_summation", "", "", 2},
		{"linkquality", "lqi", "diagnostic", 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exposes (-want +got):\n%s", diff)
	}
	b, err := json.Marshal(For(subject("somebody", "something")).Exposes())
	if err != nil {
		t.Fatal(err)
	}
	const wantJSON = `[{"access":1,"category":"diagnostic","description":"Strength of the radio link, 0 to 255","label":"Linkquality","name":"linkquality","property":"linkquality","type":"numeric","unit":"lqi","value_max":255,"value_min":0}]`
	if diff := cmp.Diff(wantJSON, string(b)); diff != "" {
		t.Errorf("of an unsupported device (-want +got):\n%s", diff)
	}
}

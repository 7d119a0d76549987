package device

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// TestGasBesideElectricity: an EMIZB-151 whose endpoint 64 says to be a gas meter
// has its counter, in our form only.
func TestGasBesideElectricity(t *testing.T) {
	said := []Told{{Endpoint: 64, Cluster: zcl.ClusterMetering, Attribute: attrMeterType, Value: 1}}
	for _, tt := range []struct {
		name string
		form Form
		told []Told
		want string
	}{
		{"Gas", Reference, said, `{"gas":2950.491}`},
		{"NothingThere", Reference, []Told{{Endpoint: 64, Cluster: zcl.ClusterMetering, Attribute: attrMeterType, Value: 0xff}}, `{}`},
		{"Zigbee2MQTT", Z2M2, said, `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := subject("frient A/S", "EMIZB-151")
			s.Form, s.Told = tt.form, tt.told
			m := For(s)
			got, notes := says(t, m.NewDecoder(nil), step{64, zcl.ClusterMetering, "18010a 0000 25 5b052d000000", ""}, noon)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got), notes %v:\n%s", notes, diff)
			}
			polled := len(m.Poll(nil)) > 0
			if listed := strings.Contains(properties(m), "gas"); listed != (tt.want != "{}") || polled != listed {
				t.Errorf("listed %v, polled %v", listed, polled)
			}
			for _, setup := range m.Setup() {
				if setup.Endpoint >= 64 && (setup.Bind || len(setup.Reporting) > 0) {
					t.Errorf("it is configured: %+v", setup)
				}
			}
		})
	}
}

// TestTheClockOfTuyaDevices: whether it counts from 2000 is in the definition.
func TestTheClockOfTuyaDevices(t *testing.T) {
	for _, since2000 := range []bool{false, true} {
		d := &Definition{Model: "X", Vendor: "Y", Match: models("clockwork"), CountsFrom2000: since2000}
		byModel["clockwork"] = []candidate{{d, d.Match[0]}}
		if got := For(subject(fmt.Sprint(since2000), "clockwork")).Info().CountsFrom2000; got != since2000 {
			t.Errorf("got %v, want %v", got, since2000)
		}
	}
	delete(byModel, "clockwork")
}

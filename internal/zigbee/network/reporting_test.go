package network

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// TestALongerIntervalThanTheDeviceTakes: it reports more often then.
func TestALongerIntervalThanTheDeviceTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{plug})
		e := all[0]
		set := func(longest, wanted uint16) error {
			t.Helper()
			if err := w.sim.LimitReports(radio.EUI64(e), longest); err != nil {
				t.Fatal(err)
			}
			return w.net.ConfigureReporting(t.Context(), e, 1, zcl.ClusterElectricalMeas, 0,
				[]zcl.ReportConfig{{Attribute: 0x050B, Type: zcl.Int16, Min: 10, Max: wanted, Change: 5}, {Attribute: 0x0505, Type: zcl.Uint16, Min: 10, Max: 200, Change: 5}})
		}
		for _, tt := range []struct{ longest, wanted, takes uint16 }{
			{0, 65000, 65000}, {3600, 65000, 3600}, {3599, 65000, 600}, {300, 3600, 290}, {250, 65000, 0},
		} {
			before := maximum(w.device(e), 0x050B)
			err := set(tt.longest, tt.wanted)
			want := tt.takes
			var refused *RefusedError
			if want == 0 { // then it reports as it did
				if want = before; !errors.As(err, &refused) || refused.Status != zcl.StatusInvalidValue || len(refused.Attributes) != 1 {
					t.Errorf("at most %d s, wanted %d: got %v", tt.longest, tt.wanted, err)
				}
			} else if err != nil {
				t.Errorf("at most %d s, wanted %d: %v", tt.longest, tt.wanted, err)
			}
			if got := maximum(w.device(e), 0x050B); got != want {
				t.Errorf("at most %d s, wanted %d: it reports every %d s, want %d", tt.longest, tt.wanted, got, want)
			}
			if got := maximum(w.device(e), 0x0505); got != 200 {
				t.Errorf("the other attribute is reported every %d s", got)
			}
		}
	})
}

// maximum is the longest time between reports of an attribute of electrical
// measurement.
func maximum(d Device, id uint16) uint16 {
	for _, ep := range d.Endpoints {
		for _, r := range ep.Reporting {
			if r.Cluster == zcl.ClusterElectricalMeas && r.Attribute == id {
				return r.Max
			}
		}
	}
	return 0
}

// TestTheGasMeterBesideIsAskedFor: it is never told to report.
func TestTheGasMeterBesideIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := house(t, []string{"EMIZB-151"})
		asked := 0
		for _, e := range w.drain(time.Hour) {
			if e.Kind != MessageReceived || e.Message.Endpoint != 64 || e.Message.Cluster != zcl.ClusterMetering || e.Message.Frame.Command != zcl.CommandReadResponse {
				continue
			}
			for _, a := range e.Message.Attributes {
				if a.ID == zcl.AttrSummationDelivered && a.Status == zcl.StatusSuccess {
					asked++
				}
			}
		}
		// Every five minutes, and when the device is interviewed and configured.
		if asked < 10 || asked > 18 {
			t.Errorf("the gas meter has answered %d times in an hour, want 12 to 16", asked)
		}
		for _, ep := range w.device(all[0]).Endpoints {
			if ep.ID >= 64 && (len(ep.Bindings) > 0 || len(ep.Reporting) > 0) {
				t.Errorf("endpoint %d was configured: %+v", ep.ID, ep)
			}
		}
	})
}

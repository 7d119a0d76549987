package network

import (
	"context"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// reporting is a network with a meter that is set up, without a dongle.
func reporting(tb testing.TB) (*Network, *session, ezsp.IncomingMessage) {
	tb.Helper()
	n, err := New(Options{Dial: unusedDial, Dir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	s := newSession(context.Background(), n, nil)
	s.since = time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	d, _ := n.place(meterEUI64, 0x7a3c)
	d.Device = Device{
		EUI64: meterEUI64, NodeID: 0x7a3c, Type: TypeEndDevice, ManufacturerName: "frient A/S", ModelID: "EMIZB-141",
		Endpoints: []Endpoint{{ID: 2, Profile: 0x0104, In: []uint16{0, 1, 3, 0x0702}, Out: []uint16{10, 25}}},
		Interview: InterviewSuccessful, Configured: true, Available: true,
	}
	d.sleepy = true
	d.ConfiguredAs = n.modelOf(d).version
	f := zcl.Report([]zcl.Attribute{
		{ID: zcl.AttrInstantaneousDemand, Value: zcl.Number(zcl.Int24, 342)},
		{ID: zcl.AttrSummationDelivered, Value: zcl.Number(zcl.Uint48, 1234567)},
	})
	return n, s, ezsp.IncomingMessage{Sender: 0x7a3c, LQI: 200, RSSI: -50,
		APS:     ezsp.APSFrame{Profile: zcl.ProfileHomeAutomation, Cluster: zcl.ClusterMetering, Source: 2, Destination: 1},
		Payload: f.Append(nil)}
}

// BenchmarkReportToEvent is the way of one report from the dongle's callback to the
// event that the reader of Events takes.
func BenchmarkReportToEvent(b *testing.B) {
	n, s, m := reporting(b)
	b.ReportAllocs()
	for b.Loop() {
		n.incoming(s, m)
		if e := <-n.Events(); e.Message == nil {
			b.Fatal("no event")
		}
	}
}

// A report costs no copy of what is known of its device.
func TestAReportCopiesNothingOfItsDevice(t *testing.T) {
	n, s, m := reporting(t)
	n.incoming(s, m)
	for len(n.Events()) > 0 { // with what else there was to say
		<-n.Events()
	}
	if got := testing.AllocsPerRun(100, func() { n.incoming(s, m); <-n.Events() }); got > 6 {
		t.Errorf("%v allocations for a report", got)
	}
	n.incoming(s, m)
	a := <-n.Events()
	n.incoming(s, m)
	b := <-n.Events()
	if &a.Device.Endpoints[0] != &b.Device.Endpoints[0] {
		t.Error("the endpoints were copied")
	}
	// A change makes new ones: who has the old event still reads the old.
	n.mu.Lock()
	n.devices[meterEUI64].edit(2, func(e *Endpoint) { e.DeviceID = 0x53 })
	n.mu.Unlock()
	if a.Device.Endpoints[0].DeviceID != 0 {
		t.Error("a device that was given out has changed")
	}
}

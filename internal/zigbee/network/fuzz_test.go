package network

import (
	"context"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// FuzzIncoming: nothing that a device sends makes the coordinator panic, or
// hang, or know more devices than it may.
func FuzzIncoming(f *testing.F) {
	sim, err := simulator.Start(context.Background(), simulator.Options{Latency: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { sim.Close() })
	n, err := New(Options{Dial: sim.Dial, Dir: f.TempDir(), Timing: Timing{Request: 10 * time.Millisecond, SleepyRequest: 10 * time.Millisecond}})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	f.Cleanup(func() { cancel(); <-done })
	for e := range n.Events() {
		if e.Kind == StateChanged && e.Info.State == Up {
			break
		}
	}
	go func() { // the reader of Events
		for {
			select {
			case <-n.Events():
			case <-done:
				return
			}
		}
	}()
	s, err := n.up()
	if err != nil {
		f.Fatal(err)
	}
	const node = 0x1111
	n.mu.Lock()
	d, _ := n.place(0x1122334455667788, node)
	d.Interview, d.Type = InterviewSuccessful, TypeRouter
	n.mu.Unlock()

	add := func(profile, cluster uint16, b []byte) { f.Add(uint16(node), profile, cluster, uint8(0), b) }
	ha := uint16(zcl.ProfileHomeAutomation)
	add(ha, zcl.ClusterMetering, zcl.Report([]zcl.Attribute{{ID: 0x0400, Value: zcl.Number(zcl.Int24, 342)}}).Append(nil))
	add(ha, zcl.ClusterTime, zcl.ReadAttributes(0, 1, 7).Append(nil))
	add(ha, zcl.ClusterPollControl, []byte{0x09, 1, 0})
	add(ha, clusterIASZone, []byte{0x09, 1, 1, 0x28, 0, 0x15, 0x10})
	for _, command := range []byte{0x02, 0x11, 0x24, 0x25} {
		add(ha, clusterTuya, []byte{0x09, 1, command, 0, 1, 1, 2, 0, 4, 0, 0, 0, 5})
	}
	add(0, zdo.ClusterDeviceAnnounce, zdo.Append(nil, 1, zdo.DeviceAnnounce{NWKAddr: 0x2222, EUI64: 0x99, Capability: 0x80}))
	add(0, zdo.ResponseTo(zdo.ClusterNWKAddrRequest), zdo.Append(nil, 1, zdo.NWKAddrResponse{Address: zdo.Address{EUI64: d.EUI64, NWKAddr: 0x3333}}))
	f.Fuzz(func(t *testing.T, sender, profile, cluster uint16, kind uint8, b []byte) {
		n.incoming(s, ezsp.IncomingMessage{Type: ezsp.MessageType(kind), Sender: sender,
			APS: ezsp.APSFrame{Profile: profile, Cluster: cluster, Source: 1, Destination: 1}, Payload: b})
		n.routeRecord(s, ezsp.RouteRecord{Source: sender, EUI64: d.EUI64})
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.devices) > maxDevices || len(n.nodes) > len(n.devices) || n.nodes[0] != nil {
			t.Fatalf("%d devices with %d addresses", len(n.devices), len(n.nodes))
		}
	})
}

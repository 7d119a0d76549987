package bridge

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// unplugged is an error as a line has it: for a technician and for a
// householder.
type unplugged struct{}

func (unplugged) Error() string                 { return "there is no dongle at /dev/ttyACM0" }
func (unplugged) Hint() string                  { return "look under /dev/serial" }
func (unplugged) Householder() (string, string) { return "the dongle is unplugged", "plug it back in" }

func TestHealthSpeaksToAHouseholder(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want health.Report
	}{
		{"PlainWords", fmt.Errorf("opening: %w", unplugged{}), health.Report{State: health.Failing, Message: "the dongle is unplugged", Hint: "plug it back in",
			Detail: "opening: there is no dongle at /dev/ttyACM0; look under /dev/serial"}},
		{"None", errors.New("strange"), health.Report{State: health.Failing, Message: "strange"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, failing(tt.err)); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBridgeHealth: what Zigbee2MQTT 2 says of itself every ten minutes.
func TestBridgeHealth(t *testing.T) {
	f := start(t)
	for i := range 3 {
		f.says(report(zcl.ClusterMetering, 60, demand(uint64(i))))
	}
	moved := meter()
	moved.NodeID = 0x1111
	f.says(network.Event{Kind: network.Announced, Device: moved})
	f.says(network.Event{Kind: network.Left, Device: moved})
	f.inside(func(b *Bridge) { b.publishHealth() })
	f.awaitHolds("zigbee2mqtt/bridge/health", func(s string) bool { return s != "" })
	h := decoded[bridgeHealth](t, f.holds("zigbee2mqtt/bridge/health"))
	d := h.Devices[meterEUI]
	if d.Messages != 3 || d.LeaveCount != 1 || d.NetworkAddressChanges != 1 || d.MessagesPerSec <= 0 {
		t.Errorf("the meter: got %+v", d)
	}
	if h.OS.MemoryUsedMB <= 0 || h.OS.MemoryPercent <= 0 || h.OS.MemoryPercent > 100 || h.Process.MemoryUsedMB <= 0 || h.ResponseTime == 0 {
		t.Errorf("got %+v", h)
	}
	if !h.MQTT.Connected || h.MQTT.Published == 0 {
		t.Errorf("mqtt: got %+v", h.MQTT)
	}
	f.ask("options", `{"options":{"health":{"reset_on_check":true}}}`)
	for range 2 { // the first counts what was
		f.inside(func(b *Bridge) { b.publishHealth() })
	}
	f.awaitHolds("zigbee2mqtt/bridge/health", func(s string) bool { return strings.Contains(s, `"devices":{}`) })
}

package bridge

import (
	"testing"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// BenchmarkReport is the way of one report through the bridge to the broker's
// door and back to the next: decoded, merged, published.
func BenchmarkReport(b *testing.B) {
	f := start(b)
	e := report(zcl.ClusterMetering, 67, demand(342),
		zcl.Attribute{ID: zcl.AttrSummationDelivered, Value: zcl.Number(zcl.Uint48, 1234567)})
	b.ReportAllocs()
	for b.Loop() {
		f.says(e)
		f.await("zigbee2mqtt/frient_blink_counter", nil)
	}
}

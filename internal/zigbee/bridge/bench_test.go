package bridge

import (
	"testing"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// BenchmarkReport is the way of one report through the bridge to the broker's
// door and back to the next: decoded, merged, published.
func BenchmarkReport(b *testing.B) {
	for _, form := range []Payloads{Reference, Z2M2} {
		b.Run(string(form), func(b *testing.B) { benchmarkReport(b, form) })
	}
}

func benchmarkReport(b *testing.B, form Payloads) {
	f := start(b, func(f *fixture) { f.options.Payloads = form })
	e := report(zcl.ClusterMetering, 67, demand(342),
		zcl.Attribute{ID: zcl.AttrSummationDelivered, Value: zcl.Number(zcl.Uint48, 1234567)})
	b.ReportAllocs()
	for b.Loop() {
		f.says(e)
		f.await("zigbee2mqtt/frient_blink_counter", nil)
	}
}

// BenchmarkDescribe is what a start with 500 plugs says of them: entities,
// documents, availability.
func BenchmarkDescribe(b *testing.B) {
	f := start(b, z2m2)
	f.stop()
	for i := range zcl.EUI64(500) {
		d := nousPlug()
		d.EUI64 += i
		f.bridge.devices[d.EUI64] = f.bridge.newDevice(d)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range f.bridge.devices {
			f.bridge.setDevice(d)
		}
	}
}

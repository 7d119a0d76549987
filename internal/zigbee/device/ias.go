package device

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Attributes and commands of the IAS zone cluster. Source: ZCL8 §8.2.2.
const (
	attrZoneType      = 0x0001
	attrZoneStatus    = 0x0002
	zoneStatusChanged = 0x00
)

// zoneBit is what one bit of a zone's status says.
type zoneBit struct {
	bit    uint8
	name   string
	not    bool // the reading is the other way round
	hidden bool // in the state, but nobody is told of it
	plain  bool // not among the diagnostics
}

// Bits of a zone's status. Source: ZCL8 §8.2.2.2.1.3.
var (
	bitTamper      = zoneBit{bit: 2, name: "tamper"}
	bitOpened      = zoneBit{bit: 2, name: "tamper", plain: true}
	bitBatteryLow  = zoneBit{bit: 3, name: "battery_low"}
	bitSupervision = zoneBit{bit: 4, name: "supervision_reports", hidden: true}
	bitRestore     = zoneBit{bit: 5, name: "restore_reports", hidden: true}
	bitTest        = zoneBit{bit: 8, name: "test"}
)

// zone is what the status of an IAS zone says on one endpoint.
type zone struct {
	bits   []zoneBit
	suffix string
}

// alarm is the first bit of a zone of this kind.
func alarm(name string) zoneBit { return zoneBit{bit: 0, name: name, not: name == "contact"} }

// iasZone is a sensor of the security clusters: it is enrolled and then tells
// its status by itself.
func iasZone(bits ...zoneBit) Part {
	p := Part{
		zones: []zone{{bits: bits}},
		setup: []Setup{{Cluster: zcl.ClusterIASZone, Bind: true, EnrollIAS: true, Optional: true,
			Read: []ReadGroup{{Attributes: []uint16{attrZoneStatus}}}}},
	}
	for _, b := range bits {
		if b.hidden {
			continue
		}
		e := named(b.name).expose(AccessState)
		if b.plain {
			e.Category = ""
		}
		p.items = append(p.items, item{name: b.name, expose: &e, get: []address{{cluster: zcl.ClusterIASZone, attribute: attrZoneStatus}}})
	}
	return p
}

// enrolment is what a zone says of its enrolment: in the state of some devices.
var enrolment = Part{
	items: []item{
		{name: "enrolled", sources: []source{{name: "enrolled", as: asBool, typ: zcl.Enum8, address: address{cluster: zcl.ClusterIASZone, attribute: 0x0000}}}},
		{name: "ias_cie_address", sources: []source{{name: "ias_cie_address", as: asAddress, typ: zcl.IEEEAddress, address: address{cluster: zcl.ClusterIASZone, attribute: 0x0010}}}},
		{name: "zone_id", sources: []source{{name: "zone_id", as: asRaw, typ: zcl.Uint8, address: address{cluster: zcl.ClusterIASZone, attribute: 0x0011}}}},
	},
	setup: []Setup{{Cluster: zcl.ClusterIASZone, Optional: true, Read: []ReadGroup{{Attributes: []uint16{0x0010, 0x0000, 0x0011}}}}},
}

// zoneNames is what the first alarm of a zone type is called. Source: ZCL8
// §8.2.2.2.1.2.
var zoneNames = map[uint16]string{
	0x000d: "occupancy",
	0x0015: "contact",
	0x0028: "smoke",
	0x002a: "water_leak",
	0x002b: "carbon_monoxide",
	0x002d: "vibration",
}

// zoneCommand takes a status change. Its form is a status of 2 bytes, an extended
// status, a zone and a delay (ZCL8 §8.2.2.4.1), but devices of earlier editions
// and frient's leave trailing fields out: the status alone is enough, as nothing
// else is used.
func (d *Decoder) zoneCommand(in Input) {
	if in.Frame.Command != zoneStatusChanged || !in.Frame.FromServer || in.Frame.Manufacturer != 0 || len(in.Frame.Payload) < 2 {
		return
	}
	d.zone(in.Endpoint, binary.LittleEndian.Uint16(in.Frame.Payload))
}

// zoneStatus takes the status as an attribute.
func (d *Decoder) zoneStatus(endpoint uint8, v zcl.Value) {
	if n, ok := v.Uint(); ok {
		d.zone(endpoint, uint16(n))
	}
}

func (d *Decoder) zone(endpoint uint8, status uint16) {
	z, ok := d.model.zones[endpoint]
	if !ok {
		return
	}
	for _, b := range z.bits {
		set := status>>b.bit&1 == 1
		key := joined(b.name, z.suffix)
		d.emit(key, set != b.not)
	}
}

package ncp

import (
	"slices"

	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// Configuration values that the simulator itself looks at (EzspConfigId).
const (
	configInFlight         = 0x03
	configAddressTable     = 0x05
	configMulticastTable   = 0x06
	configRouteTable       = 0x07
	configSecurityLevel    = 0x0D
	configMaxChildren      = 0x11
	configSourceRoutes     = 0x1A
	configKeyTable         = 0x1E
	configTransientTimeout = 0x36
)

func defaultConfig() map[uint8]uint16 {
	return map[uint8]uint16{
		0x01: 4000, 0x02: 26, configInFlight: 10, 0x04: 3, configAddressTable: 8, configMulticastTable: 8, configRouteTable: 16, 0x08: 8,
		0x0C: 2, configSecurityLevel: 5, 0x10: 15, configMaxChildren: 32, 0x12: 3000, 0x13: 5, 0x17: 0, 0x18: 0,
		0x19: 0, configSourceRoutes: 0, 0x1C: 1, 0x1D: 0, configKeyTable: 4, 0x1F: 1600, 0x20: 100, 0x22: 2, 0x24: 0, 0x29: 0, 0x2A: 0,
		0x2B: 15, 0x2C: 0, 0x2D: 1, 0x2E: 0, 0x2F: 0, 0x30: 0, 0x33: 0, 0x34: 8, 0x35: 0, configTransientTimeout: 300,
		0x37: 0, 0x38: 300, 0x39: 0, 0x40: 0, 0x41: 5, 0x42: 0, 0x43: 0,
	}
}

// highest values of those that have a limit of their own.
var configLimits = map[uint8][2]uint16{
	configInFlight: {1, 255}, configMulticastTable: {0, 255}, 0x0C: {0, 2}, configSecurityLevel: {0, 5},
	0x10: {1, 30}, configMaxChildren: {0, 64}, 0x12: {0, 30000}, 0x13: {0, 14}, 0x2D: {1, 2},
}

func setConfigurationValue(n *NCP, in *reader, out *writer) {
	id, value := in.u8(), in.u16()
	if in.bad() {
		return
	}
	_, known := n.config[id]
	limit, limited := configLimits[id]
	switch {
	case n.initialized:
		out.ezsp(errorInvalidCall)
	case !known:
		out.ezsp(errorInvalidID)
	case limited && (value < limit[0] || value > limit[1]):
		out.ezsp(errorInvalidValue)
	default:
		n.config[id] = value
		out.ezsp(ezspSuccess)
	}
}

func getConfigurationValue(n *NCP, in *reader, out *writer) {
	id := in.u8()
	if in.bad() {
		return
	}
	value, known := n.config[id]
	if known {
		out.ezsp(ezspSuccess)
	} else {
		out.ezsp(errorInvalidID)
	}
	out.u16(value)
}

// Policies that the simulator itself looks at (EzspPolicyId).
const (
	policyTrustCenter = 0x00
	lastPolicy        = 0x09

	allowJoins = 0x01 // bit of the trust centre policy
)

func setPolicy(n *NCP, in *reader, out *writer) {
	id, decision := in.u8(), in.u8()
	if in.bad() {
		return
	}
	if id > lastPolicy {
		out.ezsp(errorInvalidID)
		return
	}
	n.policy[id] = decision
	out.ezsp(ezspSuccess)
	n.air.Changed()
}

func getPolicy(n *NCP, in *reader, out *writer) {
	id := in.u8()
	if in.bad() {
		return
	}
	if id > lastPolicy {
		out.ezsp(errorInvalidID)
	} else {
		out.ezsp(ezspSuccess)
	}
	out.u8(n.policy[id])
}

// Values that the simulator itself looks at (EzspValueId).
const (
	valueShortID      = 0x0B
	valueVersion      = 0x11
	valueFrameCounter = 0x23
	valueAPSCounter   = 0x24
	valueOpenFor      = 0x42
)

// valueLengths are the values a host may set.
var valueLengths = map[uint8]int{
	0x05: 2, 0x06: 2, 0x07: 1, 0x0A: 2, 0x0C: 1, 0x15: 1, valueFrameCounter: 4, valueAPSCounter: 4,
	0x29: 1, 0x3B: 2, 0x3E: 2, 0x3F: 1, 0x43: 2, 0x47: 1,
}

func setValue(n *NCP, in *reader, out *writer) {
	id := in.u8()
	value := in.bytes(int(in.u8()))
	if in.bad() {
		return
	}
	length, known := valueLengths[id]
	switch {
	case !known:
		out.ezsp(errorInvalidID)
	case len(value) != length:
		out.ezsp(errorInvalidValue)
	case (id == valueFrameCounter || id == valueAPSCounter) && n.up:
		out.ezsp(errorInvalidCall)
	default:
		if id == valueFrameCounter {
			n.counter = (&reader{rest: value}).u32()
		}
		n.values[id] = slices.Clone(value)
		out.ezsp(ezspSuccess)
	}
}

func getValue(n *NCP, in *reader, out *writer) {
	id := in.u8()
	if in.bad() {
		return
	}
	v := &writer{}
	switch id {
	case valueVersion:
		const generalAvailability = 0xAA
		v.u16(n.speaks.build)
		v.bytes(n.speaks.release[:])
		v.u8(generalAvailability)
	case valueShortID:
		v.u16(0x0000)
	case valueFrameCounter:
		v.u32(n.counter)
	case valueOpenFor:
		v.u16(n.openFor())
	default:
		value, known := n.values[id]
		length, settable := valueLengths[id]
		switch {
		case known:
			v.bytes(value)
		case settable:
			v.bytes(make([]byte, length))
		default:
			out.ezsp(errorInvalidID)
			out.u8(0)
			return
		}
	}
	out.ezsp(ezspSuccess)
	out.u8(uint8(len(v.b)))
	out.bytes(v.b)
}

// getExtendedValue answers with the flags of an endpoint, the one extended
// value that hosts ask for. The two bytes are there even on failure.
func getExtendedValue(n *NCP, in *reader, out *writer) {
	const endpointFlags, enabled = 0x00, 0x0001
	id, of := in.u8(), in.u32()
	if in.bad() {
		return
	}
	if id == endpointFlags && slices.ContainsFunc(n.endpoints, func(e zdo.Endpoint) bool { return uint32(e.ID) == of }) {
		out.ezsp(ezspSuccess)
		out.u8(2)
		out.u16(enabled)
		return
	}
	out.ezsp(errorInvalidID)
	out.u8(2)
	out.u16(0)
}

func addEndpoint(n *NCP, in *reader, out *writer) {
	const most = 8
	e := zdo.Endpoint{ID: in.u8(), Profile: in.u16(), Device: in.u16(), Version: in.u8()}
	ins, outs := int(in.u8()), int(in.u8())
	for range ins {
		e.In = append(e.In, in.u16())
	}
	for range outs {
		e.Out = append(e.Out, in.u16())
	}
	if in.bad() {
		return
	}
	switch {
	case n.initialized:
		out.ezsp(errorInvalidCall)
	case e.ID == 0 || e.ID == 255,
		slices.ContainsFunc(n.endpoints, func(o zdo.Endpoint) bool { return o.ID == e.ID }):
		out.ezsp(errorInvalidValue)
	case len(n.endpoints) >= most:
		out.ezsp(errorOutOfMemory)
	default:
		n.endpoints = append(n.endpoints, e)
		out.ezsp(ezspSuccess)
	}
}

func setManufacturerCode(n *NCP, in *reader, out *writer) {
	code := in.u16()
	if in.bad() {
		return
	}
	n.maker = code
	if n.speaks.has(statusForAll) {
		out.sl(slOK)
	}
}

func getManufacturerCode(n *NCP, in *reader, out *writer) {
	if !in.bad() {
		out.u16(n.maker)
	}
}

type multicastEntry struct {
	group             uint16
	endpoint, network uint8
}

func setMulticastTableEntry(n *NCP, in *reader, out *writer) {
	index := in.u8()
	e := multicastEntry{in.u16(), in.u8(), in.u8()}
	if in.bad() {
		return
	}
	if uint16(index) >= n.config[configMulticastTable] {
		out.status(statusIndexRange)
		return
	}
	n.multicast[index] = e
	out.status(statusOK)
}

func getMulticastTableEntry(n *NCP, in *reader, out *writer) {
	index := in.u8()
	if in.bad() {
		return
	}
	if uint16(index) >= n.config[configMulticastTable] {
		out.status(statusIndexRange)
	} else {
		out.status(statusOK)
	}
	e := n.multicast[index]
	out.u16(e.group)
	out.u8(e.endpoint)
	out.u8(e.network)
}

func setConcentrator(n *NCP, in *reader, out *writer) {
	const lowRAM, highRAM = 0xFFF8, 0xFFF9
	on := in.u8()
	kind, shortest, longest := in.u16(), in.u16(), in.u16()
	in.bytes(3)
	if in.bad() {
		return
	}
	if kind != lowRAM && kind != highRAM || shortest > longest {
		out.status(statusBadArgument)
		return
	}
	n.concentrator = on != 0
	out.status(statusOK)
}

func setSourceRouteDiscoveryMode(_ *NCP, in *reader, out *writer) {
	in.u8()
	if !in.bad() {
		out.u32(0) // ms until the next request
	}
}

func setRadioPower(n *NCP, in *reader, out *writer) {
	power := int8(in.u8())
	if in.bad() {
		return
	}
	if power < -40 || power > 20 {
		out.status(statusBadArgument)
		return
	}
	if n.memory.Network != nil && n.memory.Network.Power != power {
		n.memory.Network.Power = power
		n.o.Changed()
	}
	out.status(statusOK)
}

package meter

import (
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// Manufacturer is the code of the frient (Develco) attributes.
const Manufacturer = 0x1015

// Identity of the simulated interface as it leaves the factory.
const (
	maker       = "frient A/S"
	model       = "EMIZB-141"
	dateCode    = "20260414"
	batteryHalf = 178 // remaining, in half per cent
	batteryTens = 31  // voltage, in 100 mV
)

func constant(id uint16, t uint8, v node.Value) node.Attribute {
	return node.Attribute{ID: id, Type: t, Get: func() node.Value { return v }}
}

func reportable(id uint16, t uint8, get func() int64) node.Attribute {
	return node.Attribute{ID: id, Type: t, Reportable: true, Get: func() node.Value { return node.Number(get()) }}
}

// EMIZB141 describes the frient Electricity Meter Interface 2 LED over a
// register: its descriptors, endpoints and attributes.
func EMIZB141(eui radio.EUI64, r *Register) node.Description {
	fixed := func(v int64) func() int64 { return func() int64 { return v } }
	return node.Description{
		EUI64: eui,
		Node:  [13]byte{0x02, 0x40, 0x80, 0x15, 0x10, 0x52, 0xDC, 0x05, 0x00, 0x2C, 0xDC, 0x05, 0x00},
		// Receiver on when asked for, running on a disposable battery that is full.
		Power:        0xC440,
		Capability:   0x80,
		Manufacturer: Manufacturer,
		Endpoints: []node.Endpoint{
			{Endpoint: zdo.Endpoint{ID: 1, Profile: 0xC0C9, Device: 0x0001, In: []uint16{0x0005, 0x0006}}},
			{
				Endpoint: zdo.Endpoint{ID: 2, Profile: 0x0104, Device: 0x0053,
					In:  []uint16{0x0000, 0x0001, 0x0003, 0x0020, 0x0702, 0x0B01, 0x0B05},
					Out: []uint16{0x0003, 0x000A, 0x0019}},
				Clusters: []node.Cluster{
					basic(),
					{ID: 0x0001, Attributes: []node.Attribute{ // power configuration
						reportable(0x0020, node.TypeU8, fixed(batteryTens)),
						reportable(0x0021, node.TypeU8, fixed(batteryHalf)),
						constant(0x0031, node.TypeEnum8, node.Number(3)), // AA
						constant(0x0033, node.TypeU8, node.Number(2)),
						reportable(0x003E, node.TypeBitmap8+3, fixed(0)),
					}},
					identify(),
					pollControl(),
					metering(r),
				},
			},
		},
	}
}

func basic() node.Cluster {
	octets := func(id uint16, b ...byte) node.Attribute {
		a := constant(id, node.TypeOctets, node.Value{Bytes: b})
		a.Manufacturer = Manufacturer
		return a
	}
	return node.Cluster{ID: 0x0000, Attributes: []node.Attribute{
		constant(0x0000, node.TypeU8, node.Number(3)), // ZCL version
		constant(0x0001, node.TypeU8, node.Number(0)), // application version
		constant(0x0002, node.TypeU8, node.Number(0)), // stack version
		constant(0x0003, node.TypeU8, node.Number(1)), // hardware version
		constant(0x0004, node.TypeText, node.Text(maker)),
		constant(0x0005, node.TypeText, node.Text(model)),
		constant(0x0006, node.TypeText, node.Text(dateCode)),
		constant(0x0007, node.TypeEnum8, node.Number(3)), // battery
		octets(0x8000, 3, 1, 2),                          // software
		octets(0x8020, 1, 0, 2),                          // hardware
	}}
}

func identify() node.Cluster {
	left := int64(0)
	return node.Cluster{ID: 0x0003,
		Attributes: []node.Attribute{{ID: 0x0000, Type: node.TypeU16,
			Get: func() node.Value { return node.Number(left) },
			Set: func(v node.Value) bool { left = v.Number; return true }}},
		Command: func(id uint8, payload []byte) bool {
			if id != 0x00 || len(payload) != 2 {
				return false
			}
			left = 0 // it blinks, and nobody looks
			return true
		},
	}
}

// pollControl lets clients set how often the device asks its parent for frames.
func pollControl() node.Cluster {
	checkIn := int64(14400) // quarters of a second
	return node.Cluster{ID: 0x0020,
		Attributes: []node.Attribute{
			{ID: 0x0000, Type: node.TypeU32, Get: func() node.Value { return node.Number(checkIn) },
				Set: func(v node.Value) bool {
					if v.Number != 0 && v.Number < 4 || v.Number > 0x6E0000 {
						return false
					}
					checkIn = v.Number
					return true
				}},
			constant(0x0001, node.TypeU32, node.Number(24)), // long poll interval
			constant(0x0002, node.TypeU16, node.Number(2)),  // short poll interval
			constant(0x0003, node.TypeU16, node.Number(40)), // fast poll timeout
		},
		// Fast poll stop, set long and set short poll interval.
		Command: func(id uint8, payload []byte) bool {
			switch id {
			case 0x01:
				return len(payload) == 0
			case 0x02:
				return len(payload) == 4
			case 0x03:
				return len(payload) == 2
			}
			return false
		},
	}
}

func metering(r *Register) node.Cluster {
	return node.Cluster{ID: 0x0702, Attributes: []node.Attribute{
		reportable(0x0000, node.TypeU48, r.Energy),
		reportable(0x0200, node.TypeBitmap8, func() int64 { return 0 }), // status: all well
		constant(0x0300, node.TypeEnum8, node.Number(0)),                // unit: kWh, kW
		constant(0x0301, node.TypeU24, node.Number(1)),                  // multiplier
		constant(0x0302, node.TypeU24, node.Number(1000)),               // divisor
		constant(0x0303, node.TypeBitmap8, node.Number(0xF8)),           // summation formatting
		constant(0x0304, node.TypeBitmap8, node.Number(0xF8)),           // demand formatting
		constant(0x0306, node.TypeBitmap8, node.Number(0)),              // an electricity meter
		reportable(0x0400, node.TypeS24, r.Power),
		{ID: 0x0300, Manufacturer: Manufacturer, Type: node.TypeU16,
			Get: func() node.Value { return node.Number(int64(r.Pulses())) },
			Set: func(v node.Value) bool {
				if v.Number < 50 || v.Number > 10000 {
					return false
				}
				r.SetPulses(uint16(v.Number))
				return true
			}},
		{ID: 0x0301, Manufacturer: Manufacturer, Type: node.TypeU48,
			Set: func(v node.Value) bool {
				if v.Number < 0 || v.Number > maxReading {
					return false
				}
				r.SetReading(v.Number)
				return true
			}},
	}}
}

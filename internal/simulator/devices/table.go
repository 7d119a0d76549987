package devices

import "github.com/smartcore-ireland/hems/internal/simulator/node"

// What the tables are written with.
const (
	tBool  = node.TypeBool
	b8     = node.TypeBitmap8
	b16    = node.TypeBitmap16
	b32    = node.TypeBitmap32
	u8     = node.TypeU8
	u16    = node.TypeU16
	u24    = node.TypeU24
	u32    = node.TypeU32
	u48    = node.TypeU48
	s8     = node.TypeS8
	s16    = node.TypeS16
	s24    = node.TypeS24
	s32    = node.TypeS32
	enum8  = node.TypeEnum8
	enum16 = node.TypeEnum16
	single = node.TypeSingle
	octets = node.TypeOctets
	str    = node.TypeText
)

// Profiles.
const (
	ha      = 0x0104
	develco = 0xC0C9
	green   = 0xA1E0
)

// Power descriptors: mains, and a disposable battery that is full.
const (
	mains   = 0xC110
	battery = 0xC440
)

// Power sources of the Basic cluster.
const (
	unknownSource = 0
	mainsSource   = 1
	batterySource = 3
	dcSource      = 4
)

func in(c ...uint16) []uint16 { return c }

// num is an attribute that never changes.
func num(cluster, id uint16, t uint8, v int64) Attribute {
	return Attribute{Cluster: cluster, ID: id, Type: t, Number: v}
}

// text is a string that never changes.
func text(cluster, id uint16, t uint8, s string) Attribute {
	return Attribute{Cluster: cluster, ID: id, Type: t, Text: s}
}

// of is a quantity times scale, which can be reported.
func of(cluster, id uint16, t uint8, quantity string, scale float64) Attribute {
	return Attribute{Cluster: cluster, ID: id, Type: t, Of: quantity, Scale: scale, Report: true}
}

// set is a setting that is kept.
func set(cluster, id uint16, t uint8, v, least, most int64) Attribute {
	return Attribute{Cluster: cluster, ID: id, Type: t, Number: v, Min: least, Max: most}
}

func (a Attribute) mfr(code uint16) Attribute { a.Manufacturer = code; return a }

// quiet takes the possibility to configure reporting away.
func (a Attribute) quiet() Attribute { a.Report = false; return a }

// reported lets reporting be configured.
func (a Attribute) reported() Attribute { a.Report = true; return a }

// own lets the device report by itself.
func (a Attribute) own(least, most, change int) Attribute {
	a.Own = [3]int{least, most, change}
	return a
}

// by multiplies the scale by a quantity.
func (a Attribute) by(quantity string) Attribute { a.By = quantity; return a }

// unknown makes every nth read the unknown value.
func (a Attribute) unknown(n int) Attribute { a.Unknown = n; return a }

// writable lets a constant or a quantity be written.
func (a Attribute) writable(least, most int64) Attribute { a.Min, a.Max = least, most; return a }

func list(parts ...[]Attribute) (all []Attribute) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// greenPower is the endpoint that most mains-powered devices have.
var greenPower = Endpoint{ID: 242, Profile: green, Device: 0x0061, Out: in(0x0021)}

// gateway is frient's endpoint 1, which is not the application.
var gateway = Endpoint{ID: 1, Profile: develco, Device: 0x0001, In: in(0x0005, 0x0006)}

// scales are multiplier and divisor attributes of a metering cluster.
func meterScale(unit int64, multiplier, divisor, summation, demand, kind int64) []Attribute {
	return []Attribute{
		num(0x0702, 0x0300, enum8, unit), num(0x0702, 0x0301, u24, multiplier), num(0x0702, 0x0302, u24, divisor),
		num(0x0702, 0x0303, b8, summation), num(0x0702, 0x0304, b8, demand), num(0x0702, 0x0306, b8, kind),
	}
}

package device

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// address is where an attribute is. Endpoint 0 in a table is the one that the
// definition says, or the first that has the cluster.
type address struct {
	endpoint                         uint8
	cluster, manufacturer, attribute uint16
}

// scale is how a raw number becomes a quantity: raw * mul / div * factor.
type scale struct {
	mul, div float64 // fixed; 0 is 1
	// read: multiplier and divisor are attributes of the same cluster and
	// endpoint. The device may change them while it runs.
	read             bool
	mulAttr, divAttr uint16
	factor           float64 // 0 is 1
	// by: the divisor follows from the value of an attribute (a mode).
	by map[int64]float64
	on address
}

// conversion is what a raw value becomes.
type conversion uint8

const (
	asNumber     conversion = iota
	asBool                  // not 0
	asBit                   // one bit of a bitmap
	asWord                  // words by number
	asText                  // a string, without padding
	asOnOff                 // "ON" and "OFF"
	asRaw                   // the number without a scale
	asVersion               // octets joined with dots
	asHex                   // a number in hexadecimal
	asExactlyOne            // is it 1
	asNothing               // it is only remembered
	asAddress               // an EUI64
)

// reporting is how often a source is reported, as ReportConfig has it, but that
// Change is in the unit of the quantity.
type reporting struct {
	min, max uint16
	change   float64
}

// source is one meaning of one attribute.
type source struct {
	name string // the name of the quantity, the key without an endpoint's
	unit string
	address
	typ   zcl.DataType
	scale scale
	as    conversion
	bit   uint8
	not   bool // of asBit and asBool: the other way round
	words map[int64]string
	on    any // asBool: what true and false are called, when not true and false
	off   any

	low, high float64 // what can be true when they differ, in the quantity's unit
	report    *reporting
	// counter: it only grows; perHour is the most it can grow in an hour, in
	// its unit.
	counter bool
	perHour float64
	// noZero: a zero is a fault. spoils: what is unknown here makes the whole
	// message a fault.
	noZero, spoils bool
	// hold: a zero is believed when nothing else follows for so long.
	hold time.Duration
	// precise: Zigbee2MQTT 2 rounds it to so many decimals of its own.
	precise int
	// quietly: it is read but has no expose.
	quietly bool
	// first: it is read once, although it is not reported.
	first bool
	// logarithmic is how illuminance is told.
	logarithmic bool
	// empty and full are the millivolts of a battery whose charge follows from
	// its voltage.
	empty, full float64
}

// item is one line of a person's list of a device: what it is called, where it
// comes from and how it is set.
type item struct {
	expose  *Expose // nil: it only has sources
	name    string  // the key it is set and asked by, without an endpoint's
	sources []source
	// get is what to read for it when that is not its first source.
	get []address
	set setter // nil: it cannot be set
	// also are other keys that come with it in a message and are not set alone.
	also []string
}

// Part is something a device can do. Parts are made by the functions of this
// package: measures, onOff, choiceSetting and so on.
type Part struct {
	items   []item
	zones   []zone
	points  []point
	setup   []Setup // as it is, with endpoint 0 replaced
	bind    []uint16
	polls   []poll
	options []Expose
	// on are the endpoints that have it; none is the definition's.
	on []uint8
	// battery is what there is beside its charge.
	battery *batteryTraits
	// voltageLine: its item is a battery's voltage, in the unit of the form.
	voltageLine bool
	// form is the form of models that have the part; 0 is all.
	form formOnly
	// newer and from are firmware builds: the part is there above, or from it on.
	// until is the build from which it is there no more.
	newer, from, until string
	// plain: the keys do not have the endpoint's name although others do.
	plain bool
	// watch are attributes that tell what the device is.
	watch []address
	// presence are attributes of which it matters that the device has them.
	presence []address
	// special is what no table can say.
	special func(d *Decoder, in Input) (handled bool)
	// whole is after all: values that follow from others.
	whole func(d *Decoder, in Input)
	tick  func(d *Decoder, now time.Time)
}

// formOnly is the form that a part is for.
type formOnly uint8

const (
	always formOnly = iota
	ours
	theirs
)

// at is the part on these endpoints.
func (p Part) at(ids ...uint8) Part {
	p.on = ids
	return p
}

// withoutSuffix is the part with plain keys on a device of several endpoints.
func (p Part) withoutSuffix() Part {
	p.plain = true
	return p
}

// asked is the part for devices that do not report: it is read.
func (p Part) silent() Part {
	items := make([]item, len(p.items))
	for i, it := range p.items {
		it.sources = append([]source(nil), it.sources...)
		for j := range it.sources {
			it.sources[j].report = nil
		}
		items[i] = it
	}
	p.items = items
	return p
}

// poll is what is read regularly.
type poll struct {
	every   time.Duration
	option  string // the option that changes it, in seconds; -1 is never
	cluster uint16
	ids     []uint16
	// query is a Tuya device asked for all its datapoints.
	query bool
}

// Definition is what is known about a model.
type Definition struct {
	// Model, Vendor and Description are for people.
	Model, Vendor, Description string
	// Match is what the device calls itself.
	Match []Match
	// Labels are the same device sold under other names.
	Labels []Label
	OTA    bool
	// Version and PowerSource as in Info; empty is the first version, and what
	// the device says.
	Version, PowerSource string
	// Endpoint is where the parts are that do not say it; 0 is the first that
	// has the cluster.
	Endpoint uint8
	// Names are the endpoints' names, which end the keys of what is on them.
	Names map[uint8]string
	Parts []Part
	// ForgetsSetup and CountsFrom2000 as in Info.
	ForgetsSetup, CountsFrom2000 bool
	// Learn gives more parts by what the attributes that a part watches have
	// said.
	Learn func(learnt map[address]float64) []Part
}

// Match is one way a device may call itself. Strings are compared without the
// NULs and spaces that devices pad with.
type Match struct {
	Models []string
	Makers []string // none is any
	// AppVersions, SWBuild and DateCode tell variants of one model; none is any.
	AppVersions []uint8
	SWBuild     string
	DateCode    string
	// Last: others that match come first.
	Last bool
}

// Label is a device's name in a shop, by who its maker says to be.
type Label struct {
	Makers                     []string
	Model, Vendor, Description string
}

// models matches these models of any maker.
func models(names ...string) []Match { return []Match{{Models: names}} }

// maker matches these models of these makers.
func maker(makers []string, names ...string) []Match { return []Match{{Models: names, Makers: makers}} }

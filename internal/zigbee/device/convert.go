package device

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// value takes one value for one meaning.
func (d *Decoder) value(b *bound, v zcl.Value, now time.Time) {
	if b.as == asNumber {
		d.number(b, v, now)
		return
	}
	switch b.as {
	case asRaw:
		if n, ok := v.Float(); ok {
			d.emit(b.key, number(n))
		}
	case asBool, asOnOff, asBit:
		n, ok := v.Float()
		if flag, is := v.Bool(); is {
			n, ok = 0, true
			if flag {
				n = 1
			}
		}
		if !ok {
			d.unknown(b.key)
			return
		}
		set := n != 0
		if b.as == asBit {
			set = uint64(n)>>b.bit&1 == 1
		}
		d.flag(b, set != b.not)
	case asWord:
		n, ok := v.Int()
		if flag, is := v.Bool(); is {
			n, ok = 0, true
			if flag {
				n = 1
			}
		}
		if !ok && (v.Type == zcl.Enum8 || v.Type == zcl.Enum16) { // all ones may be a word
			n, ok = int64(v.Raw()), true
		}
		word, known := b.words[n]
		switch {
		case known:
			d.emit(b.key, word)
		case ok:
			d.note(Note{Key: b.key, Kind: Impossible, Text: fmt.Sprintf("the device says %d for its %s, which has no meaning", n, b.key)})
		}
	case asText:
		if s, ok := v.Text(); ok {
			d.emit(b.key, clean(s))
		} else if o, ok := v.Bytes(); ok {
			d.emit(b.key, clean(string(o)))
		} else if n, ok := v.Float(); ok {
			d.emit(b.key, number(n))
		}
	case asAddress:
		if n, ok := v.Uint(); ok {
			d.emit(b.key, zcl.EUI64(n).String())
		}
	case asExactlyOne:
		if n, ok := v.Float(); ok {
			d.emit(b.key, n == 1)
		}
	case asHex:
		if n, ok := v.Uint(); ok {
			d.emit(b.key, fmt.Sprintf("%x", n))
		}
	}
}

// flag takes a yes or no.
func (d *Decoder) flag(b *bound, set bool) {
	switch {
	case b.as == asOnOff:
		word := "OFF"
		if set {
			word = "ON"
		}
		d.on = &set
		d.emit(b.key, word)
		if d.option("state_action") {
			d.emit("action", joined(strings.ToLower(word), d.model.names[b.endpoint]))
		}
	case b.on != nil && set:
		d.emit(b.key, b.on)
	case b.on != nil:
		d.emit(b.key, b.off)
	default:
		d.emit(b.key, set)
	}
}

// number takes a measured value.
func (d *Decoder) number(b *bound, value zcl.Value, now time.Time) {
	raw, ok := value.Float()
	if !ok {
		if value.IsInvalid() {
			d.unknown(b.key)
		}
		return
	}
	mul, div, ok := d.scaleOf(b, now)
	if !ok {
		return
	}
	v := raw * (mul / div) * or1(b.scale.factor)
	if b.logarithmic {
		d.measured(b.key, b.name, lux(raw), 0)
		return
	}
	if d.model.subject.Form == Reference {
		// One division of whole numbers gives the float64 nearest to the decimal
		// number, and that is written with no more digits than it has.
		v = raw * mul * or1(b.scale.factor) / div
	}
	if math.IsInf(v, 0) || math.IsNaN(v) || b.low != b.high && (v < b.low || v > b.high) {
		d.note(Note{Key: b.key, Kind: Impossible, Text: fmt.Sprintf("%s cannot be %v", b.key, v)})
		return
	}
	if b.noZero && raw == 0 {
		d.note(Note{Key: b.key, Kind: WentBack, Text: "the device says that its " + b.key + " is 0"})
		return
	}
	if b.counter && !d.counts(b.key, v, or1(b.scale.factor)*mul/div*span(value.Type), b.perHour, now) {
		return
	}
	if b.hold > 0 {
		if v == 0 {
			if _, waits := d.held[b.key]; !waits {
				d.held[b.key] = held{value: 0.0, until: now.Add(b.hold), power: b.name == "current"}
			}
			return
		}
		delete(d.held, b.key)
	}
	decimals := b.decimals
	if p, ok := d.precision[b.unit]; ok && b.precise > 0 {
		decimals = p
	}
	d.measured(b.key, b.name, v, decimals)
	if b.full > 0 { // a battery
		d.emit("battery", charge(raw*100, b.empty, b.full))
	}
}

// lux is the light for a raw value of the cluster. Source: ZCL8 §4.2.2.2.1.
func lux(raw float64) float64 {
	if raw == 0 {
		return 0
	}
	return math.Pow(10, (raw-1)/10000)
}

// charge is the charge in per cent of a battery of so many millivolts.
func charge(v, empty, full float64) float64 {
	return round((min(max(v, empty), full)-empty)/(full-empty)*100, 0)
}

// span is how far a counter of a type can count, 0 when it does not matter.
func span(t zcl.DataType) float64 {
	if size := t.Size(); size > 0 && size < 8 {
		return math.Pow(2, float64(8*size))
	}
	return 0
}

// scaleOf is the multiplier and divisor of a source now. Without a scale a
// counter would jump when it comes, so counters wait for it.
func (d *Decoder) scaleOf(b *bound, now time.Time) (mul, div float64, ok bool) {
	mul, div = or1(b.scale.mul), or1(b.scale.div)
	if b.by >= 0 {
		if s := d.slots[b.by]; s.state == told {
			if v, known := b.scale.by[int64(s.value)]; known {
				div = v
			}
		}
		return mul, div, true
	}
	if !b.scale.read {
		return mul, div, true
	}
	mul, div = 1, 1
	if b.mul >= 0 && d.slots[b.mul].state == told && d.slots[b.mul].value > 0 {
		mul = d.slots[b.mul].value
	}
	s := d.slots[b.div]
	if s.state == told && s.value > 0 {
		div = s.value
	}
	if b.counter && s.state == untold {
		ask := appendRead(nil, d.model.slots[b.div])
		if b.mul >= 0 {
			ask = appendRead(ask, d.model.slots[b.mul])
		}
		d.note(Note{Key: b.key, Kind: Held, Text: b.key + " waits until the device has told its divisor", Ask: ask})
		return 0, 0, false
	}
	return mul, div, true
}

// measured publishes a number under the device's options.
func (d *Decoder) measured(key, name string, v float64, decimals int) {
	if c, ok := d.calibration[name]; ok {
		if percentual(name) {
			c = v * c / 100
		}
		v += c
	}
	if p, ok := d.precision[name]; ok && decimals >= 0 {
		decimals = p
	}
	d.emit(key, round(v, decimals))
}

// number is a whole number as one.
func number(v float64) any {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int64(v)
	}
	return v
}

// round is a number to so many decimals, halves up as JavaScript does it.
func round(v float64, decimals int) float64 {
	if decimals >= 0 {
		p := math.Pow10(decimals)
		if r := math.Floor(v*p+0.5) / p; !math.IsInf(r, 0) && !math.IsNaN(r) {
			v = r
		}
	}
	if v == 0 {
		return 0 // and not -0
	}
	return v
}

package device

import (
	"fmt"
	"time"
)

// datapoints takes a message of datapoints.
func (d *Decoder) datapoints(in Input) {
	switch in.Frame.Command {
	case tuyaResponse, tuyaReport, tuyaStatus, tuyaStatusSearch:
	default:
		return
	}
	_, list, err := parseDatapoints(in.Frame.Payload)
	if err != nil {
		d.note(Note{Kind: Impossible, Text: err.Error()})
	}
	for _, p := range list {
		for _, b := range d.model.points[p.id] {
			d.datapoint(b, p, in.Time)
		}
	}
}

func (d *Decoder) datapoint(b *boundPoint, p datapoint, now time.Time) {
	switch b.as {
	case pointPhase:
		d.phase(b, p.data)
		return
	case pointRC:
		if len(p.data) >= 15 {
			d.measured("current", "current", be(p.data[11:13])/1000, b.parts[1])
			d.measured("voltage", "voltage", be(p.data[13:15])/10, b.parts[0])
		}
		return
	case pointText:
		d.emit(b.key, clean(string(p.data)))
		return
	}
	n, ok := p.number()
	if !ok {
		d.note(Note{Key: b.key, Kind: Impossible, Text: fmt.Sprintf("datapoint %d of type %d with %d bytes is no %s", p.id, p.typ, len(p.data), b.key)})
		return
	}
	switch b.as {
	case pointWord:
		if word, known := b.words[n]; known {
			d.emit(b.key, word)
		}
	case pointBool, pointBit:
		set := n != 0
		if b.as == pointBit {
			set = n>>b.bit&1 == 1
		}
		switch {
		case b.on == nil:
			d.emit(b.key, set)
		case set:
			d.emit(b.key, b.on)
		default:
			d.emit(b.key, b.off)
		}
	default:
		raw := float64(n)
		if b.above > 0 && raw > b.above {
			raw -= b.less
		}
		v := raw / or1(b.div)
		if b.low != b.high && (v < b.low || v > b.high) {
			d.note(Note{Key: b.key, Kind: Impossible, Text: fmt.Sprintf("%s cannot be %v", b.key, v)})
			return
		}
		if b.counter && !d.counts(b.key, v, 0, 0, now) {
			return
		}
		d.measured(b.key, b.name, v, b.decimals)
	}
}

// phase takes 8 bytes: voltage in tenths of a volt, current in thousandths of
// an ampere and power in watts, of 2, 3 and 3 bytes.
func (d *Decoder) phase(b *boundPoint, data []byte) {
	if len(data) < 8 {
		d.note(Note{Key: "power" + b.suffix, Kind: Impossible, Text: fmt.Sprintf("a phase of %d bytes", len(data))})
		return
	}
	w := be(data[5:8])
	if w > phaseNegativeAbove {
		w -= phaseNegativeLess
	}
	d.measured("voltage"+b.suffix, "voltage"+b.suffix, be(data[0:2])/10, b.parts[0])
	d.measured("current"+b.suffix, "current"+b.suffix, be(data[2:5])/1000, b.parts[1])
	d.measured("power"+b.suffix, "power"+b.suffix, w, b.parts[2])
}

// be is a big-endian number.
func be(b []byte) float64 {
	var v uint64
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return float64(v)
}

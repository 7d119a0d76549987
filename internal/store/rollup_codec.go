package store

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The form of rollups of one series, as that of a blob but for what is
// compressed:
//
//	uvarint number of rollups, at least 1
//	varint  beginning of the first, ms since 1970
//	varint  first difference of beginnings, then differences of differences
//	varint  samples in the first, then differences
//	varint  time of the last sample less the beginning, then differences
//	byte    decimals, 0..9: the values are whole numbers of 10^-decimals,
//	          varint  last value of each, the first and then differences
//	          uvarint last less least of each
//	          uvarint greatest less last of each
//	          varint  sum less what it would be if every sample were in the
//	                  middle between least and greatest, of each
//	        or 255: 8 bytes for each value, IEEE 754, little endian: all last
//	        ones, all least, all greatest, all sums
//
// Whole numbers overflow alike when written and read.
const rollupForm = 3

// rollups encodes rollups in ascending order. The result is valid until the next
// call.
func (e *encoder) rollups(s []Rollup) ([]byte, error) {
	p := binary.AppendUvarint(e.plain[:0], uint64(len(s)))
	var last, diff int64
	for i, r := range s {
		if d := r.Milli - last; i == 0 {
			p = binary.AppendVarint(p, d)
		} else {
			p, diff = binary.AppendVarint(p, d-diff), d
		}
		last = r.Milli
	}
	last = 0
	for _, r := range s {
		p = binary.AppendVarint(p, r.Count-last)
		last = r.Count
	}
	last = 0
	for _, r := range s {
		p = binary.AppendVarint(p, r.LastMilli-r.Milli-last)
		last = r.LastMilli - r.Milli
	}
	e.plain = e.appendRolledValues(p, s)
	return e.pack(rollupForm, e.plain)
}

func (e *encoder) appendRolledValues(p []byte, s []Rollup) []byte {
	e.values = e.values[:0]
	for _, r := range s {
		e.values = append(e.values, r.Last)
	}
	for _, r := range s {
		e.values = append(e.values, r.Min)
	}
	for _, r := range s {
		e.values = append(e.values, r.Max)
	}
	for _, r := range s {
		e.values = append(e.values, r.Sum)
	}
	decimals, ok := e.scale()
	if !ok {
		p = append(p, rawValues)
		for _, v := range e.values {
			p = binary.LittleEndian.AppendUint64(p, math.Float64bits(v))
		}
		return p
	}
	p = append(p, byte(decimals))
	n := len(s)
	lasts, mins, maxs, sums := e.ints[:n], e.ints[n:2*n], e.ints[2*n:3*n], e.ints[3*n:]
	var last int64
	for _, v := range lasts {
		p = binary.AppendVarint(p, v-last)
		last = v
	}
	for i := range s {
		p = binary.AppendUvarint(p, uint64(lasts[i]-mins[i]))
	}
	for i := range s {
		p = binary.AppendUvarint(p, uint64(maxs[i]-lasts[i]))
	}
	for i, r := range s {
		p = binary.AppendVarint(p, sums[i]-middleSum(r.Count, mins[i], maxs[i]))
	}
	return p
}

// middleSum is the sum of count values in the middle between least and greatest.
func middleSum(count, least, greatest int64) int64 { return count * (least + greatest) / 2 }

// decodeRollups is the reverse of encoder.rollups, with decodeBlob's errors.
func decodeRollups(b []byte) ([]Rollup, error) {
	plain, err := unpack(rollupForm, b)
	if err != nil {
		return nil, err
	}
	d := decoder{b: plain}
	s := make([]Rollup, d.count(7))
	var last, diff int64
	for i := range s {
		if i == 0 {
			last = d.varint()
		} else {
			diff += d.varint()
			last += diff
			d.bad = d.bad || last <= s[i-1].Milli
		}
		s[i].Milli = last
	}
	last = 0
	for i := range s {
		last += d.varint()
		s[i].Count = last
		d.bad = d.bad || last < 1
	}
	last = 0
	for i := range s {
		last += d.varint()
		s[i].LastMilli = s[i].Milli + last
	}
	d.rolledValues(s)
	if d.bad || len(d.b) != 0 || len(s) == 0 {
		return nil, fmt.Errorf("%w: rollups cut short or too long", errBlob)
	}
	return s, nil
}

func (d *decoder) rolledValues(s []Rollup) {
	if d.bad || len(d.b) == 0 {
		d.bad = true
		return
	}
	decimals := d.b[0]
	d.b = d.b[1:]
	switch {
	case decimals <= maxDecimals:
		d.wholeRolledValues(s, pow10[decimals])
	case decimals == rawValues && len(d.b) >= 32*len(s):
		for _, value := range []func(r *Rollup) *float64{
			func(r *Rollup) *float64 { return &r.Last }, func(r *Rollup) *float64 { return &r.Min },
			func(r *Rollup) *float64 { return &r.Max }, func(r *Rollup) *float64 { return &r.Sum },
		} {
			for i := range s {
				*value(&s[i]) = math.Float64frombits(binary.LittleEndian.Uint64(d.b))
				d.b = d.b[8:]
			}
		}
	default:
		d.bad = true
	}
}

func (d *decoder) wholeRolledValues(s []Rollup, scale float64) {
	whole := make([]int64, 3*len(s))
	lasts, mins, maxs := whole[:len(s)], whole[len(s):2*len(s)], whole[2*len(s):]
	var last int64
	for i := range s {
		last += d.varint()
		lasts[i], s[i].Last = last, float64(last)/scale
	}
	for i := range s {
		mins[i] = lasts[i] - int64(d.uvarint())
		s[i].Min = float64(mins[i]) / scale
	}
	for i := range s {
		maxs[i] = lasts[i] + int64(d.uvarint())
		s[i].Max = float64(maxs[i]) / scale
	}
	for i := range s {
		s[i].Sum = float64(d.varint()+middleSum(s[i].Count, mins[i], maxs[i])) / scale
	}
}

package device

import (
	"testing"
)

// BenchmarkDecode is what one report costs; it runs for each.
func BenchmarkDecode(b *testing.B) {
	for name, tt := range map[string]struct {
		of    Subject
		scale []step
		s     step
	}{
		"Meter": {Subject{Identity: meter}, nil, step{2, 0x0702, "18010a 0004 2a dc0500 0000 25 4e61bc000000", ""}},
		"Plug": {subject("innr", "SP 240"), []step{{1, 0x0702, "180101 0203 00 22 640000 0103 00 22 010000", ""}, {1, 0x0b04, "180101 0306 00 21 e803", ""}},
			step{1, 0x0b04, "18010a 0505 21 e700 0805 21 0e00 0b05 29 0200", ""}},
		"ThreePhases": {subject("frient A/S", "EMIZB-151"), []step{{2, 0x0702, "180101 0203 00 22 e80300", ""}},
			step{2, 0x0b04, "18010a 0b05 29 0502 0b09 29 fa04 0b0a 29 1d00 0505 21 e808 0509 21 e808", ""}},
		"Generated": {subject("Nobody", "Something", ep(1, 6, 0x0702, 0x0b04)), nil, step{1, 0x0b04, "18010a 0505 21 e700 0805 21 0e00 0b05 29 0200", ""}},
		"OfNoUse":   {Subject{Identity: meter}, nil, step{2, 0x0b05, "18010a 0011 21 0100", ""}},
	} {
		b.Run(name, func(b *testing.B) {
			d := For(tt.of).NewDecoder(nil)
			for _, s := range tt.scale {
				d.Decode(input(b, s.endpoint, s.cluster, s.frame))
			}
			in := input(b, tt.s.endpoint, tt.s.cluster, tt.s.frame)
			in.Time = noon
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(in)
			}
		})
	}
	b.Run("Datapoint", func(b *testing.B) {
		d := For(subject("_TZE204_cjbofhxw", "TS0601")).NewDecoder(nil)
		in := points(1, numberPoint(19, 2838))
		b.ReportAllocs()
		for b.Loop() {
			d.Decode(in)
		}
	})
}

// BenchmarkFor is what a device costs when it is met; 500 are at a start.
func BenchmarkFor(b *testing.B) {
	for name, s := range map[string]Subject{
		"Meter":     {Identity: meter},
		"Plug":      subject("_TZ3000_2putqrmw", "TS011F", ep(1, 0, 3, 4, 5, 6, 0x0702, 0x0b04, 0xe000, 0xe001)),
		"Generated": subject("Nobody", "Something", ep(1, 0, 3, 4, 5, 6, 0x0702, 0x0b04), ep(2, 6)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				For(s)
			}
		})
	}
}

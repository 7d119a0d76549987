package node

import (
	"math"
	"testing"
)

func TestChanged(t *testing.T) {
	bits := func(f float64) int64 { return int64(math.Float64bits(f)) }
	tests := []struct {
		name      string
		t         uint8
		now, last Value
		change    int64
		want      bool
	}{
		{"unsigned, enough", TypeU16, Number(105), Number(100), 5, true},
		{"unsigned, less", TypeU16, Number(96), Number(100), 5, false},
		{"unsigned, the same", TypeU16, Number(100), Number(100), 0, false},
		{"unsigned, to unknown", TypeU48, Number(-1), Number(100), 1000, true},
		{"signed across zero", TypeS16, Number(-3), Number(3), 6, true},
		{"signed, less", TypeS16, Number(-3), Number(2), 6, false},
		{"signed, extremes", TypeS32 + 4, Number(math.MinInt64), Number(math.MaxInt64), 1, true},
		{"a switch", TypeBool, Number(1), Number(0), 0, true},
		{"a bitmap", TypeBitmap8, Number(1), Number(1), 0, false},
		{"an enumeration", TypeEnum8, Number(3), Number(2), 100, true},
		{"single", TypeSingle, Single(1.5), Single(1), Single(0.5).Number, true},
		{"single, less", TypeSingle, Single(1.25), Single(1), Single(0.5).Number, false},
		{"single, to no value", TypeSingle, Unknown(TypeSingle), Single(1), Single(100).Number, true},
		{"double", TypeDouble, Number(bits(-2)), Number(bits(2)), bits(4), true},
		{"text", TypeText, Text("a"), Text("b"), 0, true},
		{"the same text", TypeText, Text("a"), Text("a"), 0, false},
	}
	for _, tt := range tests {
		if got := changed(tt.t, tt.now, tt.last, tt.change); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	for kind, want := range map[uint8]int64{TypeU48: -1, TypeS16: -32768, TypeS24: -8388608, TypeS32: -2147483648, TypeEnum8: -1} {
		if got := Unknown(kind).Number; got != want {
			t.Errorf("type %02x: got %d, want %d", kind, got, want)
		}
	}
}

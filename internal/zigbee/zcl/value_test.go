package zcl

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValues(t *testing.T) {
	for _, tt := range values {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			const tail = 0x5a
			v, rest, err := DecodeValue(tt.t, append(b, tail))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]byte{tail}, rest); diff != "" {
				t.Errorf("rest (-want +got):\n%s", diff)
			}
			if got := v.String(); got != tt.text {
				t.Errorf("got %s, want %s", got, tt.text)
			}
			if got := v.IsInvalid(); got != tt.invalid {
				t.Errorf("got invalid %v, want %v", got, tt.invalid)
			}
			if got := v.Append(nil); !bytes.Equal(got, b) {
				t.Errorf("encoded as %x, want %x", got, b)
			}
			for n := range b {
				if _, _, err := DecodeValue(tt.t, b[:n:n]); !errors.Is(err, ErrShort) {
					t.Errorf("the first %d bytes: got %v, want %v", n, err, ErrShort)
				}
			}
			if tt.invalid {
				_, u := v.Uint()
				_, i := v.Int()
				_, f := v.Float()
				_, s := v.Text()
				_, o := v.Bytes()
				_, l := v.Elements()
				_, b := v.Bool()
				if u || i || f || s || o || l || b {
					t.Error("an accessor gave a value for unknown")
				}
			}
		})
	}
}

func TestEveryTypeIsInTheTable(t *testing.T) {
	good, invalid := map[DataType]bool{}, map[DataType]bool{}
	for _, tt := range values {
		good[tt.t] = good[tt.t] || !tt.invalid
		invalid[tt.t] = invalid[tt.t] || tt.invalid
	}
	for typ, info := range types {
		if info.class != classNone && !good[typ] {
			t.Errorf("%v has no row", typ)
		}
		if info.class != classBits && info.class != classOpaque && !invalid[typ] {
			t.Errorf("%v has no row for its unknown value", typ)
		}
	}
}

func TestAccessors(t *testing.T) {
	type got struct {
		Uint  uint64
		Int   int64
		Float float64
		Ok    [3]bool
	}
	for name, tt := range map[string]struct {
		v    Value
		want got
	}{
		"Unsigned":       {Number(Uint48, 12345678), got{12345678, 12345678, 12345678, [3]bool{true, true, true}}},
		"Negative":       {Number(Int24, 0xfffa24), got{0, -1500, -1500, [3]bool{false, true, true}}},
		"TooBigForInt":   {Number(Bitmap64, math.MaxUint64), got{math.MaxUint64, 0, math.MaxUint64, [3]bool{true, false, true}}},
		"Float":          {Number(SingleFloat, 0x3fc00000), got{0, 0, 1.5, [3]bool{false, false, true}}},
		"TextIsNoNumber": {Text("1"), got{}},
	} {
		t.Run(name, func(t *testing.T) {
			var g got
			g.Uint, g.Ok[0] = tt.v.Uint()
			g.Int, g.Ok[1] = tt.v.Int()
			g.Float, g.Ok[2] = tt.v.Float()
			if diff := cmp.Diff(tt.want, g); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if v, ok := Number(Bool, 1).Bool(); !v || !ok {
		t.Errorf("bool: got %v, %v, want true, true", v, ok)
	}
	if got := Number(Enum8, 0xff).Raw(); got != 0xff {
		t.Errorf("raw of an unknown enumeration: got %#x, want 0xff", got)
	}
	if s, _ := Text(strings.Repeat("x", 300)).Text(); len(s) != 254 {
		t.Errorf("text of 300 was cut to %d, want 254", len(s))
	}
	if b, _ := Octets(make([]byte, 300)).Bytes(); len(b) != 254 {
		t.Errorf("octets of 300 were cut to %d, want 254", len(b))
	}
}

func TestDecodeValueRefuses(t *testing.T) {
	deep := bytes.Repeat([]byte{byte(Array), 1, 0}, 40)
	for name, tt := range map[string]struct {
		t DataType
		b []byte
	}{
		"UnknownType":             {0x77, []byte{1, 2, 3, 4}},
		"ManyElementsOfNothing":   {Array, []byte{byte(NoData), 0xfe, 0xff}},
		"CountBeyondTheFrame":     {Array, []byte{byte(Uint8), 0xfe, 0xff, 1, 2}},
		"NestedTooDeep":           {Array, deep},
		"StructOfUnknownType":     {Struct, []byte{1, 0, 0x77}},
		"StructElementsAreNot":    {Struct, []byte{2, 0, byte(Bool), 1}},
		"StringLongerThanFrame":   {CharString, []byte{5, 'a'}},
		"LongStringLongerThanAll": {LongCharStr, []byte{0xfe, 0xff, 'a'}},
	} {
		t.Run(name, func(t *testing.T) {
			if v, _, err := DecodeValue(tt.t, tt.b); err == nil {
				t.Errorf("got %v, want an error", v)
			}
		})
	}
}

func TestDecodeValueKeepsNothingOfTheFrame(t *testing.T) {
	b := []byte{3, 'a', 'b', 'c'}
	v, _, err := DecodeValue(CharString, b)
	if err != nil {
		t.Fatal(err)
	}
	b[1] = 'x'
	if got, _ := v.Text(); got != "abc" {
		t.Errorf("got %q after the frame was overwritten, want abc", got)
	}
}

func TestStatus(t *testing.T) {
	if err := StatusSuccess.Err(); err != nil {
		t.Errorf("success: got %v, want nil", err)
	}
	if got, want := StatusUnsupportedAttr.Err().Error(), "device answered unsupported attribute"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Status(0x42).String(), "status 0x42"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzValue: what was read is written back as the same bytes.
func FuzzValue(f *testing.F) {
	for _, tt := range values {
		f.Add(uint8(tt.t), unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, typ uint8, b []byte) {
		v, rest, err := DecodeValue(DataType(typ), b)
		if err != nil {
			return
		}
		if got, want := v.Append(nil), b[:len(b)-len(rest)]; !bytes.Equal(got, want) {
			t.Fatalf("%v: %x was written back as %x", v.Type, want, got)
		}
		_ = v.String()
		if w, _, err := DecodeValue(v.Type, v.Append(nil)); err != nil || !w.Equal(v) {
			t.Fatalf("%#v read again is %#v, %v", v, w, err)
		}
	})
}

package store

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rollupCases are rows of rollups.
var rollupCases = map[string][]Rollup{
	"One": {{Milli: 1_700_000_100_000, Count: 1, Min: 342, Max: 342, Sum: 342, Last: 342, LastMilli: 1_700_000_100_001}},
	"Decimals": {
		{Milli: 300_000, Count: 30, Min: -1.5, Max: 342.25, Sum: 1000.125, Last: 0, LastMilli: 599_999},
		{Milli: 600_000, Count: 29, Min: 0.001, Max: 0.001, Sum: 0.029, Last: 0.001, LastMilli: 899_000},
		{Milli: 86_400_000, Count: 1, Min: -7, Max: -7, Sum: -7, Last: -7, LastMilli: 86_400_000},
	},
	"Floats":    {{Milli: 0, Count: 2, Min: math.Pi, Max: 1e300, Sum: 1e300, Last: 1e300, LastMilli: 1}},
	"MinusZero": {{Milli: 0, Count: 1, Min: math.Copysign(0, -1), Max: 0, Sum: 0, Last: 0, LastMilli: 1}},
	"Large": {
		{Milli: -300_000, Count: 1 << 40, Min: -(1<<53 - 1), Max: 1<<53 - 1, Sum: 12345, Last: 5, LastMilli: math.MaxInt64},
		{Milli: 300_000, Count: 1, Min: 1<<53 - 1, Max: 1<<53 - 1, Sum: 1<<53 - 1, Last: 1<<53 - 1, LastMilli: math.MinInt64},
	},
}

func TestRollupsAreReadAsWritten(t *testing.T) {
	var e encoder
	for name, want := range rollupCases {
		t.Run(name, func(t *testing.T) {
			b, err := e.rollups(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeRollups(b)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if math.Signbit(got[0].Min) != math.Signbit(want[0].Min) {
				t.Error("the sign of a zero was lost")
			}
			for n := range b {
				if _, err := decodeRollups(b[:n]); !errors.Is(err, errBlob) {
					t.Errorf("cut after %d of %d bytes: got error %v, want one about damage", n, len(b), err)
				}
			}
		})
	}
}

func FuzzRollups(f *testing.F) {
	for _, s := range rollupCases {
		var e encoder
		b, err := e.rollups(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.plain, b)
	}
	f.Fuzz(func(t *testing.T, plain, b []byte) {
		var e encoder
		whole, err := e.pack(rollupForm, plain)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{b, whole} {
			s, err := decodeRollups(b)
			if err != nil {
				if !errors.Is(err, errBlob) {
					t.Errorf("got error %v, want one about damage", err)
				}
				continue
			}
			for i := range s {
				if i > 0 && s[i].Milli <= s[i-1].Milli || s[i].Count < 1 {
					t.Fatalf("rollup %d is %+v after %+v", i, s[i], s[max(i-1, 0)])
				}
			}
			b, err := e.rollups(s)
			if err != nil {
				t.Fatal(err)
			}
			again, err := decodeRollups(b)
			sameBits := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
			if diff := cmp.Diff(s, again, sameBits); err != nil || diff != "" {
				t.Errorf("read, written and read again: %v\n%s", err, diff)
			}
		}
	})
}

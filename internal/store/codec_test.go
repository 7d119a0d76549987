package store

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// one makes a column of values a second apart.
func one(sid int64, values ...float64) column {
	c := column{sid: sid}
	for i, v := range values {
		c.samples = append(c.samples, Sample{Milli: 1_795_176_000_000 + int64(i)*1000, Value: v})
	}
	return c
}

var blobs = []struct {
	name    string
	columns []column
}{
	{"Nothing", nil},
	{"One", []column{one(1, 342)}},
	{"Decimals", []column{one(1, 0.1, 0.25, 1234.567, -5)}},
	{"DecimalsGrowLate", []column{one(1, 1, 2, 3, 0.000000001)}},
	{"Raw", []column{one(1, math.Pi, 1e300, -1e-300)}},
	{"LargeWhole", []column{one(1, 1e15, -1e15, 9e15)}},
	{"TooLargeWhole", []column{one(1, 1<<60, 1)}},
	{"NegativeZero", []column{one(1, math.Copysign(0, -1), 0)}},
	{"TooLargeWithDecimals", []column{one(1, 9e15, 0.123)}},
	{"Several", []column{one(1, 1, 2), one(7, 0.5), one(1<<23, 3)}},
	{"Jitter", []column{{sid: 3, samples: []Sample{{1, 1}, {10_007, 1}, {19_999, 1}, {20_000, 2}, {maxMilli, 3}}}}},
}

func decoded(t *testing.T, columns []column) []column {
	t.Helper()
	var e encoder
	b, err := e.blob(columns)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeBlob(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func sameColumns(a, b []column) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(column{}), cmp.Comparer(func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y)
	}))
}

func TestBlobRoundTrip(t *testing.T) {
	for _, tc := range blobs {
		t.Run(tc.name, func(t *testing.T) {
			if diff := sameColumns(tc.columns, decoded(t, tc.columns)); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBlobKeepsEveryBit: whatever values come, the same come back.
func TestBlobKeepsEveryBit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		c := column{sid: 1 + rnd.Int64N(1000)}
		ms, scale := rnd.Int64N(maxMilli), math.Pow(10, float64(rnd.IntN(12)))
		for range 1 + rnd.IntN(50) {
			c.samples = append(c.samples, Sample{Milli: ms, Value: math.Round(rnd.NormFloat64()*1e6*scale) / scale})
			ms += 1 + rnd.Int64N(100_000)
		}
		if diff := sameColumns([]column{c}, decoded(t, []column{c})); diff != "" {
			t.Fatalf("columns (-want +got):\n%s", diff)
		}
	}
}

func TestDecodeOneSeriesOfABlock(t *testing.T) {
	var e encoder
	b, err := e.blob(blobs[9].columns)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeBlob(b, 7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := sameColumns([]column{one(7, 0.5)}, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestDamagedBlobIsAnError(t *testing.T) {
	var e encoder
	whole, err := e.blob([]column{one(1, 1, 2, 3), one(2, 0.5, 0.6)})
	if err != nil {
		t.Fatal(err)
	}
	whole = append([]byte(nil), whole...)
	for i := range whole {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 0x10
		if _, err := decodeBlob(damaged, 0); !errors.Is(err, errBlob) {
			t.Errorf("byte %d changed: got error %v, want %v", i, err, errBlob)
		}
		if _, err := decodeBlob(whole[:i], 0); !errors.Is(err, errBlob) {
			t.Errorf("cut at %d: got error %v, want %v", i, err, errBlob)
		}
	}
	if _, err := decodeBlob(make([]byte, 4096), 0); !errors.Is(err, errBlob) {
		t.Errorf("zeros: got error %v, want %v", err, errBlob)
	}
}

// FuzzParseColumns feeds the part behind the checksum, which a stranger's file
// may have right.
func FuzzParseColumns(f *testing.F) {
	for _, tc := range blobs {
		var e encoder
		if _, err := e.blob(tc.columns); err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte(nil), e.plain...))
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		columns, err := parseColumns(plain, 0)
		if err != nil {
			return
		}
		n := 0
		for _, c := range columns {
			n += len(c.samples)
			alone, err := parseColumns(plain, c.sid)
			if err != nil || len(alone) == 0 {
				t.Fatalf("series %d alone: got %d columns, %v", c.sid, len(alone), err)
			}
		}
		if len(columns) == 1 {
			alone, err := parseColumns(plain, columns[0].sid)
			if diff := cmp.Diff(columns, alone, cmp.AllowUnexported(column{}), cmpopts.EquateNaNs()); err != nil || diff != "" {
				t.Errorf("one series alone: %v\n%s", err, diff)
			}
		}
		if n > len(plain) {
			t.Errorf("%d samples came out of %d bytes", n, len(plain))
		}
	})
}

// A chart is told the same of a series whether others are read or passed over.
func TestOneSeriesOfABlob(t *testing.T) {
	for _, tc := range blobs {
		t.Run(tc.name, func(t *testing.T) {
			var e encoder
			b, err := e.blob(tc.columns)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.columns {
				got, err := decodeBlob(b, want.sid)
				if diff := cmp.Diff([]column{want}, got, cmp.AllowUnexported(column{})); err != nil || diff != "" {
					t.Errorf("series %d: %v (-want +got):\n%s", want.sid, err, diff)
				}
			}
			if got, err := decodeBlob(b, maxSeries); err != nil || len(got) != 0 {
				t.Errorf("a series that is not there: got %v, %v", got, err)
			}
		})
	}
}

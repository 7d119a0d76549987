package energy

import (
	"errors"
	"math/big"
	"testing"
)

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		in, out string
		want    Decimal
	}{
		{"36.50", "36.50", 36_500_000}, {"0", "0.00", 0}, {"-12.73", "-12.73", -12_730_000}, {"21.765", "21.765", 21_765_000},
		{"0.000001", "0.000001", 1}, {"100000000", "100000000.00", maxDecimal}, {"007.5", "7.50", 7_500_000}, {"-0.5", "-0.50", -500_000},
	} {
		got, err := ParseDecimal(tt.in)
		if err != nil || got != tt.want || got.String() != tt.out {
			t.Errorf("%q: got %d (%s), %v; want %d (%s)", tt.in, got, got, err, tt.want, tt.out)
		}
	}
	for _, s := range []string{"", "-", ".", "1.", ".5", "1.0000001", "1e3", "+1", "1,5", "--1", " 1", "100000001", "99999999999999999999", "1.2.3", "Inf"} {
		if got, err := ParseDecimal(s); !errors.Is(err, ErrDecimal) {
			t.Errorf("%q: got %d, %v; want ErrDecimal", s, got, err)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"36.50", "-12.73", "0.000001", "1e9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		if err != nil {
			return
		}
		if again, err := ParseDecimal(d.String()); err != nil || again != d {
			t.Errorf("%q is %d, written %s, which is %d, %v", s, d, d, again, err)
		}
	})
}

// Half up, as bills are; half to even would make a due of 119.61 of the real one.
func TestRound(t *testing.T) {
	for _, tt := range []struct {
		num, den int64
		want     string
	}{
		{1213674, 100, "121.37"}, {34905, 10, "34.91"}, {667535, 1000, "6.68"}, {-34905, 10, "-34.91"}, {-34904, 10, "-34.90"},
		{0, 1, "0.00"}, {1, 3, "0.00"}, {1, 2, "0.01"}, {-1, 2, "-0.01"}, {5, 1, "0.05"}, {-5, 1, "-0.05"},
	} {
		if got := round(big.NewRat(tt.num, tt.den)).String(); got != tt.want {
			t.Errorf("%d/%d cents: got %s, want %s", tt.num, tt.den, got, tt.want)
		}
	}
}

func TestDates(t *testing.T) {
	d, err := ParseDate("2026-10-31")
	if err != nil || d.String() != "2026-10-31" || d.Add(1).String() != "2026-11-01" || day("2026-08-16").Days(day("2026-09-16")) != 31 || d.addMonths(1).String() != "2026-11-30" || d.addMonths(16).String() != "2028-02-29" {
		t.Errorf("got %v, %v, %v", d, err, d.addMonths(1))
	}
	if !d.Before(day("2026-11-01")) || d.Before(d) {
		t.Error("Before is wrong")
	}
	for _, s := range []string{"", "2026-02-30", "31.10.2026", "2026-1-1"} {
		if got, err := ParseDate(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, got)
		}
	}
}

// Package energy turns half hours of energy into an electricity bill: the tariff
// plan with its dates, the standing charge, the levy, credits and VAT, line by line
// as a supplier prints it. It is pure: it must never know where half hours come
// from, how plans are kept, or who is shown a bill.
//
// Money is never a float. Prices are decimal numbers, sums are exact fractions, and
// each line of a bill is rounded once, half up, to the cent; lines that are made of
// lines (the discount, VAT) are made of them as they are printed.
package energy

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Cents is money as it is printed.
type Cents int64

// String is the amount in euro: "119.60", "-34.91".
func (c Cents) String() string {
	sign, u := "", uint64(c)
	if c < 0 {
		sign, u = "-", -u
	}
	return fmt.Sprintf("%s%d.%02d", sign, u/100, u%100)
}

// Decimal is a number with up to six decimals, in millionths: a price, a percentage.
type Decimal int64

const one Decimal = 1e6

// maxDecimal bounds what is read: a hundred million.
const maxDecimal = 1e8 * one

// ErrDecimal is a text that is no such number.
var ErrDecimal = errors.New("write a number with at most six decimals, such as 36.50")

// ParseDecimal reads a number such as "36.50" or "-12.73". The error is ErrDecimal.
func ParseDecimal(s string) (Decimal, error) {
	bad := fmt.Errorf("%q is no price: %w", s, ErrDecimal)
	digits, negative := strings.CutPrefix(s, "-")
	whole, part, dot := strings.Cut(digits, ".")
	if whole == "" || len(part) > 6 || dot && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return 0, bad
	}
	v, err := strconv.ParseInt(whole+part+strings.Repeat("0", 6-len(part)), 10, 64)
	if err != nil || Decimal(v) > maxDecimal {
		return 0, bad
	}
	if negative {
		v = -v
	}
	return Decimal(v), nil
}

// D is ParseDecimal for numbers in a program; it panics at one that is none.
func D(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

// String is the number with as many decimals as it has, at least two.
func (d Decimal) String() string {
	sign, u := "", uint64(d)
	if d < 0 {
		sign, u = "-", -u
	}
	part := strings.TrimRight(fmt.Sprintf("%06d", u%uint64(one)), "0")
	return fmt.Sprintf("%s%d.%s", sign, u/uint64(one), part+"00"[min(len(part), 2):])
}

func (d Decimal) rat() *big.Rat { return big.NewRat(int64(d), int64(one)) }

// round is an exact amount to the cent: half up, of a negative one its size.
func round(cents *big.Rat) Cents {
	// (2n+d) / 2d, rounded down, of the size.
	size := new(big.Rat).Abs(cents)
	n := new(big.Int).Mul(size.Num(), big.NewInt(2))
	n.Add(n, size.Denom())
	n.Div(n, new(big.Int).Mul(size.Denom(), big.NewInt(2)))
	c := Cents(n.Int64())
	if cents.Sign() < 0 {
		return -c
	}
	return c
}

// roundTo is an exact number to some decimals, half up.
func roundTo(v *big.Rat, decimals int) *big.Rat {
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil))
	up := new(big.Rat).Mul(v, scale)
	return new(big.Rat).Quo(new(big.Rat).SetInt64(int64(round(up))), scale)
}

// Date is a civil day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// On is the civil day of t in a place.
func On(t time.Time, place *time.Location) Date {
	y, m, d := t.In(place).Date()
	return Date{y, m, d}
}

// ParseDate reads "2026-08-16".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("%q is no date: write it as 2026-08-16", s)
	}
	return On(t, time.UTC), nil
}

func (d Date) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

func (d Date) String() string { return d.utc().Format(time.DateOnly) }

// Before reports whether d is an earlier day than e.
func (d Date) Before(e Date) bool { return d.utc().Before(e.utc()) }

// Days is how many days there are from d to e.
func (d Date) Days(e Date) int { return int(e.utc().Sub(d.utc()) / (24 * time.Hour)) }

// Add is n days later.
func (d Date) Add(n int) Date { return On(d.utc().AddDate(0, 0, n), time.UTC) }

// addMonths is n months later: the same day, or the last of a shorter month.
func (d Date) addMonths(n int) Date {
	last := time.Date(d.Year, d.Month+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC)
	return Date{last.Year(), last.Month(), min(d.Day, last.Day())}
}

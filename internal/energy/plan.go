package energy

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Plan is a tariff plan, as its prices were over time.
type Plan struct {
	Name   string
	Prices []Price // ascending by From
}

// Price is what a plan costs from a day on. Everything is before VAT, and rates
// before the discount: advertised prices are rounded, and cannot be used.
type Price struct {
	From Date
	// Windows say which band a half hour is of, by its beginning; where several
	// hold, the last counts. What no window holds is of the band Rest.
	Windows calendar.Windows
	Rates   map[string]Rate // by band
	// Discount is a percentage of what energy costs.
	Discount Decimal
	Standing Standing
	Export   Decimal // cent per kWh given back
}

// Rest is the band of what no window holds.
const Rest = ""

// Rate is what a kWh of a band costs.
type Rate struct {
	Unit Decimal // cent per kWh; of a dynamic plan, what is added to the market's price
	// UpTo is how much of a bill's energy of the band has this rate; 0: all. What is
	// more costs Above.
	UpTo  ledger.Energy
	Above Decimal
	// Dynamic: the half hour's price on the market is added.
	Dynamic bool
}

// Standing is the standing charge: by the day, or where that is 0 by the year.
type Standing struct {
	Day  Decimal // euro
	Year Decimal // euro, of 365 days
	// Decimals is to how many decimals of a euro the supplier rounds a day's; 0: to
	// none.
	Decimals int
}

// day is what a day costs, in cents.
func (s Standing) day() *big.Rat {
	d := s.Day.rat()
	if s.Day == 0 {
		d = new(big.Rat).Quo(s.Year.rat(), big.NewRat(365, 1))
	}
	if s.Decimals > 0 {
		d = roundTo(d, s.Decimals)
	}
	return d.Mul(d, big.NewRat(100, 1))
}

// Errors of a bill.
var (
	// ErrNoPrice: the plan has no price for a day, or none for a band.
	ErrNoPrice = errors.New("the plan has no price for it")
	// ErrVATChanges: VAT changes within the period, which nobody says how to bill.
	ErrVATChanges = errors.New("VAT changes within the period: make a bill of each part")
	// ErrPeriod: the period ends before it begins.
	ErrPeriod = errors.New("the period ends before it begins")
	// ErrNoMarket: a dynamic plan needs a price of the market that is not there.
	ErrNoMarket = errors.New("the market's price of a half hour is missing")
)

// at is the index of the price on a day.
func (p Plan) at(d Date) (int, error) {
	for i := len(p.Prices) - 1; i >= 0; i-- {
		if !d.Before(p.Prices[i].From) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s on %s: %w", p.Name, d, ErrNoPrice)
}

// Use is energy of one band under one price.
type Use struct {
	Day    Date // one on which that price held
	Band   string
	Energy ledger.Energy
	market *big.Rat // what it cost on the market, in cents
}

// Usage is what was used in a period, by price and band, and how well it is known.
type Usage struct {
	Uses      []Use
	Missing   int // half hours of which nothing is known
	Estimated ledger.Energy
}

// Market is the price of a half hour on the market in cent per kWh, before VAT; ok is
// false when it is not known. (A price of 36.00 €/MWh is 3.60 cent per kWh.)
type Market func(slot time.Time) (cent Decimal, ok bool)

// Measure sorts half hours, in ascending time, into the bands of the plan, those of
// the days from first to last in a place. market is for dynamic plans; others do not
// need it. Errors: ErrNoPrice, ErrNoMarket, ErrPeriod.
func (p Plan) Measure(slots []ledger.Slot, first, last Date, place *time.Location, market Market) (Usage, error) {
	if last.Before(first) {
		return Usage{}, ErrPeriod
	}
	begin := calendar.Midnight(first.Year, first.Month, first.Day, place)
	end := calendar.Midnight(last.Year, last.Month, last.Day+1, place)
	u := Usage{Missing: int(end.Sub(begin) / (ledger.SlotSeconds * time.Second))}
	type key struct {
		price int
		band  string
	}
	index := map[key]int{}
	for _, s := range slots {
		at := time.Unix(s.Start, 0)
		if at.Before(begin) || !at.Before(end) {
			continue
		}
		u.Missing--
		if s.Flags&ledger.Estimated != 0 {
			u.Estimated += s.Energy
		}
		day := On(at, place)
		i, err := p.at(day)
		if err != nil {
			return Usage{}, err
		}
		k := key{i, p.Prices[i].Windows.At(at, place)}
		n, known := index[k]
		if !known {
			n = len(u.Uses)
			index[k] = n
			u.Uses = append(u.Uses, Use{Day: day, Band: k.band})
		}
		u.Uses[n].Energy += s.Energy
		if p.Prices[i].Rates[k.band].Dynamic {
			if err := u.Uses[n].buy(s, at, market); err != nil {
				return Usage{}, err
			}
		}
	}
	return u, nil
}

// buy adds what a half hour cost on the market.
func (u *Use) buy(s ledger.Slot, at time.Time, market Market) error {
	cent, ok := Decimal(0), false
	if market != nil {
		cent, ok = market(at)
	}
	if !ok {
		return fmt.Errorf("%s: %w", at.UTC().Format(time.RFC3339), ErrNoMarket)
	}
	if u.market == nil {
		u.market = new(big.Rat)
	}
	u.market.Add(u.market, new(big.Rat).Mul(kWh(s.Energy), cent.rat()))
	return nil
}

func kWh(e ledger.Energy) *big.Rat { return big.NewRat(int64(e), int64(ledger.KilowattHour)) }

// Whole is the usage in whole kWh of each band, as registers are billed: to the
// nearest, and a half up.
func (u Usage) Whole() Usage {
	w := Usage{Missing: u.Missing, Estimated: u.Estimated}
	for _, use := range u.Uses {
		use.Energy = (use.Energy + ledger.KilowattHour/2) / ledger.KilowattHour * ledger.KilowattHour
		w.Uses = append(w.Uses, use)
	}
	return w
}

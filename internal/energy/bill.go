package energy

import (
	"fmt"
	"math/big"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Period is what a bill is made of.
type Period struct {
	First, Last Date // both are billed
	Import      Usage
	Export      Usage // bands do not matter
}

// Kind is which line of a bill one is.
type Kind string

// The lines, in the order in which they are printed. Those that a bill has none of
// are left out.
const (
	EnergyLine   Kind = "energy"
	DiscountLine Kind = "discount"
	StandingLine Kind = "standing charge"
	PSOLine      Kind = "PSO levy"
	CreditLine   Kind = "credit"
	VATLine      Kind = "VAT"
	ExportLine   Kind = "export"
)

// Line is one of a bill.
type Line struct {
	Kind   Kind
	Text   string // how it comes about: "31 days at 0.8259"
	Amount Cents
	Units  []Unit // of the energy and the export
	// Unsure: nobody has established how it is counted for a period like this.
	Unsure bool
}

// Unit is energy at one price. Its amount is what it adds to the line, which is
// rounded once, as a whole.
type Unit struct {
	Band   string
	Energy ledger.Energy
	Rate   Decimal // cent per kWh
	Amount Cents
}

// Bill is a bill.
type Bill struct {
	First, Last Date
	Lines       []Line
	Net         Cents // before VAT
	Total       Cents // with VAT
	Due         Cents // Total, less what was given back
	Missing     int   // half hours of which nothing is known, and which are not billed
	Estimated   ledger.Energy
}

// Line is the amount of the lines of a kind.
func (b Bill) Line(k Kind) (sum Cents) {
	for _, l := range b.Lines {
		if l.Kind == k {
			sum += l.Amount
		}
	}
	return sum
}

// Bill makes the bill of a period under the plan. Errors: ErrPeriod, ErrNoPrice,
// ErrVATChanges.
func (p Plan) Bill(r Rules, in Period) (Bill, error) {
	b := Bill{First: in.First, Last: in.Last, Missing: in.Import.Missing, Estimated: in.Import.Estimated}
	if in.Last.Before(in.First) {
		return Bill{}, ErrPeriod
	}
	vat := at(r.VAT, in.First)
	if at(r.VAT, in.Last) != vat {
		return Bill{}, fmt.Errorf("a bill from %s to %s: %w", in.First, in.Last, ErrVATChanges)
	}
	for _, f := range []func() error{
		func() error { return p.energy(&b, in.Import) },
		func() error { return p.standing(&b) },
	} {
		if err := f(); err != nil {
			return Bill{}, fmt.Errorf("a bill from %s to %s: %w", in.First, in.Last, err)
		}
	}
	r.levy(&b)
	for _, c := range r.Credits {
		if !c.On.Before(in.First) && !in.Last.Before(c.On) {
			b.add(Line{Kind: CreditLine, Text: c.Name, Amount: -round(new(big.Rat).Mul(c.Amount.rat(), hundred))})
		}
	}
	for _, l := range b.Lines {
		b.Net += l.Amount
	}
	tax := round(percent(b.Net, vat))
	b.add(Line{Kind: VATLine, Text: fmt.Sprintf("%s %% of %s", vat, b.Net), Amount: tax})
	b.Total = b.Net + tax
	if err := p.export(&b, in.Export); err != nil {
		return Bill{}, fmt.Errorf("a bill from %s to %s: %w", in.First, in.Last, err)
	}
	b.Due = b.Total + b.Line(ExportLine)
	return b, nil
}

var hundred = big.NewRat(100, 1)

func (b *Bill) add(l Line) { b.Lines = append(b.Lines, l) }

// percent of an amount.
func percent(of Cents, p Decimal) *big.Rat {
	v := new(big.Rat).Mul(new(big.Rat).SetInt64(int64(of)), p.rat())
	return v.Quo(v, hundred)
}

// energy adds what the energy cost, and the discount. Where one discount held all
// along it is taken of the line as it is printed, otherwise of each part.
func (p Plan) energy(b *Bill, u Usage) error {
	line, sum := Line{Kind: EnergyLine}, new(big.Rat)
	discount, discounts := new(big.Rat), map[Decimal]bool{}
	used := map[string]ledger.Energy{} // by band, of this bill
	for _, use := range u.Uses {
		i, err := p.at(use.Day)
		if err != nil {
			return err
		}
		rate, ok := p.Prices[i].Rates[use.Band]
		if !ok {
			return fmt.Errorf("%s, band %q: %w", p.Name, use.Band, ErrNoPrice)
		}
		cost := new(big.Rat)
		for _, part := range rate.parts(use, used[use.Band]) {
			exact := new(big.Rat).Mul(kWh(part.Energy), part.Rate.rat())
			part.Amount = round(exact)
			line.Units = append(line.Units, part)
			cost.Add(cost, exact)
		}
		used[use.Band] += use.Energy
		if use.market != nil {
			cost.Add(cost, use.market)
		}
		sum.Add(sum, cost)
		d := p.Prices[i].Discount
		discounts[d] = true
		discount.Add(discount, new(big.Rat).Mul(cost, new(big.Rat).Quo(d.rat(), hundred)))
	}
	line.Amount = round(sum)
	b.add(line)
	text := "of each price's energy"
	if len(discounts) == 1 {
		for d := range discounts {
			discount, text = percent(line.Amount, d), fmt.Sprintf("%s %% of %s", d, line.Amount)
		}
	}
	if c := round(discount); c != 0 {
		b.add(Line{Kind: DiscountLine, Text: text, Amount: -c})
	}
	return nil
}

// parts are the energy of a use by its rates, after some of the band was used before.
func (r Rate) parts(use Use, before ledger.Energy) []Unit {
	if r.UpTo == 0 {
		return []Unit{{Band: use.Band, Energy: use.Energy, Rate: r.Unit}}
	}
	below := min(use.Energy, max(0, r.UpTo-before))
	var parts []Unit
	if below > 0 {
		parts = append(parts, Unit{Band: use.Band, Energy: below, Rate: r.Unit})
	}
	if above := use.Energy - below; above > 0 {
		parts = append(parts, Unit{Band: use.Band, Energy: above, Rate: r.Above})
	}
	return parts
}

// standing adds the standing charge of each day.
func (p Plan) standing(b *Bill) error {
	sum, text := new(big.Rat), ""
	for d := b.First; !b.Last.Before(d); {
		i, err := p.at(d)
		if err != nil {
			return err
		}
		end := b.Last.Add(1)
		if i+1 < len(p.Prices) && p.Prices[i+1].From.Before(end) {
			end = p.Prices[i+1].From
		}
		days, daily := d.Days(end), p.Prices[i].Standing.day()
		sum.Add(sum, new(big.Rat).Mul(big.NewRat(int64(days), 1), daily))
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d days at %s", days, new(big.Rat).Quo(daily, hundred).FloatString(4))
		d = end
	}
	b.add(Line{Kind: StandingLine, Text: text, Amount: round(sum)})
	return nil
}

// levy adds the PSO levy: for each month from the first day on, what a month costs on
// the day on which it begins. What is over after the last whole month is counted by
// the day, of 365 in a year, and marked: no bill of such a period has been seen.
func (r Rules) levy(b *Bill) {
	sum, months, over := new(big.Rat), 0, 0
	end := b.Last.Add(1)
	for begin := b.First; begin.Before(end); begin = b.First.addMonths(months) {
		month := new(big.Rat).Mul(at(r.PSO, begin).rat(), hundred)
		if end.Before(b.First.addMonths(months + 1)) {
			over = begin.Days(end)
			sum.Add(sum, month.Mul(month, big.NewRat(int64(over)*12, 365)))
			break
		}
		sum.Add(sum, month)
		months++
	}
	text := fmt.Sprintf("%d months", months)
	if over > 0 {
		text += fmt.Sprintf(" and %d days", over)
	}
	if c := round(sum); c != 0 {
		b.add(Line{Kind: PSOLine, Text: text, Amount: c, Unsure: over > 0})
	}
}

// export adds what was given back, which has no VAT and no discount.
func (p Plan) export(b *Bill, u Usage) error {
	line, sum := Line{Kind: ExportLine}, new(big.Rat)
	for _, use := range u.Uses {
		i, err := p.at(use.Day)
		if err != nil {
			return err
		}
		exact := new(big.Rat).Mul(kWh(use.Energy), p.Prices[i].Export.rat())
		sum.Add(sum, exact)
		line.Units = append(line.Units, Unit{Band: use.Band, Energy: use.Energy, Rate: p.Prices[i].Export, Amount: round(exact)})
	}
	if line.Amount = -round(sum); line.Amount != 0 {
		b.add(line)
	}
	return nil
}

package energy

// Rules are what is the same for every plan: tax, levy and the government's credits.
type Rules struct {
	VAT     []Dated  // percent, ascending by From
	PSO     []Dated  // euro a month before VAT, ascending by From; it may be negative
	Credits []Credit // of the government
}

// Dated is a figure from a day on.
type Dated struct {
	From  Date
	Value Decimal
}

// Credit is taken off a bill before VAT.
type Credit struct {
	Name   string
	Amount Decimal // euro before VAT
	// On is the day on which it is given; whoever keeps bills may set it to one of the
	// period that it was on.
	On Date
}

// at is the figure on a day; 0 before the first.
func at(all []Dated, d Date) (v Decimal) {
	for _, f := range all {
		if !d.Before(f.From) {
			v = f.Value
		}
	}
	return v
}

func day(s string) Date {
	d, err := ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// Ireland are the rules for homes in Ireland. VAT: the Oireachtas' resolutions up to
// that of 7 October 2025, which keeps 9 % to the end of 2030. PSO: decisions of the
// CRU, years from October; 1.46 is what bills of 2026 have (from when is not
// established), and 0.51 is inferred from a supplier's estimate. Credits: the
// schemes of 2022 to 2025, each on the first day of the months on whose bills it was.
var Ireland = Rules{
	VAT: []Dated{{day("2012-01-01"), D("13.5")}, {day("2022-05-01"), D("9")}, {day("2031-01-01"), D("13.5")}},
	PSO: []Dated{
		{day("2016-10-01"), D("5.90")}, {day("2017-10-01"), D("7.69")}, {day("2018-10-01"), D("3.48")}, {day("2019-10-01"), D("2.84")},
		{day("2020-10-01"), D("6.52")}, {day("2021-10-01"), D("4.30")}, {day("2022-10-01"), D("0")}, {day("2023-03-01"), D("-12.73")},
		{day("2023-10-01"), D("0")}, {day("2024-10-01"), D("3.23")}, {day("2025-10-01"), D("2.01")}, {day("2025-12-01"), D("1.46")},
		{day("2026-10-01"), D("0.51")},
	},
	Credits: []Credit{
		{"government electricity credit", D("176.22"), day("2022-04-01")},
		{"government electricity credit", D("183.49"), day("2022-11-01")},
		{"government electricity credit", D("183.49"), day("2023-01-01")},
		{"government electricity credit", D("183.49"), day("2023-03-01")},
		{"government electricity credit", D("137.61"), day("2023-12-01")},
		{"government electricity credit", D("137.61"), day("2024-01-01")},
		{"government electricity credit", D("137.61"), day("2024-02-01")},
		{"government electricity credit", D("114.68"), day("2024-11-01")},
		{"government electricity credit", D("114.68"), day("2025-01-01")},
	},
}

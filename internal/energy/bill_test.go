package energy

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata" // of the machine that runs the tests nothing is expected

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/ledger"
)

const kWhs = ledger.KilowattHour

func windows(t testing.TB, s string) calendar.Windows {
	t.Helper()
	ws, err := calendar.ParseWindows(s)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// flat is a plan of one price from long ago on.
func flat(p Price) Plan {
	p.From = day("2010-01-01")
	return Plan{Name: "a plan", Prices: []Price{p}}
}

// used is usage under the price of a day.
func used(on, band string, e ledger.Energy) Use { return Use{Day: day(on), Band: band, Energy: e} }

func amounts(b Bill) map[Kind]string {
	m := map[Kind]string{"net": b.Net.String(), "total": b.Total.String(), "due": b.Due.String()}
	for _, l := range b.Lines {
		m[l.Kind] = l.Amount.String()
	}
	return m
}

// The bills of which every figure is known: one that a supplier sent, the regulator's
// own example, and ones constructed from plans.
func TestBills(t *testing.T) {
	energia := Plan{Name: "Energia EV Smart Drive", Prices: []Price{
		{From: day("2026-01-01"), Rates: map[string]Rate{"ev": {Unit: D("9.61")}, "other": {Unit: D("40.94")}}, Discount: D("10"), Standing: Standing{Year: D("243.13")}, Export: D("18.5")},
		{From: day("2026-10-12"), Rates: map[string]Rate{"ev": {Unit: D("12.49")}, "other": {Unit: D("40.94")}}, Discount: D("10"), Standing: Standing{Year: D("255.29")}, Export: D("18.5")},
	}}
	regulator := flat(Price{Rates: map[string]Rate{Rest: {Unit: D("20")}}, Standing: Standing{Year: D("167.540984")}})
	cru := Rules{VAT: Ireland.VAT, PSO: []Dated{{day("2022-01-01"), D("6.50")}}}
	credited := cru
	credited.Credits = []Credit{{"government electricity credit", D("183.49"), day("2022-11-01")}}
	for _, tt := range []struct {
		name        string
		plan        Plan
		rules       Rules
		first, last string
		in, out     []Use
		want        map[Kind]string
	}{
		{
			// A bill that Electric Ireland sent: Night Boost, 31 days.
			//   154 × 0.1056 = 16.2624, 33 × 0.3650 = 12.0450, 517 × 0.1800 = 93.0600: 121.3674
			//   discount 5.5 % of 121.37 = 6.67535
			//   standing charge 301.45 / 365 = 0.82589, to four decimals 0.8259, × 31 = 25.6029
			//   PSO 1.46
			//   net 121.37 − 6.68 + 25.60 + 1.46 = 141.75, VAT 9 % = 12.7575
			//   export 179 × 0.195 = 34.905
			//   due 141.75 + 12.76 − 34.91 = 119.60
			"ElectricIrelandNightBoost",
			flat(Price{Rates: map[string]Rate{"boost": {Unit: D("10.56")}, "day": {Unit: D("36.50")}, "night": {Unit: D("18.00")}},
				Discount: D("5.5"), Standing: Standing{Year: D("301.45"), Decimals: 4}, Export: D("19.5")}),
			Ireland, "2026-08-16", "2026-09-15",
			[]Use{used("2026-08-16", "boost", 154*kWhs), used("2026-08-16", "day", 33*kWhs), used("2026-08-16", "night", 517*kWhs)},
			[]Use{used("2026-08-16", Rest, 179*kWhs)},
			map[Kind]string{EnergyLine: "121.37", DiscountLine: "-6.68", StandingLine: "25.60", PSOLine: "1.46", "net": "141.75", VATLine: "12.76", "total": "154.51", ExportLine: "-34.91", "due": "119.60"},
		},
		{
			// The regulator's example: usage 200.00, standing charge 28.00 (61 days of
			// 167.540984 / 365), PSO 2 × 6.50 = 13.00: 241.00, VAT 9 % = 21.69.
			"RegulatorWithoutCredit", regulator, cru, "2022-10-01", "2022-11-30",
			[]Use{used("2022-10-01", Rest, 1000*kWhs)}, nil,
			map[Kind]string{EnergyLine: "200.00", StandingLine: "28.00", PSOLine: "13.00", "net": "241.00", VATLine: "21.69", "total": "262.69", "due": "262.69"},
		},
		{
			// The same less the credit of 183.49 before VAT: 57.51, VAT 9 % = 5.1759.
			"RegulatorWithCredit", regulator, credited, "2022-10-01", "2022-11-30",
			[]Use{used("2022-10-01", Rest, 1000*kWhs)}, nil,
			map[Kind]string{EnergyLine: "200.00", StandingLine: "28.00", PSOLine: "13.00", CreditLine: "-183.49", "net": "57.51", VATLine: "5.18", "total": "62.69", "due": "62.69"},
		},
		{
			// Bord Gáis Smart Standard, 62 days:
			//   310 × 0.4078 = 126.4180, 48 × 0.4964 = 23.8272, 142 × 0.3010 = 42.7420: 192.9872
			//   discount 26 % of 192.99 = 50.1774; 224.56 / 365 × 62 = 38.1444; PSO 2 × 1.46
			//   net 183.87, VAT 16.5483
			"BordGaisSmartStandard",
			flat(Price{Rates: map[string]Rate{"day": {Unit: D("40.78")}, "peak": {Unit: D("49.64")}, "night": {Unit: D("30.10")}}, Discount: D("26"), Standing: Standing{Year: D("224.56")}}),
			Ireland, "2026-07-01", "2026-08-31",
			[]Use{used("2026-07-01", "day", 310*kWhs), used("2026-07-01", "peak", 48*kWhs), used("2026-07-01", "night", 142*kWhs)}, nil,
			map[Kind]string{EnergyLine: "192.99", DiscountLine: "-50.18", StandingLine: "38.14", PSOLine: "2.92", "net": "183.87", VATLine: "16.55", "total": "200.42", "due": "200.42"},
		},
		{
			// The same with the 18 kWh of weekends wrongly at the peak's rate:
			//   292 × 0.4078 + 66 × 0.4964 + 142 × 0.3010 = 194.5820; 26 % = 50.59; net 185.05
			"BordGaisWithPeakAtWeekends",
			flat(Price{Rates: map[string]Rate{"day": {Unit: D("40.78")}, "peak": {Unit: D("49.64")}, "night": {Unit: D("30.10")}}, Discount: D("26"), Standing: Standing{Year: D("224.56")}}),
			Ireland, "2026-07-01", "2026-08-31",
			[]Use{used("2026-07-01", "day", 292*kWhs), used("2026-07-01", "peak", 66*kWhs), used("2026-07-01", "night", 142*kWhs)}, nil,
			map[Kind]string{EnergyLine: "194.58", DiscountLine: "-50.59", StandingLine: "38.14", PSOLine: "2.92", "net": "185.05", VATLine: "16.65", "total": "201.70", "due": "201.70"},
		},
		{
			// Energia EV Smart Drive in October 2026, a new price on the 12th:
			//   88 × 0.0961 + 160 × 0.1249 + 95 × 0.4094 + 172 × 0.4094 = 137.7506
			//   discount 10 % of 137.75 = 13.775
			//   11 × 243.13 / 365 + 20 × 255.29 / 365 = 7.3272 + 13.9885 = 21.3157; PSO 0.51
			//   net 145.80, VAT 13.122; export 60 × 0.185 = 11.10
			"EnergiaWithANewPrice", energia, Ireland, "2026-10-01", "2026-10-31",
			[]Use{used("2026-10-01", "ev", 88*kWhs), used("2026-10-12", "ev", 160*kWhs), used("2026-10-01", "other", 95*kWhs), used("2026-10-12", "other", 172*kWhs)},
			[]Use{used("2026-10-01", Rest, 60*kWhs)},
			map[Kind]string{EnergyLine: "137.75", DiscountLine: "-13.78", StandingLine: "21.32", PSOLine: "0.51", "net": "145.80", VATLine: "13.12", "total": "158.92", ExportLine: "-11.10", "due": "147.82"},
		},
		{
			// Electric Ireland Weekender, Saturdays free, 31 days:
			//   412 × 0.3752 = 154.5824; 5.5 % of 154.58 = 8.5019; 230.06 / 365 × 31 = 19.5393
			//   net 154.58 − 8.50 + 19.54 + 1.46 = 167.08, VAT 15.0372
			"ElectricIrelandWeekender",
			flat(Price{Rates: map[string]Rate{"charged": {Unit: D("37.52")}, "free": {}}, Discount: D("5.5"), Standing: Standing{Year: D("230.06")}}),
			Ireland, "2026-08-01", "2026-08-31",
			[]Use{used("2026-08-01", "charged", 412*kWhs), used("2026-08-01", "free", 96*kWhs)}, nil,
			map[Kind]string{EnergyLine: "154.58", DiscountLine: "-8.50", StandingLine: "19.54", PSOLine: "1.46", "net": "167.08", VATLine: "15.04", "total": "182.12", "due": "182.12"},
		},
		{
			// SSE Airtricity Smart Weekends, half price at weekends, 31 days:
			//   150 × 0.4353 + 30 × 0.4877 + 90 × 0.2801 + 95 × 0.21765 + 12 × 0.24385 + 30 × 0.14005 = 132.93945
			//   which each rounded by itself would be 132.95; 15 % of 132.94 = 19.941
			//   326.79 / 365 × 31 = 27.7548; net 142.21, VAT 12.7989
			"SSESmartWeekends",
			flat(Price{Rates: map[string]Rate{"day": {Unit: D("43.53")}, "peak": {Unit: D("48.77")}, "night": {Unit: D("28.01")},
				"weekend day": {Unit: D("21.765")}, "weekend peak": {Unit: D("24.385")}, "weekend night": {Unit: D("14.005")}},
				Discount: D("15"), Standing: Standing{Year: D("326.79")}}),
			Ireland, "2026-08-01", "2026-08-31",
			[]Use{used("2026-08-01", "day", 150*kWhs), used("2026-08-01", "peak", 30*kWhs), used("2026-08-01", "night", 90*kWhs),
				used("2026-08-01", "weekend day", 95*kWhs), used("2026-08-01", "weekend peak", 12*kWhs), used("2026-08-01", "weekend night", 30*kWhs)}, nil,
			map[Kind]string{EnergyLine: "132.94", DiscountLine: "-19.94", StandingLine: "27.75", PSOLine: "1.46", "net": "142.21", VATLine: "12.80", "total": "155.01", "due": "155.01"},
		},
		{
			// The levy was negative from March 2023: 2 × −12.73.
			"NegativeLevy", flat(Price{Rates: map[string]Rate{Rest: {Unit: D("30")}}, Standing: Standing{Day: D("0.50")}}),
			Rules{VAT: Ireland.VAT, PSO: Ireland.PSO}, "2023-04-01", "2023-05-31",
			[]Use{used("2023-04-01", Rest, 100*kWhs)}, nil,
			map[Kind]string{EnergyLine: "30.00", StandingLine: "30.50", PSOLine: "-25.46", "net": "35.04", VATLine: "3.15", "total": "38.19", "due": "38.19"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.plan.Bill(tt.rules, Period{First: day(tt.first), Last: day(tt.last), Import: Usage{Uses: tt.in}, Export: Usage{Uses: tt.out}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, amounts(b)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// The bill that was sent, out of half hours: what each band has of it is spread over
// the half hours of its windows, and not a cent is lost on the way.
func TestTheRealBillFromHalfHours(t *testing.T) {
	place, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	plan := flat(Price{Windows: windows(t, "day=08:00-23:00; night=23:00-08:00; boost=02:00-04:00"),
		Rates:    map[string]Rate{"boost": {Unit: D("10.56")}, "day": {Unit: D("36.50")}, "night": {Unit: D("18.00")}},
		Discount: D("5.5"), Standing: Standing{Year: D("301.45"), Decimals: 4}, Export: D("19.5")})
	first, last := day("2026-08-16"), day("2026-09-15")
	left := map[string]ledger.Energy{"boost": 154 * kWhs, "day": 33 * kWhs, "night": 517 * kWhs}
	count := map[string]ledger.Energy{"boost": 31 * 4, "day": 31 * 30, "night": 31 * 14}
	exported, exports := 179*kWhs, ledger.Energy(31*48)
	var in, out []ledger.Slot
	for at := calendar.Midnight(2026, 8, 16, place); at.Before(calendar.Midnight(2026, 9, 16, place)); at = at.Add(30 * time.Minute) {
		band := plan.Prices[0].Windows.At(at, place)
		e := left[band] / count[band]
		left[band], count[band] = left[band]-e, count[band]-1
		in = append(in, ledger.Slot{Start: at.Unix(), Energy: e})
		e = exported / exports
		exported, exports = exported-e, exports-1
		out = append(out, ledger.Slot{Start: at.Unix(), Energy: e})
	}
	imported, err := plan.Measure(in, first, last, place, nil)
	if err != nil {
		t.Fatal(err)
	}
	given, err := plan.Measure(out, first, last, place, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := plan.Bill(Ireland, Period{First: first, Last: last, Import: imported, Export: given})
	if err != nil || b.Due != 11960 || b.Missing != 0 {
		t.Errorf("got %s, %d half hours missing, %v; want 119.60", b.Due, b.Missing, err)
	}
	var kinds []Kind
	for _, l := range b.Lines {
		kinds = append(kinds, l.Kind)
	}
	if diff := cmp.Diff([]Kind{EnergyLine, DiscountLine, StandingLine, PSOLine, VATLine, ExportLine}, kinds); diff != "" {
		t.Errorf("the order of lines (-want +got):\n%s", diff)
	}
}

// The regulator's table prints a VAT of 5.17 on 57.51 and a total of 62.69, which do
// not go together: 57.51 × 9 % is 5.1759, and 57.51 + 5.17 is 62.68.
func TestTheRegulatorsSlipIsNotRepeated(t *testing.T) {
	const net, printedVAT, printedTotal = Cents(5751), Cents(517), Cents(6269)
	vat := round(percent(net, D("9")))
	if vat == printedVAT || net+vat != printedTotal || net+printedVAT == printedTotal {
		t.Errorf("got VAT %s, total %s", vat, net+vat)
	}
}

// Totals of bills of which the lines are not known, by the VAT of their time.
func TestVATOfBills(t *testing.T) {
	for _, tt := range []struct {
		net  Cents
		on   string
		want Cents
	}{
		{7285, "2018-01-10", 983},   // SSE, 13.5 %: 9.83475
		{24445, "2026-01-10", 2200}, // Energia, 9 %: 22.0005
		{100, "2022-04-30", 14},     // 13.5 % to the end of April 2022
		{100, "2022-05-01", 9},
		{100, "2030-12-31", 9},
		{100, "2031-01-01", 14},
	} {
		if got := round(percent(tt.net, at(Ireland.VAT, day(tt.on)))); got != tt.want {
			t.Errorf("VAT of %s on %s: got %s, want %s", tt.net, tt.on, got, tt.want)
		}
	}
}

func TestBillsThatCannotBe(t *testing.T) {
	plan := flat(Price{Rates: map[string]Rate{"day": {Unit: D("30")}}})
	late := Plan{Name: "late", Prices: []Price{{From: day("2026-08-10"), Rates: map[string]Rate{Rest: {}}}}}
	for _, tt := range []struct {
		name        string
		plan        Plan
		first, last string
		in          []Use
		want        error
	}{
		{"Backwards", plan, "2026-08-02", "2026-08-01", nil, ErrPeriod},
		{"NoRateOfTheBand", plan, "2026-08-01", "2026-08-31", []Use{used("2026-08-01", "night", 1)}, ErrNoPrice},
		{"NoPriceYet", late, "2026-08-01", "2026-08-31", nil, ErrNoPrice},
		{"OverAChangeOfVAT", plan, "2022-04-15", "2022-05-14", nil, ErrVATChanges},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.plan.Bill(Ireland, Period{First: day(tt.first), Last: day(tt.last), Import: Usage{Uses: tt.in}})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTiers(t *testing.T) {
	// 0.0961 up to 1,000 kWh of a bill, then 0.1123; 700 kWh at the first price, 500 at
	// the second, which is dearer by a tenth of a cent: 700 × 0.0961 + 300 × 0.0971 +
	// 200 × 0.1133 = 67.27 + 29.13 + 22.66 = 119.06.
	plan := Plan{Name: "tiers", Prices: []Price{
		{From: day("2026-01-01"), Rates: map[string]Rate{"ev": {Unit: D("9.61"), UpTo: 1000 * kWhs, Above: D("11.23")}}},
		{From: day("2026-08-16"), Rates: map[string]Rate{"ev": {Unit: D("9.71"), UpTo: 1000 * kWhs, Above: D("11.33")}}},
	}}
	b, err := plan.Bill(Rules{}, Period{First: day("2026-08-01"), Last: day("2026-08-31"),
		Import: Usage{Uses: []Use{used("2026-08-01", "ev", 700*kWhs), used("2026-08-16", "ev", 500*kWhs)}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Unit{{"ev", 700 * kWhs, D("9.61"), 6727}, {"ev", 300 * kWhs, D("9.71"), 2913}, {"ev", 200 * kWhs, D("11.33"), 2266}}
	if diff := cmp.Diff(want, b.Lines[0].Units); diff != "" || b.Line(EnergyLine) != 11906 {
		t.Errorf("got %s (-want +got):\n%s", b.Line(EnergyLine), diff)
	}
}

// A half hour is of the band that it begins in, on the wall; and of the price of its
// day. October 2026 has 1,490 half hours, as the clock goes back in it.
func TestMeasure(t *testing.T) {
	place, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	smart := windows(t, "day=00:00-24:00; night=23:00-08:00; peak=Mon-Fri 17:00-19:00; boost=02:00-04:00")
	rates := map[string]Rate{"day": {Unit: D("40")}, "night": {Unit: D("20")}, "peak": {Unit: D("50")}, "boost": {Unit: D("10")}}
	plan := Plan{Name: "nested", Prices: []Price{
		{From: day("2026-01-01"), Windows: smart, Rates: rates}, {From: day("2026-10-12"), Windows: smart, Rates: rates},
	}}
	var slots []ledger.Slot
	for at := time.Date(2026, 9, 30, 0, 0, 0, 0, time.UTC); at.Before(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)); at = at.Add(30 * time.Minute) {
		s := ledger.Slot{Start: at.Unix(), Energy: 100 * ledger.WattHour}
		switch at.In(place).Format("01-02 15:04") {
		case "10-03 12:00":
			continue // nothing is known of it
		case "10-03 12:30":
			s.Flags = ledger.Estimated
		}
		slots = append(slots, s)
	}
	u, err := plan.Measure(slots, day("2026-10-01"), day("2026-10-31"), place, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]ledger.Energy{}
	for _, use := range u.Uses {
		i, err := plan.at(use.Day)
		if err != nil {
			t.Fatal(err)
		}
		got[plan.Prices[i].From.String()+" "+use.Band] += use.Energy / (100 * ledger.WattHour)
	}
	want := map[string]ledger.Energy{
		// 11 days, 7 of them of Monday to Friday: peak 4 half hours each; boost 4, night
		// 14; the day has what is left of 48, less the half hour that is not known.
		"2026-01-01 peak": 7 * 4, "2026-01-01 boost": 11 * 4, "2026-01-01 night": 11 * 14, "2026-01-01 day": 11*30 - 7*4 - 1,
		// 20 days, 15 of Monday to Friday; the hour that comes twice, 01:00, is night.
		"2026-10-12 peak": 15 * 4, "2026-10-12 boost": 20 * 4, "2026-10-12 night": 20*14 + 2, "2026-10-12 day": 20*30 - 15*4,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("half hours (-want +got):\n%s", diff)
	}
	if u.Missing != 1 || u.Estimated != 100*ledger.WattHour {
		t.Errorf("missing %d, estimated %v; want 1 and 0.1 kWh", u.Missing, u.Estimated)
	}
	if _, err := plan.Measure(slots, day("2025-12-31"), day("2026-10-31"), place, nil); err != nil {
		t.Errorf("days without half hours need no price: %v", err)
	}
	if _, err := plan.Measure(slots, day("2026-10-31"), day("2026-10-01"), place, nil); !errors.Is(err, ErrPeriod) {
		t.Errorf("got %v, want ErrPeriod", err)
	}
}

// Registers of whole kWh bill differently than half hours do.
func TestWholeUnits(t *testing.T) {
	u := Usage{Uses: []Use{used("2026-08-01", "day", 309_500*ledger.WattHour), used("2026-08-01", "night", 142_499*ledger.WattHour)}, Missing: 3, Estimated: 1}
	got := u.Whole()
	if got.Uses[0].Energy != 310*kWhs || got.Uses[1].Energy != 142*kWhs || got.Missing != 3 || u.Uses[0].Energy != 309_500*ledger.WattHour {
		t.Errorf("got %+v", got)
	}
}

// A dynamic plan: (what the supplier adds + the day-ahead price) × 1.09.
//
//	17:30 at 150.00 €/MWh: 21.03 + 15.00 = 36.03 → 39.2727 cent a kWh
//	03:00 at −12.40: 11.48 − 1.24 = 10.24 → 11.1616
//	12:30 at 36.00: 20.16 + 3.60 = 23.76 → 25.8984
func TestDynamic(t *testing.T) {
	add := func(s string) Rate { return Rate{Unit: D(s), Dynamic: true} }
	plan := flat(Price{Windows: windows(t, "smart"), Rates: map[string]Rate{"night": add("11.48"), "day": add("20.16"), "peak": add("21.03")}})
	for _, tt := range []struct {
		at, cent string
		want     Cents // of 1,000 kWh, with VAT
	}{{"2026-11-20T17:30:00Z", "15.00", 39273}, {"2026-11-20T03:00:00Z", "-1.24", 11162}, {"2026-11-20T12:30:00Z", "3.60", 25898}} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		slots := []ledger.Slot{{Start: at.Unix(), Energy: 1000 * kWhs}}
		first := On(at, time.UTC)
		u, err := plan.Measure(slots, first, first, time.UTC, func(time.Time) (Decimal, bool) { return D(tt.cent), true })
		if err != nil {
			t.Fatal(err)
		}
		b, err := plan.Bill(Rules{VAT: Ireland.VAT}, Period{First: first, Last: first, Import: u})
		if err != nil || b.Total != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.at, b.Total, err, tt.want)
		}
		if _, err := plan.Measure(slots, first, first, time.UTC, nil); !errors.Is(err, ErrNoMarket) {
			t.Errorf("without a market: got %v, want ErrNoMarket", err)
		}
	}
}

// A period that is no whole month has a levy that nobody has established: it is said.
func TestLevyOfAnOddPeriod(t *testing.T) {
	plan := flat(Price{Rates: map[string]Rate{}})
	for _, tt := range []struct {
		first, last, text string
		want              Cents
		unsure            bool
	}{
		{"2026-08-16", "2026-09-15", "1 months", 146, false},
		{"2026-01-31", "2026-02-27", "1 months", 146, false},
		{"2026-01-31", "2026-03-30", "2 months", 292, false},
		{"2026-08-16", "2026-09-10", "0 months and 26 days", 125, true}, // 1.46 × 12 / 365 × 26 = 1.248
		{"2026-09-16", "2026-11-15", "2 months", 146 + 51, false},       // it changed on the first of October
	} {
		b, err := plan.Bill(Ireland, Period{First: day(tt.first), Last: day(tt.last)})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range b.Lines {
			if l.Kind == PSOLine && (l.Amount != tt.want || l.Unsure != tt.unsure || l.Text != tt.text) {
				t.Errorf("%s to %s: got %+v, want %s, %v, %q", tt.first, tt.last, l, tt.want, tt.unsure, tt.text)
			}
		}
		if b.Line(PSOLine) != tt.want {
			t.Errorf("%s to %s: got %s, want %s", tt.first, tt.last, b.Line(PSOLine), tt.want)
		}
	}
}

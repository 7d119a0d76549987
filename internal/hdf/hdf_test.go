package hdf_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/hdf"
	"github.com/smartcore-ireland/hems/internal/hdf/hdftest"
	"github.com/smartcore-ireland/hems/internal/ledger"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func unix(t testing.TB, z *time.Location, day string) int64 {
	t.Helper()
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	from, _ := ledger.Day(d.Year(), d.Month(), d.Day(), z)
	return from
}

// house is 22 months with three clock changes, whose first and last day are
// partial and whose export begins later.
func house(t testing.TB) *hdftest.Made {
	dublin := zone(t, "Europe/Dublin")
	return hdftest.Make(hdftest.House{
		Zone: dublin, From: unix(t, dublin, "2022-12-09") + 23*1800, To: unix(t, dublin, "2024-10-04") + 2*1800,
		ExportFrom: unix(t, dublin, "2023-05-22") + 30*1800, Seed: 1,
	})
}

func parse(t testing.TB, data []byte) *hdf.File {
	t.Helper()
	f, err := hdf.Parse(data, hdf.Options{Zone: zone(t, "Europe/Dublin"), Key: []byte("key")})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryFormIsReadAsItWasMade(t *testing.T) {
	m := house(t)
	for name, format := range map[string]hdftest.Format{
		"AsESBNetworksWritesIt": {},
		"AveragePower":          {KW: true},
		"LF":                    {LF: true},
		"BOM":                   {BOM: true},
		"Slashes":               {Slash: true},
		"OldestFirst":           {OldestFirst: true},
		"ImportThenExport":      {Blocks: true},
		"OldestFirstInBlocks":   {Blocks: true, OldestFirst: true, LF: true, BOM: true, Slash: true},
		"OlderHeader":           {Header: "MPRN,Meter Serial Number,Read Value,Read Type,Read Date & Time"},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, m.Intervals(format))
			if !slices.Equal(m.Import, f.Import) {
				t.Errorf("import (-want +got):\n%.2000s", cmp.Diff(m.Import, f.Import))
			}
			if !slices.Equal(m.Export, f.Export) {
				t.Errorf("export (-want +got):\n%.2000s", cmp.Diff(m.Export, f.Export))
			}
			want := hdf.File{Form: "calckWh", Meter: f.Meter, Last3: "789", Rows: len(m.Import) + len(m.Export), Serials: 1, NewestLast: format.OldestFirst}
			if format.KW {
				want.Form = "kW"
			}
			f.Import, f.Export = nil, nil
			if diff := cmp.Diff(want, *f); diff != "" {
				t.Errorf("the rest (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClockChangesHave46And50HalfHours(t *testing.T) {
	f, dublin := parse(t, house(t).Intervals(hdftest.Format{})), zone(t, "Europe/Dublin")
	for day, want := range map[string]int{"2023-03-26": 46, "2023-10-29": 50, "2024-03-31": 46, "2023-10-30": 48} {
		d, _ := time.Parse(time.DateOnly, day)
		from, to := ledger.Day(d.Year(), d.Month(), d.Day(), dublin)
		got := 0
		for _, s := range f.Import {
			if s.Start >= from && s.Start < to {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: got %d half hours, want %d", day, got, want)
		}
	}
}

// The rows of 29 October 2023 as a real file has them, and what becomes of them
// when some are missing.
func TestBothPassesAreToldApartByPosition(t *testing.T) {
	const first, second = 1698537600, 1698541200 // 00:00 and 01:00 UTC: ends of the two 01:00
	all := []string{"0.1245 02:00", "0.1265 01:30", "0.1300 01:00", "0.1380 01:30", "0.1330 01:00", "0.2410 00:30"}
	ends := []int64{second + 3600, second + 1800, second, first + 1800, first, first - 1800}
	for _, tc := range []struct {
		name    string
		left    []int // of all, by their place
		guessed int
		want    []int // of ends; default: as left
	}{
		{"All", []int{0, 1, 2, 3, 4, 5}, 0, nil},
		{"WithoutSecond0130", []int{0, 2, 3, 4, 5}, 0, nil},
		{"WithoutSecond0100", []int{0, 1, 3, 4, 5}, 0, nil},
		{"WithoutFirst0130", []int{0, 1, 2, 4, 5}, 0, nil},
		{"WithoutFirst0100", []int{0, 1, 2, 3, 5}, 0, nil},
		{"OnlyTheMiddle", []int{0, 2, 3, 5}, 0, nil},
		{"FirstPassOnly", []int{3, 4, 5}, 2, nil},
		{"SecondPassOnly", []int{0, 1, 2}, 2, nil},
	} {
		for _, same := range []bool{false, true} { // both passes read the same
			t.Run(fmt.Sprint(tc.name, "/", same), func(t *testing.T) {
				var b strings.Builder
				b.WriteString("MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\r\n")
				var want []ledger.Slot
				for i, n := range tc.left {
					value, stamp, _ := strings.Cut(all[n], " ")
					if same {
						value = "0.0000"
					}
					fmt.Fprintf(&b, "10123456789,1,%s,Active Import Interval (kWh),29-10-2023 %s\r\n", value, stamp)
					at := n
					if tc.want != nil {
						at = tc.want[i]
					}
					var e ledger.Energy
					var tenths int
					fmt.Sscanf(value, "0.%04d", &tenths)
					e = ledger.Energy(tenths) * ledger.WattHour / 10
					want = append([]ledger.Slot{{Start: ends[at] - 1800, Energy: e, Flags: ledger.FromFile}}, want...)
				}
				f := parse(t, []byte(b.String()))
				if diff := cmp.Diff(want, f.Import); diff != "" || f.Guessed != tc.guessed {
					t.Errorf("guessed %d, want %d; slots (-want +got):\n%s", f.Guessed, tc.guessed, diff)
				}
			})
		}
	}
}

// Where the import rows do not tell the passes apart, the export rows beside
// them do.
func TestTheOtherDirectionTellsThePasses(t *testing.T) {
	const header = "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\n"
	in := func(stamp string) string {
		return "10123456789,1,0.5,Active Import Interval (kWh),29-10-2023 " + stamp + "\n"
	}
	out := func(stamp string) string {
		return "10123456789,1,0.1,Active Export Interval (kWh),29-10-2023 " + stamp + "\n"
	}
	f := parse(t, []byte(header+out("02:00")+out("01:30")+in("01:30")+in("01:00")+out("01:00")+out("01:30")+out("01:00")+out("00:30")+in("00:30")))
	want := []ledger.Slot{
		{Start: 1698534000, Energy: ledger.KilowattHour / 2, Flags: ledger.FromFile},
		{Start: 1698539400, Energy: ledger.KilowattHour / 2, Flags: ledger.FromFile},
		{Start: 1698541200, Energy: ledger.KilowattHour / 2, Flags: ledger.FromFile},
	}
	if diff := cmp.Diff(want, f.Import); diff != "" || f.Guessed != 0 {
		t.Errorf("guessed %d; import (-want +got):\n%s", f.Guessed, diff)
	}
}

func TestGapsAreAbsentRows(t *testing.T) {
	h := house(t).House
	gap := func(m map[int64]bool, day string, from, slots int) hdf.Gap {
		at := unix(t, h.Zone, day) + int64(from)*1800
		for i := range slots {
			m[at+int64(i)*1800] = true
		}
		return hdf.Gap{From: at, To: at + int64(slots)*1800}
	}
	h.ImportGaps, h.ExportGaps = map[int64]bool{}, map[int64]bool{}
	want := []hdf.Gap{
		gap(h.ImportGaps, "2023-02-01", 7, 15), gap(h.ImportGaps, "2023-02-03", 0, 1), gap(h.ImportGaps, "2023-03-25", 40, 16),
		gap(h.ImportGaps, "2023-07-01", 10, 60), gap(h.ImportGaps, "2023-10-29", 20, 40),
	}
	gap(h.ExportGaps, "2024-01-29", 12, 22)
	m := hdftest.Make(h)
	f := parse(t, m.Intervals(hdftest.Format{}))
	if diff := cmp.Diff(want, hdf.Gaps(f.Import)); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if got := hdf.Gaps(f.Export); len(got) != 1 || got[0].Slots() != 22 {
		t.Errorf("gaps of export: %v, want one of 22", got)
	}
}

func TestAnExchangedMeterGoesOn(t *testing.T) {
	h := house(t).House
	h.SwapAt = unix(t, h.Zone, "2023-08-10") + 21*1800
	m := hdftest.Make(h)
	f := parse(t, m.Intervals(hdftest.Format{}))
	if diff := cmp.Diff(m.Import, f.Import); diff != "" || f.Serials != 2 {
		t.Errorf("%d serials; import (-want +got):\n%.1000s", f.Serials, diff)
	}
}

func TestRegistersProveHalfHours(t *testing.T) {
	h := house(t).House
	h.ImportGaps = map[int64]bool{}
	gapDay := unix(t, h.Zone, "2023-07-03")
	for i := range int64(20) { // 07:00 to 17:00: one night, nine hours of day
		h.ImportGaps[gapDay+(14+i)*1800] = true
	}
	m := hdftest.Make(h)
	imported, exported := m.Left()
	var registers []hdf.Register
	for _, dnp := range []bool{true, false} {
		f := parse(t, m.Registers(hdftest.Format{}, dnp))
		if len(f.Import) != 0 || f.Outliers != 0 || f.FaultCount != 0 || len(f.Registers) == 0 {
			t.Fatalf("a file of registers: %+v", f)
		}
		registers = append(registers, f.Registers...)
	}
	if agree, differ := hdf.BandsAgree(registers); differ != 0 || agree < 600 {
		t.Errorf("night, peak and off-peak are the 24-hour register on %d days, and not on %d", agree, differ)
	}
	lost := map[hdf.Band]ledger.Energy{}
	for _, s := range m.Import {
		if h.ImportGaps[s.Start] {
			lost[hdf.WholeDay] += s.Energy
			if s.Start < gapDay+16*1800 {
				lost[hdf.Night] += s.Energy
			} else {
				lost[hdf.OffPeak] += s.Energy
			}
		}
	}
	verdicts := map[hdf.Verdict]int{}
	for _, p := range hdf.Prove(imported, exported, registers, h.Zone) {
		verdicts[p.Verdict]++
		if p.Verdict != hdf.Filled {
			continue
		}
		if p.From != gapDay || (p.Lost-lost[p.Band]) > 15*ledger.WattHour || (lost[p.Band]-p.Lost) > 15*ledger.WattHour {
			t.Errorf("filled %+v, want %v", p, lost[p.Band])
		}
		delete(lost, p.Band)
	}
	if len(lost) != 0 || verdicts[hdf.Contradicted] != 0 || verdicts[hdf.Proven] < 4*600 {
		t.Errorf("verdicts %v, without a word on %v", verdicts, lost)
	}
	imported[30000].Energy += ledger.KilowattHour
	contradicted := 0
	for _, p := range hdf.Prove(imported, exported, registers, h.Zone) {
		if p.Verdict == hdf.Contradicted {
			contradicted++
		}
	}
	if contradicted != 2 { // the day, and one band of it
		t.Errorf("a wrong half hour contradicts %d registers, want 2", contradicted)
	}
}

func TestWhatCannotBeUsedIsToldWithItsLine(t *testing.T) {
	const good = "10123456789,1,0.5,Active Import Interval (kWh),01-07-2024 10:30"
	f := parse(t, []byte(strings.Join([]string{"MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time", good,
		"10123456789,1,-0.5,Active Import Interval (kWh),01-07-2024 10:00",
		"10123456789,1,0.5,Active Import Interval (kWh),31-06-2024 10:00",
		"10123456789,1,0.5,Active Import Interval (kWh),01-07-2024 09:15",
		"10123456789,1,0.5",
		"10123456789,1,51,Active Import Interval (kWh),01-07-2024 08:30",
		"10123456789,1,0.1,Reactive Import Interval (kvarh),01-07-2024 08:30",
		"10123456789,1,0.1,Active Import Interval (kWh),31-03-2024 01:30",
		good, strings.Replace(good, "0.5", "0.6", 1), ""}, "\n")))
	want := &hdf.File{Form: "calckWh", Meter: f.Meter, Last3: "789", Rows: 10, Serials: 1, Duplicates: 1, FaultCount: 7,
		Import:  []ledger.Slot{{Start: 1719824400, Energy: ledger.KilowattHour / 2, Flags: ledger.FromFile}},
		Unknown: map[string]int{"Reactive Import Interval (kvarh)": 1},
		Faults: []hdf.Fault{
			{3, "its value is no number of kWh"}, {4, "its date is not written as 31-12-2026 23:30"}, {5, "its time is no half hour"},
			{6, "it has 3 fields, which is too few"}, {7, "no house uses that much in half an hour"},
			{9, "there was no such time: clocks went forward"}, {11, "an earlier row says another value for the same time"},
		}}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRegistersThatNoMeterHasAreLeftOut(t *testing.T) {
	file := func(values ...string) []byte {
		var b strings.Builder
		b.WriteString("MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\n")
		for i := range values {
			n := len(values) - 1 - i
			fmt.Fprintf(&b, "10123456789,1,%s,24 Hr Active Import Register (kWh),%02d-07-2024 00:00\n", values[n], n+1)
		}
		return []byte(b.String())
	}
	for name, tc := range map[string]struct {
		values   []string
		outliers int
	}{
		"Good":       {[]string{"100", "101.5", "110", "110"}, 0},
		"InBetween":  {[]string{"100", "9300000.123", "110", "111"}, 1},
		"First":      {[]string{"9300000", "101", "110", "111"}, 1},
		"Last":       {[]string{"100", "101", "110", "9300000"}, 1},
		"RolledOver": {[]string{"999990", "999999", "10", "20"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, file(tc.values...))
			if f.Outliers != tc.outliers || len(f.Registers) != len(tc.values)-tc.outliers {
				t.Errorf("got %d outliers, want %d; %+v", f.Outliers, tc.outliers, f.Registers)
			}
		})
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	const header = "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\n"
	for name, tc := range map[string]struct {
		text string
		line int
		want string
	}{
		"Empty":        {"", 1, "there is nothing in it"},
		"AnotherTable": {"a,b,c\n1,2,3\n", 1, "there is no column"},
		"HeaderOnly":   {header, 0, "it has a header and no rows"},
		"OtherTypes":   {header + "10123456789,1,1,Gas (kWh),01-07-2024 00:00\n", 0, "no half hours"},
		"TwoHouses": {header + "10123456789,1,1,Active Import Interval (kWh),01-07-2024 00:00\n10123456780,1,1,Active Import Interval (kWh),01-07-2024 00:30\n",
			3, "more than one connection"},
		"Spreadsheet": {header + "1.01E+10,1,1,Active Import Interval (kWh),01-07-2024 00:00\n", 2, "the MPRN is no number"},
		"NoGoodRow":   {header + "10123456789,1,x,Active Import Interval (kWh),01-07-2024 00:00\n", 2, "no other row can be used"},
		"UTF16":       {"\xff\xfeM\x00P\x00", 1, "no text of single bytes"},
		"TooBig":      {header + strings.Repeat(" ", hdf.MaxSize), 0, "more than such a file has"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hdf.Parse([]byte(tc.text), hdf.Options{Zone: time.UTC})
			var e *hdf.Error
			if !errors.As(err, &e) || e.Line != tc.line || !strings.Contains(e.Text, tc.want) {
				t.Fatalf("got %v; want line %d: %s", err, tc.line, tc.want)
			}
			if strings.Contains(err.Error()+e.Hint, "10123456") {
				t.Errorf("the MPRN is in the error: %v", err)
			}
		})
	}
}

func TestTheMPRNIsHidden(t *testing.T) {
	m := house(t)
	a := parse(t, m.Intervals(hdftest.Format{}))
	if strings.Contains(fmt.Sprintf("%+v", a), m.MPRN) {
		t.Error("what is read has the MPRN in it")
	}
	b, err := hdf.Parse(m.Intervals(hdftest.Format{}), hdf.Options{Zone: m.Zone, Key: []byte("another key")})
	if err != nil || a.Meter == b.Meter {
		t.Errorf("another key gives %s too, %v", b.Meter, err)
	}
}

// What is written is read as it was, through every clock change of some years,
// whatever is missing and wherever it is; of the hour that comes twice, whole
// passes are there or both are missing.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"Europe/Dublin", "Europe/Athens", "Australia/Lord_Howe", "America/St_Johns", "UTC"} {
		z := zone(t, name)
		for seed := range uint64(6) {
			r := rand.New(rand.NewPCG(seed, 7))
			from, _ := ledger.DayOf(unix(t, z, "2023-01-01")+int64(seed)*95*48*1800+r.Int64N(20)*48*1800, z)
			_, to := ledger.DayOf(from+110*48*1800, z)
			make := func() (slots []ledger.Slot) {
				for at := from; at < to; at += 1800 {
					if r.IntN(300) == 0 && time.Unix(at, 0).In(z).Hour() >= 6 { // a gap up to some time the day after
						_, at = ledger.DayOf(at, z)
						at += r.Int64N(2) * 12 * 1800
						continue
					}
					slots = append(slots, ledger.Slot{Start: at, Energy: ledger.Energy(r.Int64N(int64(3 * ledger.KilowattHour))), Flags: ledger.FromFile})
				}
				return slots
			}
			imported, exported := make(), make()
			var b bytes.Buffer
			if err := hdf.Write(&b, "10123456789", "", imported, exported, z); err != nil {
				t.Fatal(err)
			}
			f, err := hdf.Parse(b.Bytes(), hdf.Options{Zone: z})
			if err != nil {
				t.Fatal(err)
			}
			if f.FaultCount != 0 || f.Guessed != 0 {
				t.Fatalf("%s, seed %d: faults %+v, %d guessed", name, seed, f.Faults, f.Guessed)
			}
			if !slices.Equal(imported, f.Import) {
				t.Fatalf("%s, seed %d: import (-want +got):\n%.3000s", name, seed, cmp.Diff(imported, f.Import))
			}
			if !slices.Equal(exported, f.Export) {
				t.Fatalf("%s, seed %d: export (-want +got):\n%.3000s", name, seed, cmp.Diff(exported, f.Export))
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	z := zone(f, "Europe/Dublin")
	m := hdftest.Make(hdftest.House{Zone: z, From: unix(f, z, "2023-10-28"), To: unix(f, z, "2023-10-30"), ExportFrom: 1})
	f.Add(m.Intervals(hdftest.Format{}))
	f.Add(m.Intervals(hdftest.Format{KW: true, BOM: true, LF: true, Slash: true, OldestFirst: true}))
	f.Add(m.Registers(hdftest.Format{}, true))
	f.Add(m.Registers(hdftest.Format{}, false))
	f.Add([]byte("mprn;meter serial number;read value;read type;read date\n10123456789;1;0.00000000000049;Active Import Interval (kW);29-02-2024 00:00:00\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := hdf.Parse(data, hdf.Options{Zone: z})
		if err != nil {
			return
		}
		for _, slots := range [][]ledger.Slot{file.Import, file.Export} {
			for i, s := range slots {
				if s.Start%1800 != 0 || s.Energy < 0 || i > 0 && slots[i-1].Start >= s.Start {
					t.Fatalf("slot %d: %+v", i, s)
				}
			}
		}
		hdf.Prove(file.Import, file.Export, file.Registers, z)
	})
}

func BenchmarkParse(b *testing.B) {
	m := house(b)
	data := m.Intervals(hdftest.Format{})
	o := hdf.Options{Zone: m.Zone, Key: []byte("key")}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := hdf.Parse(data, o)
		if err != nil || len(f.Import) != len(m.Import) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(m.Import)+len(m.Export)), "rows")
}

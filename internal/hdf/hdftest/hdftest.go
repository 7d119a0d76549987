// Package hdftest makes files as ESB Networks gives them, of a house that is
// invented: with the order, stamps, decimals, gaps, clock changes and meter
// exchanges that real ones have.
package hdftest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// House is what a file is made of; the zero value with days is a whole one.
type House struct {
	MPRN   string // default "10123456789"
	Serial string // default "000000000012345678"
	Zone   *time.Location
	// From and To are unix seconds, multiples of 1800.
	From, To int64
	// ExportFrom is when export begins to be read; 0: never.
	ExportFrom int64
	// SwapAt is when another meter took over; 0: never.
	SwapAt     int64
	NextSerial string // default "000000000087654321"
	// Gaps are slots without a row, by the slots' beginnings.
	ImportGaps, ExportGaps map[int64]bool
	// MissingDays are register readings that are left out.
	MissingDays map[int64]bool
	Seed        uint64
}

// Made is a house with what it used.
type Made struct {
	House
	Import, Export []ledger.Slot // without gaps
}

// Make invents what the house used: watts in three decimals of a kW.
func Make(h House) *Made {
	if h.MPRN == "" {
		h.MPRN = "10123456789"
	}
	if h.Serial == "" {
		h.Serial = "000000000012345678"
	}
	if h.NextSerial == "" {
		h.NextSerial = "000000000087654321"
	}
	m := &Made{House: h}
	r := rand.New(rand.NewPCG(h.Seed, 1))
	for at := h.From; at < h.To; at += ledger.SlotSeconds {
		watts := int64(0)
		if r.IntN(7) > 0 { // zero is common
			watts = 90 + r.Int64N(400)
			if r.IntN(12) == 0 {
				watts += r.Int64N(7000)
			}
		}
		m.Import = append(m.Import, ledger.Slot{Start: at, Energy: ledger.Energy(watts) * ledger.WattHour / 2, Flags: ledger.FromFile})
		if h.ExportFrom != 0 && at >= h.ExportFrom {
			watts = max(0, r.Int64N(6000)-3000)
			m.Export = append(m.Export, ledger.Slot{Start: at, Energy: ledger.Energy(watts) * ledger.WattHour / 2, Flags: ledger.FromFile})
		}
	}
	return m
}

// Format is how a file is written.
type Format struct {
	LF, BOM, Slash, OldestFirst bool
	// Blocks has all import before all export, instead of one beside the other.
	Blocks bool
	Header string // default ESB Networks'
	KW     bool   // average power instead of energy
}

const header = "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time"

// line is a row of a file.
type line struct{ text string }

// Left are the slots that are in the files.
func (m *Made) Left() (imported, exported []ledger.Slot) {
	for _, s := range m.Import {
		if !m.ImportGaps[s.Start] {
			imported = append(imported, s)
		}
	}
	for _, s := range m.Export {
		if !m.ExportGaps[s.Start] {
			exported = append(exported, s)
		}
	}
	return imported, exported
}

// Intervals is the file of half hours.
func (m *Made) Intervals(f Format) []byte {
	r := rand.New(rand.NewPCG(m.Seed, 2))
	unit, decimals := "kWh", func(e ledger.Energy) string { return e.Decimal(4) }
	if f.KW {
		unit, decimals = "kW", func(e ledger.Energy) string { return (2 * e).Decimal(6) }
	}
	imported, exported := m.Left()
	text := func(s ledger.Slot, kind string) line {
		return line{m.row(s.End(), s.Start, decimals(s.Energy), "Active "+kind+" Interval ("+unit+")", f)}
	}
	var in, out, lines []line
	for i, e := 0, 0; i < len(imported) || e < len(exported); {
		switch {
		case e >= len(exported) || i < len(imported) && imported[i].Start < exported[e].Start:
			in = append(in, text(imported[i], "Import"))
			lines = append(lines, in[len(in)-1])
			i++
		case i >= len(imported) || exported[e].Start < imported[i].Start:
			out = append(out, text(exported[e], "Export"))
			lines = append(lines, out[len(out)-1])
			e++
		default:
			in, out = append(in, text(imported[i], "Import")), append(out, text(exported[e], "Export"))
			a, b := in[len(in)-1], out[len(out)-1]
			if r.IntN(2) == 0 { // the order inside a stamp is not fixed
				a, b = b, a
			}
			lines = append(lines, a, b)
			i, e = i+1, e+1
		}
	}
	if !f.Blocks {
		return write(f, lines)
	}
	if f.OldestFirst {
		return write(f, append(in, out...))
	}
	return write(f, append(out, in...)) // written from the end
}

// Registers is a file of daily registers at local midnight: of day, night and
// peak, or of 24 hours.
func (m *Made) Registers(f Format, dnp bool) []byte {
	value := map[string]ledger.Energy{
		"Night Import Register (kWh)": 22035638 * ledger.WattHour, "Day Peak Import Register (kWh)": 2501007 * ledger.WattHour,
		"Day Off-Peak Import Register (kWh)": 9921995 * ledger.WattHour,
	}
	total := value["Night Import Register (kWh)"] + value["Day Peak Import Register (kWh)"] + value["Day Off-Peak Import Register (kWh)"]
	export := 1734512 * ledger.WattHour
	var lines []line
	read := func(at int64) {
		if m.MissingDays[at] {
			return
		}
		put := func(kind string, e ledger.Energy) {
			lines = append(lines, line{m.row(at, at-1, (e / ledger.WattHour * ledger.WattHour).Decimal(3), kind, f)})
		}
		if !dnp {
			put("24 Hr Active Import Register (kWh)", total)
			if m.ExportFrom != 0 && at >= m.ExportFrom {
				put("24 Hr Active Export Register (kWh)", export)
			}
			return
		}
		for _, kind := range []string{"Night Import Register (kWh)", "Day Peak Import Register (kWh)", "Day Off-Peak Import Register (kWh)"} {
			put(kind, value[kind])
		}
	}
	exported := map[int64]ledger.Energy{}
	for _, s := range m.Export {
		exported[s.Start] = s.Energy
	}
	for _, s := range m.Import {
		if from, _ := ledger.DayOf(s.Start, m.Zone); from == s.Start {
			read(s.Start)
		}
		kind := "Day Off-Peak Import Register (kWh)"
		switch h := time.Unix(s.Start, 0).In(m.Zone).Hour(); {
		case h >= 23 || h < 8:
			kind = "Night Import Register (kWh)"
		case h == 17 || h == 18:
			kind = "Day Peak Import Register (kWh)"
		}
		value[kind] += s.Energy
		total += s.Energy
		export += exported[s.Start]
	}
	return write(f, lines)
}

// row is a line; the meter is that of the time at which it counted.
func (m *Made) row(stamp, counted int64, value, kind string, f Format) string {
	serial := m.Serial
	if m.SwapAt != 0 && counted >= m.SwapAt {
		serial = m.NextSerial
	}
	layout := "02-01-2006 15:04"
	if f.Slash {
		layout = "02/01/2006 15:04"
	}
	return strings.Join([]string{m.MPRN, serial, value, kind, time.Unix(stamp, 0).In(m.Zone).Format(layout)}, ",")
}

// write writes lines that are in ascending time.
func write(f Format, lines []line) []byte {
	var b bytes.Buffer
	end := "\r\n"
	if f.LF {
		end = "\n"
	}
	if f.BOM {
		b.WriteString("\xef\xbb\xbf")
	}
	if f.Header == "" {
		f.Header = header
	}
	fmt.Fprint(&b, f.Header, end)
	for i := range lines {
		if !f.OldestFirst {
			i = len(lines) - 1 - i
		}
		fmt.Fprint(&b, lines[i].text, end)
	}
	return b.Bytes()
}

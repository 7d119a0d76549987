package hdf

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// row is a line of a file that could be read; what it means comes later.
type row struct {
	line   int
	kind   Kind
	serial int // index
	date   date
	half   int // of the stamp: half hours since midnight, 0..47
	value  ledger.Energy
}

// date is a civil day.
type date struct{ year, month, day int16 }

// columns are where the fields of a row are.
type columns struct{ mprn, serial, value, kind, stamp int }

// table reads rows.
type table struct {
	file    *File
	rows    []row
	mprn    string
	serials map[string]int
	forms   map[string]bool
}

// read takes all lines of a file apart. What it returns as an error is about
// the whole file; of single rows it leaves faults.
func read(data []byte, f *File) (*table, error) {
	if len(data) > MaxSize {
		return nil, &Error{Text: fmt.Sprintf("%d MB is more than such a file has (%d)", len(data)>>20, MaxSize>>20), Hint: download}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) || bytes.IndexByte(data, 0) >= 0 {
		return nil, &Error{Line: 1, Text: "this is no text of single bytes", Hint: download}
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.ReuseRecord, r.LazyQuotes = -1, true, true
	if first, _, _ := bytes.Cut(data, []byte("\n")); !bytes.Contains(first, []byte(",")) && bytes.Contains(first, []byte(";")) {
		r.Comma = ';'
	}
	header, err := r.Read()
	if err != nil {
		return nil, &Error{Line: 1, Text: "there is nothing in it", Hint: download}
	}
	at, err := findColumns(header)
	if err != nil {
		return nil, err
	}
	t := &table{file: f, serials: map[string]int{}, forms: map[string]bool{}}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			var p *csv.ParseError
			if errors.As(err, &p) {
				t.fault(p.Line, "it is no line of comma-separated values")
				f.Rows++
				continue
			}
			return nil, &Error{Text: err.Error()}
		}
		line, _ := r.FieldPos(0)
		if f.Rows++; f.Rows > maxRows {
			return nil, &Error{Line: line, Text: fmt.Sprintf("there are more than %d rows", maxRows), Hint: download}
		}
		if err := t.take(line, record, at); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// findColumns finds the columns by their names; their order may be any.
func findColumns(header []string) (columns, error) {
	at := columns{-1, -1, -1, -1, -1}
	for i, h := range header {
		h = strings.ToLower(strings.Join(strings.Fields(h), " "))
		switch {
		case h == "mprn":
			at.mprn = i
		case strings.HasPrefix(h, "meter serial"):
			at.serial = i
		case strings.HasPrefix(h, "read value"):
			at.value = i
		case strings.HasPrefix(h, "read type"):
			at.kind = i
		case strings.HasPrefix(h, "read date"):
			at.stamp = i
		}
	}
	for name, i := range map[string]int{"MPRN": at.mprn, "Meter Serial Number": at.serial, "Read Value": at.value,
		"Read Type": at.kind, "Read Date and End Time": at.stamp} {
		if i < 0 {
			return at, &Error{Line: 1, Text: fmt.Sprintf("there is no column %q", name),
				Hint: "the first line of an ESB Networks file is: MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time"}
		}
	}
	return at, nil
}

func (t *table) fault(line int, text string) {
	if t.file.FaultCount++; len(t.file.Faults) < maxFaults {
		t.file.Faults = append(t.file.Faults, Fault{line, text})
	}
}

// take takes one line. The error is for a file that is not one connection's.
func (t *table) take(line int, record []string, at columns) error {
	if len(record) <= max(at.mprn, at.serial, at.value, at.kind, at.stamp) {
		t.fault(line, fmt.Sprintf("it has %d fields, which is too few", len(record)))
		return nil
	}
	mprn := strings.TrimSpace(record[at.mprn])
	switch {
	case mprn == t.mprn && mprn != "":
	case t.mprn != "":
		return &Error{Line: line, Text: "the file is about more than one connection (MPRN)", Hint: "give each connection's file alone"}
	case !allDigits(mprn) || len(mprn) < 8 || len(mprn) > 14:
		return &Error{Line: line, Text: "the MPRN is no number of eleven digits", Hint: download}
	default:
		t.mprn = strings.Clone(mprn)
	}
	kind, perKW, ok := t.kindOf(record[at.kind])
	if !ok {
		return nil
	}
	day, minute, ok := parseStamp(strings.TrimSpace(record[at.stamp]))
	if !ok {
		t.fault(line, "its date is not written as 31-12-2026 23:30")
		return nil
	}
	if minute%30 != 0 {
		t.fault(line, "its time is no half hour")
		return nil
	}
	value, ok := parseEnergy(strings.TrimSpace(record[at.value]))
	if !ok {
		t.fault(line, "its value is no number of kWh")
		return nil
	}
	if perKW {
		value = (value + 1) / 2 // half an hour of so much
	}
	if interval := kind == ImportInterval || kind == ExportInterval; interval && value > maxInterval {
		t.fault(line, "no house uses that much in half an hour")
		return nil
	}
	serial := strings.TrimLeft(strings.TrimSpace(record[at.serial]), "0") // which spreadsheet programs drop
	n, known := t.serials[serial]
	if !known {
		n = len(t.serials)
		if n >= 50 {
			return &Error{Line: line, Text: "there are more than 50 meter serial numbers", Hint: download}
		}
		t.serials[strings.Clone(serial)] = n
	}
	t.rows = append(t.rows, row{line, kind, n, day, minute / 30, value})
	return nil
}

// maxInterval is 100 kW for half an hour.
const maxInterval = 50 * ledger.KilowattHour

// kindOf reads a read type; of those that are not known it keeps a count.
func (t *table) kindOf(text string) (k Kind, perKW, ok bool) {
	name, unit := strings.ToLower(strings.Join(strings.Fields(text), " ")), ""
	if i := strings.LastIndexByte(name, '('); i >= 0 && strings.HasSuffix(name, ")") {
		name, unit = strings.TrimSpace(name[:i]), name[i+1:len(name)-1]
	}
	k = kinds[name]
	interval := k == ImportInterval || k == ExportInterval
	if k == 0 || unit != "kwh" && !(interval && unit == "kw") {
		if t.file.Unknown == nil {
			t.file.Unknown = map[string]int{}
		}
		if _, seen := t.file.Unknown[text]; !seen && len(t.file.Unknown) >= maxTypes {
			text = "others"
		}
		if len(text) > 80 {
			text = strings.ToValidUTF8(text[:80], "")
		}
		t.file.Unknown[strings.Clone(text)]++
		return 0, false, false
	}
	switch {
	case unit == "kw":
		t.forms["kW"] = true
	case interval:
		t.forms["calckWh"] = true
	case k == ImportRegister || k == ExportRegister:
		t.forms["Daily"] = true
	default:
		t.forms["DailyDNP"] = true
	}
	return k, unit == "kw", true
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == "" && s != ""
}

// parseStamp reads "31-12-2026 23:30", with / too, and seconds that are 00.
func parseStamp(s string) (d date, minute int, ok bool) {
	if len(s) == len("31-12-2026 23:30:00") && strings.HasSuffix(s, ":00") {
		s = s[:len(s)-3]
	}
	if len(s) != len("31-12-2026 23:30") || (s[2] != '-' && s[2] != '/') || s[5] != s[2] || s[10] != ' ' || s[13] != ':' {
		return d, 0, false
	}
	day, ok1 := digits(s[0:2])
	month, ok2 := digits(s[3:5])
	year, ok3 := digits(s[6:10])
	hour, ok4 := digits(s[11:13])
	min, ok5 := digits(s[14:16])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || year < 2000 || year > 2199 || month < 1 || month > 12 ||
		day < 1 || day > daysIn(year, month) || hour > 23 || min > 59 {
		return d, 0, false
	}
	return date{int16(year), int16(month), int16(day)}, hour*60 + min, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, true
}

// parseEnergy reads a decimal number of kWh that is not negative. What is
// beyond nine decimals is rounded.
func parseEnergy(s string) (ledger.Energy, bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" && fraction == "" || point && fraction == "" || len(whole) > 9 || len(fraction) > 30 {
		return 0, false
	}
	n, ok := digits(whole)
	if !ok {
		return 0, false
	}
	e := ledger.Energy(n)
	for i := range 9 {
		e *= 10
		if i < len(fraction) {
			e += ledger.Energy(fraction[i] - '0')
		}
	}
	for i := range len(fraction) {
		if fraction[i] < '0' || fraction[i] > '9' {
			return 0, false
		}
	}
	if len(fraction) > 9 && fraction[9] >= '5' {
		e++
	}
	return e, true
}

package gateway

import (
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

// ledgerBody is the page about files of ESB Networks.
type ledgerBody struct {
	Problem *problem // with the file that was sent
	Away    *problem // the metrics writer does not answer
	Most    int64
	Last    *meterFile
	Days    []comparedDay // the latest first
	Earlier int           // days that are not shown
	Own     bool          // our own metering has some of these days
	Whole   *comparedDay  // of all days that both have
}

// meterFile, meterSide and comparedDay are answers in the words of the page.
type meterFile struct {
	client.MeterFile
	When   string
	Sides  []meterSide
	Faults []client.Line
	Notes  []string
	Proof  string
	Good   string // "true" or "false": what the registers say; empty: there are none
}

type meterSide struct {
	Name   string
	KWh    figure
	Days   string
	Rows   []fact
	Gaps   []string
	Hidden int // gaps that are not told
}

type comparedDay struct {
	Day, Own, File, Difference string
	Note                       string
}

// shownDays is how many days of a comparison are shown at first, about two
// months, the length of a bill.
const shownDays = 62

func (g *Gateway) ledgerPage(w http.ResponseWriter, r *http.Request) {
	g.showLedger(w, r, http.StatusOK, nil)
}

func (g *Gateway) showLedger(w http.ResponseWriter, r *http.Request, status int, wrong *problem) {
	b := ledgerBody{Problem: wrong, Most: meterFileLoad.body}
	files, err := g.metrics.MeterFiles(r.Context())
	var c client.Comparison
	if err == nil && len(files) > 0 {
		b.Last = g.meterFile(files[0])
		c, err = g.metrics.Compare(r.Context(), nil)
	}
	if err != nil {
		_, b.Away = g.problem(err)
	}
	b.compare(c.Import, r.URL.Query().Get("days") == "all")
	g.show(w, r, status, "ledger.html", g.page(r, "ledger", "ESB Networks file", b))
}

// compare puts the days of a comparison into words.
func (b *ledgerBody) compare(days []client.ComparedDay, all bool) {
	var own, file float64
	for _, d := range slices.Backward(days) {
		if d.Both > 0 {
			b.Own = true
			own, file = own+d.File+d.Difference, file+d.File
		}
		if !all && len(b.Days) == shownDays {
			b.Earlier++
			continue
		}
		v := comparedDay{Day: d.Day, Own: number(d.Own), File: number(d.File), Difference: "–", Note: ""}
		if t, err := time.Parse(time.DateOnly, d.Day); err == nil {
			v.Day = t.Format("Mon 2 Jan 2006")
		}
		if d.Both > 0 {
			v.Difference = signed(d.Difference)
		}
		switch {
		case d.OwnMissing == d.HalfHours:
			v.Own = "–"
		case d.FileMissing == d.HalfHours:
			v.File = "–"
		}
		var notes []string
		if d.OwnMissing > 0 && d.OwnMissing < d.HalfHours {
			notes = append(notes, halfHours(d.OwnMissing)+" not metered here")
		}
		if d.FileMissing > 0 && d.FileMissing < d.HalfHours {
			notes = append(notes, grouped(d.FileMissing)+" not in the file")
		}
		if d.Estimated > 0 {
			notes = append(notes, grouped(d.Estimated)+" estimated")
		}
		v.Note = strings.Join(notes, ", ")
		b.Days = append(b.Days, v)
	}
	if b.Own {
		b.Whole = &comparedDay{Own: number(own), File: number(file), Difference: signed(own - file)}
	}
}

func halfHours(n int) string {
	if n == 1 {
		return "1 half hour"
	}
	return grouped(n) + " half hours"
}

func number(v float64) string { return formatKWh(&v).Number }

// signed is a difference, with its sign.
func signed(v float64) string {
	sign := "+"
	if v < 0 {
		sign, v = minus, -v
	}
	if v < 0.005 {
		return "0.00"
	}
	return sign + number(v)
}

// civil is a moment of an answer as people write it; those carry their offset.
func civil(s string) string {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return s
	}
	if t.Hour() == 0 && t.Minute() == 0 {
		return t.Format("2 Jan 2006")
	}
	return t.Format("2 Jan 2006 15:04")
}

var formWords = map[string]string{
	"calckWh": "30-minute readings in kWh", "kW": "30-minute readings in kW",
	"DailyDNP": "daily day, night and peak registers", "Daily": "daily 24-hour registers",
}

// meterFile puts what became of a file into words.
func (g *Gateway) meterFile(f client.MeterFile) *meterFile {
	v := &meterFile{MeterFile: f, When: civil(f.At), Faults: f.File.Faults}
	var forms []string
	for form := range strings.SplitSeq(f.File.Form, "+") {
		if w := formWords[form]; w != "" {
			form = w
		}
		forms = append(forms, form)
	}
	v.File.Form = strings.Join(forms, " and ")
	if s := f.File.Import; s != nil {
		v.Sides = append(v.Sides, sideOf("Import", *s))
	}
	if s := f.File.Export; s != nil {
		v.Sides = append(v.Sides, sideOf("Export", *s))
	}
	note := func(n int, one, many string) {
		switch {
		case n == 1:
			v.Notes = append(v.Notes, one)
		case n > 1:
			v.Notes = append(v.Notes, grouped(n)+" "+many)
		}
	}
	if n := f.File.Meters; n > 1 {
		v.Notes = append(v.Notes, "The meter was exchanged: the file has "+grouped(n)+" serial numbers.")
	}
	note(f.File.FaultCount, "One row could not be used.", "rows could not be used.")
	note(f.File.Duplicates, "One row said again what another had said.", "rows said again what others had said.")
	note(f.File.Outliers, "One register reading was left out: no meter can have had it.", "register readings were left out: no meter can have had them.")
	note(f.File.Guessed, "For one half hour of the clock change the file does not tell which of the two it was.", "half hours of the clock change could be either of two.")
	unknown := 0
	for _, n := range f.File.Unknown {
		unknown += n
	}
	note(unknown, "One row is of a kind that is not needed here.", "rows are of kinds that are not needed here.")
	if p := f.Proofs; p != nil {
		v.Good = "true"
		v.Proof = "The registers prove it: " + grouped(p.Proven) + " sums of half hours are what the meter counted."
		if p.Filled > 0 {
			v.Proof += " Half hours that are missing had " + number(p.LostKWh) + " kWh in all."
		}
		if p.Contradicted > 0 || p.BandsDiffer > 0 {
			v.Good = "false"
			v.Proof = grouped(p.Contradicted+p.BandsDiffer) + " sums of half hours are not what the meter counted; " + grouped(p.Proven) + " are."
		}
		if p.Proven+p.Filled+p.Contradicted == 0 {
			v.Good, v.Proof = "", "The registers are there. Half hours of the same days prove them: give that file too."
		}
	}
	return v
}

func sideOf(name string, s client.MeterSide) meterSide {
	v := meterSide{Name: name, KWh: formatKWh(&s.KWh), Days: civil(s.From) + " to " + civil(s.To)}
	v.Rows = []fact{{"Half hours", grouped(s.HalfHours)}, {"New here", grouped(s.New)}}
	if s.Changed > 0 {
		v.Rows = append(v.Rows, fact{"Changed since an earlier file", grouped(s.Changed)})
	}
	v.Rows = append(v.Rows, fact{"Missing in between", grouped(s.Missing)})
	const told = 10
	for i, gap := range s.Gaps {
		if i == told {
			v.Hidden = len(s.Gaps) - told
			break
		}
		v.Gaps = append(v.Gaps, civil(gap.From)+" to "+civil(gap.To)+", "+halfHours(gap.HalfHours))
	}
	return v
}

// takeMeterFile takes a file from the form; the script uploads to the interface
// for programs instead, to show how far it is.
func (g *Gateway) takeMeterFile(w http.ResponseWriter, r *http.Request) {
	err := eachPart(r, func(p *multipart.Part) (bool, error) {
		if p.FormName() != "file" {
			return true, nil
		}
		u := &upload{body: p}
		_, err := g.metrics.TakeMeterFile(r.Context(), u, 0)
		u.drain()
		return false, err
	})
	if err != nil {
		status, p := g.problem(err)
		g.showLedger(w, r, status, p)
		return
	}
	http.Redirect(w, r, "/ledger", http.StatusSeeOther)
}

// exportLedger is a download of the half hours of our own metering.
func (g *Gateway) exportLedger(w http.ResponseWriter, r *http.Request) {
	query := url.Values{"format": {r.URL.Query().Get("format")}, "source": {"own"}}
	body, err := g.metrics.ExportLedger(r.Context(), query)
	if err != nil {
		status, p := g.problem(err)
		g.showLedger(w, r, status, p)
		return
	}
	defer body.Close()
	name := "half-hours-" + fileWord(g.o.Home.Name, "home") + "-" + g.today()
	if query.Get("format") == "hdf" {
		name = "HDF_calckWh_" + g.o.Clock().In(g.o.Home.TimeZone).Format("02-01-2006")
	}
	g.download(w, body, "text/csv; charset=utf-8", name+".csv")
}

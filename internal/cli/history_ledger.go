package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"

	"github.com/smartcore-ireland/hems/internal/client"
)

const ledgerUsage = `
Files of ESB Networks, beside our own half hours:

       hems history HOST import FILE     takes a file in: 30-minute readings, or registers
       hems history HOST compare         our own metering and the files', day by day
       hems history HOST export [-format csv|hdf] [-source own|hdf]

  -from, -to  days, such as 2026-11-20; default: all there are
  -format     of export: csv (the default), or hdf for ESB Networks' own columns
`

// ledgerVerbs are words of hems history that are about the ledger, with the
// words each needs after it.
var ledgerVerbs = map[string]struct {
	words int
	run   func(*remote, context.Context, []string) error
}{
	"import":  {1, (*remote).importMeterFile},
	"compare": {0, (*remote).compareLedger},
	"export":  {0, (*remote).exportLedger},
}

// importMeterFile hands a file over and says what became of it.
func (r *remote) importMeterFile(ctx context.Context, words []string) error {
	f, err := os.Open(words[0])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return hinted{fmt.Errorf("%s is empty", words[0]), "download it again from ESB Networks"}
	}
	v, err := r.Metrics().TakeMeterFile(ctx, f, info.Size())
	if err != nil {
		return err
	}
	if r.json {
		return r.printJSON(v)
	}
	r.tellMeterFile(v)
	return nil
}

func (r *remote) printJSON(v any) error {
	e := json.NewEncoder(r.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (r *remote) tellMeterFile(v client.MeterFile) {
	say := func(format string, args ...any) { fmt.Fprintf(r.stdout, format+"\n", args...) }
	f := v.File
	say("%s of the connection ending in %s: %d rows", f.Form, f.Last3, f.Rows)
	side := func(name string, s *client.MeterSide) {
		if s == nil {
			return
		}
		say("%s: %d half hours, %.3f kWh, %s to %s", name, s.HalfHours, s.KWh, s.From, s.To)
		say("  new %d, as before %d, changed %d, missing in between %d", s.New, s.Same, s.Changed, s.Missing)
		for _, g := range s.Gaps {
			say("  gap: %s to %s, %d half hours", g.From, g.To, g.HalfHours)
		}
	}
	side("import", f.Import)
	side("export", f.Export)
	if c := f.Registers; c != nil {
		say("registers: new %d, as before %d, changed %d", c.New, c.Same, c.Changed)
	}
	if p := v.Proofs; p != nil {
		say("registers prove %d sums of half hours; %d have half hours missing, which had %.3f kWh; %d are contradicted", p.Proven, p.Filled, p.LostKWh, p.Contradicted)
	}
	for text, n := range map[string]int{
		"meters (serial numbers): the meter was exchanged": max(0, f.Meters-1),
		"rows could not be used":                           f.FaultCount,
		"rows said again what others had said":             f.Duplicates,
		"register readings were left out as impossible":    f.Outliers,
		"half hours of the clock change may be either":     f.Guessed,
	} {
		if n > 0 {
			fmt.Fprintf(r.stderr, "note: %d %s\n", n, text)
		}
	}
	for _, l := range f.Faults {
		fmt.Fprintf(r.stderr, "note: line %d: %s\n", l.Line, l.Text)
	}
}

// ledgerRange is what -from and -to say.
func (r *remote) ledgerRange() url.Values {
	query := url.Values{}
	for name, v := range map[string]string{"from": r.past.from, "to": r.past.to, "meter": r.past.meter} {
		if v != "" {
			query.Set(name, v)
		}
	}
	return query
}

func (r *remote) compareLedger(ctx context.Context, _ []string) error {
	c, err := r.Metrics().Compare(ctx, r.ledgerRange())
	if err != nil {
		return err
	}
	if r.json || r.past.format == "json" {
		return r.printJSON(c)
	}
	if len(c.Import)+len(c.Export) == 0 {
		return hinted{errors.New("there is no file of ESB Networks to compare with"), fmt.Sprintf("hems history %s import FILE", r.host)}
	}
	for _, side := range []struct {
		name string
		days []client.ComparedDay
	}{{"import", c.Import}, {"export", c.Export}} {
		if len(side.days) == 0 {
			continue
		}
		r.line(side.name, []string{"here", "network", "difference", "missing here", "in the file"}, "")
		for _, d := range side.days {
			difference := "–"
			if d.Both > 0 {
				difference = fmt.Sprintf("%+.3f", d.Difference)
			}
			r.line(d.Day, []string{fmt.Sprintf("%.3f", d.Own), fmt.Sprintf("%.3f", d.File), difference,
				strconv.Itoa(d.OwnMissing), strconv.Itoa(d.FileMissing)}, "")
		}
	}
	return nil
}

func (r *remote) exportLedger(ctx context.Context, _ []string) error {
	query := r.ledgerRange()
	for name, v := range map[string]string{"format": r.past.format, "source": r.past.source} {
		if v != "" {
			query.Set(name, v)
		}
	}
	body, err := r.Metrics().ExportLedger(ctx, query)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(r.stdout, body)
	return err
}

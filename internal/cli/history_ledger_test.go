package cli

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/client"
)

func TestFilesOfESBNetworks(t *testing.T) {
	s := newSite(t)
	hems := func(words ...string) (out, errs string, status int) {
		r := s.run(words...)
		return r.out, r.errors, r.status
	}
	file := s.file("HDF_calckWh.csv", "MPRN,…\r\n")
	s.metrics.Answer("POST /v1/hdf", http.StatusOK, client.MeterFile{
		File: client.MeterReport{Form: "calckWh", Last3: "417", Rows: 50, Meters: 1, FaultCount: 1, Faults: []client.Line{{Line: 7, Text: "its time is no half hour"}},
			Import: &client.MeterSide{From: "2026-10-25T00:00:00+01:00", To: "2026-10-26T00:00:00Z", HalfHours: 49, Missing: 1, KWh: 9.125, MeterChange: client.MeterChange{New: 49},
				Gaps: []client.MeterGap{{From: "2026-10-25T01:30:00+01:00", To: "2026-10-25T01:00:00Z", HalfHours: 1}}}},
		Proofs: &client.MeterProofs{Proven: 3, Filled: 1, LostKWh: 0.25},
	})
	out, errs, status := hems("history", "HOST", "import", file)
	for _, want := range []string{"calckWh of the connection ending in 417: 50 rows", "49 half hours, 9.125 kWh", "gap: 2026-10-25T01:30:00+01:00 to", "prove 3 sums", "had 0.250 kWh"} {
		if !strings.Contains(out, want) {
			t.Errorf("import says nothing of %q:\n%s", want, out)
		}
	}
	if status != 0 || !strings.Contains(errs, "note: line 7: its time is no half hour") {
		t.Errorf("import: status %d, %s", status, errs)
	}
	if got := string(s.metrics.Body("POST /v1/hdf")); got != "MPRN,…\r\n" {
		t.Errorf("what was sent: %q", got)
	}

	out, errs, status = hems("history", "HOST", "compare")
	if status != 1 || !strings.Contains(errs, "import FILE") {
		t.Errorf("compare without a file: status %d, %s%s", status, out, errs)
	}
	s.metrics.Answer("GET /v1/ledger/compare", http.StatusOK, client.Comparison{Import: []client.ComparedDay{
		{Day: "2026-10-25", HalfHours: 50, Own: 9.302, File: 9.29, Difference: 0.012, Both: 50}, {Day: "2026-10-26", HalfHours: 48, File: 8, OwnMissing: 48}}})
	out, errs, status = hems("history", "HOST", "compare", "-from", "2026-10-25")
	if status != 0 || !strings.Contains(out, "+0.012") || !strings.Contains(out, "–") || !slices.Contains(s.metrics.Questions(), "GET /v1/ledger/compare?from=2026-10-25") {
		t.Errorf("compare: status %d, %s%s", status, out, errs)
	}

	out, errs, status = hems("history", "HOST", "export", "-format", "hdf")
	if status != 0 || out != "start,end\r\n" || !slices.Contains(s.metrics.Questions(), "GET /v1/ledger/export?format=hdf") {
		t.Errorf("export: status %d, %q %s, asked %v", status, out, errs, s.metrics.Questions())
	}
	for _, words := range [][]string{{"import"}, {"power", "import"}, {"compare", "file"}} {
		if _, errs, status := hems(append([]string{"history", "HOST"}, words...)...); status != 2 {
			t.Errorf("%v: status %d, want 2: %s", words, status, errs)
		}
	}
}

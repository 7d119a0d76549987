package gateway

import (
	"bytes"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/client"
)

// givenFile is what the metrics writer tells of a file and of the days in it.
func givenFile(h *house) {
	h.metrics.Answer("GET /v1/hdf", http.StatusOK, []client.MeterFile{{
		At: "2026-11-30T18:04:00Z",
		File: client.MeterReport{Form: "calckWh", Last3: "417", Rows: 5571, Meters: 2, FaultCount: 2,
			Faults: []client.Line{{Line: 88, Text: "its value is no number of kWh"}, {Line: 91, Text: "its time is no half hour"}},
			Import: &client.MeterSide{From: "2026-09-01T00:00:00+01:00", To: "2026-11-30T01:00:00Z", HalfHours: 4310, Missing: 61, KWh: 812.402,
				MeterChange: client.MeterChange{New: 96, Same: 4212, Changed: 2},
				Gaps: []client.MeterGap{{From: "2026-09-14T05:00:00+01:00", To: "2026-09-15T11:00:00+01:00", HalfHours: 60},
					{From: "2026-10-25T01:30:00+01:00", To: "2026-10-25T01:00:00Z", HalfHours: 1}}},
			Export: &client.MeterSide{From: "2026-09-01T00:00:00+01:00", To: "2026-11-30T01:00:00Z", HalfHours: 1261, KWh: 88.2, MeterChange: client.MeterChange{New: 1261}},
		},
		Proofs: &client.MeterProofs{Proven: 441, Filled: 4, LostKWh: 6.91},
	}})
	h.metrics.Answer("GET /v1/ledger/compare", http.StatusOK, client.Comparison{Meter: "house_energy", Import: []client.ComparedDay{
		{Day: "2026-10-24", HalfHours: 48, File: 8.12, OwnMissing: 48},
		{Day: "2026-10-25", HalfHours: 50, Own: 9.302, File: 9.29, Difference: 0.012, Both: 50},
		{Day: "2026-10-26", HalfHours: 48, Own: 7.9, File: 8.031, Difference: -0.05, Both: 47, OwnMissing: 1, Estimated: 3},
		{Day: "2026-10-27", HalfHours: 48, Own: 12.41, File: 12.41, Both: 48},
	}})
}

func TestWhatBecameOfAFileOfESBNetworks(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	_, page := h.get(c, "/ledger")
	if strings.Contains(page, "The last file") || !strings.Contains(page, `id="send"`) {
		t.Errorf("before any file:\n%s", page)
	}
	givenFile(h)
	_, page = h.get(c, "/ledger")
	page = html.UnescapeString(page)
	for _, want := range []string{
		"ending in 417", "30-minute readings in kWh", "812</strong> kWh", "1 Sep 2026 to 30 Nov 2026 01:00", "<dt>Missing in between</dt><dd>61</dd>",
		"14 Sep 2026 05:00 to 15 Sep 2026 11:00, 60 half hours", "<dt>Changed since an earlier file</dt><dd>2</dd>", "2 rows could not be used.", "Line 88: its value is no number of kWh",
		"The meter was exchanged", "441 sums of half hours are what the meter counted", "missing had 6.91 kWh", "Sun 25 Oct 2026", "+0.01", "−0.05",
		"1 half hour not metered here, 3 estimated", "0.00", "−0.04</strong> kWh",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if i, j := strings.Index(page, "27 Oct"), strings.Index(page, "24 Oct"); i < 0 || j < i {
		t.Error("the latest day is not the first")
	}
}

func TestAFileOfESBNetworksWithoutTheScript(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	send := func(content string) *http.Response {
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		part, err := form.CreateFormFile("file", "HDF_calckWh.csv")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, content)
		form.Close()
		res, err := c.Post(h.url+"/ledger", form.FormDataContentType(), &b)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	if res := send("MPRN,…\r\n"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/ledger" {
		t.Errorf("got %s to %s", res.Status, res.Header.Get("Location"))
	}
	if got := string(h.metrics.Body("POST /v1/hdf")); got != "MPRN,…\r\n" {
		t.Errorf("what was handed on: %q", got)
	}
	h.metrics.Answer("POST /v1/hdf", http.StatusBadRequest, map[string]string{"code": "file", "error": "reading the ESB Networks file: line 1: there is no column \"MPRN\"", "hint": "download it again"})
	res := send("a,b\n")
	if body := readAll(t, res); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "line 1: there is no column") || !strings.Contains(body, "Download it again.") {
		t.Errorf("got %s:\n%s", res.Status, body)
	}
}

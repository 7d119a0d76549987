package gateway

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPagesWorkWithoutScript(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Home.Name = "Cois <Farraige>" })
	c := h.signedIn()
	if _, body := h.get(c, "/"); !strings.Contains(body, "No meter yet") || !strings.Contains(body, `data-stage="none"`) {
		t.Error("without a meter the page does not say what to do")
	}
	if _, body := h.get(c, "/devices"); !strings.Contains(body, "No devices yet") {
		t.Error("without devices the page does not say what to do")
	}
	h.past.liveThrough(time.Now())
	h.pair()
	h.await(c, "/api/v1/devices", "EMIZB-141")
	h.reads(`{"power":12345,"energy":1234.617,"linkquality":134,"battery":9}`)
	h.await(c, "/api/v1/now", `"power_w":12345`)
	h.await(c, "/api/v1/now", `"today_kwh":8.47`)
	_, body := h.get(c, "/")
	for _, want := range []string{`>12.35</span>`, `>kW</span>`, `>8.47</span>`, "Cois &lt;Farraige&gt;", `"step_s":300`} {
		if !strings.Contains(body, want) {
			t.Errorf("Now: no %s", want)
		}
	}
	_, body = h.get(c, "/devices")
	for _, want := range []string{"frient_blink_counter", "12.35 kW", "9 %, low", "strong", "134 of 255", "online", "1,235 kWh", "Main meter"} {
		if !strings.Contains(body, want) {
			t.Errorf("Devices: no %s", want)
		}
	}
}

func TestPagesHoldNothingInline(t *testing.T) {
	h := newHouse(t)
	h.pair()
	c := h.signedIn()
	h.await(c, "/api/v1/devices", "EMIZB-141")
	for _, path := range []string{"/", "/devices", "/more", "/no"} {
		_, body := h.get(c, path)
		for _, bad := range []string{" style=", "<style", " onclick=", "javascript:"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: holds %q, which the content security policy forbids", path, bad)
			}
		}
	}
}

func TestWhatIsWrongIsOnThePage(t *testing.T) {
	h := newHouse(t)
	h.publish("hems/zigbee/health", `{"state":"failing","message":"the dongle is <unplugged>","hint":"plug it back in"}`, true)
	h.await(h.visitor(), "/healthz", "zigbee\n")
	_, body := h.get(h.signedIn(), "/more")
	for _, want := range []string{`data-ok="false"`, "The dongle is &lt;unplugged&gt;.", "Plug it back in."} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestHealthzNamesTheFirstFailingPart(t *testing.T) {
	h := newHouse(t)
	h.publish("hems/zigbee/health", `{"state":"ok"}`, true)
	h.await(h.visitor(), "/healthz", "metrics\n")
	h.publish("hems/metrics/health", `{"state":"ok"}`, true)
	h.await(h.visitor(), "/healthz", "ok\n")
	h.publish("hems/zigbee/health", `{"state":"offline"}`, true)
	h.await(h.visitor(), "/healthz", "zigbee\n")
	h.well()
	h.pair()
	h.publish(meterTopic+"/availability", "offline", true) // a flat battery is not the appliance's fault
	h.await(h.signedIn(), "/api/v1/now", `"part":"meter"`)
	h.await(h.visitor(), "/healthz", "ok\n")
	h.past.mu.Lock()
	h.past.err = errors.New("the disk is gone")
	h.past.mu.Unlock()
	h.await(h.visitor(), "/healthz", "store\n")
}

func TestPowerAnswersInColumns(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	ask := func(query string) (int, curve) {
		status, body := h.get(c, "/api/v1/power"+query)
		var got curve
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v in %q", query, err, body)
		}
		return status, got
	}
	if status, got := ask(""); status != http.StatusOK || got.Entity != "" || got.To-got.From <= 86100 || got.To-got.From > 86400 || got.Time == nil || len(got.Time) != 0 {
		t.Errorf("without a meter: got %d %+v, want empty columns over a day", status, got)
	}
	h.past.liveThrough(time.Now())
	h.pair()
	h.await(c, "/api/v1/now", "frient_blink_counter_power")
	status, got := ask("?hours=24")
	n := len(got.Time)
	if status != http.StatusOK || n < 270 || n > 288 || got.Step != 300 || got.Entity != "frient_blink_counter_power" {
		t.Errorf("a day: got %d, %d points of %d s of %q", status, n, got.Step, got.Entity)
	}
	if diff := cmp.Diff([]int{n, n, n}, []int{len(got.Min), len(got.Mean), len(got.Max)}); diff != "" {
		t.Errorf("the columns differ in length:\n%s", diff)
	}
	if _, got := ask("?hours=1"); got.Step != 15 {
		t.Errorf("an hour: got buckets of %d s, want 15", got.Step)
	}
	for _, bad := range []string{"?hours=0", "?hours=-1", "?hours=169", "?hours=1e9", "?hours=day", "?hours=99999999999999999999"} {
		if status, _ := h.get(c, "/api/v1/power"+bad); status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", bad, status)
		}
	}
	h.past.mu.Lock()
	h.past.err = errors.New("the disk is gone")
	h.past.mu.Unlock()
	if status, body := h.get(c, "/api/v1/power"); status != http.StatusServiceUnavailable || strings.Contains(body, "disk") {
		t.Errorf("with the store away: got %d %q, want 503 without its insides", status, body)
	}
}

func TestFilesAreCachedUnderTheirContent(t *testing.T) {
	h := newHouse(t)
	c := h.visitor()
	r, err := http.NewRequest("GET", h.url+h.files.staticURL("style.css"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "br, gzip;q=0.8")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding: got %q, want gzip", got)
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := static.ReadFile("ui/static/style.css"); string(body) != string(want) {
		t.Error("the style sheet does not come as it is")
	}
	r.Header.Set("Accept-Encoding", "gzip;q=0, identity")
	if res := h.do(c, r); res.Header.Get("Content-Encoding") != "" {
		t.Error("gzip was sent to a visitor who cannot read it")
	}
	if status, _ := h.get(c, "/static/style.css"); status != http.StatusNotFound {
		t.Errorf("a name without its hash: got %d, want 404", status)
	}
}

func TestThemeIsACookie(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	for _, tt := range []struct{ choice, want string }{
		{"dark", `data-theme="dark"`}, {"light", `data-theme="light"`}, {"system", `<html lang="en-IE">`}, {"<b>", `<html lang="en-IE">`},
	} {
		h.post(c, "/theme", map[string][]string{"theme": {tt.choice}})
		if _, body := h.get(c, "/more"); !strings.Contains(body, tt.want) {
			t.Errorf("after choosing %s: no %s", tt.choice, tt.want)
		}
	}
}

func TestFormat(t *testing.T) {
	v := func(f float64) *float64 { return &f }
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		got, want string
	}{
		{formatPower(nil).Number, "–"},
		{formatPower(v(0)).Number, "0"},
		{formatPower(v(-0.2)).Number, "0"},
		{formatPower(v(342.4)).Number, "342"},
		{formatPower(v(-1450)).Number, "−1,450"},
		{formatPower(v(9999.4)).Number, "9,999"},
		{formatPower(v(9999.5)).Number, "10.00"},
		{formatPower(v(9999.5)).Unit, "kW"},
		{formatPower(v(-12345)).Number, "−12.35"},
		{formatKWh(nil).Number, "–"},
		{formatKWh(v(0)).Number, "0.00"},
		{formatKWh(v(8.424)).Number, "8.42"},
		{formatKWh(v(9.996)).Number, "10.0"},
		{formatKWh(v(61.04)).Number, "61.0"},
		{formatKWh(v(99.96)).Number, "100"},
		{formatKWh(v(12345)).Number, "12,345"},
		{formatAgo(0), "just now"},
		{formatAgo(4200 * time.Millisecond), "4 s ago"},
		{formatAgo(89 * time.Second), "89 s ago"},
		{formatAgo(90 * time.Second), "2 min ago"},
		{formatAgo(89 * time.Minute), "89 min ago"},
		{formatAgo(3 * time.Hour), "3 h ago"},
		{formatAgo(50 * time.Hour), "2 days ago"},
		{formatSince(time.Date(2026, 11, 22, 0, 5, 0, 0, time.UTC), noon), "00:05"},
		{formatSince(time.Date(2026, 11, 21, 23, 55, 0, 0, time.UTC), noon), "Sat 23:55"},
		{formatSince(time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC), noon), "01/11/2026"},
		{inWords(29), "29 seconds"},
		{inWords(100), "2 minutes"},
		{linkWord(nil), "–"},
		{linkWord(v(134)), "strong"},
		{linkWord(v(10)), "poor"},
		{batteryFill(v(50)), "7.0"},
		{batteryFill(v(250)), "14.0"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

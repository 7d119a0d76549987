package updates

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/bundle"
)

// feed is a place where updates are looked for.
func feed(t *testing.T, version string, body []byte, change func(string) string) *httptest.Server {
	t.Helper()
	sum := sha256.Sum256(body)
	text := fmt.Sprintf(`{"version":%q,"url":"files/update.hems","size":%d,"sha256":%q,"notes":"better"}`, version, len(body), hex.EncodeToString(sum[:]))
	if change != nil {
		text = change(text)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/feed.json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	mux.HandleFunc("/files/update.hems", func(w http.ResponseWriter, _ *http.Request) { w.Write(body) })
	mux.Handle("/away", http.RedirectHandler("http://192.0.2.1/feed.json", http.StatusFound))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestFeed(t *testing.T) {
	r := newRig(t)
	r.boot("", true)
	if err := r.m.Check(t.Context()); !errors.Is(err, ErrNoFeed) {
		t.Errorf("without one: %v", err)
	}
	if err := r.m.InstallAvailable(); !errors.Is(err, ErrNothing) {
		t.Errorf("without one: %v", err)
	}
	r.set.Feed = feed(t, "v1.1.0", r.Bundle("1.1.0"), nil).URL + "/feed.json"
	if err := r.m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := r.m.View().Available
	if a == nil || a.Version != "1.1.0" || a.Notes != "better" || a.Size == 0 {
		t.Fatalf("available: %+v", a)
	}
	if err := r.m.InstallAvailable(); err != nil {
		t.Fatal(err)
	}
	if got := r.await(); got != tryOnce {
		t.Errorf("restarted with %q", got)
	}
}

func TestFeedOfWhatRuns(t *testing.T) {
	r := newRig(t)
	r.boot("", true)
	for _, version := range []string{"1.0.0", "0.9.0", "1.0.0-rc.1"} {
		r.set.Feed = feed(t, version, []byte("x"), nil).URL + "/feed.json"
		if err := r.m.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a := r.m.View().Available; a != nil {
			t.Errorf("%s is available: %+v", version, a)
		}
	}
}

func TestFeedThatLies(t *testing.T) {
	r := newRig(t)
	r.boot("", true)
	body := r.Bundle("1.1.0")
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for name, tt := range map[string]struct {
		body   []byte
		change func(string) string
		want   string // the verdict
	}{
		"AnotherSum":     {body, replace(`"sha256":"`, `"sha256":"00`), ""},
		"ALongerBody":    {body, replace(fmt.Sprintf(`"size":%d`, len(body)), fmt.Sprintf(`"size":%d`, len(body)-1)), "refused 1.1.0: "},
		"AShorterBody":   {body, replace(fmt.Sprintf(`"size":%d`, len(body)), fmt.Sprintf(`"size":%d`, len(body)+1)), "refused 1.1.0: "},
		"AnotherVersion": {r.Bundle("0.8.0"), nil, "refused : " + bundle.ErrOlder.Sentence},
		"NoSuchFile":     {body, replace("files/", "none/"), "failed 1.1.0: "},
		"AnotherPlace":   {body, replace("files/", "http://192.0.2.1/"), ""},
		"NoFeed":         {body, func(string) string { return "<html>" }, ""},
		"TooLong":        {body, func(s string) string { return s + strings.Repeat(" ", maxFeed) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r.set.Feed = feed(t, "1.1.0", tt.body, tt.change).URL + "/feed.json"
			err := r.m.Check(t.Context())
			if tt.want == "" {
				if !errors.Is(err, ErrFeed) {
					t.Errorf("looking: %v, want that the feed is wrong", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := r.m.fetch(t.Context(), r.m.View().Available); err == nil {
				t.Error("installed")
			}
			if got := r.verdict(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("the verdict is %q, want %q…", got, tt.want)
			}
			if r.m.View().Verdict.Seen || r.left() != nil {
				t.Errorf("the verdict counts as read, or there is left %q", r.left())
			}
		})
	}
	r.set.Feed = feed(t, "1.1.0", body, nil).URL + "/away"
	if err := r.m.Check(t.Context()); !errors.Is(err, ErrFeed) || !strings.Contains(err.Error(), "https://") {
		t.Errorf("led away from https: %v", err)
	}
	if _, ended := r.restarted(); ended {
		t.Error("restarted")
	}
}

func TestWhereAFeedMayBe(t *testing.T) {
	for address, want := range map[string]bool{
		"https://example.com/feed.json": true, "http://127.0.0.1:8000/f": true, "http://localhost/f": true, "http://[::1]/f": true,
		"http://example.com/feed.json": false, "ftp://example.com/f": false, "http://127.0.0.1.example.com/": false, "https:///f": false, "file:///etc/passwd": false,
	} {
		if got := mayAsk(made(url.Parse(address))) == nil; got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

func TestTonight(t *testing.T) {
	dublin := made(time.LoadLocation("Europe/Dublin"))
	night := time.Date(2026, 7, 1, 3, 30, 0, 0, dublin)
	for _, tt := range []struct {
		name   string
		at     time.Time
		change func(*Machine)
		want   bool
	}{
		{"AtNight", night, func(*Machine) {}, true},
		{"ByDay", night.Add(9 * time.Hour), func(*Machine) {}, false},
		{"AtFour", night.Add(30 * time.Minute), func(*Machine) {}, false},
		{"Nothing", night, func(m *Machine) { m.available = nil }, false},
		{"Busy", night, func(m *Machine) { m.busy = true }, false},
		{"OnProbation", night, func(m *Machine) { m.probation = true }, false},
		{"ItReturned", night, func(m *Machine) { m.story.Verdict = &Verdict{Result: Returned, Version: "1.1.0", From: "1.0.0"} }, false},
		{"AnotherReturned", night, func(m *Machine) { m.story.Verdict = &Verdict{Result: Returned, Version: "1.0.9", From: "1.0.0"} }, true},
		{"SomebodyWentBack", night, func(m *Machine) { m.story.Verdict = &Verdict{Result: Installed, Version: "1.0.0", From: "1.1.0"} }, false},
		{"AfterAnother", night, func(m *Machine) { m.story.Verdict = &Verdict{Result: Installed, Version: "1.0.0", From: "0.9.0"} }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &Machine{available: &Available{Version: "1.1.0"}}
			tt.change(m)
			if got := m.tonight(tt.at.UTC(), dublin); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzParseFeed(f *testing.F) {
	f.Add(`{"version":"1.2.3","url":"x.hems","size":1,"sha256":"` + strings.Repeat("0", 64) + `"}`)
	f.Add(`{"version":"v1","url":"https://x/y","size":-1}`)
	at := made(url.Parse("https://example.com/feed.json"))
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseFeed([]byte(text), at)
		if err == nil && (!bundle.ValidVersion(a.Version) || a.Size <= 0 || a.Size > bundle.DefaultMaxSize || mayAsk(made(url.Parse(a.url))) != nil) {
			t.Errorf("%q is %+v", text, a)
		}
	})
}

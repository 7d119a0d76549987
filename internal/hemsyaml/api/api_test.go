package api

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/hemsyaml"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// served is a hems.yaml over HTTP.
func served(t *testing.T, text string) (url, path string, changes *int) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "hems.yaml")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	f := hemsyaml.Open(hemsyaml.Options{Path: path, History: filepath.Join(dir, "history"), Perm: 0o640, Check: func(b []byte) []hemsyaml.Problem {
		if strings.Contains(string(b), "wrong") {
			return []hemsyaml.Problem{{Line: 1, Text: "one"}, {Line: 2, Text: "two"}}
		}
		return nil
	}})
	changes = new(int)
	mux := http.NewServeMux()
	for pattern, h := range Handlers(f, slog.New(slog.DiscardHandler), func() { *changes++ }) {
		mux.Handle(pattern, h)
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, path, changes
}

func ask(t *testing.T, method, url, body string, header ...string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, b
}

func TestConfigOverHTTP(t *testing.T) {
	url, path, changes := served(t, "home:\n  name: a\n")
	_, h, _ := ask(t, "GET", url+"/v1/config", "")
	first := h.Get("ETag")
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		want                     string // in the file
	}{
		{"Set", "POST", "/v1/config/set", `{"path":"home.name","value":"b"}`, []string{ByHeader, "Aoife"}, "home:\n  name: b\n"},
		{"SetNumber", "POST", "/v1/config/set", `{"path":"home.nr","value":12345678901234567}`, nil, "home:\n  nr: 12345678901234567\n  name: b\n"},
		{"SetNull", "POST", "/v1/config/set", `{"path":"home.nr","value":null}`, nil, "home:\n  name: b\n"},
		{"SetSeveral", "POST", "/v1/config/set", `{"changes":[{"path":"home.name","value":"c"},{"path":"a","value":[true]}]}`, nil, "home:\n  name: c\na:\n  - true\n"},
		{"Text", "PUT", "/v1/config", "x: 1\n", nil, "x: 1\n"},
		{"TextAsJSON", "PUT", "/v1/config", `{"text":"x: 2\n"}`, []string{"Content-Type", "application/json"}, "x: 2\n"},
		{"Restore", "POST", "/v1/config/restore", `{"id":"000001"}`, nil, "home:\n  name: a\n"},
		{"IfMatch", "PUT", "/v1/config", "x: 3\n", []string{"If-Match", first}, "x: 3\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := *changes
			status, _, b := ask(t, tt.method, url+tt.path, tt.body, tt.header...)
			if status != http.StatusOK {
				t.Fatalf("status %d: %s", status, b)
			}
			var s hemsyaml.State
			if err := json.Unmarshal(b, &s); err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(file)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			if s.Text != tt.want || len(s.History) == 0 || *changes != before+1 {
				t.Errorf("answer %+v after %d changes", s, *changes-before)
			}
		})
	}
	_, _, b := ask(t, "GET", url+"/v1/config", "")
	if !strings.Contains(string(b), `"by":"Aoife"`) || !strings.Contains(string(b), `"by":"a page or a program"`) {
		t.Errorf("the history does not say who: %s", b)
	}
}

func TestRefusals(t *testing.T) {
	url, path, changes := served(t, "home:\n  name: a\n")
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     string
		lines                    int
	}{
		{"Wrong", "PUT", "/v1/config", "wrong", nil, 422, "bad_config", 2},
		{"WrongValue", "POST", "/v1/config/set", `{"path":"home.name","value":"wrong"}`, nil, 422, "bad_config", 2},
		{"NoSuchPath", "POST", "/v1/config/set", `{"path":"home.name.first","value":"x"}`, nil, 422, "no_such_path", 0},
		{"NoValue", "POST", "/v1/config/set", `{"path":"home.name"}`, nil, 400, "bad_request", 0},
		{"NoValueInOneOfThem", "POST", "/v1/config/set", `{"changes":[{"path":"a"}]}`, nil, 400, "bad_request", 0},
		{"NoChanges", "POST", "/v1/config/set", `{"changes":[]}`, nil, 400, "bad_request", 0},
		{"UnknownKey", "POST", "/v1/config/set", `{"key":"a"}`, nil, 400, "bad_request", 0},
		{"NotJSON", "POST", "/v1/config/restore", `{`, nil, 400, "bad_request", 0},
		{"TextMissing", "PUT", "/v1/config", `{}`, []string{"Content-Type", "application/json"}, 400, "bad_request", 0},
		{"TooLarge", "PUT", "/v1/config", strings.Repeat("#", 8<<20), nil, 413, "too_large", 0},
		{"LargeSet", "POST", "/v1/config/set", `{"path":"` + strings.Repeat("a", 70<<10), nil, 413, "too_large", 0},
		{"NoSuchVersion", "POST", "/v1/config/restore", `{"id":"../hems"}`, nil, 404, "no_such_version", 0},
		{"ChangedMeanwhile", "PUT", "/v1/config", "x: 1\n", []string{"If-Match", `"other"`}, 412, "changed", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, _, b := ask(t, tt.method, url+tt.path, tt.body, tt.header...)
			var got reply.Refusal
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			if status != tt.status || got.Code != tt.code || len(got.Lines) != tt.lines || got.Error == "" {
				t.Errorf("got %d %+v, want %d %s", status, got, tt.status, tt.code)
			}
		})
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "home:\n  name: a\n" || *changes > 0 {
		t.Errorf("file %q, %v after %d changes: want none", b, err, *changes)
	}
}

package manager

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/backup/staged"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/hemsyaml"
	"github.com/smartcore-ireland/hems/internal/metrics"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/reply"
	"github.com/smartcore-ireland/hems/internal/store"
)

// house is a data directory of an appliance that has run.
func house(t *testing.T, files map[string]string) appliance.Env {
	t.Helper()
	dir, err := os.MkdirTemp("", "hems") // a short path: it holds sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	env := appliance.Env{Data: dir, Runtime: filepath.Join(dir, "runtime"), Log: slog.New(slog.DiscardHandler)}
	for name, text := range files {
		path := env.Path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(env.Runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	return env
}

// serve answers at the manager's socket, as the manager does.
func serve(t *testing.T, env appliance.Env, k *kept) *http.Client {
	t.Helper()
	l, err := net.Listen("unix", env.Run("manager.sock"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, h := range k.handlers() {
		mux.Handle(pattern, h)
	}
	mux.HandleFunc("GET /v1/health", func(w http.ResponseWriter, _ *http.Request) {
		reply.JSON(w, http.StatusOK, map[string]string{"state": "ok"})
	})
	srv := &http.Server{Handler: mux}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", env.Run("manager.sock"))
	}}}
}

func ask(t *testing.T, c *http.Client, method, path, contentType string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, "http://manager"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

func TestTheSeedIsTakenOverAtTheFirstStart(t *testing.T) {
	env := house(t, map[string]string{
		"seed.json": `{"host_name":"attic","time_zone":"Europe/London","claim_code":"K7QM2-2XWP9"}`,
		"hems.yaml": "home:\n  name: Ours # and nobody else's\n",
	})
	k := newKept(env, newSettings(env), nil)
	text, err := os.ReadFile(env.Path("hems.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  name: Ours # and nobody else's\n", "  host_name: attic\n", "  time_zone: Europe/London\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("hems.yaml lacks %q:\n%s", want, text)
		}
	}
	if b, err := os.ReadFile(env.Secret("claim-code")); err != nil || string(b) != "K7QM2-2XWP9\n" {
		t.Errorf("claim code %q, %v", b, err)
	}
	if _, err := os.Stat(env.Path("seed.json")); err == nil {
		t.Error("the seed is still there")
	}
	ca := authority(t, serve(t, env, k))
	if got, want := ca.PermittedDNSDomains[0], "attic.local"; got != want {
		t.Errorf("the certificate authority is for %q, want %q", got, want)
	}
}

func authority(t *testing.T, c *http.Client) *x509.Certificate {
	t.Helper()
	_, b := ask(t, c, "GET", "/v1/ca", "", nil)
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatalf("no certificate: %s", b)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestConfigIsCheckedAsEveryProcessDoes(t *testing.T) {
	env := house(t, map[string]string{"hems.yaml": "home:\n  name: Ours\n"})
	c := serve(t, env, newKept(env, newSettings(env), nil))
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		lines                    []int
	}{
		{"Set", "POST", "/v1/config/set", `{"path":"update.developer","value":true}`, 200, nil},
		{"BadValue", "POST", "/v1/config/set", `{"path":"zigbee.channel","value":99}`, 422, []int{5}},
		{"UnknownKey", "POST", "/v1/config/set", `{"path":"home.nmae","value":"x"}`, 422, []int{2}},
		{"EverythingWrongAtOnce", "PUT", "/v1/config", "home: {time_zone: Nowhere/Land}\nzigbee: {channel: 9}\nfoo: 1\n", 422, []int{1, 2, 3}},
		{"NotYAML", "PUT", "/v1/config", "home:\n  - name: [\n", 422, nil},
		{"HostName", "POST", "/v1/config/set", `{"path":"home.host_name","value":"attic"}`, 200, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, b := ask(t, c, tt.method, tt.path, "application/octet-stream", strings.NewReader(tt.body))
			if resp.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tt.status, b)
			}
			var got struct {
				Lines []reply.Line `json:"lines"`
			}
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			if tt.lines == nil {
				return
			}
			var lines []int
			for _, l := range got.Lines {
				lines = append(lines, l.Line)
			}
			if diff := cmp.Diff(tt.lines, lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s\n%s", diff, b)
			}
		})
	}
	if ca := authority(t, c); ca.PermittedDNSDomains[0] != "attic.local" {
		t.Errorf("after the host name was changed the certificate authority is for %v", ca.PermittedDNSDomains)
	}
	_, problems, err := appliance.LoadConfig(env.Path("hems.yaml"))
	if err != nil || problems.Err() != nil {
		t.Errorf("hems.yaml is not right: %v, %v", err, problems)
	}
	_, b := ask(t, c, "GET", "/v1/config", "", nil)
	var s hemsyaml.State
	if err := json.Unmarshal(b, &s); err != nil || len(s.History) != 2 {
		t.Errorf("%d versions (%v), want 2", len(s.History), err)
	}
}

// TestABackupOfTheWholeOnAnotherCard: with the store as hems-metrics has it
// open and gives it out, and what each process registers.
func TestABackupOfTheWholeOnAnotherCard(t *testing.T) {
	const passphrase = "a backup of the whole"
	env := house(t, map[string]string{
		"hems.yaml":             "home: {name: Ours}\n",
		"zigbee/zigbee.json":    "ours",
		"broker/retained.log":   "ours",
		"gateway/accounts.json": "ours",
		"gateway/sessions.json": "ours",
		"secrets/influx":        "ours",
		"manager/update.json":   "ours",
	})
	if err := broker.EnsureCredentials(env.Path("secrets"), appliance.Users()...); err != nil {
		t.Fatal(err)
	}
	writeReadings(t, env)
	resp, archive := ask(t, serve(t, env, newKept(env, newSettings(env), nil)), "POST", "/v1/backup", "application/json",
		strings.NewReader(`{"passphrase":"`+passphrase+`"}`))
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Hems-Backup-Missing") != "" {
		t.Fatalf("status %d, missing %q: %.300s", resp.StatusCode, resp.Header.Get("Hems-Backup-Missing"), archive)
	}

	other := house(t, map[string]string{
		"hems.yaml": "home: {name: Theirs}\n", "zigbee/zigbee.json": "theirs", "manager/update.json": "theirs", "gateway/sessions.json": "theirs",
	})
	restarts := make(chan string, 1)
	c := serve(t, other, newKept(other, newSettings(other), func(why string) { restarts <- why }))
	theirs := authority(t, c)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("passphrase", passphrase); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile("file", "hems.age")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	resp, b := ask(t, c, "POST", "/v1/restore", w.FormDataContentType(), &form)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("status %d: %s", resp.StatusCode, b)
	}
	<-restarts
	if o, err := staged.Apply(other.Data); err != nil || o.Result != staged.Restored {
		t.Fatalf("got %+v, %v", o, err)
	}
	for name, want := range map[string]string{
		"zigbee/zigbee.json": "ours", "broker/retained.log": "ours", "gateway/accounts.json": "ours", "secrets/influx": "ours",
		"hems.yaml": "home: {name: Ours}\n", "manager/update.json": "theirs",
	} {
		if got, err := os.ReadFile(other.Path(name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v: want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(other.Path("gateway", "sessions.json")); err == nil {
		t.Error("sign-ins of another time are good again")
	}
	for _, user := range appliance.Users() {
		want, err := broker.ReadPassword(env.Path("secrets"), user)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := broker.ReadPassword(other.Path("secrets"), user); err != nil || got != want {
			t.Errorf("the MQTT password of %s is another (%v)", user, err)
		}
	}
	r, err := store.OpenReader(other.Path("store", "hems.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Series(context.Background())
	if err != nil || len(series) != 1 {
		t.Fatalf("series %v, %v", series, err)
	}
	if s, ok, err := r.Last(context.Background(), series[0].ID); err != nil || !ok || s.Value != 342 {
		t.Errorf("last reading %+v, %v, %v: want 342", s, ok, err)
	}
	again := authority(t, serve2(t, other))
	if again.Equal(theirs) || !again.Equal(authority(t, serve2(t, env))) {
		t.Error("the certificate authority did not come along")
	}
}

// serve2 is the manager of a data directory after its restart.
func serve2(t *testing.T, env appliance.Env) *http.Client {
	t.Helper()
	env.Runtime = filepath.Join(env.Data, "runtime2")
	if err := os.RemoveAll(env.Runtime); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(env.Runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	return serve(t, env, newKept(env, newSettings(env), nil))
}

// writeReadings runs the metrics writer without a broker: it has the store open
// for writing and its socket answers.
func writeReadings(t *testing.T, env appliance.Env) {
	t.Helper()
	if err := os.MkdirAll(env.Path("store"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(env.Path("store", "hems.db"), store.Options{CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(store.Series{Entity: "meter_power", Unit: "W"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(store.Reading{Entity: "meter_power", Time: time.Unix(1_700_000_000, 0), Value: 342}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", env.Run("metrics.sock"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := metrics.New(metrics.Options{
		MQTT:      mqttclient.Options{Server: "unix://" + env.MQTTSocket(), User: "metrics", Log: env.Log},
		OpenStore: func() (*store.Store, error) { return store.Open(env.Path("store", "hems.db"), store.Options{}) },
		Log:       env.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	running.Go(func() { m.Serve(ctx, l) })
	t.Cleanup(func() { cancel(); running.Wait() })
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", env.Run("metrics.sock"))
	}}}
	for { // until it has the store open
		if resp, _ := ask(t, c, "POST", "/v1/check", "", nil); resp.StatusCode == http.StatusOK {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestDiagnosticsOfTheWhole(t *testing.T) {
	env := house(t, map[string]string{"hems.yaml": "home: {name: Ours}\n", "secrets/influx": "a-token-of-mine"})
	resp, b := ask(t, serve(t, env, newKept(env, newSettings(env), nil)), "GET", "/v1/diagnostics", "", nil)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", resp.StatusCode, b)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "health.json" && !strings.Contains(string(content), `"state": "ok"`) {
			t.Errorf("health.json is %q", content)
		}
		if strings.Contains(string(content), "a-token-of-mine") {
			t.Errorf("%s shows a secret", f.Name)
		}
	}
	want := []string{"hems.yaml", "files.txt", "machine.txt", "kernel.txt", "system.json", "health.json", "update.json", "metrics.txt", "logs.txt"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

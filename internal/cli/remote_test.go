package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/client/clienttest"
	"github.com/smartcore-ireland/hems/internal/gateway"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/history"
	ways "github.com/smartcore-ireland/hems/internal/remote"
)

// site is a dashboard with a manager behind it, and a place for files.
type site struct {
	t       *testing.T
	manager *clienttest.Manager
	metrics *clienttest.Metrics
	url     string
	dir     string
}

func newSite(t *testing.T, settings ...func(*gateway.Options)) *site {
	t.Helper()
	s := &site{t: t, manager: clienttest.Start(t), metrics: clienttest.StartMetrics(t), dir: t.TempDir()}
	accounts := filepath.Join(s.dir, "gateway")
	if err := gateway.Seed(accounts, "owner", "a cup of tea"); err != nil {
		t.Fatal(err)
	}
	h := history.Open(filepath.Join(s.dir, "hems.db"))
	t.Cleanup(func() { h.Close() })
	o := gateway.Options{Dir: accounts, History: h, Manager: s.manager.Socket, Metrics: s.metrics.Socket, Log: slog.New(slog.DiscardHandler),
		Password: signin.Params{Memory: 64, Time: 1, Threads: 1}}
	for _, set := range settings {
		set(&o)
	}
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(ways.FromLAN(g))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	s.file("passphrase", "four words of mine\n")
	return s
}

func (s *site) file(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

type result struct {
	status      int
	out, errors string
}

// run types a command; HOST stands for the site, DIR for its files.
func (s *site) run(args ...string) result {
	s.t.Helper()
	for i := range args {
		args[i] = strings.NewReplacer("HOST", s.url, "DIR", s.dir).Replace(args[i])
	}
	return s.runWith(map[string]string{"HEMS_USER": "owner", "HEMS_PASSWORD": "a cup of tea"}, args...)
}

func (s *site) runWith(env map[string]string, args ...string) result {
	s.t.Helper()
	var out, errs bytes.Buffer
	c := &command{getenv: func(k string) string { return env[k] }, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, every: 5 * time.Millisecond}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	status := c.finish(c.dispatch(ctx, args))
	return result{status, out.String(), strings.NewReplacer(s.url, "HOST", s.dir, "DIR").Replace(errs.String())}
}

func (r result) check(t *testing.T, status int, out, errors string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.out, out) || !strings.Contains(r.errors, errors) {
		t.Errorf("got status %d\n%s%s\nwant %d with %q and %q", r.status, r.out, r.errors, status, out, errors)
	}
}

func TestStatus(t *testing.T) {
	s := newSite(t)
	got := s.run("status", "HOST")
	got.check(t, 0, "1.1.0 on Raspberry Pi 4", "")
	got.check(t, 0, "a; b has 1.0.0", "")
	got.check(t, 0, "    ✓ Message broker", "")
	got.check(t, 0, "• Card: a fault in the file system was repaired", "")
	s.runWith(map[string]string{"HEMS_URL": s.url, "HEMS_USER": "owner", "HEMS_PASSWORD": "a cup of tea"}, "status").check(t, 0, "Message broker", "")
	s.manager.Fails()
	s.run("status", "HOST").check(t, 1, "▲ Card: the card cannot be written\n    hint: readings are kept in memory", "")
	var v struct {
		Health client.Health
		System client.System
		Update client.Update
	}
	if got := s.run("status", "HOST", "--json"); json.Unmarshal([]byte(got.out), &v) != nil || got.status != 1 || v.System.Version != "1.1.0" || v.Health.First.Name != "perm" || v.Update.Phase != "idle" {
		t.Errorf("as JSON: got %+v", got)
	}
	s.manager.Stop()
	s.run("status", "HOST").check(t, 1, "", "error: the part that looks after the system does not answer\nhint: it is started again by itself")
}

func TestSigningIn(t *testing.T) {
	s := newSite(t)
	s.file("password", "a cup of tea\n")
	s.runWith(nil, "status", s.url, "-password-file", filepath.Join(s.dir, "password")).check(t, 0, "1.1.0", "")
	s.runWith(nil, "status", s.url).check(t, 1, "", "error: there is no terminal to ask on\nhint: hems status HOST -user owner -password-file FILE\n")
	s.runWith(map[string]string{"HEMS_PASSWORD": "wrong"}, "status", s.url).check(t, 1, "", "error: that name and password do not match\nhint: hems status HOST -user NAME -password-file FILE\n")
	s.run("status", "http://127.0.0.1:1").check(t, 1, "", "error: the appliance does not answer: ")
	s.run("status", "ftp://HOST").check(t, 1, "", "is not an appliance's address")
	s.run("status").check(t, 2, "", "error: name the appliance\nhint: hems status hems.local\n")
	s.run("update", "HOST").check(t, 2, "", "error: hems update needs more words\nhint: hems update -h\n")
	s.run("update", "HOST", "a", "b").check(t, 2, "", `error: "b" is one word too many`)
	s.run("status", "-h").check(t, 0, "", "usage: hems status")
	s.run("status", "HOST", "-x").check(t, 2, "", "flag provided but not defined: -x")
	var e client.Error
	if got := s.run("status", "http://127.0.0.1:1", "-json"); json.Unmarshal([]byte(got.out), &e) != nil || e.Code != "away" || got.status != 1 {
		t.Errorf("as JSON: got %+v", got)
	}
}

func TestUpdate(t *testing.T) {
	verdict := func(result string) *client.Verdict {
		return &client.Verdict{Result: result, Version: "1.2.0", From: "1.1.0", To: "1.2.0", At: clienttest.At, Why: "the broker did not answer"}
	}
	old := &client.Verdict{Result: client.Installed, Version: "1.1.0", At: clienttest.At.Add(-time.Hour), Seen: true}
	going := []client.Update{
		{Phase: client.Idle, Verdict: old}, // the look before
		{Phase: client.Verifying, Version: "1.2.0", Verdict: old},
		{Phase: client.Writing, Version: "1.2.0", Progress: 0.5, Verdict: old},
		{Phase: client.Restarting, Version: "1.2.0", Verdict: old},
		{Phase: client.Trying, Version: "1.2.0", Verdict: old},
	}
	for name, tt := range map[string]struct {
		end         client.Update
		status      int
		out, errors string
	}{
		"Installed": {client.Update{Phase: client.Probation, Version: "1.2.0", Verdict: verdict(client.Installed)}, 0, "installed: 1.2.0 (it was 1.1.0)\n",
			"sending\nverifying\nwriting\nrestarting\ntrying\n"},
		"Returned": {client.Update{Phase: client.Idle, Verdict: verdict(client.Returned)}, 1, "",
			"error: the update to 1.2.0 was tried and did not work: the broker did not answer; the appliance runs 1.1.0 as before\nhint: hems diagnostics HOST\n"},
		"Failed": {client.Update{Phase: client.Idle, Verdict: verdict(client.Failed)}, 1, "", "error: the update to 1.2.0 failed: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.file("new.hems", "a bundle")
			s.manager.Next = append(append([]client.Update{}, going...), tt.end)
			s.run("update", "HOST", "DIR/new.hems").check(t, tt.status, tt.out, tt.errors)
			if got, want := string(s.manager.Body("POST /v1/update")), "a bundle"; got != want {
				t.Errorf("the upload: got %q, want %q", got, want)
			}
		})
	}
	t.Run("Refused", func(t *testing.T) {
		s := newSite(t)
		s.file("new.hems", "a bundle")
		s.manager.Refuses("POST /v1/update", http.StatusConflict, "older", "1.0.0 is older than 1.1.0, which runs", "")
		s.run("update", "HOST", "DIR/new.hems").check(t, 1, "", "error: 1.0.0 is older than 1.1.0, which runs\nhint: hems update HOST DIR/new.hems -older\n")
		s.run("update", "HOST", "DIR/new.hems", "-older", "-json").check(t, 1, `"code": "older"`, "")
	})
	t.Run("NotThere", func(t *testing.T) {
		newSite(t).run("update", "HOST", "DIR/none").check(t, 1, "", "hint: make one with hems release")
	})
	t.Run("AnotherUnderWay", func(t *testing.T) {
		s := newSite(t)
		s.manager.Set(client.Update{Phase: client.Writing, Version: "1.2.0", Progress: 0.5})
		s.run("rollback", "HOST").check(t, 1, "", "error: another update is under way: writing 1.2.0 50 %\nhint: hems status HOST\n")
	})
	t.Run("ThroughARestart", func(t *testing.T) {
		s := newSite(t)
		s.manager.Next = []client.Update{{Phase: client.Idle}, {Phase: client.Restarting, Version: "1.0.0"}}
		resumed := make(chan struct{})
		go func() {
			defer close(resumed)
			asked := func() (followed int) { // how often it has looked since it asked for the old system
				all := s.manager.Questions()
				if i := slices.Index(all, "POST /v1/rollback"); i >= 0 {
					for _, q := range all[i:] {
						if q == "GET /v1/update" {
							followed++
						}
					}
				}
				return followed
			}
			for asked() == 0 && t.Context().Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			s.manager.Stop()
			time.Sleep(200 * time.Millisecond)
			s.manager.Set(client.Update{Phase: client.Idle, Verdict: &client.Verdict{Result: client.Installed, Version: "1.0.0", From: "1.1.0", At: clienttest.At}})
			s.manager.Resume()
		}()
		got := s.run("rollback", "HOST", "-json")
		<-resumed // even when the command ended before it should
		got.check(t, 0, `"result": "installed"`, "")
	})
}

func TestLogs(t *testing.T) {
	s := newSite(t)
	s.run("logs", "HOST", "-process", "hems-broker", "-lines", "7").check(t, 0, "hems-broker: listening\n", "")
	asked := s.manager.Questions()
	if got, want := asked[len(asked)-1], "GET /v1/logs?lines=7&process=hems-broker"; got != want {
		t.Errorf("the question: got %s, want %s", got, want)
	}
	s.run("logs", "HOST", "-json").check(t, 0, `{"line":"hems-broker: listening"}`+"\n", "")

	ctx, cancel := context.WithCancel(t.Context())
	pr, pw := io.Pipe()
	c := &command{getenv: func(k string) string {
		return map[string]string{"HEMS_URL": s.url, "HEMS_PASSWORD": "a cup of tea"}[k]
	}, stdin: strings.NewReader(""), stdout: pw, stderr: io.Discard}
	status := make(chan int, 1)
	go func() { status <- c.finish(c.dispatch(ctx, []string{"logs", "-f"})) }()
	buf := make([]byte, 4096)
	read := func(want string) {
		t.Helper()
		var got strings.Builder
		for !strings.Contains(got.String(), want) {
			n, err := pr.Read(buf)
			if err != nil {
				t.Fatalf("%v after %q, want %q", err, got.String(), want)
			}
			got.Write(buf[:n])
		}
	}
	read("hems-gateway: the dashboard")
	s.manager.Follow <- "hems-zigbee: something new"
	read("hems-zigbee: something new\n")
	cancel()
	if got := <-status; got != 0 {
		t.Errorf("the end by Ctrl-C: got %d, want 0", got)
	}
}

func TestBackupAndRestore(t *testing.T) {
	s := newSite(t)
	s.run("backup", "HOST").check(t, 1, "", "error: name the file for the backup\nhint: hems backup HOST -o hems-")
	s.run("backup", "HOST", "-o", "DIR/b.age").check(t, 1, "", "error: there is no terminal to ask on\nhint: hems backup HOST -passphrase-file FILE\n")
	s.run("backup", "HOST", "-o", "DIR/b.age", "-passphrase-file", "DIR/passphrase").check(t, 0, "100022 bytes", "")
	if got, want := string(s.manager.Body("POST /v1/backup")), `{"passphrase":"four words of mine"}`; got != want {
		t.Errorf("the question: got %s, want %s", got, want)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "b.age")); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 100022 {
		t.Errorf("the file: got %v, %v", info, err)
	}
	s.manager.Refuses("POST /v1/backup", http.StatusConflict, "busy", "another backup is being made", "try again when it has ended")
	s.run("backup", "HOST", "-o", "DIR/c.age", "-passphrase-file", "DIR/passphrase").check(t, 1, "", "error: another backup is being made\nhint: try again when it has ended\n")
	if left, err := filepath.Glob(filepath.Join(s.dir, "*c.age*")); err != nil || len(left) > 0 {
		t.Errorf("after a refusal there is %q", left)
	}

	s.run("restore", "HOST", "DIR/b.age", "-passphrase-file", "DIR/passphrase").check(t, 1, "", "hint: hems restore HOST DIR/b.age -yes\n")
	s.run("restore", "HOST", "DIR/b.age", "-passphrase-file", "DIR/passphrase", "-yes").check(t, 0, "restored: ", "")
	if body := s.manager.Body("POST /v1/restore"); !bytes.Contains(body, []byte("four words of mine")) || !bytes.Contains(body, []byte("age-encryption.org/v1")) ||
		bytes.Index(body, []byte("four words")) > bytes.Index(body, []byte("age-encryption")) {
		t.Errorf("the upload has not the passphrase and then the file: %.200q", body)
	}
	s.manager.Refuses("POST /v1/restore", http.StatusUnprocessableEntity, "passphrase", "the passphrase does not open this archive", "")
	s.run("restore", "HOST", "DIR/b.age", "-passphrase-file", "DIR/passphrase", "-yes").check(t, 1, "", "error: the passphrase does not open this archive\n")
}

func TestDiagnosticsAndConfig(t *testing.T) {
	s := newSite(t)
	s.run("diagnostics", "HOST", "-o", "DIR/d.zip", "--json").check(t, 0, `"bytes": 4`, "")
	s.run("diagnostics", "HOST", "-o", "-").check(t, 0, "PK\x03\x04", "without passwords")
	s.run("config", "HOST", "get").check(t, 0, "home:\n  name: Cois Farraige\n", "")
	s.run("config", "HOST", "history").check(t, 0, "2                        until ", "")
	s.run("config", "HOST", "history", "1").check(t, 0, "# new\n", "")
	s.run("config", "HOST", "history", "9").check(t, 1, "", "hint: hems config HOST history\n")
	s.run("config", "HOST", "restore", "1", "-json").check(t, 0, `"restored": "1"`, "")
	for text, want := range map[string]string{"true": `true`, "11": `11`, "Cois Farraige": `"Cois Farraige"`, "[a, b]": `["a","b"]`, `""`: `""`} {
		s.run("config", "HOST", "set", "x.y", text).check(t, 0, "x.y is ", "")
		if diff := cmp.Diff(`{"path":"x.y","value":`+want+`}`, string(s.manager.Body("POST /v1/config/set"))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", text, diff)
		}
	}
	s.run("config", "HOST", "fly").check(t, 2, "", `error: hems config cannot do "fly"`)
	s.run("config", "HOST", "set", "x").check(t, 2, "", `error: hems config cannot do "set x"`)
	s.run("config", "HOST", "set", "x", "{").check(t, 1, "", "hint: write it as in hems.yaml")
	s.runWith(map[string]string{"HEMS_URL": s.url, "HEMS_PASSWORD": "a cup of tea"}, "config", "get").check(t, 0, "Cois Farraige", "")
}

// TestABackupThatBreaksOffIsNoFile has an appliance that goes away half-way.
func TestABackupThatBreaksOffIsNoFile(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 100_000))
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	s := &site{t: t, url: srv.URL, dir: t.TempDir()}
	s.file("passphrase", "four words of mine")
	s.run("backup", "HOST", "-o", "DIR/b.age", "-passphrase-file", "DIR/passphrase").check(t, 1, "", "error: writing DIR/b.age: unexpected EOF\n")
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 {
		t.Errorf("what is left: %v, %v", left, err)
	}
}

package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// served is the service over HTTP; restarts counts what it asked for.
func served(t *testing.T, dir string, items []Item) (url string, restarts chan string) {
	t.Helper()
	restarts = make(chan string, 8)
	s := NewService(ServiceOptions{
		Data: dir, Items: items, Version: "1.2.3",
		HostName: func() string { return "hems" },
		Restart:  func(why string) { restarts <- why },
		Log:      slog.New(slog.DiscardHandler),
		Now:      func() time.Time { return made },
	})
	mux := http.NewServeMux()
	for pattern, h := range s.Handlers() {
		mux.Handle(pattern, h)
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, restarts
}

func ask(t *testing.T, url, contentType string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Post(url, contentType, body)
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

// upload is a form of the given fields, in order: name, value, name, value…
func upload(t *testing.T, fields ...string) (contentType string, body *bytes.Buffer) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for i := 0; i+1 < len(fields); i += 2 {
		create := w.CreateFormField
		if fields[i] == "file" {
			create = func(name string) (io.Writer, error) { return w.CreateFormFile(name, "hems.age") }
		}
		part, err := create(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), body
}

func TestBackupAndRestoreOverHTTP(t *testing.T) {
	from, restartsFrom := served(t, house(t, "mine"), plain)
	resp, archive := ask(t, from+"/v1/backup", "application/json", strings.NewReader(`{"passphrase":"`+passphrase+`"}`))
	if got, want := resp.StatusCode, http.StatusOK; got != want {
		t.Fatalf("status %d, want %d: %s", got, want, archive)
	}
	if got, want := resp.Header.Get("Content-Disposition"), `attachment; filename="hems-20260124-1325.age"`; got != want {
		t.Errorf("content disposition %q, want %q", got, want)
	}
	if got, ok := resp.Header[MissingHeader]; ok {
		t.Errorf("missing: %q, want nothing", got)
	}

	dir := house(t, "theirs")
	to, restarts := served(t, dir, plain)
	contentType, body := upload(t, "passphrase", passphrase, "file", string(archive))
	resp, b := ask(t, to+"/v1/restore", contentType, body)
	if got, want := resp.StatusCode, http.StatusAccepted; got != want {
		t.Fatalf("status %d, want %d: %s", got, want, b)
	}
	var got Staged
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.HostName != "hems" || !got.MadeAt.Equal(made) || !got.Restarting || len(got.Items) != len(plain) {
		t.Errorf("answer %+v", got)
	}
	<-restarts
	if len(restartsFrom) > 0 {
		t.Error("making a backup asked for a restart")
	}
	if !staged.Waiting(dir) {
		t.Error("nothing waits to be restored")
	}
}

func TestBackupSaysWhatIsMissing(t *testing.T) {
	dir := house(t, "mine")
	s := readings(t, dir, 10)
	defer s.Close()
	url, _ := served(t, dir, withStore(dir))
	resp, _ := ask(t, url+"/v1/backup", "application/json", strings.NewReader(`{"passphrase":"`+passphrase+`"}`))
	if got, want := resp.Header.Get(MissingHeader), "readings"; got != want {
		t.Errorf("missing: %q, want %q", got, want)
	}
}

func TestRefusalsHaveTheirCodes(t *testing.T) {
	_, archive := archived(t, house(t, "mine"), plain)
	form := func(fields ...string) func(*testing.T) (string, io.Reader) {
		return func(t *testing.T) (string, io.Reader) { return upload(t, fields...) }
	}
	jsonOf := func(text string) func(*testing.T) (string, io.Reader) {
		return func(*testing.T) (string, io.Reader) { return "application/json", strings.NewReader(text) }
	}
	for _, tt := range []struct {
		name, path string
		body       func(*testing.T) (string, io.Reader)
		status     int
		code       string
	}{
		{"WeakPassphrase", "/v1/backup", jsonOf(`{"passphrase":"short"}`), 400, "weak_passphrase"},
		{"NoPassphrase", "/v1/backup", jsonOf(`{}`), 400, "weak_passphrase"},
		{"NotJSON", "/v1/backup", jsonOf(`{"passphrase":"quoted in no answer`), 400, "bad_request"},
		{"UnknownKey", "/v1/backup", jsonOf(`{"password":"x"}`), 400, "bad_request"},
		{"NotAForm", "/v1/restore", jsonOf(`{}`), 400, "bad_request"},
		{"FileBeforePassphrase", "/v1/restore", form("file", string(archive), "passphrase", passphrase), 400, "bad_request"},
		{"NoFile", "/v1/restore", form("passphrase", passphrase), 400, "bad_request"},
		{"LongPassphrase", "/v1/restore", form("passphrase", strings.Repeat("x", MaxPassphrase+1), "file", ""), 400, "bad_request"},
		{"WrongPassphrase", "/v1/restore", form("passphrase", "another passphrase", "file", string(archive)), 403, "wrong_passphrase"},
		{"NotABackup", "/v1/restore", form("passphrase", passphrase, "file", "PK\x03\x04"), 422, "not_a_backup"},
		{"CutShort", "/v1/restore", form("passphrase", passphrase, "file", string(archive[:len(archive)-9])), 422, "damaged_backup"},
		{"MoreFields", "/v1/restore", form("passphrase", passphrase, "file", string(archive), "more", "x"), 422, "damaged_backup"},
		{"Newer", "/v1/restore", form("passphrase", passphrase, "file", string(pack(t, member{name: manifestName, body: `{"format":2}`}))), 422, "newer_backup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := house(t, "theirs")
			url, restarts := served(t, dir, plain)
			contentType, body := tt.body(t)
			resp, b := ask(t, url+tt.path, contentType, body)
			var got reply.Refusal
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			if resp.StatusCode != tt.status || got.Code != tt.code {
				t.Errorf("got %d %+v, want %d %s", resp.StatusCode, got, tt.status, tt.code)
			}
			if strings.Contains(string(b), "quoted in no answer") {
				t.Errorf("the answer shows the passphrase: %s", b)
			}
			if staged.Waiting(dir) || len(restarts) > 0 {
				t.Error("a restore was begun all the same")
			}
		})
	}
}

func TestOneAtATime(t *testing.T) {
	dir := house(t, "mine")
	asked, answer := make(chan struct{}), make(chan struct{})
	items := append(plain[:len(plain):len(plain)], Item{Path: "store", Snapshot: &Snapshot{File: "store/hems.db", Lock: "store/hems.db.lock",
		Open: func(context.Context) (Stream, error) {
			close(asked)
			<-answer
			return Stream{ReadCloser: io.NopCloser(strings.NewReader("db")), Size: 2}, nil
		}}})
	url, _ := served(t, dir, items)
	request := `{"passphrase":"` + passphrase + `"}`
	first := make(chan int)
	go func() {
		resp, err := http.Post(url+"/v1/backup", "application/json", strings.NewReader(request))
		if err != nil {
			first <- 0
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		first <- resp.StatusCode
	}()
	<-asked
	resp, b := ask(t, url+"/v1/backup", "application/json", strings.NewReader(request))
	if resp.StatusCode != http.StatusConflict || !bytes.Contains(b, []byte(`"busy"`)) {
		t.Errorf("got %d %s, want %d busy", resp.StatusCode, b, http.StatusConflict)
	}
	close(answer)
	if got, want := <-first, http.StatusOK; got != want {
		t.Errorf("the first: got %d, want %d", got, want)
	}
}

// TestBackupThatFailsLateBreaksTheTransferOff: a caller must not take what it
// has for an archive.
func TestBackupThatFailsLateBreaksTheTransferOff(t *testing.T) {
	dir := house(t, "mine")
	items := append(plain[:len(plain):len(plain)], Item{Path: "store", Snapshot: &Snapshot{File: "store/hems.db", Lock: "store/hems.db.lock",
		Open: func(context.Context) (Stream, error) {
			return Stream{ReadCloser: io.NopCloser(strings.NewReader("half")), Size: 8}, nil
		}}})
	url, _ := served(t, dir, items)
	resp, err := http.Post(url+"/v1/backup", "application/json", strings.NewReader(`{"passphrase":"`+passphrase+`"}`))
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the transfer ended as if it were whole")
	}
}

func TestFileNameHoldsNothingForAShell(t *testing.T) {
	for host, want := range map[string]string{
		"hems":             "hems-20260124-1325.age",
		"":                 "hems-20260124-1325.age",
		`../a"; rm -rf $x`: "arm-rfx-20260124-1325.age",
	} {
		if diff := cmp.Diff(want, FileName(host, made)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", host, diff)
		}
		if filepath.Base(FileName(host, made)) != FileName(host, made) {
			t.Errorf("%q is more than a name", host)
		}
	}
}

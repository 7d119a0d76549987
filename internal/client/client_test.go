package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/client/clienttest"
)

func TestManagerIsAsked(t *testing.T) {
	m := clienttest.Start(t)
	c := client.Local(m.Socket)
	ctx := t.Context()
	h, err := c.Health(ctx)
	if err != nil || h.State != client.OK || len(h.Tree.Children) == 0 {
		t.Errorf("health: got %+v, %v", h, err)
	}
	s, err := c.System(ctx)
	if err != nil || !s.OnCard() || s.Other == nil || s.Other.Version != "1.0.0" || s.Perm.Free == 0 || s.Boot.At.IsZero() {
		t.Errorf("system: got %+v, %v", s, err)
	}
	for name, do := range map[string]func() error{
		"POST /v1/update/seen":    func() error { return c.VerdictSeen(ctx) },
		"POST /v1/update/check":   func() error { return c.CheckFeed(ctx) },
		"POST /v1/update/install": func() error { return c.InstallAvailable(ctx) },
		"POST /v1/rollback":       func() error { return c.Rollback(ctx) },
		"POST /v1/claimed":        func() error { return c.Claimed(ctx) },
		"POST /v1/reboot":         func() error { return c.Reboot(ctx) },
		"POST /v1/restart":        func() error { return c.RestartProcess(ctx, "hems-zigbee") },
		"POST /v1/config/restore": func() error { return c.RestoreConfig(ctx, "2") },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		asked := m.Questions()
		if got := asked[len(asked)-1]; got != name {
			t.Errorf("the question: got %s, want %s", got, name)
		}
		if kind := m.Headers[name].Get("Content-Type"); len(m.Body(name)) > 0 && kind != "application/json" {
			t.Errorf("%s: got a body of type %q", name, kind)
		}
	}
	body, missing, err := c.Backup(ctx, "four words of mine")
	if err != nil || missing != "" {
		t.Fatalf("backup: %q, %v", missing, err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); n != int64(m.BackupN+22) || err != nil {
		t.Errorf("backup: got %d bytes, %v", n, err)
	}
}

func TestRefusalsAreInTheAppliancesWords(t *testing.T) {
	m := clienttest.Start(t)
	m.Refuses("POST /v1/update", http.StatusUnprocessableEntity, "signature", "it is signed by nobody", "take another")
	c := client.Local(m.Socket)
	_, err := c.SendUpdate(t.Context(), strings.NewReader("a bundle"), 8, false)
	want := &client.Error{Status: 422, Code: "signature", Message: "it is signed by nobody", Hint: "take another"}
	if diff := cmp.Diff(want, client.Refusal(err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if client.Refusal(errors.New("else")) != nil || client.Refusal(nil) != nil {
		t.Error("another error is a refusal")
	}
}

func TestStrangeAnswersAreErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"NotJSON":     {func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>") }, "reading the appliance's answer: "},
		"Endless":     {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 9<<20)) }, "it is longer than"},
		"PageOfError": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<b>no</b>", 404) }, "the appliance answered 404 not found"},
		"CutShort": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		}, "reading the appliance's answer: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(tt.handle)
			defer srv.Close()
			c, err := client.Remote(srv.URL, "owner", "tea")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Health(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	c := client.Local(filepath.Join(t.TempDir(), "none.sock"))
	if _, err := c.Health(t.Context()); !errors.Is(err, client.ErrAway) {
		t.Errorf("got %v, want %v", err, client.ErrAway)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Health(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrAway) {
		t.Errorf("given up: got %v, want %v", err, context.Canceled)
	}
	for _, bad := range []string{"", "hems.local", "ftp://hems.local", "http://", "://"} {
		if _, err := client.Remote(bad, "", ""); err == nil {
			t.Errorf("Remote(%q) is an address", bad)
		}
	}
}

func TestSameVerdict(t *testing.T) {
	v := func(result string, at time.Time) *client.Verdict {
		return &client.Verdict{Result: result, Version: "1.2.0", At: at}
	}
	for _, tt := range []struct {
		a, b *client.Verdict
		want bool
	}{
		{nil, nil, true},
		{nil, v("installed", clienttest.At), false},
		{v("installed", clienttest.At), v("installed", clienttest.At.In(time.FixedZone("", 3600))), true},
		{v("installed", clienttest.At), v("returned", clienttest.At), false},
		{v("installed", clienttest.At), v("installed", clienttest.At.Add(time.Second)), false},
	} {
		if got := tt.a.Same(tt.b); got != tt.want {
			t.Errorf("%v and %v: got %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

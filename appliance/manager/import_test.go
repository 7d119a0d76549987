package manager

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
)

func TestAnImportIsHandedToTheCoordinator(t *testing.T) {
	env := house(t, nil)
	k := newKept(env, newSettings(env), nil)
	if os.Geteuid() == 0 { // the file is the coordinator's user's
		k.env.Card = true
	}
	c := serve(t, env, k)
	state := func() (v struct {
		Waiting bool            `json:"waiting"`
		Answer  *migrate.Answer `json:"answer"`
	}) {
		t.Helper()
		resp, b := ask(t, c, "GET", "/v1/import", "", nil)
		if err := json.Unmarshal(b, &v); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%d: %s (%v)", resp.StatusCode, b, err)
		}
		return v
	}
	if v := state(); v.Waiting || v.Answer != nil {
		t.Errorf("at first: %+v", v)
	}
	const good = `{"format":"hems-zigbee-import","version":1,"id":"abc","sections":{}}`
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"NoJSON": {"{", 400}, "Other": {`{"format":"x","id":"a"}`, 400}, "NoID": {`{"format":"hems-zigbee-import"}`, 400},
		"TooLarge": {strings.Repeat(" ", maxImport+1), 413},
	} {
		if resp, b := ask(t, c, "POST", "/v1/import", "application/json", strings.NewReader(tt.body)); resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", name, resp.StatusCode, tt.status, b)
		}
	}
	if migrate.Waiting(env.Path("zigbee")) {
		t.Error("what was refused waits")
	}
	if resp, b := ask(t, c, "POST", "/v1/import", "application/json", strings.NewReader(good)); resp.StatusCode != 202 || !strings.Contains(string(b), "abc") {
		t.Fatalf("%d: %s", resp.StatusCode, b)
	}
	if resp, _ := ask(t, c, "POST", "/v1/import", "application/json", strings.NewReader(good)); resp.StatusCode != 409 {
		t.Errorf("a second one: status %d", resp.StatusCode)
	}
	path := env.Path("zigbee", migrate.DocumentName)
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	if want := appliance.UserOf("hems-zigbee").ID; k.env.Card && (int(st.Uid) != want || int(st.Gid) != want) || fi.Mode().Perm() != 0o600 {
		t.Errorf("the file is %d:%d %v", st.Uid, st.Gid, fi.Mode())
	}
	if !state().Waiting {
		t.Error("it does not wait")
	}
	// The coordinator takes it.
	if err := os.WriteFile(env.Path("zigbee", migrate.AnswerName), []byte(`{"id":"abc","ok":true,"message":"done"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if v := state(); v.Waiting || v.Answer == nil || !v.Answer.OK || v.Answer.ID != "abc" {
		t.Errorf("at the end: %+v", v)
	}
}

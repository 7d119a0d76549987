package roster

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/broker/acl"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
)

func newRoster(t *testing.T) *Roster {
	t.Helper()
	dir := t.TempDir()
	return &Roster{
		Passwords: filepath.Join(dir, "passwd"), List: filepath.Join(dir, "acl"), Own: []string{"home", "zigbee"},
		Write: func(path string, b []byte) error { return os.WriteFile(path, b, 0o600) },
	}
}

func (r *Roster) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hash(t *testing.T, name, password string) string {
	t.Helper()
	h, err := Hash(name, password)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func role(t *testing.T, role, name string) *[]Rule {
	t.Helper()
	rules, err := Role(role, name)
	if err != nil {
		t.Fatal(err)
	}
	return &rules
}

func code(t *testing.T, err error) string {
	t.Helper()
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	return r.Code
}

func TestUsersComeAndGo(t *testing.T) {
	r := newRoster(t)
	r.must(t, r.Set(Change{Name: "plug", Hash: hash(t, "plug", "x"), Access: role(t, "device", "plug")}))
	r.must(t, r.Set(Change{Name: "panel", Hash: hash(t, "panel", "y"), Access: &[]Rule{{"read", "a b/#"}, {"deny", "a b/c"}}}))
	r.must(t, r.Set(Change{Name: "panel", Hash: hash(t, "panel", "z")}))                         // another password
	r.must(t, r.Set(Change{Name: "panel", Access: &[]Rule{{"deny", "a b/c"}, {"read", "new"}}})) // other topics
	got, err := r.Users()
	if err != nil {
		t.Fatal(err)
	}
	want := Users{Users: []User{
		{"plug", true, *role(t, "device", "plug")},
		{"panel", true, []Rule{{"deny", "a b/c"}, {"read", "new"}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f, err := passwd.Load(r.Passwords)
	if err != nil {
		t.Fatal(err)
	}
	v := passwd.NewVerifier(f)
	if !v.Verify("plug", []byte("x")) || !v.Verify("panel", []byte("z")) || v.Verify("panel", []byte("y")) {
		t.Error("the passwords are not those that were set")
	}
	r.must(t, r.Remove("plug"))
	if got := code(t, r.Remove("plug")); got != "unknown" {
		t.Errorf("removing it again: %s", got)
	}
	l, err := acl.Load(r.List)
	if err != nil {
		t.Fatal(err)
	}
	if l.Has("plug") || !l.Has("panel") {
		t.Errorf("the list has %q", l.Users())
	}
}

func TestRefusals(t *testing.T) {
	r := newRoster(t)
	h := hash(t, "a", "x")
	for want, c := range map[string]Change{
		"own":         {Name: "home", Hash: h, Access: &[]Rule{}},
		"bad_name":    {Name: "a/b", Hash: h, Access: &[]Rule{}},
		"no_password": {Name: "a", Access: &[]Rule{}},
		"no_access":   {Name: "a", Hash: h},
		"bad_hash":    {Name: "a", Hash: "secret", Access: &[]Rule{}},
		"bad_topic":   {Name: "a", Hash: h, Access: &[]Rule{{"read", "a#"}}},
	} {
		if got := code(t, r.Set(c)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := code(t, r.Set(Change{Name: "a", Hash: h, Access: &[]Rule{{"read", "a\nuser home"}}})); got != "bad_topic" {
		t.Errorf("a topic with a line in it: %s", got)
	}
	if got := code(t, r.Set(Change{Name: "a", Hash: h, Access: &[]Rule{{"all", "a"}}})); got != "bad_topic" {
		t.Errorf("an access that is none: %s", got)
	}
	if got := code(t, r.Remove("zigbee")); got != "own" {
		t.Errorf("removing one of our own: %s", got)
	}
	if _, err := Role("king", "a"); code(t, err) != "unknown_role" {
		t.Error("there is a role king")
	}
	if _, err := Hash("a", ""); err == nil {
		t.Error("an empty password has a hash")
	}
	for _, path := range []string{r.Passwords, r.List} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	r.must(t, os.WriteFile(r.List, []byte("nonsense\n"), 0o600))
	if _, err := r.Users(); code(t, err) != "damaged" {
		t.Error("a damaged list is read")
	}
	if got := code(t, r.Set(Change{Name: "a", Hash: h, Access: &[]Rule{}})); got != "damaged" {
		t.Errorf("a damaged list is changed: %s", got)
	}
}

func TestImport(t *testing.T) {
	r := newRoster(t)
	pw := func(names ...string) []byte {
		var f passwd.File
		for _, n := range names {
			r.must(t, f.Set(n, "x"))
		}
		return f.Bytes()
	}
	list := []byte("# ours\ntopic read public\nuser a\ntopic a/#\npattern read %u\n")
	if got := code(t, r.Import(pw("a", "home"), list, false)); got != "own" {
		t.Errorf("a user who is called home: %s", got)
	}
	if got := code(t, r.Import(pw("a"), []byte("user\n"), false)); got != "list" {
		t.Errorf("a list that is wrong: %s", got)
	}
	if got := code(t, r.Import([]byte("a:plain\n"), list, false)); got != "passwords" {
		t.Errorf("a password that is not hashed: %s", got)
	}
	if users, err := r.Users(); err != nil || len(users.Users) != 0 {
		t.Fatalf("something was written: %v, %v", users, err)
	}
	r.must(t, r.Import(pw("a"), list, false))
	if text, err := acl.ReadFile(r.List); err != nil || string(text) != string(list) {
		t.Errorf("a list into nothing is not itself: %q, %v", text, err)
	}
	if got := code(t, r.Import(pw("a"), nil, false)); got != "exists" {
		t.Errorf("a user who is there: %s", got)
	}
	r.must(t, r.Import(pw("a", "b"), []byte("topic read public\ntopic more\nuser b\ntopic b\nuser a\ntopic read a\npattern read %u\npattern write %c\n"), true))
	got, err := r.Users()
	if err != nil {
		t.Fatal(err)
	}
	want := Users{
		Users:     []User{{"a", true, []Rule{{"read", "a"}}}, {"b", true, []Rule{{"readwrite", "b"}}}},
		Patterns:  []Rule{{"read", "%u"}, {"write", "%c"}},
		Anonymous: []Rule{{"readwrite", "more"}, {"read", "public"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRolesAreNarrow(t *testing.T) {
	rules, err := parseRules(*role(t, "device", "plug"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := acl.Set(nil, "plug", rules)
	if err != nil {
		t.Fatal(err)
	}
	l, err := acl.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	may := l.For("plug", "c")
	for topic, want := range map[string][2]bool{ // read, write
		"plug/status": {true, true}, "cmnd/plug/POWER": {true, true}, "tele/plug/STATE": {true, true},
		"homeassistant/sensor/plug/power/config": {false, true}, "homeassistant/status": {true, false},
		"other/status": {false, false}, "homeassistant/sensor/other/power/config": {false, false},
		"cmnd/other/POWER": {false, false}, "zigbee2mqtt/lamp/set": {false, false}, "$SYS/broker/uptime": {false, false},
	} {
		if got := [2]bool{may.MayRead(topic), may.MayWrite(topic)}; got != want {
			t.Errorf("%s: got %v, want %v", topic, got, want)
		}
	}
}

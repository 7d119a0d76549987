package signin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var cheap = Params{Memory: 64, Time: 1, Threads: 1}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)} }

func open(t *testing.T, dir string, c *clock) *Door {
	t.Helper()
	d, err := Open(Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Clock: c.now, Params: cheap})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func seeded(t *testing.T) (*Door, string, *clock) {
	t.Helper()
	dir, c := t.TempDir(), newClock()
	if err := WriteSeed(dir, "Owner", "a cup of tea"); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, c), dir, c
}

var (
	home    = netip.MustParseAddr("192.168.1.20")
	discard = slog.New(slog.DiscardHandler)
)

func TestSeedMakesTheOwnerOnce(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := open(t, dir, c)
	if d.Claimed() {
		t.Fatal("a new appliance is claimed, want no owner")
	}
	if err := d.Enter(context.Background(), home, "owner", ""); !errors.Is(err, ErrRefused) {
		t.Errorf("entering without an owner: got %v, want %v", err, ErrRefused)
	}
	if err := WriteSeed(dir, " Owner ", "a cup of tea"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "seed.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the seed file: got %v, %v, want mode 0600", info, err)
	}
	if err := d.TakeSeed(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "seed.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the seed file after its use: got %v, want it gone", err)
	}
	if err := d.Enter(context.Background(), home, "OWNER", "a cup of tea"); err != nil {
		t.Errorf("entering with the seed's name and password: %v", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "accounts.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "cup of tea") || !strings.Contains(string(data), "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("accounts.json: got %s, want an argon2id hash and no password", data)
	}
	if info, err := os.Stat(filepath.Join(dir, "accounts.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("accounts.json: got %v, %v, want mode 0600", info, err)
	}
}

func TestSeedResetsThePasswordAndEndsSessions(t *testing.T) {
	d, dir, _ := seeded(t)
	token, err := d.Begin("owner", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.EnterOften(context.Background(), home, "owner", "a cup of tea"); err != nil {
		t.Fatal(err)
	}

	reseed := func(password string) {
		t.Helper()
		if err := WriteSeed(dir, "owner", password); err != nil {
			t.Fatal(err)
		}
		if err := d.TakeSeed(); err != nil {
			t.Fatal(err)
		}
	}
	reseed("a cup of tea")
	if _, ok := d.Session(token, Place{}); !ok {
		t.Error("a seed with the same password ended the session, want it to live")
	}
	reseed("a pot of coffee")
	if _, ok := d.Session(token, Place{}); ok {
		t.Error("the session outlived a reset of the password")
	}
	for _, enter := range []func(context.Context, netip.Addr, string, string) error{d.Enter, d.EnterOften} {
		if err := enter(context.Background(), home, "owner", "a cup of tea"); !errors.Is(err, ErrRefused) {
			t.Errorf("the old password: got %v, want %v", err, ErrRefused)
		}
		if err := enter(context.Background(), home, "owner", "a pot of coffee"); err != nil {
			t.Errorf("the new password: %v", err)
		}
	}
}

func TestBadSeedIsDeletedAndChangesNothing(t *testing.T) {
	for name, content := range map[string]string{
		"NotJSON":       `hello my password`,
		"ShortPassword": `{"user":"owner","password":"short"}`,
		"NoName":        `{"user":"","password":"long enough"}`,
		"ColonInName":   `{"user":"a:b","password":"long enough"}`,
		"ControlInName": `{"user":"a\nb","password":"long enough"}`,
		"TooLong":       `{"user":"owner","password":"` + strings.Repeat("x", 5000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "seed.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if d := open(t, dir, newClock()); d.Claimed() {
				t.Error("the appliance is claimed, want no owner")
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the seed file: got %v, want it gone", err)
			}
		})
	}
}

func TestUnknownUserIsRefusedLikeAWrongPassword(t *testing.T) {
	d, _, _ := seeded(t)
	wrong := d.Enter(context.Background(), home, "owner", "wrong")
	unknown := d.Enter(context.Background(), home, "nobody", "wrong")
	if wrong == nil || wrong != unknown {
		t.Errorf("got %v and %v, want the same error", wrong, unknown)
	}
	if err := d.Enter(context.Background(), home, "owner", "a cup of tea"+strings.Repeat("x", MaxPassword)); !errors.Is(err, ErrRefused) {
		t.Errorf("an overlong password: got %v, want %v", err, ErrRefused)
	}
	// The stand-in for unknown users must cost what a real hash costs.
	if got, want := d.accounts.dummy.params, cheap; got != want {
		t.Errorf("the costs for an unknown user: got %v, want %v", got, want)
	}
}

func TestSessionsLiveThirtyIdleDaysAndAcrossRestarts(t *testing.T) {
	d, dir, c := seeded(t)
	token, err := d.Begin("owner", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "sessions.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), token) {
		t.Error("sessions.json holds the token, want its digest only")
	}
	for range 3 { // used every 29 days, it lives on
		c.pass(29 * 24 * time.Hour)
		if s, ok := d.Session(token, Place{}); !ok || s.User != "owner" {
			t.Fatalf("after 29 idle days: got %+v, %v, want the owner's", s, ok)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	instance := d.Instance()
	d = open(t, dir, c)
	if _, ok := d.Session(token, Place{}); !ok {
		t.Error("after a restart: no session, want it to live")
	}
	if got := d.Instance(); got != instance {
		t.Errorf("the instance after a restart: got %q, want %q", got, instance)
	}
	c.pass(30*24*time.Hour + time.Second)
	if _, ok := d.Session(token, Place{}); ok {
		t.Error("after 30 idle days: a session, want none")
	}
}

func TestLookingIsNotWriting(t *testing.T) {
	d, dir, c := seeded(t)
	token, err := d.Begin("owner", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sessions.json")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		c.pass(time.Minute)
		d.Session(token, Place{})
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("sessions.json was replaced within a day of looking, want no write")
	}
	c.pass(24 * time.Hour)
	d.Session(token, Place{})
	if after, err = os.Stat(path); err != nil || os.SameFile(before, after) {
		t.Errorf("sessions.json was not replaced after a day (%v)", err)
	}
}

func TestEndEndsOneSession(t *testing.T) {
	d, dir, c := seeded(t)
	one, _ := d.Begin("owner", Place{}, ByPassword)
	two, _ := d.Begin("owner", Place{}, ByPassword)
	if err := d.End(one); err != nil {
		t.Fatal(err)
	}
	if err := d.End("no such token"); err != nil {
		t.Errorf("ending an unknown session: %v", err)
	}
	d = open(t, dir, c)
	if _, ok := d.Session(one, Place{}); ok {
		t.Error("the ended session lives")
	}
	if _, ok := d.Session(two, Place{}); !ok {
		t.Error("the other session ended too")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	d, dir, c := seeded(t)
	first, err := d.Begin("owner", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	var last string
	for range maxSessions {
		c.pass(time.Second)
		if last, err = d.Begin("owner", Place{}, ByPassword); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := d.Session(first, Place{}); ok {
		t.Error("the oldest session lives, want it to have made way")
	}
	if _, ok := d.Session(last, Place{}); !ok {
		t.Error("the newest session is gone")
	}
	var f sessionsFile
	data, err := os.ReadFile(filepath.Join(dir, "sessions.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	if got := len(f.Sessions); got != maxSessions {
		t.Errorf("stored sessions: got %d, want %d", got, maxSessions)
	}
}

func TestDamagedFilesAreErrors(t *testing.T) {
	for _, name := range []string{"accounts.json", "sessions.json", "tokens.json", "invitations.json"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Params: cheap})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error that names the file", err)
			}
		})
	}
}

func TestRightPasswordIsRememberedForAWhile(t *testing.T) {
	d, _, c := seeded(t)
	if err := d.EnterOften(context.Background(), home, "owner", "a cup of tea"); err != nil {
		t.Fatal(err)
	}
	d.accounts.turn <- struct{}{} // from now on nothing can be verified
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.EnterOften(ctx, home, "owner", "a cup of tea"); err != nil {
		t.Errorf("a moment later: got %v, want no verification", err)
	}
	if err := d.EnterOften(ctx, home, "owner", "another cup"); err == nil {
		t.Error("another password was let in")
	}
	c.pass(proofTime)
	if err := d.EnterOften(ctx, home, "owner", "a cup of tea"); !errors.Is(err, context.Canceled) {
		t.Errorf("after %v: got %v, want a verification", proofTime, err)
	}
}

// TestRolesAreKept: an owner stays where a program from before there were roles
// finds them, and the others where it does not.
func TestRolesAreKept(t *testing.T) {
	d, dir, c := seeded(t)
	for name, role := range map[string]Role{"aoife": Member, "guest": Viewer} {
		if err := d.accounts.setHash(name, role, newHash("a cup of tea", cheap)); err != nil {
			t.Fatal(err)
		}
	}
	var old struct{ Accounts []struct{ User string } }
	data, err := os.ReadFile(filepath.Join(dir, "accounts.json"))
	if err == nil {
		err = json.Unmarshal(data, &old)
	}
	if err != nil || len(old.Accounts) != 1 || old.Accounts[0].User != "owner" {
		t.Errorf("what an older program finds: got %v, %v; want the owner alone", old, err)
	}
	d = open(t, dir, c)
	for name, want := range map[string]Role{"Owner": Owner, "aoife": Member, "guest": Viewer, "eve": Nobody} {
		if got := d.RoleOf(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for _, damage := range []string{`"role":"owner"`, `"role":"king"`, `"user":"x"`} {
		if err := os.WriteFile(filepath.Join(dir, "accounts.json"), []byte(`{"accounts":[],"people":[{"user":"eve",`+damage+`}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: dir, Log: discard, Clock: c.now, Params: cheap}); err == nil {
			t.Errorf("people with %s are taken", damage)
		}
	}
}

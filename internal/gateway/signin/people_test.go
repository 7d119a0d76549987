package signin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// withPeople is a house of an owner, a member and a viewer.
func withPeople(t *testing.T) (*Door, string, *clock) {
	t.Helper()
	d, dir, c := seeded(t)
	for name, role := range map[string]Role{"Aoife": Member, "guest": Viewer} {
		code, _, err := d.Invite(name, role)
		if err == nil {
			_, err = d.Accept(t.Context(), home, code, name+"'s own words")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return d, dir, c
}

func isWrong(err error) bool {
	_, ok := errors.AsType[*Wrong](err)
	return ok
}

func TestPeopleAreKept(t *testing.T) {
	d, dir, c := withPeople(t)
	if err := d.SetLogins("aoife", []Login{{"tailnet", " Aoife@Example.com"}, {"tailnet", "aoife@example.com"}, {"cloudflare", "a@example.ie"}}); err != nil {
		t.Fatal(err)
	}
	want := []Person{{"owner", Owner, []Login{}}, {"aoife", Member, []Login{{"tailnet", "aoife@example.com"}, {"cloudflare", "a@example.ie"}}}, {"guest", Viewer, []Login{}}}
	for _, d := range []*Door{d, open(t, dir, c)} {
		if diff := cmp.Diff(want, d.People()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if err := d.Enter(t.Context(), home, "aoife", "Aoife's own words"); err != nil {
			t.Errorf("the password that Aoife chose: %v", err)
		}
	}
	for _, name := range []string{"accounts.json", "invitations.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", name, info, err)
		}
	}
}

func TestLoginsAreKnownOnTheirWayAlone(t *testing.T) {
	d, _, _ := withPeople(t)
	if err := d.SetLogins("aoife", []Login{{"tailnet", "aoife@example.com"}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		way, login string
		want       string
	}{
		{"tailnet", "Aoife@example.com", "aoife"},
		{"cloudflare", "aoife@example.com", ""},
		{"funnel", "aoife@example.com", ""},
		{"lan", "aoife@example.com", ""},
		{"tailnet", "eve@example.com", ""},
		{"tailnet", "", ""},
		{"", "", ""},
	} {
		if user, role, ok := d.Known(tt.way, tt.login); user != tt.want || ok != (tt.want != "") || ok && role != Member {
			t.Errorf("%s on %s: got %q, %v, %v; want %q", tt.login, tt.way, user, role, ok, tt.want)
		}
	}
	for name, logins := range map[string][]Login{
		"TheFunnelVouchesForNobody": {{"funnel", "x@example.com"}},
		"NorDoesTheLAN":             {{"lan", "x@example.com"}},
		"Empty":                     {{"tailnet", " "}},
		"Words":                     {{"tailnet", "a b"}},
		"Control":                   {{"tailnet", "a\x00b"}},
		"Long":                      {{"tailnet", strings.Repeat("x", 300)}},
		"Taken":                     {{"tailnet", "AOIFE@example.com"}},
		"Many":                      make([]Login, maxLogins+1),
	} {
		if err := d.SetLogins("guest", logins); !isWrong(err) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if err := d.SetLogins("eve", nil); !errors.Is(err, ErrNotThere) {
		t.Errorf("of nobody: got %v, want %v", err, ErrNotThere)
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	d, _, _ := withPeople(t)
	for range 2 {
		if err := d.Remove("owner"); !errors.Is(err, ErrLastOwner) {
			t.Errorf("removing: got %v, want %v", err, ErrLastOwner)
		}
		if err := d.SetRole("owner", Member); !errors.Is(err, ErrLastOwner) {
			t.Errorf("demoting: got %v, want %v", err, ErrLastOwner)
		}
	}
	if err := d.SetRole("aoife", Owner); err != nil {
		t.Fatal(err)
	}
	// Of two owners who take each other away at once, one stays.
	var wg sync.WaitGroup
	for _, name := range []string{"owner", "aoife"} {
		wg.Go(func() { _ = d.Remove(name) })
	}
	wg.Wait()
	if got := d.People(); len(got) != 2 || got[0].Role != Owner {
		t.Errorf("got %+v, want one owner and the guest", got)
	}
}

func TestARoleChangeSignsOut(t *testing.T) {
	d, _, _ := withPeople(t)
	token, err := d.Begin("aoife", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetRole("aoife", Member); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Session(token, Place{}); !ok {
		t.Error("a role that stayed ended the session")
	}
	if err := d.SetRole("aoife", Viewer); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Session(token, Place{}); ok || d.RoleOf("aoife") != Viewer {
		t.Errorf("afterwards: a session, or role %v", d.RoleOf("aoife"))
	}
	for _, role := range []Role{Nobody, Owner + 1, -1} {
		if err := d.SetRole("aoife", role); !isWrong(err) {
			t.Errorf("role %d: got %v, want a refusal", role, err)
		}
	}
	if err := d.SetRole("eve", Viewer); !errors.Is(err, ErrNotThere) {
		t.Errorf("of nobody: got %v, want %v", err, ErrNotThere)
	}
}

// TestARemovedPersonLeavesNothing: who gets the same name later is somebody else.
func TestARemovedPersonLeavesNothing(t *testing.T) {
	d, _, _ := withPeople(t)
	left := ""
	d.leaving = func(user string) error { left = user; return nil }
	token, err := d.Begin("aoife", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := d.MakeToken("aoife", "phone", Member, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.EnterOften(t.Context(), home, "aoife", "Aoife's own words"); err != nil {
		t.Fatal(err)
	}
	if err := d.SetLogins("aoife", []Login{{"tailnet", "aoife@example.com"}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("Aoife"); err != nil {
		t.Fatal(err)
	}
	if left != "aoife" {
		t.Errorf("leaving: got %q, want aoife", left)
	}
	for range 2 {
		if _, ok := d.Session(token, Place{}); ok {
			t.Error("the session lives")
		}
		if _, err := d.ByToken(home, secret); !errors.Is(err, ErrRefused) {
			t.Errorf("the token: got %v, want %v", err, ErrRefused)
		}
		if err := d.EnterOften(t.Context(), home, "aoife", "Aoife's own words"); !errors.Is(err, ErrRefused) {
			t.Errorf("the password: got %v, want %v", err, ErrRefused)
		}
		if _, _, ok := d.Known("tailnet", "aoife@example.com"); ok {
			t.Error("the login is linked")
		}
		if d.RoleOf("aoife") == Nobody {
			code, _, err := d.Invite("aoife", Viewer)
			if err == nil {
				_, err = d.Accept(t.Context(), home, code, "another's own words")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	d.leaving = func(string) error { return errors.New("the disk is full") }
	if err := d.Remove("aoife"); err == nil || d.RoleOf("aoife") == Nobody {
		t.Errorf("what cannot be forgotten: got %v and role %v, want the account to stay", err, d.RoleOf("aoife"))
	}
	if err := d.Remove("eve"); !errors.Is(err, ErrNotThere) {
		t.Errorf("nobody: got %v, want %v", err, ErrNotThere)
	}
}

func TestAnInvitationIsUsedOnce(t *testing.T) {
	d, dir, c := seeded(t)
	code, made, err := d.Invite(" Niamh", Member)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Invitation{User: "niamh", Role: Member, Until: c.now().Add(InvitationTime)}, made); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "invitations.json")); err != nil || strings.Contains(string(data), code) {
		t.Errorf("invitations.json: %v, or it holds the code", err)
	}
	d = open(t, dir, c)
	if _, err := d.Accept(t.Context(), home, code, "short"); !isWrong(err) {
		t.Errorf("a short password: got %v, want a refusal", err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 4) // as many tabs
	for i := range errs {
		wg.Go(func() { _, errs[i] = d.Accept(t.Context(), home, code, "four words of mine") })
	}
	wg.Wait()
	used := 0
	for _, err := range errs {
		if err == nil {
			used++
		} else if !errors.Is(err, ErrInvitation) {
			t.Errorf("got %v, want %v", err, ErrInvitation)
		}
	}
	if used != 1 || d.RoleOf("niamh") != Member || len(d.Invitations()) != 0 {
		t.Errorf("used %d times, role %v, %d invitations left; want 1, member, 0", used, d.RoleOf("niamh"), len(d.Invitations()))
	}
}

func TestInvitationsEnd(t *testing.T) {
	d, _, c := withPeople(t)
	invite := func(name string) string {
		t.Helper()
		code, _, err := d.Invite(name, Viewer)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	old := invite("niamh")
	anew, _, err := d.InviteAgain("niamh")
	if err != nil {
		t.Fatal(err)
	}
	back := invite("cian")
	if err := d.TakeBack("cian"); err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]string{"Older": old, "TakenBack": back, "Guessed": "guessed", "Empty": "", "Long": strings.Repeat("x", 5000)} {
		if _, err := d.Invited(home, code); !errors.Is(err, ErrInvitation) {
			t.Errorf("%s: got %v, want %v", name, err, ErrInvitation)
		}
	}
	if i, err := d.Invited(home, anew); err != nil || i.User != "niamh" {
		t.Errorf("the newest: got %+v, %v", i, err)
	}
	c.pass(InvitationTime)
	if _, err := d.Accept(t.Context(), home, anew, "four words of mine"); !errors.Is(err, ErrInvitation) {
		t.Errorf("after a day: got %v, want %v", err, ErrInvitation)
	}
	if err := d.TakeBack("cian"); !errors.Is(err, ErrNotThere) {
		t.Errorf("taking back what is not there: got %v, want %v", err, ErrNotThere)
	}
	for name, do := range map[string]func() error{
		"Taken":  func() error { _, _, err := d.Invite("aoife", Viewer); return err },
		"Empty":  func() error { _, _, err := d.Invite("  ", Viewer); return err },
		"Colon":  func() error { _, _, err := d.Invite("a:b", Viewer); return err },
		"NoRole": func() error { _, _, err := d.Invite("cian", Nobody); return err },
	} {
		if err := do(); !isWrong(err) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if _, _, err := d.InviteAgain("eve"); !errors.Is(err, ErrNotThere) {
		t.Errorf("again, nobody: got %v, want %v", err, ErrNotThere)
	}
}

func TestInvitationsCannotBeGuessedFast(t *testing.T) {
	d, _, _ := seeded(t)
	code, _, err := d.Invite("niamh", Member)
	if err != nil {
		t.Fatal(err)
	}
	for range addressBurst {
		if _, err := d.Invited(home, "guessed"); !errors.Is(err, ErrInvitation) {
			t.Fatalf("got %v, want %v", err, ErrInvitation)
		}
	}
	if _, err := d.Invited(home, "guessed"); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: got %v, want %v", err, ErrTooMany)
	}
	if _, err := d.ByToken(home, "hems_guessed"); !errors.Is(err, ErrTooMany) {
		t.Errorf("a token from there: got %v, want %v", err, ErrTooMany)
	}
	if _, err := d.Accept(t.Context(), home, code, "four words of mine"); err != nil {
		t.Errorf("the right one from there: %v", err)
	}
}

func TestAForgottenPasswordIsChosenAnew(t *testing.T) {
	d, _, _ := withPeople(t)
	token, err := d.Begin("aoife", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	code, made, err := d.InviteAgain("aoife")
	if err != nil || !made.Again || made.Role != Member {
		t.Fatalf("got %+v, %v", made, err)
	}
	if _, err := d.Accept(t.Context(), home, code, "other words of hers"); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Session(token, Place{}); ok {
		t.Error("the session lives")
	}
	if err := d.Enter(t.Context(), home, "aoife", "other words of hers"); err != nil || d.RoleOf("aoife") != Member {
		t.Errorf("got %v and %v", err, d.RoleOf("aoife"))
	}
	// One that was made before the account went is not good for a new one.
	if code, _, err = d.InviteAgain("aoife"); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("aoife"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Accept(t.Context(), home, code, "other words of hers"); !errors.Is(err, ErrInvitation) {
		t.Errorf("of a removed account: got %v, want %v", err, ErrInvitation)
	}
}

func TestChangePassword(t *testing.T) {
	d, _, _ := withPeople(t)
	token, err := d.Begin("aoife", Place{}, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := d.ChangePassword(ctx, home, "aoife", "wrong words", "other words of hers"); !errors.Is(err, ErrRefused) {
		t.Errorf("without the old one: got %v, want %v", err, ErrRefused)
	}
	if err := d.ChangePassword(ctx, home, "aoife", "Aoife's own words", "short"); !isWrong(err) {
		t.Errorf("a short one: got %v, want a refusal", err)
	}
	if _, ok := d.Session(token, Place{}); !ok {
		t.Error("a change that was refused ended the session")
	}
	if err := d.ChangePassword(ctx, home, "Aoife", "Aoife's own words", "other words of hers"); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Session(token, Place{}); ok {
		t.Error("the session lives")
	}
	if err := d.Enter(ctx, home, "aoife", "Aoife's own words"); !errors.Is(err, ErrRefused) {
		t.Errorf("the old one: got %v, want %v", err, ErrRefused)
	}
	if err := d.Enter(ctx, home, "aoife", "other words of hers"); err != nil || d.RoleOf("aoife") != Member {
		t.Errorf("the new one: %v, role %v", err, d.RoleOf("aoife"))
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	d, dir, c := withPeople(t)
	at := Place{Way: "lan", Address: home, Browser: "Firefox on Android"}
	one, err := d.Begin("aoife", at, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Minute)
	two, err := d.Begin("aoife", Place{Way: "tailnet"}, ByPasskey)
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.Begin("guest", at, ByPassword)
	if err != nil {
		t.Fatal(err)
	}
	d = open(t, dir, c)
	now := c.now()
	want := []Session{
		{User: "aoife", Began: now, Seen: now, Place: Place{Way: "tailnet"}, Proof: ByPasskey},
		{User: "aoife", Began: now.Add(-time.Minute), Seen: now.Add(-time.Minute), Place: at, Proof: ByPassword},
	}
	got := d.Sessions("Aoife")
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Session{}, "ID"), cmp.Comparer(func(a, b Place) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if strings.Contains(two, got[0].ID) {
		t.Error("the id gives the token away")
	}
	if err := d.EndSession("guest", got[0].ID); !errors.Is(err, ErrNotThere) {
		t.Errorf("somebody else's: got %v, want %v", err, ErrNotThere)
	}
	if err := d.EndSession("aoife", got[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Session(two, Place{}); ok {
		t.Error("the one that was ended lives")
	}
	if three, err := d.Begin("aoife", at, ByPassword); err != nil {
		t.Error(err)
	} else if err := d.EndOthers("aoife", three); err != nil {
		t.Error(err)
	} else if _, ok := d.Session(three, Place{}); !ok {
		t.Error("one's own was ended with the others")
	}
	if _, ok := d.Session(one, Place{}); ok {
		t.Error("another one lives")
	}
	if _, ok := d.Session(other, Place{}); !ok {
		t.Error("somebody else's was ended")
	}
	d.Session(other, Place{Way: "funnel"})
	if got := d.Sessions("guest"); len(got) != 1 || got[0].Way != "funnel" {
		t.Errorf("where it was seen last: got %+v, want the funnel", got)
	}
}

func TestTokens(t *testing.T) {
	d, dir, c := withPeople(t)
	secret, made, err := d.MakeToken("Aoife", " laptop ", Viewer, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(secret) != 48 || !strings.HasPrefix(secret, TokenPrefix) || strings.Contains(secret, made.ID) || made.Name != "laptop" {
		t.Errorf("got %d characters and %+v", len(secret), made)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "tokens.json")); err != nil || strings.Contains(string(data), secret) {
		t.Errorf("tokens.json: %v, or it holds the secret", err)
	}
	high, _, err := d.MakeToken("aoife", "script", Member, time.Hour*48)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Minute)
	if got, err := d.ByToken(home, secret); err != nil || got.User != "aoife" || got.Role != Viewer {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir, c)
	if got := d.Tokens("aoife"); len(got) != 2 || got[0].Seen == nil && got[1].Seen == nil {
		t.Errorf("after a restart: got %+v, want when it was used", got)
	}
	if err := d.SetRole("aoife", Viewer); err != nil {
		t.Fatal(err)
	}
	if got, err := d.ByToken(home, high); err != nil || got.Role != Viewer {
		t.Errorf("after the account's role fell: got %+v, %v; want a viewer", got, err)
	}
	if err := d.EndToken("guest", made.ID); !errors.Is(err, ErrNotThere) {
		t.Errorf("somebody else's: got %v, want %v", err, ErrNotThere)
	}
	c.pass(24 * time.Hour)
	if _, err := d.ByToken(home, secret); !errors.Is(err, ErrRefused) {
		t.Errorf("after its time: got %v, want %v", err, ErrRefused)
	}
	if got := d.Tokens("aoife"); len(got) != 1 {
		t.Errorf("got %+v, want the one that is good", got)
	} else if err := d.EndToken("aoife", got[0].ID); err != nil {
		t.Error(err)
	}
	if _, err := d.ByToken(home, high); !errors.Is(err, ErrRefused) {
		t.Errorf("after it was ended: got %v, want %v", err, ErrRefused)
	}
	for name, do := range map[string]func() error{
		"Above":   func() error { _, _, err := d.MakeToken("guest", "x", Member, time.Hour); return err },
		"NoRole":  func() error { _, _, err := d.MakeToken("guest", "x", Nobody, time.Hour); return err },
		"Nobody":  func() error { _, _, err := d.MakeToken("eve", "x", Viewer, time.Hour); return err },
		"NoName":  func() error { _, _, err := d.MakeToken("guest", " ", Viewer, time.Hour); return err },
		"Control": func() error { _, _, err := d.MakeToken("guest", "a\nb", Viewer, time.Hour); return err },
		"Past":    func() error { _, _, err := d.MakeToken("guest", "x", Viewer, 0); return err },
		"Ages":    func() error { _, _, err := d.MakeToken("guest", "x", Viewer, 2*MaxTokenTime); return err },
	} {
		if err := do(); !isWrong(err) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestMalformedTokensAreRefused(t *testing.T) {
	d, _, c := seeded(t)
	secret, _, err := d.MakeToken("owner", "laptop", Owner, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "hems_", secret[:47], secret + "x", strings.ToUpper(secret), " " + secret, strings.TrimPrefix(secret, TokenPrefix), "hems_\x00", strings.Repeat("x", 100000)} {
		if _, err := d.ByToken(home, bad); !errors.Is(err, ErrRefused) {
			t.Errorf("%.60q: got %v, want %v", bad, err, ErrRefused)
		}
		c.pass(time.Minute)
	}
}

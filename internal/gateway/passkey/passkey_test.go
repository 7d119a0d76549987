package passkey

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
)

var here = Origin{"hems.local", "https://hems.local:8443"}

// device is a phone with one passkey on it.
type device struct {
	t    *testing.T
	key  virtualwebauthn.Credential
	auth virtualwebauthn.Authenticator
	at   Origin
}

func newDevice(t *testing.T) *device {
	return &device{t: t, key: virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2), auth: virtualwebauthn.NewAuthenticator(), at: here}
}

func (d *device) party() virtualwebauthn.RelyingParty {
	return virtualwebauthn.RelyingParty{ID: d.at.Host, Name: "x", Origin: d.at.URL}
}

func (d *device) makes(options any) []byte {
	d.t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		d.t.Fatal(err)
	}
	o, err := virtualwebauthn.ParseAttestationOptions(string(b))
	if err != nil {
		d.t.Fatal(err)
	}
	var v struct {
		PublicKey struct {
			User struct{ ID string }
		}
	}
	if err := json.Unmarshal(b, &v); err != nil {
		d.t.Fatal(err)
	}
	d.auth.Options.UserHandle = []byte(o.UserID)
	return []byte(virtualwebauthn.CreateAttestationResponse(d.party(), d.auth, d.key, *o))
}

func (d *device) uses(options any) []byte {
	d.t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		d.t.Fatal(err)
	}
	o, err := virtualwebauthn.ParseAssertionOptions(string(b))
	if err != nil {
		d.t.Fatal(err)
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(d.party(), d.auth, d.key, *o))
}

type house struct {
	*Store
	t    *testing.T
	path string
	at   time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "passkeys.json"), at: time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)}
	h.reopen()
	return h
}

func (h *house) reopen() {
	h.t.Helper()
	var err error
	if h.Store, err = Open(h.path, func() time.Time { return h.at }); err != nil {
		h.t.Fatal(err)
	}
}

// registers makes a passkey of a user's on a device.
func (h *house) registers(user string, d *device) {
	h.t.Helper()
	options, err := h.BeginMake(here, "a browser", user, " phone ")
	if err == nil {
		err = h.FinishMake(here, "a browser", user, d.makes(options))
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) asks(user string) any {
	h.t.Helper()
	options, err := h.BeginUse(here, "a browser", user)
	if err != nil {
		h.t.Fatal(err)
	}
	return options
}

func TestAPasskeyIsMadeAndUsed(t *testing.T) {
	h := newHouse(t)
	d := newDevice(t)
	h.registers("niamh", d)
	if info, err := os.Stat(h.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: got %v, %v; want mode 0600", info, err)
	}
	h.reopen()
	for _, user := range []string{"", "niamh"} { // without a name, and after the password
		d.key.Counter++
		h.at = h.at.Add(time.Minute)
		if got, err := h.FinishUse(here, "a browser", user, d.uses(h.asks(user))); got != "niamh" || err != nil {
			t.Errorf("as %q: got %q, %v", user, got, err)
		}
	}
	if got := h.Of("niamh"); len(got) != 1 || got[0].Name != "phone" || got[0].Host != "hems.local" || !got[0].Used.Equal(h.at) {
		t.Errorf("the list: got %+v", got)
	}
}

func TestAnswersThatProveNothing(t *testing.T) {
	h := newHouse(t)
	d := newDevice(t)
	d.key.Counter = 5
	h.registers("niamh", d)
	other := newDevice(t)
	h.registers("cian", other)
	use := func(browser, user string, answer []byte) error {
		_, err := h.FinishUse(here, browser, user, answer)
		return err
	}
	for name, try := range map[string]func() error{
		"Replayed": func() error {
			d.key.Counter++
			answer := d.uses(h.asks(""))
			if err := use("a browser", "", answer); err != nil {
				return err
			}
			return use("a browser", "", answer)
		},
		"OfAnotherBrowser": func() error { return use("another", "", d.uses(h.asks(""))) },
		"Late": func() error {
			answer := d.uses(h.asks(""))
			h.at = h.at.Add(challengeTime)
			return use("a browser", "", answer)
		},
		"OfAnotherSite": func() error {
			d.at = Origin{"hems.local", "https://hems.local:666"}
			defer func() { d.at = here }()
			return use("a browser", "", d.uses(h.asks("")))
		},
		"OfAnotherHost": func() error {
			answer := d.uses(h.asks(""))
			_, err := h.FinishUse(Origin{"evil.example", "https://evil.example"}, "a browser", "", answer)
			return err
		},
		"WithoutVerification": func() error {
			d.auth.Options.UserNotVerified = true
			defer func() { d.auth.Options.UserNotVerified = false }()
			return use("a browser", "", d.uses(h.asks("")))
		},
		"CounterGoesBack": func() error {
			d.key.Counter = 1
			defer func() { d.key.Counter = 100 }()
			return use("a browser", "", d.uses(h.asks("")))
		},
		"SomebodyElses":    func() error { return use("a browser", "niamh", other.uses(h.asks("niamh"))) },
		"Unknown":          func() error { return use("a browser", "", newDevice(t).uses(h.asks(""))) },
		"OfMakingNotUsing": func() error { return h.FinishMake(here, "a browser", "niamh", d.uses(h.asks(""))) },
		"Nothing":          func() error { return use("a browser", "", nil) },
		"Garbage":          func() error { return use("a browser", "", []byte(`{"id":"x","type":"public-key","response":{}}`)) },
		"Long":             func() error { return use("a browser", "", []byte(strings.Repeat("[", 5000))) },
	} {
		if err := try(); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v, want %v", name, err, ErrRefused)
		}
	}
}

func TestPasskeysAreRemoved(t *testing.T) {
	h := newHouse(t)
	d := newDevice(t)
	h.registers("niamh", d)
	id := h.Of("niamh")[0].ID
	if err := h.Remove("cian", id); !errors.Is(err, ErrNotThere) {
		t.Errorf("somebody else's: got %v, want %v", err, ErrNotThere)
	}
	answer := d.uses(h.asks(""))
	if err := h.Remove("niamh", id); err != nil {
		t.Fatal(err)
	}
	if _, err := h.FinishUse(here, "a browser", "", answer); !errors.Is(err, ErrRefused) {
		t.Errorf("used meanwhile: got %v, want %v", err, ErrRefused)
	}
	if _, err := h.BeginUse(here, "a browser", "niamh"); !errors.Is(err, ErrNotThere) {
		t.Errorf("asking for one: got %v, want %v", err, ErrNotThere)
	}
	h.registers("niamh", newDevice(t))
	if err := h.Forget("niamh"); err != nil || len(h.Of("niamh")) != 0 {
		t.Errorf("forgetting: %v, %d left", err, len(h.Of("niamh")))
	}
	for _, bad := range []string{"", "  ", "a\nb", strings.Repeat("x", 65), "\xff"} {
		if _, err := h.BeginMake(here, "a browser", "niamh", bad); !errors.Is(err, ErrName) {
			t.Errorf("called %q: got %v, want %v", bad, err, ErrName)
		}
	}
}

func TestOpenChallengesAreFew(t *testing.T) {
	h := newHouse(t)
	for range 2 * maxChallenges {
		h.at = h.at.Add(time.Millisecond)
		h.asks("")
	}
	if n := len(h.open); n != maxChallenges {
		t.Errorf("got %d, want %d", n, maxChallenges)
	}
}

func TestADamagedFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passkeys.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, time.Now); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("got %v, want that it is damaged", err)
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"id":"eA","rawId":"eA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"e30","signature":"e30","attestationObject":"e30"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Open(filepath.Join(t.TempDir(), "passkeys.json"), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.FinishUse(here, "a", "", b); !errors.Is(err, ErrRefused) {
			t.Errorf("used: got %v", err)
		}
		if err := s.FinishMake(here, "a", "niamh", b); !errors.Is(err, ErrRefused) {
			t.Errorf("made: got %v", err)
		}
	})
}

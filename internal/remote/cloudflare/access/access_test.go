package access

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// team answers for smartcore.cloudflareaccess.com.
type team struct {
	mu    sync.Mutex
	keys  map[string]*rsa.PrivateKey
	asked int
	away  bool
	last  string
}

func newKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (e *team) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	e.last = r.URL.String()
	if e.away {
		return nil, errors.New("no route to host")
	}
	var set struct{ Keys []map[string]string }
	for kid, k := range e.keys {
		set.Keys = append(set.Keys, map[string]string{"kid": kid, "kty": "RSA", "alg": "RS256",
			"n": base64.RawURLEncoding.EncodeToString(k.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes())})
	}
	b, err := json.Marshal(map[string]any{"keys": set.Keys})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Status: "200 OK", Body: io.NopCloser(strings.NewReader(string(b)))}, nil
}

func (e *team) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

var now = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// claims are those of a good token, with some changed.
func claims(change map[string]any) map[string]any {
	c := map[string]any{"iss": "https://smartcore.cloudflareaccess.com", "aud": []string{"app"}, "exp": now.Add(time.Hour).Unix(), "nbf": now.Add(-time.Minute).Unix(),
		"iat": now.Add(-time.Minute).Unix(), "email": "alice@example.com", "type": "app", "sub": "1"}
	for k, v := range change {
		if v == nil {
			delete(c, k)
			continue
		}
		c[k] = v
	}
	return c
}

func sign(t testing.TB, key *rsa.PrivateKey, head, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(head) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

var rs256 = map[string]any{"alg": "RS256", "kid": "k1", "typ": "JWT"}

func TestTokensOfEveryKind(t *testing.T) {
	k1, other := newKey(t), newKey(t)
	j := New(Options{Team: "smartcore", Client: &team{keys: map[string]*rsa.PrivateKey{"k1": k1}}, Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	good := sign(t, k1, rs256, claims(nil))
	part := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`))
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"Good":             {good, nil},
		"OneAudience":      {sign(t, k1, rs256, claims(map[string]any{"aud": "app"})), nil},
		"SeveralAudiences": {sign(t, k1, rs256, claims(map[string]any{"aud": []string{"x", "app"}})), nil},
		"Service":          {sign(t, k1, rs256, claims(map[string]any{"email": nil, "common_name": "id.access"})), nil},
		"JustRunOut":       {sign(t, k1, rs256, claims(map[string]any{"exp": now.Add(-30 * time.Second).Unix()})), nil}, // clocks differ
		"None":             {"", ErrNone},
		"RunOut":           {sign(t, k1, rs256, claims(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()})), ErrExpired},
		"NoEnd":            {sign(t, k1, rs256, claims(map[string]any{"exp": nil})), ErrExpired},
		"NotYet":           {sign(t, k1, rs256, claims(map[string]any{"nbf": now.Add(5 * time.Minute).Unix()})), ErrToken},
		"OfTheFuture":      {sign(t, k1, rs256, claims(map[string]any{"iat": now.Add(5 * time.Minute).Unix()})), ErrToken},
		"AnotherAudience":  {sign(t, k1, rs256, claims(map[string]any{"aud": []string{"app2"}})), ErrOther},
		"NoAudience":       {sign(t, k1, rs256, claims(map[string]any{"aud": nil})), ErrOther},
		"AnotherTeam":      {sign(t, k1, rs256, claims(map[string]any{"iss": "https://evil.cloudflareaccess.com"})), ErrToken},
		"NoTeam":           {sign(t, k1, rs256, claims(map[string]any{"iss": nil})), ErrToken},
		"Nobody":           {sign(t, k1, rs256, claims(map[string]any{"email": nil})), ErrToken},
		"AnotherKey":       {sign(t, other, rs256, claims(nil)), ErrToken},
		"UnknownKey":       {sign(t, other, map[string]any{"alg": "RS256", "kid": "k9"}, claims(nil)), ErrToken},
		"NoKey":            {sign(t, k1, map[string]any{"alg": "RS256"}, claims(nil)), ErrToken},
		"Critical":         {sign(t, k1, map[string]any{"alg": "RS256", "kid": "k1", "crit": []string{"x"}}, claims(nil)), ErrToken},
		"Symmetric":        {sign(t, k1, map[string]any{"alg": "HS256", "kid": "k1"}, claims(nil)), ErrToken},
		"AlgNone":          {none + "." + part[1] + ".", ErrToken},
		"AlgNoneSigned":    {none + "." + part[1] + "." + part[2], ErrToken},
		"NoSignature":      {part[0] + "." + part[1] + ".", ErrToken},
		"TwoParts":         {part[0] + "." + part[1], ErrToken},
		"FourParts":        {good + ".x", ErrToken},
		"Changed":          {part[0] + "." + part[1] + "x." + part[2], ErrToken},
		"Padded":           {good + "==", ErrToken},
		"Garbage":          {"a.b.c", ErrToken},
		"Huge":             {strings.Repeat("x", maxToken) + good, ErrToken},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := j.Judge(t.Context(), tt.token, "app")
			if !errors.Is(err, tt.want) || (err == nil) != (p != Person{}) {
				t.Errorf("got %+v, %v; want %v", p, err, tt.want)
			}
		})
	}
	if _, err := j.Judge(t.Context(), good, ""); err == nil {
		t.Error("a token is good for no application in particular")
	}
}

// TestKeysChangeAndStay: a new key is asked for once a minute at most, whatever is
// shown; the keys outlive a restart without the internet.
func TestKeysChangeAndStay(t *testing.T) {
	k1, k2 := newKey(t), newKey(t)
	e := &team{keys: map[string]*rsa.PrivateKey{"k1": k1}}
	at := now
	file := filepath.Join(t.TempDir(), "keys.json")
	o := Options{Team: "smartcore", File: file, Client: e, Clock: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler)}
	j := New(o)
	judge := func(token string) error {
		_, err := j.Judge(t.Context(), token, "app")
		return err
	}
	first, second := sign(t, k1, rs256, claims(nil)), sign(t, k2, map[string]any{"alg": "RS256", "kid": "k2"}, claims(nil))
	if err := judge(first); err != nil {
		t.Fatal(err)
	}
	if want := "https://smartcore.cloudflareaccess.com/cdn-cgi/access/certs"; e.last != want {
		t.Errorf("asked at %s, want %s", e.last, want)
	}
	for n := range 50 { // made up
		if err := judge(sign(t, k2, map[string]any{"alg": "RS256", "kid": fmt.Sprint("made-up-", n)}, claims(nil))); !errors.Is(err, ErrToken) {
			t.Fatalf("got %v, want ErrToken", err)
		}
	}
	e.set(func() {
		if e.asked != 1 {
			t.Errorf("fifty unknown keys were asked for %d times within a minute of the first, want 1", e.asked)
		}
		e.keys["k2"] = k2
	})
	at = at.Add(askPause)
	if err := judge(second); err != nil {
		t.Errorf("a new key: %v", err)
	}
	if err := judge(first); err != nil {
		t.Errorf("the old key beside it: %v", err)
	}

	e.set(func() { e.away = true })
	j = New(o) // after a restart, without the internet
	if err := judge(second); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	o.File = ""
	if j = New(o); !errors.Is(judge(second), ErrNoKeys) {
		t.Error("without keys somebody is let in, or told that the token is wrong")
	}
}

func TestTeams(t *testing.T) {
	for name, good := range map[string]bool{"smartcore": true, "a": true, "my-team-2": true, "": false, "-a": false, "a.b": false, "evil.com/": false, "A": false, "a@b": false} {
		if Team(name) != good {
			t.Errorf("%q: want it good: %v", name, good)
		}
	}
}

func FuzzJudge(f *testing.F) {
	k1 := newKey(f)
	j := New(Options{Team: "smartcore", Client: &team{keys: map[string]*rsa.PrivateKey{"k1": k1}}, Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	good := sign(f, k1, rs256, claims(nil))
	f.Add(good)
	f.Add("a.b.c")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if p, err := j.Judge(t.Context(), token, "app"); err == nil && token != good {
			t.Errorf("%q was taken for %+v", token, p)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kid":"a","kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if keys, err := parseKeys(b); err == nil && len(keys) == 0 {
			t.Error("no keys, and no error")
		}
	})
}

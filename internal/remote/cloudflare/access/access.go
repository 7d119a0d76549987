// Package access judges the tokens by which Cloudflare Access says that it has let
// somebody in: signed by the team's keys, for one application, in its time. It knows
// JSON Web Tokens as far as Access writes them (RFC 7519, RS256) and how the keys
// are had; it must never know what is behind a door.
//
// The keys are kept in a file: an appliance that starts without the internet judges
// by those it had. Access changes them every six weeks, and the old ones stay good
// for a week.
package access

import (
	"context"
	"crypto"
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
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

const (
	maxToken  = 16 << 10 // bytes
	maxKeys   = 256 << 10
	leeway    = time.Minute    // clocks differ
	freshFor  = 12 * time.Hour // keys are asked for again then
	askPause  = time.Minute    // at least that long between two questions, whatever is shown
	askTime   = 10 * time.Second
	leastBits = 2048
)

// Errors of a token.
var (
	ErrNone    = errors.New("there is no token of Cloudflare Access")
	ErrToken   = errors.New("it is no token of this team’s Cloudflare Access")
	ErrExpired = errors.New("the token of Cloudflare Access has run out")
	ErrOther   = errors.New("the token of Cloudflare Access is for another application")
	ErrNoKeys  = errors.New("the keys of Cloudflare Access are not known yet")
)

var teamRE = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Team says whether that can be a team's name: what stands before
// .cloudflareaccess.com.
func Team(name string) bool { return teamRE.MatchString(name) }

// Options are what a Judge needs.
type Options struct {
	Team   string            // "smartcore" of smartcore.cloudflareaccess.com
	File   string            // keeps the keys; empty: they are not kept
	Client http.RoundTripper // nil: http.DefaultTransport
	Clock  func() time.Time  // nil: time.Now
	Log    *slog.Logger      // required
}

// A Judge judges tokens of one team. Its methods may be called from any goroutine.
type Judge struct {
	o Options

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	had     time.Time // when the keys were answered
	asked   time.Time // when they were asked for last
	asking  chan struct{}
	lastErr string
}

// Person is whom a token is of.
type Person struct {
	Email   string // empty: a service
	Service string // the client id of a service token
}

// New makes a judge, with the keys that were kept.
func New(o Options) *Judge {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Client == nil {
		o.Client = http.DefaultTransport
	}
	j := &Judge{o: o, keys: map[string]*rsa.PublicKey{}}
	if o.File == "" {
		return j
	}
	if b, err := os.ReadFile(o.File); err == nil {
		if keys, err := parseKeys(b); err == nil {
			j.keys = keys // had long ago: they are asked for again at once
		}
	}
	return j
}

func (j *Judge) issuer() string { return "https://" + j.o.Team + ".cloudflareaccess.com" }

// audiences is "aud": one, or several.
type audiences []string

func (a *audiences) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// Judge says whom the token is of, for the application of that audience.
func (j *Judge) Judge(ctx context.Context, token, audience string) (Person, error) {
	if token == "" {
		return Person{}, ErrNone
	}
	if len(token) > maxToken || audience == "" {
		return Person{}, ErrToken
	}
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return Person{}, ErrToken
	}
	var head struct {
		Alg  string   `json:"alg"`
		Kid  string   `json:"kid"`
		Crit []string `json:"crit"`
	}
	var claims struct {
		Issuer  string    `json:"iss"`
		For     audiences `json:"aud"`
		Until   float64   `json:"exp"`
		From    float64   `json:"nbf"`
		At      float64   `json:"iat"`
		Email   string    `json:"email"`
		Service string    `json:"common_name"`
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(part[2])
	if err != nil || decode(part[0], &head) != nil || decode(part[1], &claims) != nil {
		return Person{}, ErrToken
	}
	if head.Alg != "RS256" || head.Kid == "" || len(head.Crit) > 0 || claims.Issuer != j.issuer() {
		return Person{}, ErrToken
	}
	key, err := j.key(ctx, head.Kid)
	if err != nil {
		return Person{}, err
	}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) != nil {
		return Person{}, ErrToken
	}
	now := float64(j.o.Clock().Unix())
	switch slack := leeway.Seconds(); {
	case !slices.Contains(claims.For, audience):
		return Person{}, ErrOther
	case claims.Until == 0 || now >= claims.Until+slack:
		return Person{}, ErrExpired
	case now < claims.From-slack || now < claims.At-slack:
		return Person{}, ErrToken
	case claims.Email == "" && claims.Service == "":
		return Person{}, ErrToken
	}
	return Person{Email: claims.Email, Service: claims.Service}, nil
}

func decode(part string, to any) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// key is the team's of that name. One that is not known is asked for, but not for
// each token that somebody makes up.
func (j *Judge) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	j.mu.Lock()
	key, now := j.keys[kid], j.o.Clock()
	stale := now.Sub(j.had) > freshFor || now.Before(j.had)
	may := now.Sub(j.asked) >= askPause || now.Before(j.asked)
	if (key == nil || stale) && may && j.asking == nil {
		j.asked = now
		j.asking = make(chan struct{})
		go j.ask()
	}
	asking := j.asking
	j.mu.Unlock()
	if key != nil {
		return key, nil // a stale one until there are new ones: Access is not always to be reached
	}
	if asking != nil {
		select {
		case <-asking:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch key := j.keys[kid]; {
	case key != nil:
		return key, nil
	case len(j.keys) == 0:
		return nil, ErrNoKeys
	}
	return nil, ErrToken
}

// ask asks for the keys.
func (j *Judge) ask() {
	keys, raw, err := j.fetch()
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() { close(j.asking); j.asking = nil }()
	if err != nil {
		if s := err.Error(); s != j.lastErr {
			j.lastErr = s
			j.o.Log.Warn("the keys of Cloudflare Access are not to be had", "team", j.o.Team, "err", err)
		}
		return
	}
	j.keys, j.had, j.lastErr = keys, j.o.Clock(), ""
	if j.o.File == "" {
		return
	}
	if old, err := os.ReadFile(j.o.File); err == nil && string(old) == string(raw) {
		return // the card is not written to for nothing
	}
	if err := atomicfile.Write(j.o.File, raw, 0o600); err != nil {
		j.o.Log.Warn("the keys of Cloudflare Access are not kept", "err", err)
	}
}

func (j *Judge) fetch() (map[string]*rsa.PublicKey, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.issuer()+"/cdn-cgi/access/certs", nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := j.o.Client.RoundTrip(r) // no redirect is followed
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("the team’s address answers %s: is %q its name?", res.Status, j.o.Team)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxKeys+1))
	if err != nil {
		return nil, nil, err
	}
	keys, err := parseKeys(b)
	return keys, b, err
}

// parseKeys reads a JSON Web Key Set (RFC 7517): its RSA keys. None is an error.
func parseKeys(b []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
			Kty string `json:"kty"`
			N   string `json:"n"`
			E   string `json:"e"`
		} `json:"keys"`
	}
	if len(b) > maxKeys {
		return nil, errors.New("the keys are longer than they can be")
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		n, err1 := base64.RawURLEncoding.DecodeString(k.N)
		e, err2 := base64.RawURLEncoding.DecodeString(k.E)
		if k.Kty != "RSA" || k.Kid == "" || err1 != nil || err2 != nil || len(e) == 0 || len(e) > 4 {
			continue
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if key.N.BitLen() >= leastBits && key.N.BitLen() <= 8192 && key.E >= 3 && key.E%2 == 1 {
			keys[k.Kid] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there are no keys in the answer")
	}
	return keys, nil
}

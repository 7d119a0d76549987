// Package passkey knows which passkeys people have, each at one host name, and how
// one is made and used (WebAuthn): challenges are good once, for five minutes, for
// the browser that asked for them. It must never know HTTP, cookies or pages, nor
// who has an account.
//
// passkeys.json, mode 0600 and replaced atomically, holds the public keys.
package passkey

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

const (
	challengeTime = 5 * time.Minute
	maxChallenges = 256 // that are open; the oldest makes way
	maxOfOne      = 20  // passkeys of one person
	maxName       = 64  // bytes
	idLen         = 16  // hexadecimal digits that name a passkey
)

// Errors a caller tells apart. Anything else is trouble with the disk.
var (
	// ErrRefused means that an answer proves nothing: it is of no challenge that is
	// open, of a passkey that is not known here, or its signature is wrong.
	ErrRefused = errors.New("that passkey was not accepted")
	// ErrNotThere means that there is no such passkey.
	ErrNotThere = errors.New("there is no such passkey")
	// ErrName means that what a passkey is to be called is no name.
	ErrName = errors.New("a passkey has a name of at most 64 bytes")
	// ErrMany means that a person has as many as they may.
	ErrMany = errors.New("there are 20 passkeys already: remove one first")
)

// Origin is where a page is: a passkey is good at one host name alone.
type Origin struct {
	Host string // "hems.local"
	URL  string // "https://hems.local:8443"
}

// A Passkey is one without its key.
type Passkey struct {
	ID    string
	User  string
	Name  string // such as "Niamh's phone"
	Host  string
	Since time.Time
	Used  time.Time // zero: never
}

// Store is passkeys.json in memory, and the challenges that are open.
type Store struct {
	path string
	now  func() time.Time

	mu   sync.Mutex
	all  []record
	open map[string]challenge // by the challenge
}

type record struct {
	User       string              `json:"user"`
	Handle     []byte              `json:"handle"` // by which the person's device knows the account
	Name       string              `json:"name"`
	Host       string              `json:"host"`
	Since      time.Time           `json:"since"`
	Used       time.Time           `json:"used,omitzero"`
	Credential webauthn.Credential `json:"credential"`
}

type challenge struct {
	session webauthn.SessionData
	browser string // digest of what the browser alone has
	user    string // who is to answer; empty: whoever it is
	name    string // of a passkey that is being made
	until   time.Time
}

type file struct {
	Passkeys []record `json:"passkeys"`
}

// Open reads the file. One that is damaged is an error.
func Open(path string, now func() time.Time) (*Store, error) {
	s := &Store{path: path, now: now, open: map[string]challenge{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var f file
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err != nil {
		return nil, fmt.Errorf("reading passkeys: %s is damaged (%w); delete it: everybody then signs in with a password", path, err)
	}
	s.all = f.Passkeys
	return s, nil
}

// save makes all what there is. Its caller holds mu.
func (s *Store) save(all []record) error {
	b, err := json.MarshalIndent(file{all}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing passkeys: %w", err)
	}
	if err := atomicfile.Write(s.path, append(b, '\n'), 0o600); err != nil {
		return err
	}
	s.all = all
	return nil
}

func (r record) public() Passkey {
	sum := sha256.Sum256(r.Credential.ID)
	return Passkey{ID: hex.EncodeToString(sum[:])[:idLen], User: r.User, Name: r.Name, Host: r.Host, Since: r.Since, Used: r.Used}
}

// Of are a user's passkeys, the oldest first.
func (s *Store) Of(user string) []Passkey {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Passkey
	for _, r := range s.all {
		if r.User == user {
			all = append(all, r.public())
		}
	}
	return all
}

// Remove removes one of a user's passkeys.
func (s *Store) Remove(user, id string) error {
	return s.removeWhere(ErrNotThere, func(r record) bool { return r.User == user && r.public().ID == id })
}

// Forget removes all of a user's.
func (s *Store) Forget(user string) error {
	return s.removeWhere(nil, func(r record) bool { return r.User == user })
}

func (s *Store) removeWhere(none error, gone func(record) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(s.all), gone)
	if len(left) == len(s.all) {
		return none
	}
	return s.save(left)
}

// person is one to the library: with the passkeys that are good at a host.
type person struct {
	user   string
	handle []byte
	keys   []webauthn.Credential
}

func (p person) WebAuthnID() []byte                         { return p.handle }
func (p person) WebAuthnName() string                       { return p.user }
func (p person) WebAuthnDisplayName() string                { return p.user }
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.keys }

// person has a new handle when they have no passkey yet. The caller holds mu.
func (s *Store) person(user, host string) person {
	p := person{user: user}
	for _, r := range s.all {
		if r.User == user {
			p.handle = r.Handle
			if r.Host == host {
				p.keys = append(p.keys, r.Credential)
			}
		}
	}
	if p.handle == nil {
		p.handle = make([]byte, 32)
		rand.Read(p.handle)
	}
	return p
}

func party(o Origin) (*webauthn.WebAuthn, error) {
	return webauthn.New(&webauthn.Config{RPID: o.Host, RPDisplayName: "SmartCORE HEMS", RPOrigins: []string{o.URL},
		AttestationPreference: protocol.PreferNoAttestation})
}

func digest(browser string) string {
	sum := sha256.Sum256([]byte(browser))
	return hex.EncodeToString(sum[:])
}

// remember keeps a challenge open. The caller holds mu.
func (s *Store) remember(c challenge) {
	oldest := ""
	for k, o := range s.open {
		if s.now().After(o.until) {
			delete(s.open, k)
		} else if oldest == "" || o.until.Before(s.open[oldest].until) {
			oldest = k
		}
	}
	if len(s.open) >= maxChallenges {
		delete(s.open, oldest)
	}
	c.until = s.now().Add(challengeTime)
	c.session.Expires = time.Time{} // until says when
	s.open[c.session.Challenge] = c
}

// take uses the challenge of an answer up. The caller holds mu.
func (s *Store) take(client protocol.CollectedClientData, browser string) (challenge, bool) {
	c, ok := s.open[client.Challenge]
	if !ok || c.browser != digest(browser) {
		return challenge{}, false // another browser's stays open to that one
	}
	delete(s.open, client.Challenge)
	return c, s.now().Before(c.until)
}

// BeginMake returns the options with which a browser makes a passkey for a user.
func (s *Store) BeginMake(o Origin, browser, user, name string) (any, error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return nil, ErrName
	}
	w, err := party(o)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(user, o.Host)
	if n := len(slices.DeleteFunc(slices.Clone(s.all), func(r record) bool { return r.User != user })); n >= maxOfOne {
		return nil, ErrMany
	}
	options, session, err := w.BeginRegistration(p,
		webauthn.WithExclusions(webauthn.Credentials(p.keys).CredentialDescriptors()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired}))
	if err != nil {
		return nil, err
	}
	s.remember(challenge{session: *session, browser: digest(browser), user: user, name: name})
	return options, nil
}

// FinishMake keeps the passkey that a browser has made for a user. The error is
// ErrRefused, or of the disk.
func (s *Store) FinishMake(o Origin, browser, user string, answer []byte) error {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return ErrRefused
	}
	w, err := party(o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.take(parsed.Response.CollectedClientData, browser)
	if !ok || c.user != user || c.name == "" {
		return ErrRefused
	}
	p := s.person(user, o.Host)
	p.handle = c.session.UserID
	made, err := w.CreateCredential(p, c.session, parsed)
	if err != nil || s.find(made.ID) >= 0 {
		return fmt.Errorf("%w: %w", ErrRefused, errors.Join(err))
	}
	made.Attestation = webauthn.CredentialAttestation{} // nobody asks who made the device
	return s.save(append(slices.Clone(s.all), record{User: user, Handle: p.handle, Name: c.name, Host: o.Host, Since: s.now(), Credential: *made}))
}

func (s *Store) find(id []byte) int {
	return slices.IndexFunc(s.all, func(r record) bool { return bytes.Equal(r.Credential.ID, id) })
}

// BeginUse returns the options with which a browser uses a passkey: one of the
// user's, or anybody's where user is empty. The error is ErrNotThere when the user
// has none at this host.
func (s *Store) BeginUse(o Origin, browser, user string) (any, error) {
	w, err := party(o)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var options *protocol.CredentialAssertion
	var session *webauthn.SessionData
	if verify := webauthn.WithUserVerification(protocol.VerificationRequired); user == "" {
		options, session, err = w.BeginDiscoverableLogin(verify)
	} else {
		p := s.person(user, o.Host)
		if len(p.keys) == 0 {
			return nil, ErrNotThere
		}
		options, session, err = w.BeginLogin(p, verify)
	}
	if err != nil {
		return nil, err
	}
	s.remember(challenge{session: *session, browser: digest(browser), user: user})
	return options, nil
}

// FinishUse says whose passkey it was that answered: of user, where that is not
// empty. The error is ErrRefused, or of the disk.
func (s *Store) FinishUse(o Origin, browser, user string, answer []byte) (string, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", ErrRefused
	}
	w, err := party(o)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.take(parsed.Response.CollectedClientData, browser)
	i := s.find(parsed.RawID)
	if !ok || c.user != user || c.name != "" || i < 0 || s.all[i].Host != o.Host || user != "" && s.all[i].User != user {
		return "", ErrRefused
	}
	r := s.all[i]
	p := person{r.User, r.Handle, []webauthn.Credential{r.Credential}}
	var used *webauthn.Credential
	if user == "" {
		used, err = w.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
			if !bytes.Equal(handle, r.Handle) {
				return nil, ErrRefused
			}
			return p, nil
		}, c.session, parsed)
	} else {
		used, err = w.ValidateLogin(p, c.session, parsed)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if used.Authenticator.CloneWarning {
		return "", fmt.Errorf("%w: its counter went back, so there may be a copy of it", ErrRefused)
	}
	all := slices.Clone(s.all)
	r.Credential, r.Used = *used, s.now()
	all[i] = r
	return r.User, s.save(all)
}

// NewBrowser is a secret by which a browser is known between two requests.
func NewBrowser() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

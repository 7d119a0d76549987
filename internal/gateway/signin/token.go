package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// TokenPrefix begins every program's token, so that one that was left somewhere is
// recognised.
const TokenPrefix = "hems_"

const (
	maxTokens    = 200 // of everybody together
	maxTokenName = 64  // bytes
	// MaxTokenTime is how long a token may be good for.
	MaxTokenTime = 10 * 366 * 24 * time.Hour
)

// A Token is what a program signs in with, without the secret.
type Token struct {
	ID    string     `json:"id"` // says nothing about the secret
	User  string     `json:"user"`
	Name  string     `json:"name"` // what it is for
	Role  Role       `json:"role"` // at most
	Began time.Time  `json:"since"`
	Until time.Time  `json:"until"`
	Seen  *time.Time `json:"last_used,omitempty"`
}

// tokens is tokens.json in memory, by the token's SHA-256.
type tokens struct {
	path string
	now  func() time.Time

	mu     sync.Mutex
	byHash map[string]*token
	dirty  bool
}

type token struct {
	Hash  string    `json:"sha256"`
	User  string    `json:"user"`
	Name  string    `json:"name"`
	Role  Role      `json:"role"`
	Began time.Time `json:"began"`
	Until time.Time `json:"until"`
	Seen  time.Time `json:"seen,omitzero"`
	saved time.Time
}

type tokensFile struct {
	Tokens []*token `json:"tokens"`
}

func openTokens(path string, now func() time.Time) (*tokens, error) {
	t := &tokens{path: path, now: now, byHash: map[string]*token{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	var f tokensFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("reading tokens: %s is damaged (%w); delete it: programs then need new tokens", path, err)
	}
	for _, e := range f.Tokens {
		if e != nil && len(e.Hash) == 2*sha256.Size {
			e.saved = e.Seen
			t.byHash[e.Hash] = e
		}
	}
	return t, nil
}

func (e *token) public() Token {
	p := Token{ID: e.Hash[:idLen], User: e.User, Name: e.Name, Role: e.Role, Began: e.Began, Until: e.Until}
	if !e.Seen.IsZero() {
		seen := e.Seen
		p.Seen = &seen
	}
	return p
}

func (t *tokens) make(user, name string, role Role, good time.Duration) (string, Token, error) {
	b := make([]byte, tokenLen)
	rand.Read(b)
	secret := TokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for h, e := range t.byHash {
		if now.After(e.Until) {
			delete(t.byHash, h)
		}
	}
	if len(t.byHash) >= maxTokens {
		return "", Token{}, fmt.Errorf("there are %d tokens already: end one that is not used any more", len(t.byHash))
	}
	e := &token{Hash: digest(secret), User: user, Name: name, Role: role, Began: now, Until: now.Add(good)}
	t.byHash[e.Hash] = e
	if err := t.save(); err != nil {
		delete(t.byHash, e.Hash)
		return "", Token{}, err
	}
	return secret, e.public(), nil
}

// lookup notes that the token was used.
func (t *tokens) lookup(secret string) (Token, bool) {
	if len(secret) != len(TokenPrefix)+base64.RawURLEncoding.EncodedLen(tokenLen) || !strings.HasPrefix(secret, TokenPrefix) {
		return Token{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	e, ok := t.byHash[digest(secret)]
	if !ok || now.After(e.Until) {
		return Token{}, false
	}
	e.Seen, t.dirty = now, true
	if now.Sub(e.saved) >= writeEvery {
		_ = t.save() // a failed write costs the time of a use; the next one tries again
	}
	return e.public(), true
}

// endWhere ends the tokens of which gone is true, and says how many those were.
func (t *tokens) endWhere(gone func(*token) bool) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h, e := range t.byHash {
		if gone(e) {
			delete(t.byHash, h)
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	return n, t.save()
}

// of are a user's tokens, the newest first.
func (t *tokens) of(user string) []Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := []Token{}
	for _, e := range t.byHash {
		if e.User == user && !t.now().After(e.Until) {
			all = append(all, e.public())
		}
	}
	slices.SortFunc(all, func(a, b Token) int {
		if c := b.Began.Compare(a.Began); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

func (t *tokens) flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty {
		return nil
	}
	return t.save()
}

// save writes the file; the caller holds mu.
func (t *tokens) save() error {
	f := tokensFile{Tokens: []*token{}}
	for _, e := range t.byHash {
		f.Tokens = append(f.Tokens, e)
	}
	slices.SortFunc(f.Tokens, func(a, b *token) int { return strings.Compare(a.Hash, b.Hash) })
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("writing tokens: %w", err)
	}
	if err := atomicfile.Write(t.path, append(data, '\n'), 0o600); err != nil {
		return err
	}
	for _, e := range f.Tokens {
		e.saved = e.Seen
	}
	t.dirty = false
	return nil
}

// MakeToken makes a token for a program of that user's. It may do what role may,
// and never more than its user may then. The secret is stored nowhere. The error is
// for the person who asked for it, or of the disk.
func (d *Door) MakeToken(user, name string, role Role, good time.Duration) (secret string, made Token, err error) {
	user, name = CleanUser(user), strings.TrimSpace(name)
	switch has := d.accounts.role(user); {
	case has == Nobody:
		return "", Token{}, wrong("only somebody with an account can have a token")
	case role < Viewer || role > has:
		return "", Token{}, wrong("the token would be %v; %s is %v", role, user, has)
	case name == "":
		return "", Token{}, wrong("say what the token is for")
	case len(name) > maxTokenName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", Token{}, wrong("what the token is for takes at most %d bytes, and no control characters", maxTokenName)
	case good <= 0 || good > MaxTokenTime:
		return "", Token{}, wrong("a token is good for a day to ten years")
	}
	secret, made, err = d.tokens.make(user, name, role, good)
	if err == nil {
		d.log.Info("a token was made", "user", user, "token", name, "id", made.ID, "role", role)
	}
	return secret, made, err
}

// ByToken is whose token secret is, and what it may do now. A wrong one that came
// from addr counts as an attempt; the errors are ErrRefused and ErrTooMany.
func (d *Door) ByToken(addr netip.Addr, secret string) (Token, error) {
	if t, ok := d.tokens.lookup(secret); ok {
		if t.Role = min(t.Role, d.accounts.role(t.User)); t.Role > Nobody {
			return t, nil
		}
	}
	if wait := d.guesses.take(addr); wait > 0 {
		return Token{}, &TooManyError{Wait: wait}
	}
	return Token{}, ErrRefused
}

// Attempt judges something that came from addr and could be guessed; an error of
// judge's counts as a wrong guess. The error is that one, or ErrTooMany.
func (d *Door) Attempt(addr netip.Addr, judge func() error) error {
	if wait := d.guesses.take(addr); wait > 0 {
		return &TooManyError{Wait: wait}
	}
	if err := judge(); err != nil {
		return err
	}
	d.guesses.giveBack(addr)
	return nil
}

// Tokens are those of a user, the newest first.
func (d *Door) Tokens(user string) []Token { return d.tokens.of(CleanUser(user)) }

// EndToken ends one of a user's tokens. The error is ErrNotThere when there is none
// of that id.
func (d *Door) EndToken(user, id string) error {
	n, err := d.tokens.endWhere(func(t *token) bool { return t.User == CleanUser(user) && t.Hash[:idLen] == id })
	if err == nil && n == 0 {
		return fmt.Errorf("a token of that id: %w", ErrNotThere)
	}
	return err
}

// TokenID is what names a token, of its secret.
func TokenID(secret string) string { return digest(secret)[:idLen] }

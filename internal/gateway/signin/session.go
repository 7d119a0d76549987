package signin

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

const (
	// IdleTime is how long a session lives without a request.
	IdleTime = 30 * 24 * time.Hour
	// writeEvery is how stale the stored time of the last request may be: a
	// phone that looks every minute costs the SD card one write a day.
	writeEvery = 24 * time.Hour
	// maxSessions bounds the file; the session idle for longest makes way.
	maxSessions = 100
	tokenLen    = 32 // bytes
)

// sessions is sessions.json in memory, by the token's SHA-256. A look-up by
// digest needs no constant-time comparison: to steer the digest one would have
// to know a token already.
type sessions struct {
	path string
	now  func() time.Time

	mu     sync.Mutex
	name   string
	byHash map[string]*session
	dirty  bool
}

type session struct {
	Hash  string    `json:"sha256"`
	User  string    `json:"user"`
	Began time.Time `json:"began"`
	Seen  time.Time `json:"seen"`
	Place
	Proof Proof `json:"proof,omitempty"`
	saved time.Time
}

// A Place is where a visitor sits, as far as that is known.
type Place struct {
	Way     string     `json:"way,omitempty"` // in which they came: "lan", "tailnet", …
	Address netip.Addr `json:"address,omitzero"`
	Browser string     `json:"browser,omitempty"` // in words: "Firefox on Android"
}

// Proof is how whoever began a session showed who they are.
type Proof string

// The proofs. The file of a program from before there were several has none, which
// is a password.
const (
	ByPassword Proof = "password"
	ByPasskey  Proof = "passkey"
	ByBoth     Proof = "password and passkey"
)

// A Session is a browser that is signed in.
type Session struct {
	ID    string    `json:"id"` // says nothing about the token
	User  string    `json:"user"`
	Began time.Time `json:"since"`
	Seen  time.Time `json:"last_seen"`
	Place
	Proof Proof `json:"proof"`
}

// idLen is how much of a token's digest names it, in hexadecimal digits.
const idLen = 16

func (e *session) public() Session {
	return Session{ID: e.Hash[:idLen], User: e.User, Began: e.Began, Seen: e.Seen, Place: e.Place, Proof: cmp.Or(e.Proof, ByPassword)}
}

type sessionsFile struct {
	Instance string     `json:"instance"`
	Sessions []*session `json:"sessions"`
}

func openSessions(path string, now func() time.Time) (*sessions, error) {
	s := &sessions{path: path, now: now, byHash: map[string]*session{}}
	var f sessionsFile
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("reading sessions: %w", err)
	default:
		if err := json.Unmarshal(data, &f); err != nil {
			return nil, fmt.Errorf("reading sessions: %s is damaged (%w); delete it: everybody then signs in again", path, err)
		}
	}
	for _, e := range f.Sessions {
		if e != nil && len(e.Hash) == 2*sha256.Size {
			e.saved = e.Seen
			s.byHash[e.Hash] = e
		}
	}
	if s.name = f.Instance; s.name == "" {
		b := make([]byte, 4)
		rand.Read(b)
		s.name = hex.EncodeToString(b)
		return s, s.save()
	}
	return s, nil
}

func (s *sessions) instance() string { return s.name }

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (s *sessions) begin(user string, at Place, proof Proof) (string, error) {
	b := make([]byte, tokenLen)
	rand.Read(b)
	token := base64.RawURLEncoding.EncodeToString(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.byHash[digest(token)] = &session{Hash: digest(token), User: CleanUser(user), Began: now, Seen: now, Place: at, Proof: proof}
	s.prune(now)
	if err := s.save(); err != nil {
		delete(s.byHash, digest(token))
		return "", err
	}
	return token, nil
}

// lookup keeps the session alive, and notes where its browser is now unless that is
// not known.
func (s *sessions) lookup(token string, at Place) (Session, bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenLen) {
		return Session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byHash[digest(token)]
	now := s.now()
	if !ok || now.Sub(e.Seen) > IdleTime {
		return Session{}, false
	}
	e.Seen, s.dirty = now, true
	if at.Way != "" {
		e.Place = at
	}
	if now.Sub(e.saved) >= writeEvery {
		_ = s.save() // a failed write costs at most an early sign-in; the next look-up tries again
	}
	return e.public(), true
}

func (s *sessions) end(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byHash[digest(token)]; !ok {
		return nil
	}
	delete(s.byHash, digest(token))
	return s.save()
}

func (s *sessions) endAll(user string) error {
	return s.endWhere(func(e *session) bool { return e.User == CleanUser(user) })
}

// endWhere ends the sessions of which gone is true.
func (s *sessions) endWhere(gone func(*session) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.byHash)
	for h, e := range s.byHash {
		if gone(e) {
			delete(s.byHash, h)
		}
	}
	if len(s.byHash) == n {
		return nil
	}
	return s.save()
}

// of are the living sessions of a user, the one seen last first.
func (s *sessions) of(user string) []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Session{}
	for _, e := range slices.Backward(s.sorted()) {
		if e.User == user && s.now().Sub(e.Seen) <= IdleTime {
			all = append(all, e.public())
		}
	}
	return all
}

func (s *sessions) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirty {
		return nil
	}
	return s.save()
}

// prune drops the dead and, beyond maxSessions, those idle for longest.
func (s *sessions) prune(now time.Time) {
	all := s.sorted()
	for i, e := range all {
		if now.Sub(e.Seen) > IdleTime || len(all)-i > maxSessions {
			delete(s.byHash, e.Hash)
		}
	}
}

// sorted has the session idle for longest first.
func (s *sessions) sorted() []*session {
	all := make([]*session, 0, len(s.byHash))
	for _, e := range s.byHash {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *session) int { return a.Seen.Compare(b.Seen) })
	return all
}

// save writes the file; the caller holds mu (or is alone).
func (s *sessions) save() error {
	all := s.sorted()
	data, err := json.MarshalIndent(sessionsFile{Instance: s.name, Sessions: all}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing sessions: %w", err)
	}
	if err := atomicfile.Write(s.path, append(data, '\n'), 0o600); err != nil {
		return err
	}
	for _, e := range all {
		e.saved = e.Seen
	}
	s.dirty = false
	return nil
}

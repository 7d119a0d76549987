package signin

import (
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
	saved time.Time
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
		if e != nil {
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

func (s *sessions) begin(user string) (string, error) {
	b := make([]byte, tokenLen)
	rand.Read(b)
	token := base64.RawURLEncoding.EncodeToString(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.byHash[digest(token)] = &session{Hash: digest(token), User: CleanUser(user), Began: now, Seen: now}
	s.prune(now)
	if err := s.save(); err != nil {
		delete(s.byHash, digest(token))
		return "", err
	}
	return token, nil
}

func (s *sessions) lookup(token string) (string, bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenLen) {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byHash[digest(token)]
	now := s.now()
	if !ok || now.Sub(e.Seen) > IdleTime {
		return "", false
	}
	e.Seen, s.dirty = now, true
	if now.Sub(e.saved) >= writeEvery {
		_ = s.save() // a failed write costs at most an early sign-in; the next look-up tries again
	}
	return e.User, true
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
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.byHash)
	for h, e := range s.byHash {
		if e.User == CleanUser(user) {
			delete(s.byHash, h)
		}
	}
	if len(s.byHash) == n {
		return nil
	}
	return s.save()
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

// Package signin knows who may come in: the accounts of the people of the house and
// what their roles are, the invitations by which they get one, the sessions of
// browsers and the tokens of programs that have signed in, and how often a stranger
// may try. It must never know HTTP, cookies or pages, nor what a visitor wants to
// see.
//
// Files, all mode 0600 and replaced atomically, in the gateway's directory:
//
//	accounts.json     names, roles, argon2id hashes, linked logins
//	invitations.json  SHA-256 of each link's code, never the code
//	sessions.json     SHA-256 of each session's token, never the token
//	tokens.json       the same of programs' tokens
//	seed.json         {"user","password"}: consumed once, then deleted
//
// The claim code, when there is one, is a file elsewhere (Claims.CodeFile).
package signin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Errors a caller tells apart. Anything else is trouble with the disk.
var (
	// ErrRefused is one answer for an unknown user and a wrong password.
	ErrRefused = errors.New("that name and password do not match")
	// ErrTooMany means that the address, or everybody together, has failed too
	// often; the error is a *TooManyError and says when to try again.
	ErrTooMany = errors.New("too many attempts")
	// ErrBusy means that the appliance is verifying other passwords just now.
	ErrBusy = errors.New("the appliance is busy; try again in a few seconds")
)

// TooManyError says how long to wait before the next attempt.
type TooManyError struct{ Wait time.Duration }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("%v; wait %v", ErrTooMany, e.Wait.Round(time.Second))
}

// Is makes errors.Is(err, ErrTooMany) hold.
func (e *TooManyError) Is(target error) bool { return target == ErrTooMany }

// Options are what a Door needs.
type Options struct {
	Dir    string           // made when missing, mode 0700
	Log    *slog.Logger     // required
	Clock  func() time.Time // nil: time.Now
	Params Params           // zero: DefaultParams
	Claims Claims           // how an appliance without an owner gets one

	// Leaving forgets what else is kept of an account that is about to go; an
	// error keeps the account. nil: nothing is.
	Leaving func(user string) error
}

// A Door checks names, passwords and sessions. Its methods may be called from
// any number of goroutines.
type Door struct {
	log      *slog.Logger
	dir      string
	accounts *accounts
	sessions *sessions
	limit    *limiter
	proofs   *proofs
	claims   Claims
	codes    *limiter // wrong claim codes
	guesses  *limiter // wrong invitations and tokens

	tokens      *tokens
	invitations *invitations
	leaving     func(user string) error // before an account goes
}

// Open reads the files in o.Dir. A file that is damaged is an error: to go on
// without it would lock the owner out or let an old session live.
func Open(o Options) (*Door, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Params == (Params{}) {
		o.Params = DefaultParams
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory for accounts: %w", err)
	}
	a, err := openAccounts(filepath.Join(o.Dir, "accounts.json"), o.Params)
	if err != nil {
		return nil, err
	}
	s, err := openSessions(filepath.Join(o.Dir, "sessions.json"), o.Clock)
	if err != nil {
		return nil, err
	}
	t, err := openTokens(filepath.Join(o.Dir, "tokens.json"), o.Clock)
	if err != nil {
		return nil, err
	}
	i, err := openInvitations(filepath.Join(o.Dir, "invitations.json"), o.Clock)
	if err != nil {
		return nil, err
	}
	d := &Door{log: o.Log, tokens: t, invitations: i, guesses: newLimiter(o.Clock), leaving: o.Leaving, dir: o.Dir, accounts: a, sessions: s, limit: newLimiter(o.Clock), proofs: newProofs(o.Clock),
		claims: o.Claims, codes: newLimiter(o.Clock)}
	d.codes.one = rate{codeBurst, codeRefill}
	if err := d.TakeSeed(); err != nil {
		return nil, err
	}
	return d, nil
}

// Claimed reports whether the appliance has an owner.
func (d *Door) Claimed() bool { return d.accounts.count() > 0 }

// Instance is a short random word made once per data directory, for names that
// must differ between appliances on one host.
func (d *Door) Instance() string { return d.sessions.instance() }

// Enter checks a name and a password that came from addr. The errors are
// ErrRefused, ErrTooMany, ErrBusy, or of the context.
func (d *Door) Enter(ctx context.Context, addr netip.Addr, user, password string) error {
	if wait := d.limit.take(addr); wait > 0 {
		return &TooManyError{Wait: wait}
	}
	ok, err := d.accounts.verify(ctx, user, password)
	if err != nil {
		d.limit.giveBack(addr) // not judged, so not counted
		return err
	}
	if !ok {
		return ErrRefused
	}
	d.limit.giveBack(addr)
	return nil
}

// EnterOften is Enter for callers that send the password with every request: a
// pair that was right is remembered for a few minutes, as a keyed digest.
func (d *Door) EnterOften(ctx context.Context, addr netip.Addr, user, password string) error {
	if d.proofs.has(user, password) {
		return nil
	}
	if err := d.Enter(ctx, addr, user, password); err != nil {
		return err
	}
	d.proofs.add(user, password)
	return nil
}

// Begin starts a session of somebody at that place, and returns its token, which is
// stored nowhere.
func (d *Door) Begin(user string, at Place, proof Proof) (token string, err error) {
	return d.sessions.begin(user, at, proof)
}

// Session returns whose session a token is, and keeps it alive. A session of an
// account that is gone is no session. A place without a way says nothing new about
// where the browser is.
func (d *Door) Session(token string, at Place) (Session, bool) {
	s, ok := d.sessions.lookup(token, at)
	if !ok || d.accounts.role(s.User) == Nobody {
		return Session{}, false
	}
	return s, true
}

// RoleOf is what the account of that name may do.
func (d *Door) RoleOf(user string) Role { return d.accounts.role(CleanUser(user)) }

// End ends one session; an unknown token is no error.
func (d *Door) End(token string) error { return d.sessions.end(token) }

// TakeSeed consumes the seed file when there is one: the account is made or its
// password reset (which ends its sessions), and the file is deleted. A password
// that is the same already changes nothing. A seed that cannot be used is
// deleted too, and logged, so that a password does not stay on the disk.
func (d *Door) TakeSeed() error {
	path := seedPath(d.dir)
	s, err := readSeed(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		d.log.Error("the seed file could not be used and was deleted", "file", path, "err", err)
		return removeSeed(path)
	}
	changed, err := d.accounts.set(s.User, s.Password)
	if err != nil {
		return err
	}
	if changed {
		if err := d.signOut(s.User); err != nil {
			return err
		}
		d.log.Info("an account was made or reset from the seed file", "user", s.User)
	}
	return removeSeed(path)
}

// Close writes what is still unwritten (the times sessions and tokens were last
// seen).
func (d *Door) Close() error { return errors.Join(d.sessions.flush(), d.tokens.flush()) }

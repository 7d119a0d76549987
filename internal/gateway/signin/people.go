package signin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errors about people, beside those of Enter.
var (
	// ErrNotThere means that there is nobody, or nothing, of that name.
	ErrNotThere = errors.New("there is none")
	// ErrLastOwner means that nobody would answer for the appliance any more.
	ErrLastOwner = errors.New("this is the last owner: make somebody else an owner first")
)

// A Wrong is a mistake of whoever asked, in words for them.
type Wrong struct{ error }

func wrong(format string, args ...any) error { return &Wrong{fmt.Errorf(format, args...)} }
func wrongBecause(err error) error           { return &Wrong{err} }

// Ways that vouch for a login. A way that does not is none of them: a stranger who
// comes in by it could bear any name.
var loginWays = []string{"tailnet", "cloudflare"}

const (
	maxLogins    = 8   // of one person
	maxLoginName = 256 // bytes
)

// A Person has an account.
type Person struct {
	User   string  `json:"name"`
	Role   Role    `json:"role"`
	Logins []Login `json:"logins"`
}

// People are all who have an account: owners first, each role by name.
func (d *Door) People() []Person {
	d.accounts.mu.RLock()
	defer d.accounts.mu.RUnlock()
	all := []Person{}
	for name, a := range d.accounts.byName {
		all = append(all, Person{User: name, Role: a.role, Logins: append([]Login{}, a.logins...)})
	}
	slices.SortFunc(all, func(a, b Person) int {
		return cmp.Or(cmp.Compare(b.Role, a.Role), strings.Compare(a.User, b.User))
	})
	return all
}

// Person is the one of that name.
func (d *Door) Person(user string) (Person, bool) {
	for _, p := range d.People() {
		if p.User == CleanUser(user) {
			return p, true
		}
	}
	return Person{}, false
}

// Known is the account that a login of a way is linked to.
func (d *Door) Known(way, login string) (user string, role Role, ok bool) {
	login = cleanLogin(login)
	if login == "" || !slices.Contains(loginWays, way) {
		return "", Nobody, false
	}
	d.accounts.mu.RLock()
	defer d.accounts.mu.RUnlock()
	for name, a := range d.accounts.byName {
		if slices.Contains(a.logins, Login{way, login}) {
			return name, a.role, true
		}
	}
	return "", Nobody, false
}

func cleanLogin(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// SetRole changes what somebody may do, and ends their sessions: a page that is
// open shows what its visitor may do. The errors are ErrNotThere and ErrLastOwner.
func (d *Door) SetRole(user string, role Role) error {
	if role < Viewer || role > Owner {
		return wrong("choose a role: viewer, member or owner")
	}
	user = CleanUser(user)
	changed := false
	err := d.accounts.change(func(all map[string]account) error {
		a, ok := all[user]
		switch {
		case !ok:
			return fmt.Errorf("somebody of that name: %w", ErrNotThere)
		case a.role == Owner && role != Owner && owners(all) == 1:
			return ErrLastOwner
		}
		changed = a.role != role
		a.role = role
		all[user] = a
		return nil
	})
	if err != nil || !changed {
		return err
	}
	d.log.Info("a role was changed", "user", user, "role", role)
	return d.sessions.endAll(user)
}

// Remove takes somebody's account away, with all that signs them in. The errors are
// ErrNotThere and ErrLastOwner.
func (d *Door) Remove(user string) error {
	user = CleanUser(user)
	gone := func(all map[string]account) error {
		a, ok := all[user]
		switch {
		case !ok:
			return fmt.Errorf("somebody of that name: %w", ErrNotThere)
		case a.role == Owner && owners(all) == 1:
			return ErrLastOwner
		}
		// First what would let a later person of the same name be taken for this one.
		if err := d.forget(user); err != nil {
			return err
		}
		delete(all, user)
		return nil
	}
	if err := d.accounts.change(gone); err != nil {
		return err
	}
	d.log.Info("an account was removed", "user", user)
	return nil
}

// forget ends everything by which a user signs in but the password.
func (d *Door) forget(user string) error {
	if d.leaving != nil {
		if err := d.leaving(user); err != nil {
			return err
		}
	}
	if _, err := d.tokens.endWhere(func(t *token) bool { return t.User == user }); err != nil {
		return err
	}
	if _, err := d.invitations.remove(func(i invitation) bool { return i.User == user }); err != nil {
		return err
	}
	return d.signOut(user)
}

// signOut ends a user's sessions, and forgets that passwords were right.
func (d *Door) signOut(user string) error {
	d.proofs.clear()
	return d.sessions.endAll(user)
}

// SetLogins says by which logins of ways somebody is known, instead of those
// before. The error is ErrNotThere, or for the person who chose them.
func (d *Door) SetLogins(user string, logins []Login) error {
	user = CleanUser(user)
	if len(logins) > maxLogins {
		return wrong("one person has at most %d linked logins", maxLogins)
	}
	clean := []Login{}
	for _, l := range logins {
		l.Name = cleanLogin(l.Name)
		switch {
		case !slices.Contains(loginWays, l.Way):
			return wrong("%q vouches for nobody: a login is of the tailnet or of cloudflare", l.Way)
		case l.Name == "" || len(l.Name) > maxLoginName || !utf8.ValidString(l.Name) || strings.ContainsFunc(l.Name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
			return wrong("%q is no login: it is a name such as alice@example.com", l.Name)
		}
		if !slices.Contains(clean, l) {
			clean = append(clean, l)
		}
	}
	err := d.accounts.change(func(all map[string]account) error {
		a, ok := all[user]
		if !ok {
			return fmt.Errorf("somebody of that name: %w", ErrNotThere)
		}
		for name, other := range all {
			for _, l := range clean {
				if name != user && slices.Contains(other.logins, l) {
					return wrong("%s is linked to %s already", l.Name, name)
				}
			}
		}
		a.logins = clean
		all[user] = a
		return nil
	})
	if err == nil {
		d.log.Info("linked logins were set", "user", user, "logins", len(clean))
	}
	return err
}

// ChangePassword is for somebody who knows the old one; it ends all sessions. Errors
// as of Enter, or for the person who chose the password.
func (d *Door) ChangePassword(ctx context.Context, addr netip.Addr, user, old, password string) error {
	user = CleanUser(user)
	if err := CheckCredentials(user, password); err != nil {
		return wrongBecause(err)
	}
	if err := d.Enter(ctx, addr, user, old); err != nil {
		return err
	}
	if err := d.accounts.await(ctx); err != nil {
		return err
	}
	defer func() { <-d.accounts.turn }()
	if err := d.accounts.setHash(user, Nobody, newHash(password, d.accounts.params)); err != nil {
		return err
	}
	d.log.Info("a password was changed", "user", user)
	return d.signOut(user)
}

// Sessions are those of a user, the one seen last first.
func (d *Door) Sessions(user string) []Session { return d.sessions.of(CleanUser(user)) }

// EndSession ends one of a user's sessions. The error is ErrNotThere when there is
// none of that id.
func (d *Door) EndSession(user, id string) error {
	there := false
	err := d.sessions.endWhere(func(e *session) bool {
		is := e.User == CleanUser(user) && e.Hash[:idLen] == id
		there = there || is
		return is
	})
	if err == nil && !there {
		return fmt.Errorf("a session of that id: %w", ErrNotThere)
	}
	return err
}

// EndOthers ends all of a user's sessions but the one of a token; an empty one
// spares none.
func (d *Door) EndOthers(user, token string) error {
	keep := digest(token)
	return d.sessions.endWhere(func(e *session) bool { return e.User == CleanUser(user) && e.Hash != keep })
}

func owners(all map[string]account) (n int) {
	for _, a := range all {
		if a.role == Owner {
			n++
		}
	}
	return n
}

// change applies do to all accounts, on disk before it returns nil. It waits for
// nobody who hashes: do must not.
func (a *accounts) change(do func(map[string]account) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := maps.Clone(a.byName)
	if err := do(all); err != nil {
		return err
	}
	return a.save(all)
}

// setHash gives an account another password, or makes it with that role; with
// Nobody it must be there.
func (a *accounts) setHash(user string, role Role, h hash) error {
	return a.change(func(all map[string]account) error {
		e, ok := all[user]
		switch {
		case !ok && role == Nobody:
			return fmt.Errorf("somebody of that name: %w", ErrNotThere)
		case !ok && len(all) >= maxAccounts:
			return wrong("there are %d accounts already", len(all))
		case !ok:
			e.role = role
		}
		e.hash = h
		all[user] = e
		return nil
	})
}

package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
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

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// InvitationTime is how long an invitation is good for.
const InvitationTime = 24 * time.Hour

const (
	maxInvitations = 32
	codeLen        = 24 // bytes of an invitation's code
)

// ErrInvitation means that a link is none, or none any more: it was used, taken
// back, or is too old.
var ErrInvitation = errors.New("this link is not good any more")

// An Invitation lets somebody choose their password once.
type Invitation struct {
	User  string    `json:"name"`
	Role  Role      `json:"role"`
	Until time.Time `json:"until"`
	Again bool      `json:"again,omitempty"` // for somebody who has an account, and has forgotten the password
}

// invitations is invitations.json in memory.
type invitations struct {
	path string
	now  func() time.Time

	mu  sync.Mutex
	all []invitation
}

type invitation struct {
	Hash  string    `json:"sha256"`
	User  string    `json:"user"`
	Role  Role      `json:"role"`
	Again bool      `json:"again,omitempty"`
	Until time.Time `json:"until"`
}

type invitationsFile struct {
	Invitations []invitation `json:"invitations"`
}

func openInvitations(path string, now func() time.Time) (*invitations, error) {
	v := &invitations{path: path, now: now}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading invitations: %w", err)
	}
	var f invitationsFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("reading invitations: %s is damaged (%w); delete it and invite again", path, err)
	}
	v.all = f.Invitations
	return v, nil
}

func (v invitation) public() Invitation {
	return Invitation{User: v.User, Role: v.Role, Until: v.Until, Again: v.Again}
}

// living are those that are good. The caller holds mu.
func (v *invitations) living() []invitation {
	return slices.DeleteFunc(slices.Clone(v.all), func(e invitation) bool { return !v.now().Before(e.Until) })
}

// list are those that are good, by name.
func (v *invitations) list() []Invitation {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := []Invitation{}
	for _, e := range v.living() {
		all = append(all, e.public())
	}
	slices.SortFunc(all, func(a, b Invitation) int { return strings.Compare(a.User, b.User) })
	return all
}

// add takes the place of an older one for the same name.
func (v *invitations) add(user string, role Role, again bool) (string, Invitation, error) {
	b := make([]byte, codeLen)
	rand.Read(b)
	code := base64.RawURLEncoding.EncodeToString(b)
	v.mu.Lock()
	defer v.mu.Unlock()
	all := slices.DeleteFunc(v.living(), func(e invitation) bool { return e.User == user })
	if len(all) >= maxInvitations {
		return "", Invitation{}, wrong("there are %d invitations already: take one back first", len(all))
	}
	e := invitation{Hash: digest(code), User: user, Role: role, Again: again, Until: v.now().Add(InvitationTime)}
	return code, e.public(), v.save(append(all, e))
}

// find compares a code with all of them, in a time that does not depend on which
// it is.
func (v *invitations) find(code string) (invitation, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	want, found := []byte(digest(code)), invitation{}
	for _, e := range v.living() {
		if subtle.ConstantTimeCompare([]byte(e.Hash), want) == 1 {
			found = e
		}
	}
	return found, found.User != ""
}

// remove is nil too when there is none.
func (v *invitations) remove(gone func(invitation) bool) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(v.all), gone)
	if n = len(v.all) - len(left); n == 0 {
		return 0, nil
	}
	return n, v.save(left)
}

func (v *invitations) save(all []invitation) error {
	data, err := json.MarshalIndent(invitationsFile{Invitations: all}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing invitations: %w", err)
	}
	if err := atomicfile.Write(v.path, append(data, '\n'), 0o600); err != nil {
		return err
	}
	v.all = all
	return nil
}

// Invite makes a one-time code with which somebody new sets their password and has
// an account then, and returns it; it is stored nowhere. An older invitation of
// the same name is taken back.
func (d *Door) Invite(user string, role Role) (code string, made Invitation, err error) {
	user = CleanUser(user)
	if err := CheckUser(user); err != nil {
		return "", Invitation{}, wrongBecause(err)
	}
	switch {
	case role < Viewer || role > Owner:
		return "", Invitation{}, wrong("choose a role: viewer, member or owner")
	case d.accounts.role(user) != Nobody:
		return "", Invitation{}, wrong("there is an account of the name %s already", user)
	case d.accounts.count() >= maxAccounts:
		return "", Invitation{}, wrong("there are %d accounts already", maxAccounts)
	}
	code, made, err = d.invitations.add(user, role, false)
	if err == nil {
		d.log.Info("somebody was invited", "user", user, "role", role)
	}
	return code, made, err
}

// InviteAgain makes a code with which somebody sets a new password for the account
// they have, or the same invitation anew for somebody who has not used it.
func (d *Door) InviteAgain(user string) (code string, made Invitation, err error) {
	user = CleanUser(user)
	role := d.accounts.role(user)
	if role == Nobody {
		for _, i := range d.invitations.list() {
			if i.User == user {
				return d.Invite(user, i.Role)
			}
		}
		return "", Invitation{}, fmt.Errorf("somebody of that name: %w", ErrNotThere)
	}
	code, made, err = d.invitations.add(user, role, true)
	if err == nil {
		d.log.Info("a link for a new password was made", "user", user)
	}
	return code, made, err
}

// Invitations are those that nobody has used yet.
func (d *Door) Invitations() []Invitation { return d.invitations.list() }

// TakeBack ends somebody's invitation. The error is ErrNotThere when there is none.
func (d *Door) TakeBack(user string) error {
	n, err := d.invitations.remove(func(e invitation) bool { return e.User == CleanUser(user) })
	if err == nil && n == 0 {
		return fmt.Errorf("an invitation of that name: %w", ErrNotThere)
	}
	return err
}

// Invited is whose invitation a code is that came from addr. The errors are
// ErrInvitation and ErrTooMany.
func (d *Door) Invited(addr netip.Addr, code string) (Invitation, error) {
	e, ok := d.invitations.find(code)
	if ok && (d.accounts.role(e.User) != Nobody) == e.Again {
		return e.public(), nil
	}
	if wait := d.guesses.take(addr); wait > 0 {
		return Invitation{}, &TooManyError{Wait: wait}
	}
	return Invitation{}, ErrInvitation
}

// Accept uses an invitation up: its account has that password then, on disk before
// it returns nil, and whoever was signed in to it is not any more. The errors are
// those of Invited, ErrBusy, of the context, or for the person who chose the
// password.
func (d *Door) Accept(ctx context.Context, addr netip.Addr, code, password string) (user string, err error) {
	i, err := d.Invited(addr, code)
	if err != nil {
		return "", err
	}
	if err := CheckCredentials(i.User, password); err != nil {
		return "", wrongBecause(err)
	}
	if err := d.accounts.await(ctx); err != nil {
		return "", err
	}
	defer func() { <-d.accounts.turn }()
	// Of two who use it at once, one removes it.
	n, err := d.invitations.remove(func(e invitation) bool { return e.Hash == digest(code) })
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", ErrInvitation
	}
	end := d.signOut
	if !i.Again {
		end = d.forget // what somebody else of that name may have left
	}
	if err := end(i.User); err != nil {
		return "", err
	}
	if err := d.accounts.setHash(i.User, i.Role, newHash(password, d.accounts.params)); err != nil {
		return "", err
	}
	d.log.Info("an invitation was used", "user", i.User, "address", addr)
	return i.User, nil
}

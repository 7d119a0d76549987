package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// Limits on what may be a name or a password.
const (
	MaxUser     = 64  // bytes
	MinPassword = 8   // characters
	MaxPassword = 256 // bytes
	maxAccounts = 64
)

// patience is how long a verification waits for its turn.
const patience = 5 * time.Second

// accounts is accounts.json in memory. Passwords are verified one at a time:
// each costs Params.Memory, and a stranger must not be able to ask for more.
type accounts struct {
	path   string
	params Params
	turn   chan struct{} // one token: the right to hash
	dummy  hash          // verified for unknown users, so that they take as long

	mu     sync.RWMutex
	byName map[string]account
}

// account is what is known of one.
type account struct {
	hash   hash
	role   Role
	logins []Login
}

// A Login is a name by which a way in knows a person.
type Login struct {
	Way  string `json:"way"`   // "tailnet" or "cloudflare": the ways that vouch for somebody
	Name string `json:"login"` // "alice@example.com"
}

// accountsFile has owners apart from the others: a program from before there were
// roles, which an update may go back to, takes everybody under "accounts" for an
// owner, and does not know of "people".
type accountsFile struct {
	Accounts []accountEntry `json:"accounts"`
	People   []accountEntry `json:"people,omitempty"`
}

type accountEntry struct {
	User   string  `json:"user"`
	Hash   hash    `json:"hash"`
	Role   Role    `json:"role,omitempty"` // of people
	Logins []Login `json:"identities,omitempty"`
}

func openAccounts(path string, p Params) (*accounts, error) {
	a := &accounts{path: path, params: p, turn: make(chan struct{}, 1), dummy: newHash("", p), byName: map[string]account{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading accounts: %w", err)
	}
	var f accountsFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("reading accounts: %s is damaged (%w); restore it from a backup, or delete it and claim the appliance again", path, err)
	}
	for _, e := range f.Accounts {
		a.byName[e.User] = account{e.Hash, Owner, e.Logins}
	}
	for _, e := range f.People {
		if e.Role == Nobody || e.Role == Owner {
			return nil, fmt.Errorf("reading accounts: %s has %q as %v among its people; restore it from a backup", path, e.User, e.Role)
		}
		a.byName[e.User] = account{e.Hash, e.Role, e.Logins}
	}
	return a, nil
}

func (a *accounts) count() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.byName)
}

// role is Nobody for a name without an account.
func (a *accounts) role(user string) Role {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.byName[user].role
}

// verify says whether the password is the user's. It costs the same whether or
// not the user exists.
func (a *accounts) verify(ctx context.Context, user, password string) (bool, error) {
	a.mu.RLock()
	found, known := a.byName[CleanUser(user)]
	a.mu.RUnlock()
	h := found.hash
	if !known {
		h = a.dummy
	}
	if len(password) > MaxPassword {
		password, known = password[:MaxPassword], false
	}
	if err := a.await(ctx); err != nil {
		return false, err
	}
	defer func() { <-a.turn }()
	return h.matches(password) && known, nil
}

// await takes the turn, for as long as patience lasts.
func (a *accounts) await(ctx context.Context) error {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-timeout.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// set makes the account or resets its password, on disk before it returns.
// changed is false when the account had this password already.
func (a *accounts) set(user, password string) (changed bool, err error) {
	user = CleanUser(user)
	if err := CheckCredentials(user, password); err != nil {
		return false, err
	}
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	a.mu.RLock()
	old, known := a.byName[user]
	n := len(a.byName)
	a.mu.RUnlock()
	same := known && old.hash.matches(password)
	if same && old.hash.params == a.params {
		return false, nil
	}
	if !known && n >= maxAccounts {
		return false, fmt.Errorf("there are %d accounts already", n)
	}
	return !same, a.setHash(user, Owner, newHash(password, a.params)) // who can leave a seed could do anything
}

// first makes the owner's account, on disk before it returns. The error is
// ErrClaimed when there is an account already: of two who claim at once, one
// wins.
func (a *accounts) first(ctx context.Context, user, password string) error {
	user = CleanUser(user)
	if err := CheckCredentials(user, password); err != nil {
		return err
	}
	if err := a.await(ctx); err != nil {
		return err
	}
	defer func() { <-a.turn }()
	if a.count() > 0 {
		return ErrClaimed
	}
	return a.setHash(user, Owner, newHash(password, a.params))
}

// save makes all what there is, on disk first. Its caller holds mu.
func (a *accounts) save(all map[string]account) error {
	f := accountsFile{Accounts: []accountEntry{}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if e := all[name]; e.role == Owner {
			f.Accounts = append(f.Accounts, accountEntry{User: name, Hash: e.hash, Logins: e.logins})
		} else {
			f.People = append(f.People, accountEntry{name, e.hash, e.role, e.logins})
		}
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("writing accounts: %w", err)
	}
	if err := atomicfile.Write(a.path, append(data, '\n'), 0o600); err != nil {
		return err
	}
	a.byName = all
	return nil
}

// CleanUser is the form in which names are kept and compared: without spaces
// around, lower case (a phone's keyboard likes to capitalise).
func CleanUser(user string) string { return strings.ToLower(strings.TrimSpace(user)) }

// CheckUser says what is wrong with a new name, for the person who chose it.
func CheckUser(user string) error {
	switch {
	case user == "":
		return errors.New("the name is empty")
	case len(user) > MaxUser:
		return fmt.Errorf("the name is longer than %d bytes", MaxUser)
	case !utf8.ValidString(user) || strings.ContainsFunc(user, func(r rune) bool { return unicode.IsControl(r) || r == ':' }):
		return errors.New("the name holds a colon or a control character")
	}
	return nil
}

// CheckCredentials says what is wrong with a new name or password, for the
// person who chose it.
func CheckCredentials(user, password string) error {
	if err := CheckUser(user); err != nil {
		return err
	}
	switch {
	case utf8.RuneCountInString(password) < MinPassword:
		return fmt.Errorf("the password is shorter than %d characters", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("the password is longer than %d bytes", MaxPassword)
	}
	return nil
}

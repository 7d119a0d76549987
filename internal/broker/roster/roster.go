// Package roster is the users of MQTT beside the appliance's own, as the broker's
// two files have them: it adds, changes and removes them in both. It knows names,
// hashes and topics, and must never know who asks, nor the broker that reads the
// files.
package roster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/smartcore-ireland/hems/internal/broker/acl"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
)

// Roster is the users in two files. Its methods may be called from any
// goroutine; changes happen one after the other.
type Roster struct {
	Passwords, List string   // paths
	Own             []string // users of the appliance, whom nobody else may be called
	// Write replaces a file in one step.
	Write func(path string, b []byte) error

	mu sync.Mutex
}

// Rule is one line of a user's access.
type Rule struct {
	Access string `json:"access"` // "read", "write", "readwrite" or "deny"
	Topic  string `json:"topic"`  // a filter
}

// User is one user of the house.
type User struct {
	Name     string `json:"name"`
	Password bool   `json:"password"` // false: it needs a client certificate
	Access   []Rule `json:"access"`   // what is its own; patterns are everybody's
}

// Users are all of them, and what is true for everybody.
type Users struct {
	Users     []User `json:"users"`
	Patterns  []Rule `json:"patterns,omitempty"`  // with %u and %c
	Anonymous []Rule `json:"anonymous,omitempty"` // where a listener lets them in
}

// Change is what is to be true of a user.
type Change struct {
	Name string `json:"name"`
	// Hash is that of the password, as Hash makes it; empty: as it was.
	Hash string `json:"hash,omitempty"`
	// Access replaces what it was; nil: as it was.
	Access *[]Rule `json:"access,omitempty"`
}

// A Refusal is a change that is not made, for a reason that a person can mend.
type Refusal struct{ Code, Text, Hint string }

func (r *Refusal) Error() string { return r.Text }

func refuse(code, hint, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...), hint}
}

// Hash makes of a password what a Change takes: it need not travel itself.
func Hash(name, password string) (string, error) {
	var f passwd.File
	if err := f.Set(name, password); err != nil {
		return "", err
	}
	return f.Entry(name), nil
}

// Users reads both files.
func (r *Roster) Users() (Users, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, _, l, err := r.read()
	if err != nil {
		return Users{}, err
	}
	all := Users{Users: []User{}, Patterns: rulesOf(l.Patterns()), Anonymous: rulesOf(l.Anonymous())}
	names := f.Users()
	for _, name := range l.Users() {
		if !f.Has(name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		access := rulesOf(l.Of(name))
		if access == nil {
			access = []Rule{}
		}
		all.Users = append(all.Users, User{Name: name, Password: f.Has(name), Access: access})
	}
	return all, nil
}

func (r *Roster) read() (f *passwd.File, text []byte, l *acl.List, err error) {
	if f, err = passwd.Load(r.Passwords); err != nil {
		return nil, nil, nil, refuse("damaged", "correct the file", "%v", err)
	}
	if text, err = acl.ReadFile(r.List); err != nil {
		return nil, nil, nil, err
	}
	if l, err = acl.Parse(text); err != nil {
		return nil, nil, nil, refuse("damaged", "correct the file", "reading the access list %s: %v", r.List, err)
	}
	return f, text, l, nil
}

// Set adds a user or changes one. A new one needs a password and access.
func (r *Roster) Set(c Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkName(c.Name); err != nil {
		return err
	}
	f, text, l, err := r.read()
	if err != nil {
		return err
	}
	known := f.Has(c.Name) || l.Has(c.Name)
	if !known && c.Hash == "" {
		return refuse("no_password", "give it a password", "the user %.40q is new and has no password", c.Name)
	}
	if !known && c.Access == nil {
		return refuse("no_access", "give -role device, -read TOPIC or -write TOPIC", "the user %.40q is new, and it is not said what it may do", c.Name)
	}
	if c.Hash != "" {
		if err := f.SetHash(c.Name, c.Hash); err != nil {
			return refuse("bad_hash", "", "%v", err)
		}
	}
	if c.Access != nil {
		rules, err := parseRules(*c.Access)
		if err != nil {
			return err
		}
		if text, err = acl.Set(text, c.Name, rules); err != nil {
			return refuse("bad_topic", "", "%v", err)
		}
		// The list first: with the password alone, a user would have what patterns
		// allow; with the list alone, nothing.
		if err := r.Write(r.List, text); err != nil {
			return err
		}
	}
	if c.Hash != "" {
		return r.Write(r.Passwords, f.Bytes())
	}
	return nil
}

// Remove takes a user out of both files.
func (r *Roster) Remove(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, text, l, err := r.read()
	if err != nil {
		return err
	}
	if slices.Contains(r.Own, name) {
		return refuse("own", "", "%.40q is a user of the appliance itself, and stays", name)
	}
	if !f.Has(name) && !l.Has(name) {
		return refuse("unknown", "hems mqtt user list", "there is no user %.40q", name)
	}
	if f.Remove(name) {
		if err := r.Write(r.Passwords, f.Bytes()); err != nil {
			return err
		}
	}
	if !l.Has(name) {
		return nil
	}
	if text, err = acl.Remove(text, name); err != nil {
		return err
	}
	return r.Write(r.List, text)
}

// Import takes over users from another broker's files, which must be right. Names
// that are there already are refused, unless replace says that they are the same.
// Nothing is written when anything is.
func (r *Roster) Import(passwords, list []byte, replace bool) error {
	in, err := passwd.Parse(passwords)
	if err != nil {
		return refuse("passwords", "", "the password file: %v", err)
	}
	rules, err := acl.Parse(list)
	if err != nil {
		return refuse("list", "", "the access list: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f, text, l, err := r.read()
	if err != nil {
		return err
	}
	for _, name := range union(in.Users(), rules.Users()) {
		if err := r.checkName(name); err != nil {
			return err
		}
		if !replace && (f.Has(name) || l.Has(name)) {
			return refuse("exists", "-replace takes those of the files", "there is a user %.40q already", name)
		}
	}
	for _, name := range in.Users() {
		if err := f.SetHash(name, in.Entry(name)); err != nil {
			return err
		}
	}
	if len(l.Users())+len(l.Patterns())+len(l.Anonymous()) == 0 {
		text = list // with its comments
	} else if text, err = merge(text, l, rules); err != nil {
		return err
	}
	if err := r.Write(r.List, text); err != nil {
		return err
	}
	return r.Write(r.Passwords, f.Bytes())
}

// merge puts the lines of one list into another.
func merge(text []byte, there, in *acl.List) ([]byte, error) {
	var err error
	for _, name := range in.Users() {
		if text, err = acl.Set(text, name, in.Of(name)); err != nil {
			return nil, err
		}
	}
	var head, tail strings.Builder
	for _, rule := range in.Anonymous() {
		if !slices.Contains(there.Anonymous(), rule) {
			fmt.Fprintf(&head, "topic %v %s\n", rule.Access, rule.Filter)
		}
	}
	for _, rule := range in.Patterns() {
		if !slices.Contains(there.Patterns(), rule) {
			fmt.Fprintf(&tail, "pattern %v %s\n", rule.Access, rule.Filter)
		}
	}
	out := []byte(head.String() + string(text) + tail.String())
	_, err = acl.Parse(out)
	return out, err
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (r *Roster) checkName(name string) error {
	if err := passwd.CheckName(name); err != nil {
		return refuse("bad_name", "", "%v", err)
	}
	if slices.Contains(r.Own, name) {
		return refuse("own", "give it another name", "%.40q is a user of the appliance itself", name)
	}
	if strings.ContainsAny(name, "+#/") {
		return refuse("bad_name", "give it another name", "%.40q cannot be a user: +, # and / mean something in topics", name)
	}
	return nil
}

func rulesOf(in []acl.Rule) (out []Rule) {
	for _, r := range in {
		out = append(out, Rule{r.Access.String(), r.Filter})
	}
	return out
}

func parseRules(in []Rule) (out []acl.Rule, err error) {
	var errs []error
	for _, r := range in {
		access, ok := acl.ParseAccess(r.Access)
		if !ok {
			errs = append(errs, fmt.Errorf("%.40q is no kind of access", r.Access))
		}
		if err := acl.CheckFilter(r.Topic); err != nil {
			errs = append(errs, err)
		} else if strings.TrimSpace(r.Topic) != r.Topic || strings.ContainsAny(r.Topic, "\r\n") {
			errs = append(errs, fmt.Errorf("%.60q: an access list cannot have that topic", r.Topic))
		}
		out = append(out, acl.Rule{Access: access, Filter: r.Topic})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, refuse("bad_topic", "", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return out, nil
}

package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/client"
)

// signIn is what hems login stored about one appliance.
type signIn struct {
	Address   string    `json:"address"` // "http://hems.local:8080"
	User      string    `json:"user"`
	Token     string    `json:"token"`
	ID        string    `json:"id"` // of the token, to end it by
	Until     time.Time `json:"until"`
	Authority string    `json:"authority,omitempty"` // PEM; empty: the system's
}

type signIns struct {
	SignIns []signIn `json:"sign_ins"`
}

// signInsPath is where they are kept, mode 0600: who reads it comes in.
func (c *command) signInsPath() (string, error) {
	if dir := c.getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "hems", "logins.json"), nil
	}
	home := c.getenv("HOME")
	if home == "" {
		return "", errors.New("there is no place to store a sign-in: neither HOME nor XDG_CONFIG_HOME is set")
	}
	return filepath.Join(home, ".config", "hems", "logins.json"), nil
}

func (c *command) readSignIns() (v signIns, path string, err error) {
	if path, err = c.signInsPath(); err != nil {
		return v, "", err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return v, path, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		return v, path, hinted{fmt.Errorf("the stored sign-ins cannot be read: %w", err), "delete " + path + " and sign in again"}
	}
	return v, path, nil
}

func writeSignIns(path string, v signIns) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, append(b, '\n'), 0o600)
}

// storedSignIn is the one of an address as it was typed: a URL, or a name or address
// with or without a port. One that cannot be read counts as none: the password is
// asked for then.
func (c *command) storedSignIn(typed string) (signIn, bool) {
	v, _, err := c.readSignIns()
	if err != nil {
		return signIn{}, false
	}
	for _, s := range v.SignIns {
		if s.is(typed) {
			return s, true
		}
	}
	return signIn{}, false
}

func (s signIn) is(typed string) bool {
	typed = strings.TrimSuffix(strings.ToLower(typed), "/")
	u, err := url.Parse(s.Address)
	return err == nil && (typed == strings.ToLower(s.Address) || typed == strings.ToLower(u.Host) || typed == strings.ToLower(u.Hostname()))
}

// roots are whose certificates count: the appliance's own authority where one was
// named, and the system's otherwise.
func (r *remote) roots(stored signIn) (*x509.CertPool, error) {
	pem := []byte(stored.Authority)
	if r.authority != "" {
		var err error
		if pem, err = os.ReadFile(r.authority); err != nil {
			return nil, err
		}
	}
	if len(pem) == 0 {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("there is no certificate in %s", cmp.Or(r.authority, "what hems login stored"))
	}
	return pool, nil
}

func isUnknownAuthority(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	return unknown
}

func (r *remote) loginFlags(f *flag.FlagSet) {
	r.byPassword = true
	f.StringVar(&r.authority, "ca", "", "")
	f.StringVar(&r.tokenName, "name", "", "")
	f.StringVar(&r.tokenRole, "role", "", "")
	f.IntVar(&r.days, "days", 365, "")
}

// login makes a token for this computer, and stores it.
func (r *remote) login(ctx context.Context, _ []string) error {
	all, path, err := r.readSignIns()
	if err != nil {
		return err
	}
	name := r.tokenName
	if name == "" {
		name = "hems"
		if host, err := os.Hostname(); err == nil {
			name += " on " + host
		}
	}
	made, err := r.Client.MakeToken(ctx, name, r.tokenRole, r.days)
	if err != nil {
		return err
	}
	s := signIn{Address: strings.TrimSuffix(r.address, "/"), User: r.user, Token: made.Secret, ID: made.ID, Until: made.Until, Authority: r.signIn.Authority}
	if r.authority != "" {
		pem, err := os.ReadFile(r.authority)
		if err != nil {
			return err
		}
		s.Authority = string(pem)
	}
	for _, old := range all.SignIns {
		if old.Address == s.Address {
			_ = r.Client.EndToken(ctx, "", old.ID) // it ends by itself otherwise
		}
	}
	all.SignIns = append(slices.DeleteFunc(all.SignIns, func(o signIn) bool { return o.Address == s.Address }), s)
	if err := writeSignIns(path, all); err != nil {
		_ = r.Client.EndToken(ctx, "", made.ID) // nobody has it
		return fmt.Errorf("storing the sign-in: %w", err)
	}
	return r.done(map[string]any{"address": s.Address, "user": s.User, "role": made.Role, "until": made.Until, "file": path},
		fmt.Sprintf("signed in to %s as %s (%s) until %s", s.Address, s.User, made.Role, made.Until.Local().Format("2 January 2006")))
}

// logout ends the stored token at the appliance, and forgets it.
func (r *remote) logout(ctx context.Context, _ []string) error {
	if r.signIn.Token == "" {
		return hinted{fmt.Errorf("no sign-in at %s is stored", r.host), "hems login " + r.host}
	}
	c, err := r.withToken()
	if err != nil {
		return err
	}
	err = c.EndToken(ctx, "", r.signIn.ID)
	if e := client.Refusal(err); err != nil && (e == nil || e.Status != 401 && e.Status != 404) {
		return err // it would live on, and nobody would know
	}
	all, path, err := r.readSignIns()
	if err != nil {
		return err
	}
	all.SignIns = slices.DeleteFunc(all.SignIns, func(o signIn) bool { return o.Address == r.signIn.Address })
	if err := writeSignIns(path, all); err != nil {
		return err
	}
	return r.done(map[string]any{"address": r.signIn.Address}, "signed out of "+r.signIn.Address)
}

// withToken asks with the stored token, whatever else was given.
func (r *remote) withToken() (*client.Client, error) {
	roots, err := r.roots(r.signIn)
	if err != nil {
		return nil, err
	}
	return client.Dial(r.signIn.Address, client.Access{Token: r.signIn.Token, Roots: roots})
}

package client

import (
	"context"
	"net/http"
	"time"
)

// Login is a name by which a way in knows somebody.
type Login struct {
	Way   string `json:"way"`   // "tailnet" or "cloudflare"
	Login string `json:"login"` // "alice@example.com"
}

// Session is a browser that is signed in.
type Session struct {
	ID      string    `json:"id"`
	Browser string    `json:"browser"` // in words: "Firefox on Android"
	Way     string    `json:"way"`     // in which it came last: "lan", "tailnet", …
	Address string    `json:"address,omitempty"`
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"last_seen"`
	Proof   string    `json:"proof"`          // "password", "passkey", "password and passkey"
	Here    bool      `json:"here,omitempty"` // it is the one that asks
}

// Token is what a program signs in with.
type Token struct {
	ID    string     `json:"id"`
	Name  string     `json:"name"` // what it is for
	Role  string     `json:"role"` // at most
	Since time.Time  `json:"since"`
	Until time.Time  `json:"until"`
	Used  *time.Time `json:"last_used,omitempty"`
	Here  bool       `json:"here,omitempty"` // it is the one that asks
}

// NewToken is a token with its secret, which is told once.
type NewToken struct {
	Token
	Secret string `json:"token"`
}

// Passkey is what a person's device signs in with at one host name.
type Passkey struct {
	ID    string     `json:"id"`
	Name  string     `json:"name"`
	Host  string     `json:"host"`
	Since time.Time  `json:"since"`
	Used  *time.Time `json:"last_used,omitempty"`
}

// Person is somebody who may come in, and by what they do.
type Person struct {
	Name     string    `json:"name"`
	Role     string    `json:"role"` // "viewer", "member", "owner"
	Account  bool      `json:"account"`
	Logins   []Login   `json:"logins"`
	Sessions []Session `json:"sessions"`
	Tokens   []Token   `json:"tokens"`
	Passkeys []Passkey `json:"passkeys"`
}

// Me is whoever asks.
type Me struct {
	Person
	By string `json:"by"` // "session", "password", "token", "identity"
}

// Invitation lets somebody choose a password, once.
type Invitation struct {
	Name  string    `json:"name"`
	Role  string    `json:"role"`
	Until time.Time `json:"until"`
	Again bool      `json:"again,omitempty"` // for an account that there is already
}

// Invited is an invitation with its link, which is told once.
type Invited struct {
	Invitation
	Link string `json:"link"`
}

// People are all who may come in, and who was invited.
type People struct {
	People      []Person     `json:"people"`
	Invitations []Invitation `json:"invitations"`
}

// people asks the dashboard about people; a nil question asks and changes nothing.
func (c *Client) people(ctx context.Context, path string, q, v any) error {
	method := http.MethodPost
	if q == nil {
		method = http.MethodGet
	}
	return c.dashboard().ask(ctx, question{method: method, path: "/people" + path, json: q}, v)
}

type named map[string]any

// People asks who may come in.
func (c *Client) People(ctx context.Context) (v People, err error) {
	return v, c.people(ctx, "", nil, &v)
}

// Me asks who the one who asks is.
func (c *Client) Me(ctx context.Context) (v Me, err error) {
	return v, c.people(ctx, "/me", nil, &v)
}

// Invite invites somebody new.
func (c *Client) Invite(ctx context.Context, name, role string) (v Invited, err error) {
	return v, c.people(ctx, "", named{"name": name, "role": role}, &v)
}

// InviteAgain makes a new link for somebody who was invited, or who has forgotten
// the password.
func (c *Client) InviteAgain(ctx context.Context, name string) (v Invited, err error) {
	return v, c.people(ctx, "/invite", named{"name": name}, &v)
}

// TakeBack ends an invitation.
func (c *Client) TakeBack(ctx context.Context, name string) error {
	return c.people(ctx, "/invite/end", named{"name": name}, nil)
}

// SetRole changes what somebody may do.
func (c *Client) SetRole(ctx context.Context, name, role string) error {
	return c.people(ctx, "/role", named{"name": name, "role": role}, nil)
}

// SetLogins says by which logins of ways in somebody is known.
func (c *Client) SetLogins(ctx context.Context, name string, logins []Login) error {
	return c.people(ctx, "/logins", named{"name": name, "logins": append([]Login{}, logins...)}, nil)
}

// RemovePerson takes somebody's account away.
func (c *Client) RemovePerson(ctx context.Context, name string) error {
	return c.people(ctx, "/remove", named{"name": name}, nil)
}

// of is the path of what is one's own, or somebody else's.
func of(name, path string) string {
	if name == "" {
		return "/me" + path
	}
	return path
}

// EndSession ends a session, one's own where name is empty; an empty id ends all,
// but the one that asks.
func (c *Client) EndSession(ctx context.Context, name, id string) error {
	return c.people(ctx, of(name, "/sessions/end"), named{"name": name, "id": id, "others": id == ""}, nil)
}

// EndToken ends a token, one's own where name is empty.
func (c *Client) EndToken(ctx context.Context, name, id string) error {
	return c.people(ctx, of(name, "/tokens/end"), named{"name": name, "id": id}, nil)
}

// RemovePasskey removes a passkey, one's own where name is empty.
func (c *Client) RemovePasskey(ctx context.Context, name, id string) error {
	return c.people(ctx, of(name, "/passkeys/remove"), named{"name": name, "id": id}, nil)
}

// MakeToken makes a token for a program. An empty role is one's own.
func (c *Client) MakeToken(ctx context.Context, name, role string, days int) (v NewToken, err error) {
	return v, c.people(ctx, "/me/tokens", named{"name": name, "role": role, "days": days}, &v)
}

// ChangePassword changes one's own password, and ends the other sessions.
func (c *Client) ChangePassword(ctx context.Context, old, password string) error {
	return c.people(ctx, "/me/password", named{"old": old, "new": password}, nil)
}

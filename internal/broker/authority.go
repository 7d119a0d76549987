package broker

import (
	"crypto/x509"
	"sync/atomic"

	"github.com/smartcore-ireland/hems/internal/broker/acl"
	"github.com/smartcore-ireland/hems/internal/broker/core"
	"github.com/smartcore-ireland/hems/internal/broker/listen"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
)

// authority answers the server who clients are: the appliance's own users, by
// the passwords in Secrets; those of the house, by the password file or a client
// certificate; and, where a listener lets them in, those without a name.
type authority struct{ b *Broker }

func (a authority) SignIn(c core.Credentials) (core.Identity, error) {
	if p, ok := c.Listener.Peer.(*peer); ok && p.cert != nil {
		user := p.cert.Subject.CommonName
		if _, own := a.b.opt.Users[user]; own || passwd.CheckName(user) != nil {
			return nil, core.ErrCredentials // no certificate makes anybody a process of ours
		}
		return &person{a: a, user: user, client: c.ClientID, named: true, peer: p}, nil
	}
	if !c.HasUser {
		if !c.Listener.Anonymous {
			return nil, core.ErrCredentials
		}
		return &person{a: a, client: c.ClientID}, nil
	}
	if access, own := a.b.opt.Users[c.User]; own && (c.Listener.Local || !access.Local) && a.b.signedIn(c.User, c.Password) {
		return identity{c.User, access}, nil
	}
	now := a.b.people.Load()
	if !now.verifier.Verify(c.User, c.Password) { // also for our own, who take as long then
		return nil, core.ErrCredentials
	}
	if _, own := a.b.opt.Users[c.User]; own {
		return nil, core.ErrCredentials
	}
	return &person{a: a, user: c.User, client: c.ClientID, named: true, entry: now.passwords.Entry(c.User)}, nil
}

// Identify is for what waits for a client that is away.
func (a authority) Identify(user, client string) core.Identity {
	if access, own := a.b.opt.Users[user]; own {
		return identity{user, access}
	}
	return &person{a: a, user: user, client: client, named: user != ""}
}

// identity is one of the appliance's own users.
type identity struct {
	user   string
	access Access
}

func (i identity) User() string                    { return i.user }
func (i identity) MayWrite(topic string) bool      { return i.access.mayWrite(topic) }
func (i identity) MaySubscribe(filter string) bool { return i.access.mayRead(filter) }
func (i identity) MayRead(topic string) bool       { return i.access.mayRead(topic) }
func (i identity) QueueQoS0() bool                 { return i.access.QueueQoS0 }

// peer is what a listener knows of a connection.
type peer struct {
	cert  *x509.Certificate // that names the user
	trust *listen.Trust
}

// person is a user of the house, or somebody without a name. It answers by the
// access list of this moment.
type person struct {
	a            authority
	user, client string
	named        bool
	entry        string // of the password file, when it signed in with that
	peer         *peer
	rights       atomic.Pointer[rights]
}

// rights are those by one reading of the files.
type rights struct {
	by *people
	*acl.Rights
}

func (p *person) now() *acl.Rights {
	now := p.a.b.people.Load()
	if r := p.rights.Load(); r != nil && r.by == now {
		return r.Rights
	}
	r := &rights{by: now, Rights: now.list.ForAnonymous(p.client)}
	if p.named {
		r.Rights = now.list.For(p.user, p.client)
	}
	p.rights.Store(r)
	return r.Rights
}

func (p *person) User() string               { return p.user }
func (p *person) MayWrite(topic string) bool { return !reserved(topic) && p.now().MayWrite(topic) }
func (p *person) MayRead(topic string) bool  { return p.now().MayRead(topic) }
func (p *person) QueueQoS0() bool            { return false }

// MaySubscribe: any filter, as with Mosquitto. What is delivered by it is asked
// for each message.
func (p *person) MaySubscribe(string) bool { return true }

// Gone tells whether it could not sign in any more: its user was removed, or has
// another password, or its certificate was revoked or has run out.
func (p *person) Gone() bool {
	switch {
	case p.peer != nil:
		return p.peer.trust.Verify(p.peer.cert) != nil
	case p.entry != "":
		return p.a.b.people.Load().passwords.Entry(p.user) != p.entry
	}
	return false
}

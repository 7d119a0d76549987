package broker

import (
	"github.com/smartcore-ireland/hems/internal/broker/core"
)

// authority answers the server by the passwords and access lists of the options.
type authority struct{ b *Broker }

func (a authority) SignIn(c core.Credentials) (core.Identity, error) {
	if !c.HasUser || !a.b.signedIn(c.User, c.Password) {
		return nil, core.ErrCredentials
	}
	return identity{c.User, a.b.opt.Users[c.User]}, nil
}

// Identify is for what waits for a client that is away.
func (a authority) Identify(user, _ string) core.Identity {
	return identity{user, a.b.opt.Users[user]}
}

type identity struct {
	user   string
	access Access
}

func (i identity) User() string                    { return i.user }
func (i identity) MayWrite(topic string) bool      { return i.access.mayWrite(topic) }
func (i identity) MaySubscribe(filter string) bool { return i.access.mayRead(filter) }
func (i identity) MayRead(topic string) bool       { return i.access.mayRead(topic) }

// QueueQoS0: readings are of QoS 0, and a metrics writer that is away for a moment
// is to have them.
func (i identity) QueueQoS0() bool { return i.user == "metrics" }

package core

import "errors"

// Credentials are what a client says of itself, and what its listener knows.
type Credentials struct {
	ClientID    string
	HasUser     bool
	User        string
	Password    []byte
	Certificate string // the name in the client's certificate, "" for none
	Remote      string
	Listener    Listener
}

// Listener is where a connection came in.
type Listener struct {
	Name        string
	Anonymous   bool   // a client without a user name may come in
	Local       bool   // a process of this machine: not limited by address
	Certificate string // of this connection: the name in its verified certificate
	Peer        any    // of this connection: what the authority is to know of it
	// QueueQoS0 keeps messages of QoS 0 for clients of this listener that are away
	// and have a session.
	QueueQoS0 bool
}

// Authority decides who clients are. SignIn may be slow.
type Authority interface {
	// SignIn returns ErrCredentials, or an error that wraps it, where the user or
	// the password is wrong; any other error is that of the authority itself.
	SignIn(c Credentials) (Identity, error)
	// Identify is for a session whose client is away, after a restart.
	Identify(user, clientID string) Identity
}

// ErrCredentials is the refusal of a user name or password.
var ErrCredentials = errors.New("wrong or missing user name or password")

// Identity is a client that was signed in. Its methods are quick, and answer by
// what is true when they are called.
type Identity interface {
	User() string
	MayWrite(topic string) bool      // publish; also a will
	MaySubscribe(filter string) bool // the subscription itself
	MayRead(topic string) bool       // each delivery
	// QueueQoS0: messages of QoS 0 are kept while the client is away; and one on
	// this machine is told when those came that had to wait.
	QueueQoS0() bool
}

// Package uplink is the bridge of our broker to others: a fleet's cluster, the
// broker of another house. It knows MQTT 3.1.1 and 5 from the client's side. It
// must never know what the messages say, or how our broker keeps them.
//
// A bridge keeps nothing. It is a client of both brokers, each of which holds a
// session for it, and passes packets from one to the other: a message under the
// packet id it came with, and each acknowledgement back under the same id. So a
// message is acknowledged to the broker it came from only by what the broker it
// went to has said; what waits, waits in the session of the broker it came
// from, once; and QoS 2 is exactly once through both of them, also when either
// connection or this process ends between any two packets.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/uplink/mapping"
)

// Version is the protocol spoken with the other broker.
type Version string

// The versions; the names are Mosquitto's. The zero value tries 5 and then
// 3.1.1.
const (
	Any     Version = ""
	MQTT50  Version = "mqttv50"
	MQTT311 Version = "mqttv311"
)

// Connection is one bridge. The names in the comments are Mosquitto's.
type Connection struct {
	Name      string   // connection
	Addresses []string // addresses: "host:port", the first is preferred
	Topics    mapping.Table
	// RoundRobin takes all addresses for equal. Otherwise a bridge that had to
	// go to another than the first returns when the first is there again.
	RoundRobin bool
	ClientID   string // remote_clientid; empty: made of our broker's id and the name
	Username   string // remote_username
	// Password is asked at each attempt; nil: none. remote_password
	Password     func() (string, error)
	CleanSession bool          // cleansession: nothing waits while we are away
	KeepAlive    time.Duration // keepalive_interval; 0: 60 s
	Version      Version       // bridge_protocol_version
	TryPrivate   bool          // try_private: the bridge bit of Mosquitto, in 3.1.1
	// Notify says on this broker whether the bridge is up, and NotifyRemote on
	// the other one too; under NotifyTopic, or where Mosquitto does.
	Notify, NotifyRemote bool
	NotifyTopic          string // notification_topic
	QueueQoS0            bool   // queue_qos0_messages: they wait too
	TLS                  *TLS   // nil: none
}

// TLS is how to tell the other broker, and how to be told. The files are read
// at each attempt.
type TLS struct {
	CAFile            string // bridge_cafile; empty: the system's
	CertFile, KeyFile string // bridge_certfile, bridge_keyfile; empty: none
	Insecure          bool   // bridge_insecure: the host's name is not compared
}

// Options put the bridges of one broker together.
type Options struct {
	Connections []Connection
	// Dial connects to our own broker, where the bridges are User.
	Dial     func(context.Context) (net.Conn, error)
	User     string
	Password func() (string, error)
	// Dir is where the bridges keep their name and what they have subscribed to.
	Dir string
	// Tell publishes a retained message of our broker's own; nil: nobody is told.
	Tell func(topic string, payload []byte)
	Log  *slog.Logger

	pace pace // of attempts; for tests
}

// Uplink is all bridges of one broker. Make it with New and call Run once.
type Uplink struct {
	opt   Options
	kept  *kept
	links []*link
}

// Stats are of one bridge, since New.
type Stats struct {
	Name      string
	Connected bool
	Address   string    // where it is connected to
	Since     time.Time // of Connected, as it is now
	Trouble   string    // why it is not connected; empty before the first attempt has failed
	Sent      uint64    // messages given to the other broker
	Received  uint64    // messages that came from it
	Refused   uint64    // messages that one of the brokers did not want
	Dropped   uint64    // messages at QoS 0 that found the line full, and those no broker would carry
	Loops     uint64    // messages that came home and were not sent round again
}

// Check says what is wrong with a connection.
func (c Connection) Check() error {
	switch {
	case c.Name == "" || len(c.Name) > 64:
		return errors.New("a bridge needs a name of 1 to 64 letters: connection")
	case len(c.Addresses) == 0:
		return fmt.Errorf("the bridge %s has nowhere to connect to: addresses", c.Name)
	case c.Version != Any && c.Version != MQTT311 && c.Version != MQTT50:
		return fmt.Errorf("the bridge %s: bridge_protocol_version is mqttv311 or mqttv50, and not %q", c.Name, c.Version)
	case c.KeepAlive != 0 && (c.KeepAlive < 5*time.Second || c.KeepAlive > 65535*time.Second):
		return fmt.Errorf("the bridge %s: keepalive_interval is 5 to 65535 seconds, and not %v", c.Name, c.KeepAlive)
	}
	for _, r := range c.Name {
		if r == '/' || r == '+' || r == '#' || r < ' ' {
			return fmt.Errorf("the bridge %q: a name is part of a topic and holds no /, + or #", c.Name)
		}
	}
	for _, a := range c.Addresses {
		if host, _, err := net.SplitHostPort(a); err != nil || host == "" {
			return fmt.Errorf("the bridge %s: %q is not an address: write host:port", c.Name, a)
		}
	}
	if err := c.Topics.Check(); err != nil {
		return fmt.Errorf("the bridge %s: %w", c.Name, err)
	}
	return nil
}

// New checks the options. It connects to nothing.
func New(o Options) (*Uplink, error) {
	if o.Dial == nil || o.Dir == "" {
		return nil, errors.New("making bridges: they need their own broker and a directory")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Tell == nil {
		o.Tell = func(string, []byte) {}
	}
	if o.pace == (pace{}) {
		o.pace = pace{first: time.Second, most: 30 * time.Second, home: 30 * time.Second}
	}
	u := &Uplink{opt: o}
	names := map[string]bool{}
	for _, c := range o.Connections {
		if err := c.Check(); err != nil {
			return nil, fmt.Errorf("making bridges: %w", err)
		}
		if names[c.Name] {
			return nil, fmt.Errorf("making bridges: two of them are called %q", c.Name)
		}
		names[c.Name] = true
		if c.KeepAlive == 0 {
			c.KeepAlive = time.Minute
		}
		u.links = append(u.links, &link{u: u, c: c, log: o.Log.With("bridge", c.Name), changed: time.Now()})
	}
	return u, nil
}

// Run keeps the bridges up until ctx ends. A broker that cannot be had is tried
// again for ever.
func (u *Uplink) Run(ctx context.Context) error {
	var err error
	if u.kept, err = openKept(u.opt.Dir); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { u.forgetRemoved(ctx) })
	for _, l := range u.links {
		wg.Go(func() { l.run(ctx) })
	}
	wg.Wait()
	return nil
}

// Stats are those of each bridge, in the order of the options.
func (u *Uplink) Stats() []Stats {
	all := make([]Stats, 0, len(u.links))
	for _, l := range u.links {
		all = append(all, l.stats())
	}
	return all
}

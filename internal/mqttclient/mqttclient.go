// Package mqttclient keeps one MQTT 5 connection of an appliance process up: it
// connects, reconnects, makes its subscriptions again and hands messages to
// their handlers in order. It must never know what the messages say or who else
// is connected.
package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
)

const (
	keepAlive      = 20 // seconds
	connectTimeout = 5 * time.Second
	packetTimeout  = 10 * time.Second // until a SUBACK, UNSUBACK or PUBACK must have come
	maxBackoff     = 2 * time.Second
	lastWords      = 2 * time.Second // between the end of Open's context and the end of the connection

	// receiveMaximum is how many QoS 1 and 2 messages may wait for the handlers.
	// A broker may stop sending there, so it is far above what a home has.
	receiveMaximum = 32768
)

// Errors that callers test for with errors.Is.
var (
	// ErrDown: there is no connection, or it was lost before the broker answered.
	// The client reconnects by itself; a QoS 1 message may have arrived or not.
	ErrDown = errors.New("the connection to the MQTT broker is down")
	// ErrRefused: the broker answered and said no (access list, limits).
	ErrRefused = errors.New("refused by the MQTT broker")
)

// Message is an MQTT application message. In a received one Retain is true for
// the replay of a retained message after a subscription, and false for one that
// was published just now, or while we were away.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Expiry  uint32 // seconds for which a broker keeps a published message; 0: for ever

	// The following are of received messages alone.

	// Again: it was sent before, and may have been handled before (DUP).
	Again bool
	// Received is when it came to the broker, by the broker's clock, and Age how
	// long ago that was by one that is never set; zero unless the appliance's own
	// broker had it wait, and says so. Age is -1 where the broker was started
	// since.
	Received time.Time
	Age      time.Duration
	// ID and Acknowledge are of QoS 1 and 2 where Options.HoldAcks is set: the
	// message's id on the wire, and what Ack calls.
	ID          uint16
	Acknowledge func()
}

// Ack says that the handler is done with the message, see Options.HoldAcks. It
// may be called from any goroutine, also when the connection is another.
func (m Message) Ack() {
	if m.Acknowledge != nil {
		m.Acknowledge()
	}
}

// sending is what of the message goes out.
func (m Message) sending() packet.Message {
	return packet.Message{Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain, Expiry: m.Expiry}
}

// Options say where to connect, as whom, and whom to tell.
type Options struct {
	// Server is "unix:///path/mqtt.sock" or "mqtt://host:port" (port 1883 when absent).
	Server string
	// ClientID names the session at the broker; two clients with one id throw
	// each other out.
	ClientID string
	User     string
	// Password is asked at every connection attempt, so that its file may
	// appear, or change, later. Nil: no password.
	Password func() (string, error)
	// Will is published by the broker when this client is gone without Close.
	Will *Message
	// SessionExpiry is how long the broker keeps subscriptions and QoS 1 and 2
	// messages for us while we are away. 0: a clean session at each connection.
	// What was kept comes as soon as the connection is up, and a message that no
	// handler wants is acknowledged and gone: a process that starts on a kept
	// session holds Password back until it has made its subscriptions.
	SessionExpiry time.Duration
	// HoldAcks leaves it to the handlers to acknowledge: each that gets a message
	// of QoS 1 or 2 calls its Ack once, when it is done with it, sooner or later.
	// Acknowledgements go out in the order in which messages came, so that one
	// that is not called holds up all behind it. What is not acknowledged when
	// the connection is lost comes again; it is not handled again while this
	// client lives, and its Ack counts for the new connection. What was
	// acknowledged may come again, too, if the broker has not heard that: then
	// Again is set.
	HoldAcks bool
	// ReceiveMaximum is how many messages of QoS 1 and 2 the broker may have on
	// their way, unacknowledged. Default 32768.
	ReceiveMaximum uint16
	// Gather is how long messages gather before they are read, where more than one
	// came lately: a process that is woken for each spends more on waking than on
	// reading. They come that much later. Default 0: each is read at once.
	Gather time.Duration
	// Unclaimed is called for messages that no subscription asks for any more, or
	// not yet: out of a session that the broker kept. Nil: they are acknowledged
	// and gone.
	Unclaimed func(Message)
	// OnUp is called after every (re)connection, once the subscriptions were made
	// again; its context ends when that connection is lost. It may publish.
	OnUp func(ctx context.Context, c *Client)
	// OnDown is called after every loss of a connection that OnUp was told of.
	// Calls of OnUp and OnDown never overlap.
	OnDown func(err error)
	Log    *slog.Logger
}

// Client is one connection that is kept up. Its methods may be called from any
// goroutine, handlers included.
type Client struct {
	opt    Options
	log    *slog.Logger
	dial   dialer
	inbox  *mailbox[received]
	events *mailbox[event]
	flying flights
	owed   debts

	subSlot chan struct{} // held while SUBSCRIBE or UNSUBSCRIBE packets are made
	abandon atomic.Bool   // the last DISCONNECT asks for the will

	mu      sync.Mutex
	filters map[string]func(Message)
	order   []subscription             // in the order they were first made
	routes  map[string][]func(Message) // the handlers of topics that came, until a subscription changes
	conn    *conn                      // the current connection; nil while there is none
	ready   chan struct{}              // closed while connected and subscribed again
	isReady bool
	lastErr string // last logged connection error
	dropped uint64 // QoS 0 messages that found the inbox full
	closed  bool
	done    chan struct{} // closed when Close has begun
	ended   chan struct{} // closed when no connection is made any more
}

type subscription struct {
	filter string
	qos    byte
}

// event is a change of the connection, handled in order by one goroutine.
type event struct {
	conn *conn // up
	err  error // or down: why
}

// Open checks the options, starts connecting in the background and returns at
// once. Attempts are at most 2 s apart, for ever. When ctx ends the client stays
// connected for 2 s more, for last words and Close; if Close has not come by then,
// it disconnects in a way that makes the broker publish the will.
func Open(ctx context.Context, o Options) (*Client, error) {
	d, err := parseServer(o.Server)
	if err != nil {
		return nil, err
	}
	if o.ClientID == "" {
		return nil, errors.New("opening an MQTT client: it has no client id")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ReceiveMaximum == 0 {
		o.ReceiveMaximum = receiveMaximum
	}
	c := &Client{
		opt:     o,
		log:     o.Log,
		dial:    d,
		inbox:   newMailbox[received](),
		events:  newMailbox[event](),
		flying:  flights{of: make(map[uint16]*flight)},
		owed:    newDebts(),
		subSlot: make(chan struct{}, 1),
		filters: make(map[string]func(Message)),
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
		ended:   make(chan struct{}),
	}
	go c.connect(context.WithoutCancel(ctx))
	go c.deliver()
	go c.follow()
	if o.HoldAcks {
		go c.flushAcks()
	}
	context.AfterFunc(ctx, func() {
		select {
		case <-c.done:
		case <-time.After(lastWords):
			c.abandon.Store(true)
			c.shut(context.Background())
		}
	})
	return c, nil
}

// Connected tells whether the broker has accepted the current connection.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil
}

// current is the connection, or nil while there is none.
func (c *Client) current() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// AwaitConnection returns nil once the client is connected and its subscriptions
// are made, and otherwise the error of ctx, or ErrDown after Close.
func (c *Client) AwaitConnection(ctx context.Context) error {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	closed := fmt.Errorf("waiting for the MQTT broker at %s: the client was closed: %w", c.opt.Server, ErrDown)
	select {
	case <-c.done:
		return closed
	default:
	}
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the MQTT broker at %s: %w", c.opt.Server, ctx.Err())
	case <-c.done:
		return closed
	}
}

// Close disconnects cleanly, so that the will is not published, and ends the
// client. It publishes nothing by itself. A handler or OnUp that is running is
// not waited for.
func (c *Client) Close(ctx context.Context) error {
	if err := c.shut(ctx); err != nil {
		return fmt.Errorf("closing the MQTT client %s: %w", c.opt.ClientID, err)
	}
	return nil
}

func (c *Client) shut(ctx context.Context) (err error) {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	if !already {
		close(c.done)
	}
	conn := c.conn
	c.mu.Unlock()
	if conn != nil && !already {
		reason := byte(0)
		if c.abandon.Load() {
			reason = disconnectWithWill
		}
		err = conn.goodbye(reason)
	}
	select {
	case <-c.ended:
	case <-ctx.Done(): // the broker will notice by itself
		err = ctx.Err()
		if conn != nil {
			conn.fail(err)
		}
	}
	c.inbox.close()
	c.events.close()
	return err
}

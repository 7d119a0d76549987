// Package mqttclient keeps one MQTT 5 connection of an appliance process up: it
// connects, reconnects, makes its subscriptions again and hands messages to
// their handlers in order. It knows the MQTT client library and must never know
// what the messages say or who else is connected.
package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

const (
	keepAlive      = 20 // seconds
	connectTimeout = 5 * time.Second
	packetTimeout  = 10 * time.Second // until a SUBACK, UNSUBACK or PUBACK must have come
	maxBackoff     = 2 * time.Second
	lastWords      = 2 * time.Second // between the end of Open's context and the end of the connection
	ackInterval    = 100 * time.Millisecond

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
// was published just now.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Expiry  uint32 // seconds for which a broker keeps a published message; 0: for ever
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
	cm     *autopaho.ConnectionManager
	inbox  *mailbox[received]
	events *mailbox[event]
	failed chan error // why the last connection was lost; one slot

	subSlot chan struct{} // held while SUBSCRIBE or UNSUBSCRIBE packets are made
	abandon atomic.Bool   // the last DISCONNECT asks for the will

	mu      sync.Mutex
	filters map[string]func(Message)
	order   []subscription // in the order they were first made
	conn    *conn          // of the current connection
	up      bool           // CONNACK received
	ready   chan struct{}  // closed while up and subscribed again
	isReady bool
	upCtx   context.Context    // of the current connection; given to OnUp
	upEnd   context.CancelFunc // ends it
	lastErr string             // last logged connection error
	dropped uint64             // QoS 0 messages that found the inbox full
	closed  bool
	done    chan struct{} // closed when Close has begun
}

type subscription struct {
	filter string
	qos    byte
}

// event is a change of the connection, handled in order by one goroutine.
type event struct {
	ctx  context.Context // nil: down
	conn *conn
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
	c := &Client{
		opt:     o,
		log:     o.Log,
		dial:    d,
		inbox:   newMailbox[received](),
		events:  newMailbox[event](),
		failed:  make(chan error, 1),
		subSlot: make(chan struct{}, 1),
		filters: make(map[string]func(Message)),
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
	}
	cm, err := autopaho.NewConnection(context.WithoutCancel(ctx), c.config())
	if err != nil {
		return nil, fmt.Errorf("opening an MQTT client for %s: %w", o.Server, err)
	}
	c.mu.Lock()
	c.cm = cm
	c.mu.Unlock()
	go c.deliver()
	go c.follow()
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

func (c *Client) config() autopaho.ClientConfig {
	var attempts atomic.Int64
	cfg := autopaho.ClientConfig{
		ServerUrls: []*url.URL{c.dial.url},
		KeepAlive:  keepAlive,
		ReconnectBackoff: func(n int) time.Duration {
			if attempts.Add(1) == 1 {
				return 0
			}
			return backoff(n)
		},
		ConnectTimeout:       connectTimeout,
		ConnectPacketBuilder: c.connectPacket,
		DisconnectPacketBuilder: func() *paho.Disconnect {
			c.mu.Lock()
			c.conn.linger.Store(true)
			c.mu.Unlock()
			if c.abandon.Load() {
				return &paho.Disconnect{ReasonCode: 0x04} // disconnect with will message
			}
			return &paho.Disconnect{}
		},
		AttemptConnection: func(ctx context.Context, _ autopaho.ClientConfig, _ *url.URL) (net.Conn, error) {
			conn, err := c.dial.dial(ctx)
			if err != nil {
				return nil, err
			}
			c.mu.Lock()
			c.conn = conn
			c.mu.Unlock()
			return conn, nil
		},
		OnConnectionUp:   c.onUp,
		OnConnectionDown: c.onDown,
		OnConnectError:   c.connectFailed,
	}
	cfg.ClientID = c.opt.ClientID
	cfg.PacketTimeout = packetTimeout
	cfg.EnableManualAcknowledgment = true // acknowledged after the handlers have returned
	cfg.SendAcksInterval = ackInterval
	cfg.OnPublishReceived = []func(paho.PublishReceived) (bool, error){c.receive}
	cfg.OnClientError = c.lost
	cfg.OnServerDisconnect = func(d *paho.Disconnect) {
		reason := ""
		if d.Properties != nil && d.Properties.ReasonString != "" {
			reason = ": " + d.Properties.ReasonString
		}
		c.lost(fmt.Errorf("the broker disconnected us with reason 0x%02x%s", d.ReasonCode, reason))
	}
	return cfg
}

// backoff grows from 100 ms to maxBackoff, with a quarter of chance so that
// processes started together do not knock together.
func backoff(n int) time.Duration {
	d := min(maxBackoff, 100*time.Millisecond<<min(max(n, 0), 5))
	return d - rand.N(d/4)
}

func (c *Client) connectPacket(p *paho.Connect, _ *url.URL) (*paho.Connect, error) {
	p.CleanStart = c.opt.SessionExpiry <= 0
	maximum := uint16(receiveMaximum)
	p.Properties = &paho.ConnectProperties{ReceiveMaximum: &maximum, RequestProblemInfo: true}
	if c.opt.SessionExpiry > 0 {
		seconds := uint32(min(math.Ceil(c.opt.SessionExpiry.Seconds()), math.MaxUint32-1))
		p.Properties.SessionExpiryInterval = &seconds
	}
	if c.opt.User != "" {
		p.UsernameFlag, p.Username = true, c.opt.User
	}
	if c.opt.Password != nil {
		password, err := c.opt.Password()
		if err != nil {
			return nil, fmt.Errorf("asking for the password of MQTT user %q: %w", c.opt.User, err)
		}
		p.PasswordFlag, p.Password = true, []byte(password)
	}
	if w := c.opt.Will; w != nil {
		p.WillMessage = &paho.WillMessage{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
		p.WillProperties = &paho.WillProperties{}
	}
	return p, nil
}

// current is the connection manager and a context that ends with ctx, and with
// the current connection: the library lets requests on a lost one wait for their
// timeout. It is false when there is no connection.
func (c *Client) current(ctx context.Context) (*autopaho.ConnectionManager, context.Context, context.CancelFunc, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.up {
		return nil, nil, nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.upCtx, cancel)
	return c.cm, ctx, func() { stop(); cancel() }, true
}

// Connected tells whether the broker has accepted the current connection.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
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

func (c *Client) shut(ctx context.Context) error {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	if !already {
		close(c.done)
	}
	cm := c.cm
	c.mu.Unlock()
	err := cm.Disconnect(ctx)
	c.mu.Lock()
	c.up = false
	if c.upEnd != nil {
		c.upEnd()
	}
	conn := c.conn
	c.mu.Unlock()
	if err != nil && conn != nil {
		conn.Close() // out of time: the broker will notice by itself
	}
	c.inbox.close()
	c.events.close()
	return err
}

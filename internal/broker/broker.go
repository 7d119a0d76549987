// Package broker is the appliance's MQTT broker: credentials, access lists, the
// door, sessions and the store of retained messages around the server of
// mochi-mqtt. It must never know what the messages say.
//
// What it keeps: retained messages, as package retained promises. What it does
// not keep over a restart: sessions of clients that are away, their
// subscriptions, and the messages that wait for them.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/door"
	"github.com/smartcore-ireland/hems/internal/broker/retained"
)

const (
	maxPacket        = 1 << 20 // bytes, also told to MQTT 5 clients
	maxRetained      = 20000   // topics
	maxRetainedBytes = 64 << 20
	maxQueued        = 20480 // messages that wait for one client: a whole replay of retained ones fits
	maxSubscriptions = 6000  // of one client: all the states that can be learnt
	sessionDays      = 7     // at most, that a session is kept for a client that is away
	sysInterval      = 10    // seconds between $SYS messages, as in Mosquitto
	stopTimeout      = 1200 * time.Millisecond
	maxRetry         = 5 * time.Second // between attempts to get a port or the store
)

// Options say where to listen and where to keep things.
type Options struct {
	TCP  []string // addresses, such as "127.0.0.1:1883"
	Unix string   // path of a unix socket; empty: none
	// Dir is the broker's own directory, Secrets that of the passwords, which are
	// generated where they are missing.
	Dir, Secrets string
	// Users may sign in, with the password in Secrets, and do what their Access
	// allows. Nil: DefaultUsers.
	Users map[string]Access
	// Limits of the door; the zero value is the default.
	Limits door.Limits
	// SyncEvery is how long retained messages may wait for the disk. 0: 1 s.
	SyncEvery time.Duration
	Log       *slog.Logger
}

// Broker is one broker. Make it with New and run it once with Run.
type Broker struct {
	opt        Options
	log        *slog.Logger
	server     *mqtt.Server
	listeners  []*listener
	sessions   sessions
	store      atomic.Pointer[retained.Store]
	publishing publishing
	waiting    atomic.Int64 // bytes, for all clients
	replay     sync.RWMutex // against changes of retained messages while they are replayed
	counts     counts
	signInLog  limiter
	dropLog    limiter
	refuseLog  limiter
	ready      chan struct{}
}

// counts are of what was refused or lost since New.
type counts struct {
	signIns, access, packets, connections, messages, panics atomic.Uint64
}

// Stats are counts since New.
type Stats struct {
	FailedSignIns      uint64 // wrong or missing credentials
	RefusedAccess      uint64 // publishing, subscribing or a will against the access list
	RefusedPackets     uint64 // connections ended because of what they sent
	RefusedConnections uint64 // beyond the limits
	DroppedMessages    uint64 // for clients that read too slowly
	Panics             uint64 // that ended one connection
	Retained           retained.Stats
}

// New checks the options. It opens nothing.
func New(o Options) (*Broker, error) {
	if o.Dir == "" || o.Secrets == "" {
		return nil, errors.New("making a broker: it needs a directory for its data and one for the passwords")
	}
	if len(o.TCP) == 0 && o.Unix == "" {
		return nil, errors.New("making a broker: it has nowhere to listen")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Users == nil {
		o.Users = DefaultUsers()
	}
	o.Limits.PacketSize = maxPacket
	b := &Broker{opt: o, log: o.Log, ready: make(chan struct{})}
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumMessageExpiryInterval = 0 // retained messages do not vanish after a day
	capabilities.MaximumClientWritesPending = maxQueued
	capabilities.MaximumInflight = maxQueued
	capabilities.MaximumSessionExpiryInterval = sessionDays * 24 * 3600
	capabilities.MaximumPacketSize = maxPacket
	capabilities.TopicAliasMaximum = 0
	capabilities.MaximumClients = math.MaxInt64 // counted at the listeners
	capabilities.Compatibilities.NoInheritedPropertiesOnAck = true
	b.server = mqtt.New(&mqtt.Options{
		Capabilities:           capabilities,
		SysTopicResendInterval: sysInterval,
		// Each packet is written at once: one that waits for its client's quota must
		// not keep those before it in a buffer.
		ClientNetWriteBufferSize: 1,
		Logger:                   slog.New(quiet{o.Log.Handler()}),
	})
	b.sessions.init(b.server)
	if err := b.server.AddHook(&hook{b: b}, nil); err != nil {
		return nil, fmt.Errorf("making a broker: %w", err)
	}
	for _, address := range o.TCP {
		b.listeners = append(b.listeners, newListener(b, "tcp", address))
	}
	if o.Unix != "" {
		b.listeners = append(b.listeners, newListener(b, "unix", o.Unix))
	}
	for _, l := range b.listeners {
		if err := b.server.AddListener(l); err != nil {
			return nil, fmt.Errorf("making a broker: %w", err)
		}
	}
	return b, nil
}

// Run serves until ctx ends and then stops within 2 s, all retained messages on
// the disk. A port or a directory that cannot be had is logged and tried again,
// at most 5 s apart; the other listeners go on. The error is that of the store's
// last write.
func (b *Broker) Run(ctx context.Context) error {
	if !b.prepare(ctx) {
		return nil
	}
	if err := b.server.Serve(); err != nil {
		b.store.Load().Close()
		return fmt.Errorf("starting the broker: %w", err)
	}
	close(b.ready)
	<-ctx.Done()
	b.awaitLastWords()
	b.disconnectAll()
	stopped := make(chan struct{})
	go func() {
		b.server.Close()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		b.log.Warn("the broker stops without waiting for all its connections")
	}
	s := b.store.Load().Stats()
	b.log.Info("the broker has stopped", "retained", s.Topics, "log_bytes_written", s.Written, "syncs", s.Syncs)
	return b.store.Load().Close()
}

// prepare makes the passwords and loads the retained messages; false when ctx
// ended first.
func (b *Broker) prepare(ctx context.Context) bool {
	retry := retrier{log: b.log}
	for {
		err := b.tryPrepare()
		if err == nil {
			return true
		}
		if !retry.wait(ctx.Done(), err) {
			return false
		}
	}
}

func (b *Broker) tryPrepare() error {
	users := make([]string, 0, len(b.opt.Users))
	for u := range b.opt.Users {
		users = append(users, u)
	}
	if err := EnsureCredentials(b.opt.Secrets, users...); err != nil {
		return err
	}
	begin := time.Now()
	store, err := retained.Open(retained.Options{
		Dir: b.opt.Dir, MaxTopics: maxRetained, MaxBytes: maxRetainedBytes,
		SyncEvery: b.opt.SyncEvery, Log: b.log,
	})
	if err != nil {
		return err
	}
	store.Each(func(m retained.Message) { b.server.Topics.RetainMessage(packetOf(m)) })
	n := b.server.Topics.Retained.Len()
	atomic.StoreInt64(&b.server.Info.Retained, int64(n))
	b.store.Store(store)
	b.log.Info("retained messages loaded", "messages", n, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// lastWords is how long a broker that stops still serves the clients of the
// unix socket. When the whole appliance is stopped, its processes are told in
// the same moment and say goodbye ("offline") through this broker.
const lastWords = 500 * time.Millisecond

// awaitLastWords returns when the last client of the unix socket has gone, or
// after lastWords.
func (b *Broker) awaitLastWords() {
	local := func() bool {
		for _, cl := range b.server.Clients.GetAll() {
			if strings.HasPrefix(cl.Net.Listener, "unix ") && !cl.Closed() {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(lastWords); local() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// disconnectAll tells every client that the broker stops. One that does not read
// must not hold up the others.
func (b *Broker) disconnectAll() {
	var wg sync.WaitGroup
	for _, cl := range b.server.Clients.GetAll() {
		if cl.Net.Conn == nil || cl.Closed() {
			continue
		}
		wg.Go(func() { _ = b.server.DisconnectClient(cl, packets.ErrServerShuttingDown) })
	}
	told := make(chan struct{})
	go func() { wg.Wait(); close(told) }()
	select {
	case <-told:
	case <-time.After(stopTimeout / 3):
	}
}

// Ready is closed when retained messages are loaded and listening has begun; a
// port that is taken may still be missing.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// Addresses are where the broker listens now: of TCP the host and port, of the
// unix socket the path. An address that could not be had yet is missing.
func (b *Broker) Addresses() []string {
	var all []string
	for _, l := range b.listeners {
		if a := l.bound(); a != "" {
			all = append(all, a)
		}
	}
	return all
}

// Stats are what was refused, dropped and written.
func (b *Broker) Stats() Stats {
	s := Stats{
		FailedSignIns:      b.counts.signIns.Load(),
		RefusedAccess:      b.counts.access.Load(),
		RefusedPackets:     b.counts.packets.Load(),
		RefusedConnections: b.counts.connections.Load(),
		DroppedMessages:    b.counts.messages.Load(),
		Panics:             b.counts.panics.Load(),
	}
	if store := b.store.Load(); store != nil {
		s.Retained = store.Stats()
	}
	return s
}

// Package live knows the house as it is this moment: the main meter's power,
// today's kWh, every device, and whether all is well. It learns from MQTT what
// any subscriber could (Home Assistant discovery, Zigbee2MQTT's topics, the
// appliance's own health topics) and asks the history only for what a retained
// message cannot tell: when it was measured. It must never know HTTP, pages or
// who is looking.
package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// Subscriber is the part of *mqttclient.Client that a Model needs.
type Subscriber interface {
	Subscribe(ctx context.Context, filter string, qos byte, h func(mqttclient.Message)) error
	Unsubscribe(ctx context.Context, filter string) error
	Connected() bool
}

// Options are what a Model needs.
type Options struct {
	History         History          // required
	Meter           string           // friendly name of the main meter; empty: the first that measures power and energy
	TimeZone        *time.Location   // where the day begins; nil: time.Local
	BaseTopic       string           // empty: "zigbee2mqtt"
	DiscoveryPrefix string           // empty: "homeassistant"
	Log             *slog.Logger     // required
	Clock           func() time.Time // nil: time.Now
}

// Bounds on what devices and strangers on the broker can make a Model keep.
const (
	maxEntities = 2000
	maxDevices  = 500
	maxPayload  = 1 << 20 // bytes; larger messages are dropped
)

// A Model is the house now. Its methods may be called from any goroutine.
type Model struct {
	o     Options
	hub   hub
	dirty chan struct{} // one token: something changed

	mu       sync.Mutex
	client   Subscriber // nil until Run
	started  time.Time
	down     time.Time          // since when the broker is away; zero: it is here
	met      bool               // the broker was there at least once
	entities map[string]*entity // by discovery topic and key
	filters  map[string]bool    // topics outside BaseTopic: true once subscribed
	states   map[string]*state  // by state topic
	avail    map[string]*state  // the last message, by availability topic
	zigbee   []bridgeDevice     // as bridge/devices lists them
	bridge   string             // bridge/state
	reports  map[string]report  // by process
	pair     pairing
	gaps     gaps   // between reports of the main meter
	meterKey string // device whose gaps these are
	today    today
	lasts    map[string]time.Time // time of the last stored reading, by entity; zero: none
	manager  *health.Report       // in place of the manager’s in reports; nil: that one
	storeErr error
	storeBad time.Time // since when storeErr is so
	dropped  int       // messages beyond the bounds
	held     int       // bytes in states and avail
}

// New makes a Model that knows nothing yet.
func New(o Options) *Model {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.TimeZone == nil {
		o.TimeZone = time.Local
	}
	if o.BaseTopic == "" {
		o.BaseTopic = "zigbee2mqtt"
	}
	if o.DiscoveryPrefix == "" {
		o.DiscoveryPrefix = "homeassistant"
	}
	now := o.Clock()
	return &Model{
		o: o, dirty: make(chan struct{}, 1), started: now, down: now,
		entities: map[string]*entity{}, filters: map[string]bool{}, states: map[string]*state{},
		avail: map[string]*state{}, reports: map[string]report{}, lasts: map[string]time.Time{},
	}
}

// How often the Model looks at the clock, and how fast it may push.
const (
	tick       = time.Second
	pushPause  = 100 * time.Millisecond
	queryPause = 30 * time.Second
)

// Run subscribes through client and keeps the Model true until ctx ends. The
// client makes its subscriptions again after each reconnection, and retained
// messages then bring the Model up to date.
func (m *Model) Run(ctx context.Context, client Subscriber) error {
	m.mu.Lock()
	m.client = client
	m.mu.Unlock()
	for filter, handle := range m.handlers() {
		if err := client.Subscribe(ctx, filter, 0, handle); err != nil && ctx.Err() != nil {
			return nil
		}
	}
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for ctx.Err() == nil {
		m.step(ctx)
		select { // the first of a burst is pushed at once, the others together
		case <-ctx.Done():
		case <-time.After(pushPause):
		}
		select {
		case <-ctx.Done():
		case <-clock.C:
		case <-m.dirty:
		}
	}
	m.hub.close()
	return nil
}

// step does what is due: subscriptions, questions to the history, pushes.
func (m *Model) step(ctx context.Context) {
	now := m.o.Clock()
	m.watchBroker(now)
	m.push()
	m.follow(ctx)
	m.ask(ctx, now)
	m.push()
}

// changed wakes the loop.
func (m *Model) changed() {
	select {
	case m.dirty <- struct{}{}:
	default:
	}
}

func (m *Model) watchBroker(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch up := m.client != nil && m.client.Connected(); {
	case up:
		m.down, m.met = time.Time{}, true
	case m.down.IsZero():
		m.down = now
	}
}

// follow subscribes to the topics of entities that live outside BaseTopic, and
// leaves those that nothing needs any more.
func (m *Model) follow(ctx context.Context) {
	m.mu.Lock()
	client := m.client
	wanted := map[string]bool{}
	for _, e := range m.entities {
		for _, t := range e.topics() {
			if !m.underBase(t) {
				wanted[t] = true
			}
		}
	}
	var join, leave []string
	for t := range wanted {
		if !m.filters[t] {
			join = append(join, t)
			m.filters[t] = true
		}
	}
	for t := range m.filters {
		if !wanted[t] {
			leave = append(leave, t)
			delete(m.filters, t)
		}
	}
	m.mu.Unlock()
	if client == nil {
		return
	}
	for _, t := range leave {
		_ = client.Unsubscribe(ctx, t) // at worst its messages are ignored
	}
	for _, t := range join {
		if err := client.Subscribe(ctx, t, 0, m.onValue); err != nil && ctx.Err() == nil {
			m.o.Log.Debug("subscribing to a device's topic", "topic", t, "err", err)
		}
	}
}

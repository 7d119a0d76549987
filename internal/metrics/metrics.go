// Package metrics learns entities from discovery documents, and from what
// devices say that have none, takes their values from the states they publish,
// keeps each value once in the store, and has what is in the store sent to every
// destination. It knows MQTT, the store and which destinations there are. It must
// never know Zigbee, what kind of device publishes a state, how a destination is
// spoken to, or pages.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// process is the name under which health is published.
const process = "metrics"

// Options put a Writer together. MQTT and OpenStore are required.
type Options struct {
	// MQTT says where the broker is and who we are. The client id is
	// "hems-metrics" unless given; the will and what happens on connection
	// are the Writer's.
	MQTT mqttclient.Options
	// OpenStore opens the store; Run calls it until it succeeds, and closes
	// the store when it ends.
	OpenStore func() (*store.Store, error)
	// Destinations are sent all readings; none is fine.
	Destinations []delivery.Destination
	// DiscoveryPrefix is the topic above discovery documents; default
	// "homeassistant".
	DiscoveryPrefix string
	// Zone is that of the home, for times that people read, for days and for
	// the stamps of files; default UTC.
	Zone *time.Location
	// Domains are those of the entities whose states are stored, out of Domains;
	// default: DefaultDomains.
	Domains []string
	// Meter is the friendly name of the main meter; empty: the first device
	// that measures both power and energy.
	Meter string
	// Log is where the writer reports; default: nowhere.
	Log *slog.Logger
	// Now is the clock that readings are stamped with; default time.Now.
	Now func() time.Time
	// Elapsed is a clock that counts from some start and is never set; default:
	// the operating system's.
	Elapsed func() time.Duration
	// Clock is what is known about Now.
	Clock Clock
}

// Writer is the metrics process. Make one with New and call Run once.
type Writer struct {
	o       Options
	log     *slog.Logger
	senders []*delivery.Sender
	natives []native

	mu       sync.Mutex
	entities *registry
	counts   Counts
	openErr  error // why the store is not open
	hold     *hold // nil: the clock is right

	intake    intake
	early     early
	announced announced
	troubles  troubles

	store  *store.Store
	client *mqttclient.Client
	topics *topics

	reports     chan struct{} // asks for the health report to be looked at
	lookAtClock time.Duration
	settleAfter time.Duration
}

// Counts is what a Writer has seen since it began.
type Counts struct {
	Readings     uint64 // stored
	Dropped      uint64 // lost because the store could not take more
	Repeated     uint64 // messages that came again and were stored already
	Strange      uint64 // messages out of the session that was kept that nobody can read
	NotNumbers   uint64 // states that are text
	BadStates    uint64 // states whose template or JSON failed
	BadDocuments uint64 // discovery documents that could not be used
	Entities     int    // known now
}

// New checks the options.
func New(o Options) (*Writer, error) {
	if o.OpenStore == nil {
		return nil, errors.New("metrics: no store is given")
	}
	if o.DiscoveryPrefix == "" {
		o.DiscoveryPrefix = discovery.DefaultPrefix
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Elapsed == nil {
		began := time.Now()
		o.Elapsed = func() time.Duration { return time.Since(began) } // which does not see the clock being set
	}
	if o.MQTT.ClientID == "" {
		o.MQTT.ClientID = "hems-metrics"
	}
	w := &Writer{o: o, log: o.Log, natives: natives(), reports: make(chan struct{}, 1), lookAtClock: lookAtClock, settleAfter: settleAfter}
	w.topics = newTopics(nil, w.wantedTopics, w.takeState, w.log)
	if o.Clock.Right != nil {
		w.hold = &hold{began: o.Elapsed()}
	}
	names := map[string]bool{}
	for _, d := range o.Destinations {
		s, err := delivery.New(d, delivery.Options{Log: o.Log, Changed: w.lookAtHealth})
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		if names[d.Name] {
			return nil, fmt.Errorf("metrics: two destinations are called %q", d.Name)
		}
		names[d.Name] = true
		w.senders = append(w.senders, s)
	}
	return w, nil
}

// Counts returns what has been seen so far.
func (w *Writer) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.counts
	if w.entities != nil {
		c.Entities = w.entities.len()
	}
	return c
}

// Run works until ctx ends, and then commits what waits. A broker, store or
// destination that is not there is tried again for ever; the error is nil
// unless the last commit failed.
func (w *Writer) Run(ctx context.Context) error {
	mqtt := w.o.MQTT
	mqtt.Log = w.log
	mqtt.Will = &mqttclient.Message{Topic: health.Topic(process), Payload: health.Report{State: health.Offline}.Payload(), QoS: 1, Retain: true}
	mqtt.HoldAcks, mqtt.ReceiveMaximum, mqtt.Unclaimed, mqtt.Gather = true, window, w.take, gather
	if mqtt.SessionExpiry == 0 {
		mqtt.SessionExpiry = sessionKept
	}
	mqtt.OnUp = func(context.Context, *mqttclient.Client) { w.lookAtHealth() }
	// The client outlives ctx by a moment, so that it can say goodbye.
	clientCtx, stopClient := context.WithCancel(context.WithoutCancel(ctx))
	defer stopClient()
	// Nothing comes before there are subscriptions, which are then made together.
	subscribed, password := make(chan struct{}), mqtt.Password
	if password != nil {
		mqtt.Password = func() (string, error) { <-subscribed; return password() }
	}
	client, err := mqttclient.Open(clientCtx, mqtt)
	if err == nil {
		_, err = client.SubscribeAll(ctx, w.alwaysWanted(), 1, w.take)
	}
	close(subscribed)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	w.client = client
	w.topics.client = client

	var group sync.WaitGroup
	reporting, stopReporting := context.WithCancel(ctx)
	defer stopReporting()
	group.Go(func() { w.reportHealth(reporting) })
	err = w.openStore(ctx)
	if err == nil {
		err = w.work(ctx)
	} else {
		err = nil // ctx ended before there was a store
	}
	stopReporting()
	group.Wait()
	if w.store != nil {
		w.lastCommit(context.WithoutCancel(ctx))
	}
	w.sayGoodbye(ctx)
	if w.store != nil {
		err = errors.Join(err, w.store.Close())
	}
	return err
}

// openStore opens the store, however long it takes.
func (w *Writer) openStore(ctx context.Context) error {
	wait := 100 * time.Millisecond
	for {
		s, err := w.o.OpenStore()
		w.mu.Lock()
		before := w.openErr
		w.openErr = err
		if err == nil {
			w.store = s
			w.entities = newRegistry(s.Series(), w.o.Domains...)
			w.recall(ctx)
		}
		w.mu.Unlock()
		w.lookAtHealth()
		if err == nil {
			return nil
		}
		if before == nil || before.Error() != err.Error() {
			w.log.Error("the store of readings cannot be opened; it is tried again", "err", err)
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// alwaysWanted are the filters of documents, and of devices that have none.
func (w *Writer) alwaysWanted() []string {
	all := w.documentFilters()
	for _, n := range w.natives {
		all = append(all, n.filters...)
	}
	return all
}

// work takes states and sends until ctx ends.
func (w *Writer) work(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { w.topics.run(ctx) })
	group.Go(func() { w.acknowledgeStored(ctx) })
	group.Go(func() { w.settle(ctx) })
	group.Go(func() { w.awaitClock(ctx) })
	for _, s := range w.senders {
		group.Go(func() { s.Run(ctx, w.store) })
	}
	<-ctx.Done()
	group.Wait()
	return nil
}

// sayGoodbye leaves the broker in order: a clean disconnect publishes no will.
func (w *Writer) sayGoodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if w.client.Connected() {
		err := w.client.Publish(ctx, mqttclient.Message{Topic: health.Topic(process), Payload: health.Report{State: health.Offline}.Payload(), QoS: 1, Retain: true})
		if err != nil {
			w.log.Debug("the last word could not be published", "err", err)
		}
	}
	if err := w.client.Close(ctx); err != nil {
		w.log.Debug("the MQTT client did not close in order", "err", err)
	}
}

// pause waits; it reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

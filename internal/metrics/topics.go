package metrics

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// subscriber is what topics needs of an MQTT client.
type subscriber interface {
	Subscribe(ctx context.Context, filter string, qos byte, h func(mqttclient.Message)) error
	SubscribeAll(ctx context.Context, filters []string, qos byte, h func(mqttclient.Message)) (refused map[string]error, err error)
	Unsubscribe(ctx context.Context, filter string) error
}

// topics keeps one subscription for each topic that is wanted, and none for
// others. The client makes them again when it reconnects.
type topics struct {
	client  subscriber
	handler func(mqttclient.Message)
	log     *slog.Logger

	wanted func() map[string]bool
	change chan struct{}

	have map[string]bool // run's own

	mu      sync.Mutex
	made    map[string]bool // as have, for who asks
	strange map[string]bool // what the broker is to forget, though we have not asked for it
}

// A refused subscription is tried again after firstRetry, and then after twice
// as long each time, up to lastRetry. The first tries are not worth a word:
// a broker may refuse one because its number is taken by a message under way.
const (
	firstRetry = 50 * time.Millisecond
	quietRetry = time.Second
	lastRetry  = 30 * time.Second
)

// newTopics takes the topics that are wanted from wanted.
func newTopics(c subscriber, wanted func() map[string]bool, handler func(mqttclient.Message), log *slog.Logger) *topics {
	return &topics{client: c, wanted: wanted, handler: handler, log: log, change: make(chan struct{}, 1), have: map[string]bool{}}
}

// atOnce is how many topics are subscribed to together.
const atOnce = 500

// forget has the broker forget a subscription of an earlier run.
func (t *topics) forget(topic string) {
	t.mu.Lock()
	if t.strange == nil {
		t.strange = map[string]bool{}
	}
	if len(t.strange) < maxEntities {
		t.strange[topic] = true
	}
	t.mu.Unlock()
	t.changed()
}

func (t *topics) strangers() map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.strange
	t.strange = nil
	return all
}

// changed says that other topics are wanted now.
func (t *topics) changed() {
	select {
	case t.change <- struct{}{}:
	default:
	}
}

// run makes subscriptions until ctx ends.
func (t *topics) run(ctx context.Context) {
	var retry <-chan time.Time
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.change:
		case <-retry:
		}
		retry = nil
		if t.reconcile(ctx, wait >= quietRetry) {
			wait = firstRetry
		} else {
			retry = time.After(wait)
			wait = min(2*wait, lastRetry)
		}
	}
}

// reconcile makes what is there what is wanted; false: not all of it. With loud
// it says what could not be done.
func (t *topics) reconcile(ctx context.Context, loud bool) bool {
	wanted := t.wanted()
	var refused, kept failures
	defer func() {
		if loud {
			refused.log(t.log, "states cannot be subscribed to; it is tried again")
			kept.log(t.log, "subscriptions cannot be ended; it is tried again")
		}
	}()
	var missing []string
	for topic := range wanted {
		if !t.have[topic] {
			missing = append(missing, topic)
		}
	}
	slices.Sort(missing)
	for group := range slices.Chunk(missing, atOnce) {
		no, err := t.client.SubscribeAll(ctx, group, 1, t.handler)
		for _, topic := range group {
			switch {
			case err != nil:
				refused.add(ctx, topic, err)
			case no[topic] != nil:
				refused.add(ctx, topic, no[topic])
			default:
				t.have[topic] = true
			}
		}
	}
	for topic := range t.strangers() {
		if !wanted[topic] {
			_ = t.client.Unsubscribe(ctx, topic) // if it fails, they come again, and so do we
		}
	}
	for topic := range t.have {
		if wanted[topic] {
			continue
		}
		if err := t.client.Unsubscribe(ctx, topic); err != nil {
			kept.add(ctx, topic, err)
			continue
		}
		delete(t.have, topic)
	}
	t.mu.Lock()
	t.made = maps.Clone(t.have)
	t.mu.Unlock()
	return refused.n+kept.n == 0
}

// failures are what could not be done, of which the log gets one line: there
// may be thousands, at each try.
type failures struct {
	n, worth int // worth a word
	topic    string
	err      error // of one of them
}

func (f *failures) add(ctx context.Context, topic string, err error) {
	f.n++
	if ctx.Err() == nil && !errors.Is(err, mqttclient.ErrDown) {
		f.worth, f.topic, f.err = f.worth+1, topic, err
	}
}

func (f *failures) log(log *slog.Logger, what string) {
	if f.worth > 0 {
		log.Warn(what, "topics", f.worth, "one", f.topic, "err", f.err)
	}
}

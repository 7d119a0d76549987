package bridge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// retained is what the retained topics of the bridge should hold. Whatever
// differs from what the broker has acknowledged is published, in the order in
// which it changed, and again after every connection. Of several changes of a
// topic only the last is sent, so the backlog is never longer than the topics.
type retained struct {
	log *slog.Logger

	mu    sync.Mutex
	want  map[string]*wanted
	queue []string
	wake  chan struct{}
	// connections counts the connections; lost is the last that was lost.
	// Nothing is taken from the queue between the two.
	connections, lost int
	published         uint64 // messages that the broker took
}

type wanted struct {
	payload []byte // empty: the topic is to be cleared
	qos     byte
	queued  bool
	changed bool // while it was being published
}

func newRetained(log *slog.Logger) *retained {
	return &retained{log: log, want: make(map[string]*wanted), wake: make(chan struct{}, 1)}
}

// set wants the topic to hold payload.
func (r *retained) set(topic string, payload []byte, qos byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, known := r.want[topic]
	switch {
	case !known:
		w = &wanted{}
		r.want[topic] = w
	case bytes.Equal(w.payload, payload) && w.qos == qos:
		return
	}
	w.payload, w.qos, w.changed = payload, qos, true
	r.enqueue(topic, w)
}

// clear wants the topic to hold nothing.
func (r *retained) clear(topic string) { r.set(topic, nil, 1) }

// forget leaves the topic as it is: somebody else publishes to it now.
func (r *retained) forget(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.want, topic) // the queue passes over it
}

// has reports whether the topic is to hold something.
func (r *retained) has(topic string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.want[topic]
	return ok && len(w.payload) > 0
}

// connected sends everything, once more if it was before: what the broker
// holds may be lost or changed.
func (r *retained) connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connections++
	r.queue = nil
	for _, topic := range r.topics() {
		w := r.want[topic]
		w.changed, w.queued = true, false
		r.enqueue(topic, w)
	}
}

// publishMatching sends again what has a topic for which match is true.
func (r *retained) publishMatching(match func(topic string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, topic := range r.topics() {
		if match(topic) {
			w := r.want[topic]
			w.changed = true
			r.enqueue(topic, w)
		}
	}
}

// topics is all topics, the bridge's own first: who sees a device knows of the
// bridge by then.
func (r *retained) topics() []string {
	return slices.SortedFunc(maps.Keys(r.want), func(x, y string) int {
		if own := strings.Contains(x, "/bridge/"); own != strings.Contains(y, "/bridge/") {
			if own {
				return -1
			}
			return 1
		}
		return strings.Compare(x, y)
	})
}

func (r *retained) enqueue(topic string, w *wanted) {
	if !w.queued {
		w.queued = true
		r.queue = append(r.queue, topic)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// next takes the first topic that is to be published on a connection.
func (r *retained) next() (m mqttclient.Message, connection int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == r.connections {
		return mqttclient.Message{}, 0, false
	}
	for len(r.queue) > 0 {
		topic := r.queue[0]
		r.queue = r.queue[1:]
		if w := r.want[topic]; w != nil && w.queued {
			w.queued, w.changed = false, false
			return mqttclient.Message{Topic: topic, Payload: w.payload, QoS: w.qos, Retain: true}, r.connections, true
		}
	}
	r.queue = nil
	return mqttclient.Message{}, 0, false
}

// down notes that a connection was lost.
func (r *retained) down(connection int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = max(r.lost, connection)
}

// done forgets a topic that was cleared.
func (r *retained) done(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.want[topic]; w != nil && len(w.payload) == 0 && !w.changed {
		delete(r.want, topic)
	}
}

// again publishes a topic once more, unless it is to be published anyway.
func (r *retained) again(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.want[topic]; w != nil {
		w.changed = true
		r.enqueue(topic, w)
	}
}

// retryAfter is the pause after a broker did not acknowledge in time.
const retryAfter = time.Second

// run publishes until ctx ends. What fails because the broker is away is
// published after the next connection (connected); what the broker refuses is
// logged and left.
func (r *retained) run(ctx context.Context, publish func(context.Context, mqttclient.Message) error) {
	for {
		m, connection, ok := r.next()
		if !ok {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		err := publish(ctx, m)
		switch {
		case err == nil:
			r.mu.Lock()
			r.published++
			r.mu.Unlock()
			r.done(m.Topic)
		case ctx.Err() != nil:
			return
		case errors.Is(err, mqttclient.ErrDown):
			r.down(connection)
		case errors.Is(err, mqttclient.ErrRefused):
			r.log.Error("a retained message was not published", "topic", m.Topic, "error", err)
		default:
			r.log.Warn("a retained message was not published yet", "topic", m.Topic, "error", err)
			r.again(m.Topic)
			select {
			case <-time.After(retryAfter):
			case <-ctx.Done():
			}
		}
	}
}

// waiting is how many messages the broker has not taken so far.
func (r *retained) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, w := range r.want {
		if w.queued {
			n++
		}
	}
	return n
}

// sent is how many messages the broker has taken.
func (r *retained) sent() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.published
}

// resetSent begins to count anew.
func (r *retained) resetSent() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published = 0
}

package metrics

import (
	"context"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// What the broker kept for us comes before the retained documents, and before the
// store is open. Messages that nobody can read yet wait, within bounds, until
// somebody can.

const (
	maxEarly      = 20_000
	maxEarlyBytes = 16 << 20
	// settleAfter is how long after our subscriptions were made retained documents
	// may take to come; what nobody can read then is nobody's.
	settleAfter = 30 * time.Second
)

// early are messages that wait for their entities; the Writer's mu guards it.
type early struct {
	messages []mqttclient.Message
	bytes    int
	over     bool // nothing waits any more
	trying   bool
	again    bool // more can be read than when it was tried
}

// take takes a document, what a device says that has none, and a message that no
// subscription of this run asks for.
func (w *Writer) take(m mqttclient.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch size := len(m.Topic) + len(m.Payload) + 200; {
	case w.entities != nil && w.takeAny(m):
	case m.Retain && !matches(w.alwaysWanted(), m.Topic): // a state of unknown age
		m.Ack()
	case w.early.over:
		w.strange(m)
	case len(w.early.messages) >= maxEarly || w.early.bytes+size > maxEarlyBytes:
		w.counts.Strange++
		m.Ack()
	default:
		w.early.messages = append(w.early.messages, m)
		w.early.bytes += size
	}
}

// takeAny takes a message that somebody can read; false: nobody can. It needs mu,
// and the store.
func (w *Writer) takeAny(m mqttclient.Message) bool {
	for _, n := range w.natives {
		if matches(n.filters, m.Topic) {
			w.hear(n.hear, m)
			return true
		}
	}
	if matches(w.documentFilters(), m.Topic) {
		w.learnFrom(m)
		return true
	}
	if len(w.entities.byTopic[m.Topic]) == 0 {
		return false
	}
	w.read(m)
	return true
}

// retryEarly takes those of the messages that wait that somebody can read now. It
// needs mu.
func (w *Writer) retryEarly() {
	e := &w.early
	if e.again = true; len(e.messages) == 0 || w.entities == nil || e.trying {
		return
	}
	e.trying = true // what is announced by them has us called again
	for e.again {
		e.again = false
		waiting := e.messages
		e.messages, e.bytes = nil, 0
		var still []mqttclient.Message
		for _, m := range waiting {
			if !w.takeAny(m) {
				still = append(still, m)
				e.bytes += len(m.Topic) + len(m.Payload) + 200
			}
		}
		e.messages = still
	}
	e.trying = false
}

// settle ends the waiting when all retained documents have come.
func (w *Writer) settle(ctx context.Context) {
	if w.client.AwaitConnection(ctx) != nil || !pause(ctx, w.settleAfter) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retryEarly()
	w.early.over = true
	for _, m := range w.early.messages {
		w.strange(m)
	}
	w.early.messages = nil
}

// strange is a message that nobody can read: the broker need not send more of its
// kind. It needs mu.
func (w *Writer) strange(m mqttclient.Message) {
	w.counts.Strange++
	m.Ack()
	w.topics.forget(m.Topic)
}

func matches(filters []string, topic string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return mqttclient.Match(f, topic) })
}

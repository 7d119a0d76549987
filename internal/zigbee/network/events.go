package network

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxMessages bounds the MessageReceived events that wait for the reader:
	// some seconds of a busy network.
	maxMessages = 1024
	// maxEvents bounds all that waits. Only a reader that is gone altogether
	// can let so much gather; the oldest is dropped then.
	maxEvents = 16 * maxMessages
)

// eventQueue keeps the order of events and never blocks who puts them in.
type eventQueue struct {
	ch      chan Event
	dropped atomic.Uint64

	mu       sync.Mutex
	queue    []Event
	base     []Event // the room of queue from its beginning
	messages int
	moving   bool // the pump has an event in its hand
	wake     chan struct{}
}

func newEventQueue() *eventQueue {
	return &eventQueue{ch: make(chan Event, 16), wake: make(chan struct{}, 1)}
}

func (q *eventQueue) put(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	q.mu.Lock()
	if len(q.queue) == 0 && !q.moving { // the reader keeps up, as ever: nobody needs to wake for this
		select {
		case q.ch <- e:
			q.mu.Unlock()
			return
		default:
		}
	}
	switch {
	case e.Kind == MessageReceived && q.messages >= maxMessages:
		q.mu.Unlock()
		q.dropped.Add(1)
		return
	case len(q.queue) >= maxEvents:
		if q.queue[0].Kind == MessageReceived {
			q.messages--
		}
		q.queue = q.queue[1:]
		q.dropped.Add(1)
	}
	if e.Kind == MessageReceived {
		q.messages++
	}
	if q.queue = append(q.queue, e); len(q.queue) == 1 {
		q.base = q.queue[:0]
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *eventQueue) take() (Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.moving = len(q.queue) > 0; !q.moving {
		return Event{}, false
	}
	e := q.queue[0]
	q.queue[0] = Event{}
	if q.queue = q.queue[1:]; len(q.queue) == 0 {
		q.queue = nil // gives back what a burst has taken
		if cap(q.base) > 0 && cap(q.base) <= cap(q.ch) {
			q.queue = q.base // but a little is kept: there will be more
		}
	}
	if e.Kind == MessageReceived {
		q.messages--
	}
	return e, true
}

// pump moves events to the channel until stop is closed; what the reader has
// room for by then is still moved.
func (q *eventQueue) pump(stop <-chan struct{}) {
	for {
		e, ok := q.take()
		if !ok {
			select {
			case <-q.wake:
				continue
			case <-stop:
				if e, ok = q.take(); !ok {
					return
				}
			}
		}
		select {
		case q.ch <- e:
		case <-stop:
			select {
			case q.ch <- e:
			default:
				return
			}
		}
	}
}

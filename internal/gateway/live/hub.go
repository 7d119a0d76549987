package live

import (
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// An Event is something that changed, whole: "now", "devices", "health" or
// "pairing", each with its JSON.
type Event struct {
	Name string
	Data []byte
}

// ErrFull means that as many watch already as the appliance can serve.
var ErrFull = errors.New("too many pages are open on this appliance; close some")

const (
	// MaxWatchers bounds how many may watch at once.
	MaxWatchers = 64
	queueLen    = 16
	// listPause is the least time between two lists of devices: each is whole,
	// and a home with many devices would otherwise send it many times a second.
	listPause = time.Second
)

// hub hands events to those who watch. One that does not keep up is let go: it
// comes back, and gets everything afresh.
type hub struct {
	mu     sync.Mutex
	closed bool
	all    map[chan Event]struct{}
	last   map[string][]byte // what was pushed last, to push only what changed
	listed time.Time         // when devices were pushed last
}

// Watch returns everything as it is, and then a channel of what changes. The
// channel is closed when the watcher is too slow or the Model stops. The caller
// calls stop when done. The error is ErrFull.
func (m *Model) Watch() (first []Event, changes <-chan Event, stop func(), err error) {
	h := &m.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) >= MaxWatchers {
		return nil, nil, nil, ErrFull
	}
	ch := make(chan Event, queueLen)
	if h.closed {
		close(ch)
		return nil, ch, func() {}, nil
	}
	if h.all == nil {
		h.all = map[chan Event]struct{}{}
	}
	h.all[ch] = struct{}{}
	stop = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.all, ch)
	}
	return m.events(), ch, stop, nil
}

// events is everything as it is.
func (m *Model) events() []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.o.Clock()
	now := m.now(t)
	now.setAge(t)
	events := []Event{
		{"health", encode(m.wellbeing(t, grace))},
		{"now", encode(now)},
		{"devices", encode(m.devices())},
		{"pairing", encode(m.pairingNow(t))},
	}
	return events
}

// push sends what changed since it was pushed last.
func (m *Model) push() {
	h := &m.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return
	}
	if h.last == nil {
		h.last = map[string][]byte{}
	}
	t := m.o.Clock()
	for _, e := range m.events() {
		if e.Name == "devices" && t.Sub(h.listed) < listPause {
			continue
		}
		key := e.Data
		switch e.Name { // what counts on by itself is no change
		case "now":
			n := m.Now()
			n.AgeInSec = nil
			key = encode(n)
		case "pairing":
			p := m.Pairing()
			p.LeftSec = 0
			key = encode(p)
		}
		if string(h.last[e.Name]) == string(key) {
			continue
		}
		h.last[e.Name] = key
		if e.Name == "devices" {
			h.listed = t
		}
		for ch := range h.all {
			select {
			case ch <- e:
			default:
				delete(h.all, ch)
				close(ch)
			}
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for ch := range h.all {
		delete(h.all, ch)
		close(ch)
	}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // only numbers that are not finite, which update refuses
		return []byte("null")
	}
	return b
}

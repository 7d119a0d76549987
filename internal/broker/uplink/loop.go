package uplink

import (
	"hash/fnv"
	"io"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// via is the user property in which a message carries the brokers that bridges
// have brought it to and from, one property for each step: "<id" where it was
// brought to a broker of that id, "id>" where it was sent from one. A message
// passes each of our gates once: what was sent from here is neither sent nor
// brought again, and what was brought here is not brought again, whatever way
// it has come round. Before that is asked, no-local (MQTT 5) or the bridge bit
// (3.1.1) keep a broker from giving back to a bridge what that bridge has
// brought.
const via = "hems-via"

// passed tells whether a message carries that step.
func passed(pk *packets.Packet, step string) bool {
	for _, u := range pk.Properties.User {
		if u.Key == via && u.Val == step {
			return true
		}
	}
	return false
}

// mark adds a step to a message.
func mark(pk *packets.Packet, step string) {
	pk.Properties.User = append(pk.Properties.User[:len(pk.Properties.User):len(pk.Properties.User)], packets.UserProperty{Key: via, Val: step})
}

const (
	echoWithin = 20 * time.Second
	maxEchoes  = 4096
)

// echoes are messages that a broker without either of the two will give back:
// each comes once.
type echoes struct {
	mu       sync.Mutex
	expected map[uint64][]time.Time
	order    []uint64
}

// expect: the message will come back.
func (e *echoes) expect(key uint64, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.expected == nil {
		e.expected = map[uint64][]time.Time{}
	}
	e.expected[key] = append(e.expected[key], now)
	e.order = append(e.order, key)
	for len(e.order) > maxEchoes || len(e.order) > 0 && e.stale(e.order[0], now) {
		e.take(e.order[0])
		e.order = e.order[1:]
	}
}

func (e *echoes) stale(key uint64, now time.Time) bool {
	times := e.expected[key]
	return len(times) == 0 || now.Sub(times[0]) > echoWithin
}

func (e *echoes) take(key uint64) {
	if rest := e.expected[key]; len(rest) > 1 {
		e.expected[key] = rest[1:]
	} else {
		delete(e.expected, key)
	}
}

// heard tells whether the message is one that was expected.
func (e *echoes) heard(key uint64, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	times := e.expected[key]
	for len(times) > 0 && now.Sub(times[0]) > echoWithin {
		e.take(key)
		times = e.expected[key]
	}
	if len(times) == 0 {
		return false
	}
	e.take(key)
	return true
}

// fingerprint tells messages apart.
func fingerprint(topic string, payload []byte) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, topic)
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(payload)
	return h.Sum64()
}

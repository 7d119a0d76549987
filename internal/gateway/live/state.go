package live

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// maxHeld is how many bytes of last messages, topics included, a Model keeps.
// A home's are some kilobytes; a stranger's could fill the memory.
// A topic that is known may go on with messages of a usual size all the same.
const (
	maxHeld = 16 << 20
	usual   = 4 << 10
)

// state is the last message on a topic. It is kept as it came: decoded it may
// be thirty times as large.
type state struct {
	payload []byte
	at      time.Time // of arrival; zero when it was a retained replay
}

func newState(msg mqttclient.Message, now time.Time) *state {
	s := &state{payload: msg.Payload, at: now}
	if msg.Retain {
		s.at = time.Time{}
	}
	return s
}

// read is the state for those who look into it now.
func (s *state) read() *discovery.State { return discovery.NewState(s.payload) }

// keep remembers a topic's last message unless there are too many topics, or
// too much in them; what was known of the topic then stays. It needs mu.
func (m *Model) keep(in map[string]*state, topic string, s *state) bool {
	size := len(s.payload)
	old, known := in[topic]
	if known {
		size -= len(old.payload)
	} else {
		size += len(topic)
	}
	full := size > 0 && m.held+size > maxHeld
	if !known && (full || len(in) >= maxEntities) || full && len(s.payload) > usual {
		return false
	}
	m.held += size
	in[topic] = s
	return true
}

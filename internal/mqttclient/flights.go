package mqttclient

import (
	"errors"
	"sync"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
)

// flights are the packets that the broker owes an answer to, by their ids.
type flights struct {
	mu   sync.Mutex
	last uint16
	of   map[uint16]*flight
}

type flight struct {
	awaits packet.Kind        // the kind of the next answer
	m      packet.Message     // of a PUBLISH: for sending it again
	answer chan packet.Packet // the last answer; has room for it
}

var errNoID = errors.New("too many packets wait for the broker's answer")

// begin takes an id for what is to be sent.
func (f *flights) begin(awaits packet.Kind, m packet.Message) (uint16, *flight, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range 0xffff {
		if f.last++; f.last == 0 {
			f.last = 1
		}
		if f.of[f.last] == nil {
			x := &flight{awaits: awaits, m: m, answer: make(chan packet.Packet, 1)}
			f.of[f.last] = x
			return f.last, x, nil
		}
	}
	return 0, nil, errNoID
}

// cancel gives up an id that was never sent.
func (f *flights) cancel(id uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, id)
}

// answered takes an answer. It reports whether a PUBREL is to be sent now, and
// whether a PUBLISH has come to its end.
func (f *flights) answered(p packet.Packet) (release, done bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.of[p.ID]
	if p.Kind == packet.Pubrec && (x == nil || x.awaits == packet.Pubcomp) {
		return true, false // the broker has not heard our PUBREL
	}
	if x == nil || x.awaits != p.Kind {
		return false, false
	}
	if p.Kind == packet.Pubrec && p.Reason < packet.Refusal {
		x.awaits, x.m.Payload = packet.Pubcomp, nil
		return true, false
	}
	delete(f.of, p.ID)
	x.answer <- p
	return false, p.Kind == packet.Puback || p.Kind == packet.Pubrec || p.Kind == packet.Pubcomp
}

// lost is after the connection has ended: what is no message is void, and so are
// messages unless the broker keeps the session.
func (f *flights) lost(kept bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, x := range f.of {
		if !kept || x.awaits == packet.Suback || x.awaits == packet.Unsuback {
			delete(f.of, id)
		}
	}
}

// again is what is to be sent once more in a session that the broker kept (MQTT
// 5.0, section 4.4). Whoever published it was told ErrDown long ago.
func (f *flights) again(b []byte) (packets []byte, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, x := range f.of {
		switch x.awaits {
		case packet.Puback, packet.Pubrec:
			b = packet.AppendPublish(b, x.m, id, true)
		case packet.Pubcomp:
			b = packet.AppendAck(b, packet.Pubrel, id)
		default:
			continue
		}
		n++
	}
	return b, n
}

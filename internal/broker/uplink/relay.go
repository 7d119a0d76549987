package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mochi-mqtt/server/v2/packets"
)

// relay passes packets between two ends for as long as both are connected.
type relay struct {
	local, remote *end
	out, in       *half
	log           *slog.Logger
	subscribed    func() // the other broker has said yes to the subscriptions
	// ready is called once both brokers have answered the subscriptions they
	// were asked for: before that, messages of theirs pass by.
	ready func()
	asked atomic.Int32 // subscriptions that are not answered, and one while they are made
}

// heard counts an answer, and the end of asking.
func (r *relay) heard() {
	if r.asked.Add(-1) == 0 {
		r.ready()
	}
}

// half is one direction: messages go from src to dst under the id that src gave
// them, and what dst says of them goes back.
type half struct {
	src, dst *end
	// translate makes the message what it is on the other side; false: it does
	// not go there.
	translate func(*packets.Packet) bool
	counts    *counts
	passed    func() // counts a message

	mu       sync.Mutex
	free     *sync.Cond
	flying   map[uint16]uint64 // what dst has not acknowledged, and what it is
	order    []uint16          // flying, oldest first
	acks     int
	mine     map[uint16]bool // what src has yet to release, and dst knows nothing of
	lowered  map[uint16]bool // sent at QoS 1 in place of 2
	released bool            // nobody waits any more
}

func newHalf(src, dst *end, c *counts) *half {
	h := &half{src: src, dst: dst, counts: c, flying: map[uint16]uint64{}, mine: map[uint16]bool{}, lowered: map[uint16]bool{}}
	h.free = sync.NewCond(&h.mu)
	return h
}

// run passes packets until ctx ends or one of the connections does, and closes
// both; when ctx ends with a farewell, and last for the remote one.
func (r *relay) run(parent context.Context, last []packets.Packet) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var wg sync.WaitGroup
	begin := func(f func() error) { wg.Go(func() { cancel(f()) }) }
	for _, e := range []*end{r.local, r.remote} {
		begin(func() error { return e.write(ctx) })
		begin(func() error { return e.ping(ctx) })
		begin(func() error { return r.follow(e) })
	}
	<-ctx.Done()
	r.out.release()
	r.in.release()
	if parent.Err() != nil {
		r.remote.farewell(last...)
		r.local.farewell()
	}
	r.local.conn.Close()
	r.remote.conn.Close()
	wg.Wait()
	return context.Cause(ctx)
}

// follow reads from one end until it fails.
func (r *relay) follow(e *end) error {
	messages, answers := r.out, r.in
	if e == r.remote {
		messages, answers = r.in, r.out
	}
	for {
		pk, err := e.read()
		if err != nil {
			return err
		}
		switch pk.FixedHeader.Type {
		case packets.Publish:
			err = messages.publish(pk)
		case packets.Pubrel:
			err = messages.pubrel(pk)
		case packets.Puback, packets.Pubrec, packets.Pubcomp:
			err = answers.answered(pk)
		case packets.Suback:
			if e == r.remote && !slices.ContainsFunc(pk.ReasonCodes, func(code byte) bool { return code >= 0x80 }) {
				r.subscribed()
			}
			r.heard()
			for i, code := range pk.ReasonCodes {
				if code >= 0x80 {
					r.log.Error("a subscription of the bridge is refused", "by", e.name, "number", i+1, "reason", fmt.Sprintf("0x%02x", code))
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// publish passes a message on.
func (h *half) publish(pk packets.Packet) error {
	key := fingerprint(pk.TopicName, pk.Payload)
	id, qos := pk.PacketID, pk.FixedHeader.Qos
	if !h.translate(&pk) {
		return h.settle(id, qos)
	}
	pk.Properties = carried(pk.Properties)
	if !h.dst.retains {
		pk.FixedHeader.Retain = false
	}
	pk.FixedHeader.Qos = min(qos, h.dst.maxQoS)
	size := len(pk.TopicName) + len(pk.Payload)
	if h.dst.largest > 0 && size+overhead(pk) > int(h.dst.largest) {
		h.counts.dropped.Add(1)
		return h.settle(id, qos)
	}
	if pk.FixedHeader.Qos == 0 {
		pk.PacketID, pk.FixedHeader.Dup = 0, false
		taken, err := h.dst.put(pk, true)
		if !taken {
			h.counts.dropped.Add(1)
		} else {
			h.passed()
		}
		return errors.Join(err, h.settle(id, qos))
	}
	if !h.takeOff(id, key, pk.FixedHeader.Qos < qos) {
		return context.Canceled
	}
	h.passed()
	_, err := h.dst.put(pk, false)
	return err
}

// settle answers src for a message that dst is not asked about.
func (h *half) settle(id uint16, qos byte) (err error) {
	switch qos {
	case 1:
		_, err = h.src.put(answer(packets.Puback, id), false)
	case 2:
		h.mu.Lock()
		h.mine[id] = true
		h.mu.Unlock()
		_, err = h.src.put(answer(packets.Pubrec, id), false)
	}
	return err
}

// takeOff waits until dst takes another message; false when the relay ends.
func (h *half) takeOff(id uint16, key uint64, lowered bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, again := h.flying[id]; !again && len(h.flying) >= h.dst.receiveMax && !h.released; {
		h.free.Wait()
	}
	if h.released {
		return false
	}
	if _, again := h.flying[id]; !again {
		h.order = append(h.order, id)
	}
	h.flying[id] = key
	if lowered {
		h.lowered[id] = true
	}
	return true
}

// land: dst has the message. It needs mu.
func (h *half) land(id uint16) {
	if _, ok := h.flying[id]; !ok {
		return
	}
	delete(h.flying, id)
	for i, o := range h.order {
		if o == id {
			h.order = append(h.order[:i], h.order[i+1:]...)
			break
		}
	}
	h.acks++
	h.free.Signal()
}

// pubrel: src has heard that the message of QoS 2 was received.
func (h *half) pubrel(pk packets.Packet) error {
	h.mu.Lock()
	mine := h.mine[pk.PacketID]
	delete(h.mine, pk.PacketID)
	h.mu.Unlock()
	if mine {
		_, err := h.src.put(answer(packets.Pubcomp, pk.PacketID), false)
		return err
	}
	_, err := h.dst.put(answer(packets.Pubrel, pk.PacketID), false)
	return err
}

// answered: dst has acknowledged a message, or a step of it.
func (h *half) answered(pk packets.Packet) error {
	id, kind := pk.PacketID, pk.FixedHeader.Type
	refused := pk.ReasonCode >= 0x80 && kind != packets.Pubcomp
	h.mu.Lock()
	if refused {
		h.counts.refused.Add(1)
	}
	if refused || kind != packets.Pubrec {
		h.land(id)
	}
	if h.lowered[id] || refused && kind == packets.Pubrec {
		// dst is done with it; the steps that remain are between src and us
		delete(h.lowered, id)
		kind, h.mine[id] = packets.Pubrec, true
	}
	h.mu.Unlock()
	_, err := h.src.put(answer(kind, id), false)
	return err
}

// release lets whoever waits for dst go.
func (h *half) release() {
	h.mu.Lock()
	h.released = true
	h.mu.Unlock()
	h.free.Broadcast()
}

// stuck is the message that dst has been offered and not taken, when it has
// taken none since the relay began.
func (h *half) stuck() (key uint64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.acks > 0 || len(h.order) == 0 {
		return 0, false
	}
	return h.flying[h.order[0]], true
}

// carried are the properties that belong to the message; the others belong to
// the connection it came on.
func carried(p packets.Properties) packets.Properties {
	return packets.Properties{
		PayloadFormat: p.PayloadFormat, PayloadFormatFlag: p.PayloadFormatFlag,
		MessageExpiryInterval: p.MessageExpiryInterval,
		ContentType:           p.ContentType,
		ResponseTopic:         p.ResponseTopic,
		CorrelationData:       p.CorrelationData,
		User:                  p.User,
	}
}

// overhead bounds what a packet has beside topic and payload.
func overhead(pk packets.Packet) int {
	p := pk.Properties
	n := 32 + len(p.ContentType) + len(p.ResponseTopic) + len(p.CorrelationData)
	for _, u := range p.User {
		n += 5 + len(u.Key) + len(u.Val)
	}
	return n
}

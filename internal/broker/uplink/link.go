package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/uplink/mapping"
)

// pace is how long to wait: before the second attempt, at most, and between
// looks whether the first address is there again.
type pace struct{ first, most, home time.Duration }

// wait waits before attempt n+1; false when ctx ended. A part of it is chance,
// so that the bridges of a fleet do not come back in the same moment.
func (p pace) wait(ctx context.Context, n int) bool {
	d := min(p.most, p.first<<min(n, 16))
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const (
	// steadyAfter is how long a connection must have held for the next attempt to
	// come soon.
	steadyAfter = 20 * time.Second
	// maxStuck is how often a broker may end the connection over one message
	// before that message is given up, and the others get their turn.
	maxStuck = 8
)

// counts of a link.
type counts struct {
	sent, received, refused, dropped, loops atomic.Uint64
}

// link is the life of one bridge.
type link struct {
	u      *Uplink
	c      Connection
	log    *slog.Logger
	counts counts
	echoes echoes

	next       int         // address to try
	before     subscribed  // when this process began
	subscribed atomic.Bool // at the other broker, since this process began
	spoken     byte        // the version of MQTT that it has accepted
	stuckOn    uint64      // the message that the last connections ended over
	stuck      int         // how many
	skip       atomic.Uint64

	mu      sync.Mutex
	address string // connected to; "": it is not
	changed time.Time
	trouble string
}

// run keeps the bridge up until ctx ends.
func (l *link) run(ctx context.Context) {
	l.tell("0")
	for n := 0; !l.enrol(ctx); n++ {
		if !l.u.opt.pace.wait(ctx, n) {
			return
		}
	}
	for n := 0; ; n++ {
		first := 0
		if l.c.RoundRobin {
			first = l.next
		}
		var held time.Duration
		for i := 0; i < len(l.c.Addresses) && held == 0; i++ {
			l.next = (first + i) % len(l.c.Addresses)
			err := l.once(ctx)
			if ctx.Err() != nil {
				return
			}
			held = l.down(err)
			if errors.Is(err, errHome) {
				n = -1
			}
		}
		if n < 0 {
			continue
		}
		l.next = (l.next + 1) % len(l.c.Addresses)
		if held > steadyAfter {
			n = 0
		}
		if !l.u.opt.pace.wait(ctx, n) {
			return
		}
	}
}

// enrol makes the session at our broker, so that messages wait there from now
// on, and brings its subscriptions to what the configuration says.
func (l *link) enrol(ctx context.Context) bool {
	now := subscribed{Out: names(l.c.Topics.Outgoing()), In: names(l.c.Topics.Incoming())}
	err := func() error {
		if l.c.CleanSession {
			return nil
		}
		before, err := l.u.kept.set(l.c.Name, now)
		if err != nil {
			return err
		}
		l.before = before
		// Messages at QoS 0 that wait would be sent to a connection that is only
		// made to subscribe, and be gone.
		if l.c.QueueQoS0 && slices.Equal(before.Out, now.Out) {
			return nil
		}
		e, err := l.u.dialLocal(ctx, l.c.Name, false, 1)
		if err != nil {
			return err
		}
		defer e.conn.Close()
		if err := errors.Join(e.unsubscribe(gone(before.Out, now.Out)), e.subscribe(l.c.Topics.Outgoing(), 2)); err != nil {
			return err
		}
		return e.await(packets.Suback, len(now.Out) > 0)
	}()
	if err != nil && ctx.Err() == nil {
		l.say("the bridge cannot begin yet", err)
	}
	return err == nil
}

func names(filters []mapping.Filter) (list []string) {
	for _, f := range filters {
		list = append(list, f.Filter)
	}
	return list
}

// errHome ends a connection because the preferred address is there again.
var errHome = errors.New("the first address is there again")

// once connects both ends and passes messages until one of them fails.
func (l *link) once(ctx context.Context) error {
	address := l.c.Addresses[l.next]
	remote, err := l.dialRemote(ctx, address)
	if err != nil {
		return err
	}
	local, err := l.u.dialLocal(ctx, l.c.Name, l.c.CleanSession, min(inFlight, remote.receiveMax))
	if err != nil {
		remote.farewell()
		remote.conn.Close()
		return err
	}
	r := &relay{local: local, remote: remote, log: l.log, subscribed: func() { l.subscribed.Store(true) }}
	r.out = newHalf(local, remote, &l.counts)
	r.out.translate, r.out.passed = l.translateOut(remote), func() { l.counts.sent.Add(1) }
	r.in = newHalf(remote, local, &l.counts)
	r.in.translate, r.in.passed = l.translateIn, func() { l.counts.received.Add(1) }
	r.ready = func() { l.up(address, remote) }
	if err := l.subscribe(r); err != nil {
		return err
	}
	defer func() {
		if key, stuck := r.out.stuck(); !stuck {
			l.stuck = 0
		} else if l.stuck++; key != l.stuckOn {
			l.stuckOn, l.stuck = key, 1
		} else if l.stuck >= maxStuck && ctx.Err() == nil {
			l.log.Error("a message is given up: the other broker ends the connection over it each time", "bridge", l.c.Name, "times", l.stuck)
			l.skip.Store(key)
			l.stuck = 0
		}
	}()
	relaying, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if l.next != 0 && !l.c.RoundRobin {
		go l.lookHome(relaying, cancel)
	}
	var last []packets.Packet
	if l.c.NotifyRemote {
		if _, err := remote.put(l.notification("1"), false); err != nil {
			return err
		}
		last = append(last, l.notification("0"))
	}
	err = r.run(relaying, last)
	if cause := context.Cause(relaying); errors.Is(cause, errHome) {
		return cause
	}
	return err
}

// subscribe at both brokers. Retained messages of ours go out when the other
// broker does not know us, and not at each reconnection.
func (l *link) subscribe(r *relay) error {
	r.asked.Add(1)
	defer r.heard()
	ask := func(e *end, filters []mapping.Filter, retain byte) error {
		if len(filters) > 0 {
			r.asked.Add(1)
		}
		return e.subscribe(filters, retain)
	}
	retain := byte(1) // when the subscription is new
	if !r.remote.session {
		retain = 0
	}
	if err := ask(r.local, l.c.Topics.Outgoing(), retain); err != nil {
		return err
	}
	if r.remote.session && l.subscribed.Load() {
		return nil
	}
	if r.remote.session {
		if err := r.remote.unsubscribe(gone(l.before.In, names(l.c.Topics.Incoming()))); err != nil {
			return err
		}
	}
	return ask(r.remote, l.c.Topics.Incoming(), 1)
}

// lookHome ends the connection once the first address answers again.
func (l *link) lookHome(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(l.u.opt.pace.home)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		d := net.Dialer{Timeout: connectTimeout}
		if conn, err := d.DialContext(ctx, "tcp", l.c.Addresses[0]); err == nil {
			conn.Close()
			cancel(errHome)
			return
		}
	}
}

// translateOut makes a message of our broker one of the other's.
func (l *link) translateOut(remote *end) func(*packets.Packet) bool {
	sent := l.u.kept.data.ID + ">"
	noLocal := remote.version == 5 || remote.private
	return func(pk *packets.Packet) bool {
		topic, ok := l.c.Topics.Out(pk.TopicName)
		if !ok {
			return false
		}
		if passed(pk, sent) {
			l.counts.loops.Add(1)
			return false
		}
		if skip := l.skip.Load(); skip != 0 && skip == fingerprint(pk.TopicName, pk.Payload) {
			l.skip.Store(0)
			l.counts.dropped.Add(1)
			return false
		}
		pk.TopicName = topic
		if remote.version == 5 {
			mark(pk, sent)
		}
		if _, back := l.c.Topics.In(topic); back && !noLocal {
			l.echoes.expect(fingerprint(topic, pk.Payload), time.Now())
		}
		return true
	}
}

// translateIn makes a message of the other broker one of ours.
func (l *link) translateIn(pk *packets.Packet) bool {
	topic, ok := l.c.Topics.In(pk.TopicName)
	if !ok {
		return false
	}
	sent, brought := l.u.kept.data.ID+">", "<"+l.u.kept.data.ID
	if passed(pk, sent) || passed(pk, brought) || l.echoes.heard(fingerprint(pk.TopicName, pk.Payload), time.Now()) {
		l.counts.loops.Add(1)
		return false
	}
	pk.TopicName = topic
	mark(pk, brought)
	return true
}

// up: the bridge stands.
func (l *link) up(address string, remote *end) {
	l.mu.Lock()
	l.address, l.changed, l.trouble = address, time.Now(), ""
	l.mu.Unlock()
	version := "5"
	if remote.version == 4 {
		version = "3.1.1"
	}
	l.log.Info("the bridge is up", "to", address, "mqtt", version, "session", remote.session)
	l.tell("1")
}

// down: it does not, and how long it did.
func (l *link) down(err error) (held time.Duration) {
	l.mu.Lock()
	was := l.address != ""
	if was {
		held = time.Since(l.changed)
		l.address, l.changed = "", time.Now()
	}
	l.mu.Unlock()
	l.say("the bridge is down; it is tried again", err)
	if was {
		l.tell("0")
	}
	return held
}

// say logs trouble when it is another than before.
func (l *link) say(what string, err error) {
	text := fmt.Sprint(err)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		text = fmt.Sprintf("connecting to %s: %v", op.Addr, op.Err)
	}
	l.mu.Lock()
	again := l.trouble == text
	l.trouble = text
	l.mu.Unlock()
	if !again {
		l.log.Warn(what, "why", text)
	}
}

// tell says on our broker whether the bridge is up.
func (l *link) tell(state string) {
	if !l.c.Notify {
		return
	}
	topic := l.c.NotifyTopic
	if topic == "" {
		topic = "$SYS/broker/connection/" + l.c.Name + "/state"
	}
	l.u.opt.Tell(topic, []byte(state))
}

func (l *link) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Name: l.c.Name, Connected: l.address != "", Address: l.address, Since: l.changed, Trouble: l.trouble,
		Sent: l.counts.sent.Load(), Received: l.counts.received.Load(), Refused: l.counts.refused.Load(),
		Dropped: l.counts.dropped.Load(), Loops: l.counts.loops.Load(),
	}
}

package mqttclient

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
)

// debts are the messages of QoS 1 and 2 that came and are owed an
// acknowledgement. Acknowledgements go out in the order in which the messages
// came (MQTT 5.0, section 4.6), whichever of them is done first. Those of a
// connection that was lost come again, if the broker kept the session, and are
// the same debts.
type debts struct {
	mu     sync.Mutex
	conn   *conn            // the current one
	queue  []*debt          // in the order in which they came on conn
	open   map[uint16]*debt // not acknowledged on any connection
	halves map[uint16]*conn // QoS 2: not released; where it was acknowledged
	kick   chan struct{}    // asks for what was acknowledged to be written
}

// debt is one such message.
type debt struct {
	id       uint16
	qos      byte
	handlers atomic.Int32 // that are not done
	paid     bool
	conn     *conn // on which it came last
}

func newDebts() debts {
	return debts{open: make(map[uint16]*debt), halves: make(map[uint16]*conn), kick: make(chan struct{}, 1)}
}

// begin is for a new connection. What is owed is void unless the broker kept the
// session.
func (o *debts) begin(conn *conn, kept bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn, o.queue = conn, nil
	if !kept {
		clear(o.open)
		clear(o.halves)
	}
}

// came takes a message. The result is nil for one that is with the handlers
// already, or was.
func (o *debts) came(conn *conn, id uint16, qos byte, again bool) *debt {
	o.mu.Lock()
	defer o.mu.Unlock()
	if on, half := o.halves[id]; half && qos == 2 {
		if on != conn { // the broker has not heard it
			o.halves[id] = conn
			conn.later(packet.Pubrec, id)
			conn.flush()
		}
		return nil
	}
	if d := o.open[id]; d != nil && d.qos == qos && (again || qos == 2) {
		if d.conn != conn {
			d.conn = conn
			o.queue = append(o.queue, d)
			o.settle() // it may have been paid meanwhile
			conn.flush()
		}
		return nil
	}
	d := &debt{id: id, qos: qos, conn: conn}
	d.handlers.Store(1)
	o.open[id] = d
	o.queue = append(o.queue, d)
	return d
}

// pay says that one more handler is done.
func (o *debts) pay(d *debt) {
	if d.handlers.Add(-1) != 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	d.paid = true
	o.settle()
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// settle acknowledges what is next. It needs the lock.
func (o *debts) settle() {
	for len(o.queue) > 0 && o.queue[0].paid {
		d := o.queue[0]
		o.queue[0] = nil
		if o.queue = o.queue[1:]; len(o.queue) == 0 {
			o.queue = nil // a burst's array is not kept for ever
		}
		if o.open[d.id] == d {
			delete(o.open, d.id)
		}
		if d.qos == 1 {
			o.conn.later(packet.Puback, d.id)
			continue
		}
		o.halves[d.id] = o.conn
		o.conn.later(packet.Pubrec, d.id)
	}
}

// released is when a message of QoS 2 is done with: its id may be another's.
func (o *debts) released(id uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.halves, id)
}

// flush writes what was acknowledged.
func (o *debts) flush() {
	o.mu.Lock()
	conn := o.conn
	o.mu.Unlock()
	if conn != nil {
		conn.flush()
	}
}

// flushAcks writes what handlers acknowledge later, many at a time, until the
// client is closed.
func (c *Client) flushAcks() {
	for {
		select {
		case <-c.owed.kick:
			c.owed.flush()
		case <-c.done:
			return
		}
	}
}

// readStamp reads what the broker says of a message that had to wait; zero for
// what it would not say.
func readStamp(text string) (at time.Time, age time.Duration) {
	first, second, _ := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(first, 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}, 0
	}
	age = -1
	if ago, err := strconv.ParseInt(second, 10, 64); err == nil && ago >= 0 && ago < int64(1<<62)/int64(time.Millisecond) {
		age = time.Duration(ago) * time.Millisecond
	}
	return time.UnixMilli(ms), age
}

package core

// queue holds what a session is to get, in order: what was sent and not yet
// acknowledged, and behind it what waits for its turn. Packet ids are given out as
// messages come in, one after the other, so that an id says where its message
// stands; what was acknowledged out of turn stays as an empty place until those
// before it are done.
type queue struct {
	ring        []entry // its length is a power of two
	head, n     int
	next        int    // how many from the head were sent, or need not be
	first       uint16 // the packet id at the head
	bytes       int64  // of the messages
	waitingQoS0 int    // messages of QoS 0, which are never acknowledged
}

// entry is one message for one session.
type entry struct {
	msg      *message // nil: not needed any more
	ids      []uint32 // subscription identifiers
	share    *share   // the group it is for, if any
	pid      uint16
	qos      byte
	retain   bool
	sent     bool // on this connection or an earlier one
	released bool // QoS 2: the client has it, and was or will be told to forget the id
	done     bool // an empty place
}

// maxSlots is how many places a queue has at most: fewer than there are ids.
const maxSlots = 65000

func (q *queue) len() int           { return q.n }
func (q *queue) full() bool         { return q.n >= maxSlots }
func (q *queue) unsent() int        { return q.n - q.next }
func (q *queue) at(i int) *entry    { return &q.ring[(q.head+i)&(len(q.ring)-1)] }
func (q *queue) sentOne()           { q.next++ }
func (q *queue) pidAt(i int) uint16 { return nextID(q.first, i) }

// nextID is the packet id n places after id. There is none of 0.
func nextID(id uint16, n int) uint16 { return uint16((int(id)-1+n)%65535 + 1) }

// push appends e and gives it a packet id.
func (q *queue) push(e entry) uint16 {
	if q.n == len(q.ring) {
		grown := make([]entry, max(8, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.ring, q.head = grown, 0
	}
	if q.first == 0 {
		q.first = 1
	}
	e.pid = q.pidAt(q.n)
	q.n++
	*q.at(q.n - 1) = e
	return e.pid
}

// find is where the message with a packet id stands, -1 where there is none.
func (q *queue) find(pid uint16) int {
	if q.n == 0 || pid == 0 {
		return -1
	}
	i := int(pid) - int(q.first)
	if i < 0 {
		i += 65535
	}
	if i >= q.n || q.at(i).done {
		return -1
	}
	return i
}

// finish empties the place of e and moves the head over the empty places.
func (q *queue) finish(e *entry) {
	*e = entry{done: true}
	for q.n > 0 && q.at(0).done {
		*q.at(0) = entry{}
		q.head = (q.head + 1) & (len(q.ring) - 1)
		q.first = nextID(q.first, 1)
		q.n--
		if q.next > 0 {
			q.next--
		}
	}
	if q.n == 0 && len(q.ring) > 64 {
		q.ring, q.head = nil, 0
	}
}

// restore appends an entry that has its packet id already; false where it cannot
// be one that follows.
func (q *queue) restore(e entry) bool {
	if q.n == 0 {
		q.first = e.pid
		return q.push(e) == e.pid
	}
	gap := int(e.pid) - int(q.pidAt(q.n))
	if gap < 0 {
		gap += 65535
	}
	if q.n+gap >= maxSlots {
		return false
	}
	for range gap {
		q.push(entry{done: true})
	}
	return q.push(e) == e.pid
}

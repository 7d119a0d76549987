package core

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// out is what is on its way to a client. Whoever adds to it may write it, without
// waiting; only what the socket does not take at once gets a goroutine.
type out struct {
	c    net.Conn
	raw  syscall.RawConn // nil where the connection is not a socket
	try  func(uintptr) bool
	part []byte // what try writes
	put  int    // and how much of it went
	err  error

	all     *outTotal
	drain   func()       // called without locks when everything has gone and more is to come
	starved atomic.Bool  // more is to come
	bytes   atomic.Int64 // that were not written yet
	queue   atomic.Int64 // messages in the session's queue
	linger  atomic.Bool  // the client was told why it is disconnected
	asked   atomic.Bool  // somebody waits for room, or the client is slow

	mu       sync.Mutex
	segs     []segment
	writing  bool
	touched  bool          // somebody will call flush
	slow     bool          // it has held up publishers once and does not do so again before it is empty
	held     bool          // nothing is written yet
	closing  bool          // close when everything has gone
	closed   bool          // nothing is taken any more
	room     chan struct{} // closed when less than half the mark waits; nil: nobody asks
	patience time.Duration // of publishers, for this client
	timeout  time.Duration // for a client that is being closed
	ended    chan struct{} // closed when nothing more is written
}

// segment is a piece of what goes out. A pooled one may be appended to.
type segment struct {
	b      []byte
	pooled bool
}

const (
	segmentSmall = 1 << 10
	segmentLarge = 16 << 10
	byReference  = 8 << 10   // payloads of this size are not copied
	outMark      = 256 << 10 // more than this holds up publishers for a moment
	queueMark    = 4096      // and so do more messages
)

var (
	smallSegments = sync.Pool{New: func() any { b := make([]byte, 0, segmentSmall); return &b }}
	largeSegments = sync.Pool{New: func() any { b := make([]byte, 0, segmentLarge); return &b }}
)

func newSegment(n int) segment {
	switch {
	case n <= segmentSmall:
		return segment{*smallSegments.Get().(*[]byte), true}
	case n <= segmentLarge:
		return segment{*largeSegments.Get().(*[]byte), true}
	}
	return segment{make([]byte, 0, n), false}
}

func (g segment) free() {
	if !g.pooled {
		return
	}
	b := g.b[:0]
	switch cap(b) {
	case segmentSmall:
		smallSegments.Put(&b)
	case segmentLarge:
		largeSegments.Put(&b)
	}
}

func (o *out) init(c net.Conn, all *outTotal, timeout time.Duration) {
	o.c, o.all, o.timeout, o.patience, o.ended = c, all, timeout, patience, make(chan struct{})
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			o.raw, o.try = raw, o.trySocket
		}
	}
}

// space is where the next n bytes go: the caller appends them to the segment. It
// needs the lock.
func (o *out) space(n int) *segment {
	if k := len(o.segs); k > 0 {
		last := &o.segs[k-1]
		if last.pooled && cap(last.b)-len(last.b) >= n {
			return last
		}
		if last.pooled && cap(last.b) == segmentSmall && len(last.b)+n <= segmentLarge {
			big := newSegment(segmentLarge)
			big.b = append(big.b, last.b...)
			last.free()
			*last = big
			return last
		}
	}
	o.segs = append(o.segs, newSegment(n))
	return &o.segs[len(o.segs)-1]
}

// add appends bytes, which are copied, and a payload that may be referred to if
// it does not change. It tells whether the caller must see to it that flush is
// called, and how much waits.
func (o *out) add(head, payload []byte, constant bool) (touch bool, waiting int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.closing {
		return false, 0
	}
	n := len(head) + len(payload)
	if constant && len(payload) >= byReference {
		g := o.space(len(head))
		g.b = append(g.b, head...)
		o.segs = append(o.segs, segment{payload, false})
	} else {
		g := o.space(n)
		g.b = append(append(g.b, head...), payload...)
	}
	o.all.bytes.Add(int64(n))
	touch = !o.touched
	o.touched = true
	return touch, o.bytes.Add(int64(n))
}

// flush writes what is there, as far as the socket takes it now.
func (o *out) flush() {
	o.mu.Lock()
	o.touched = false
	for rounds := 0; ; rounds++ {
		if o.writing || o.closed || o.held {
			o.mu.Unlock()
			return
		}
		if len(o.segs) == 0 {
			closing := o.closing
			o.mu.Unlock()
			if closing {
				o.shut()
			} else if o.starved.Load() {
				go o.drain()
			}
			return
		}
		o.writing = true
		if o.raw == nil || rounds == 4 {
			o.mu.Unlock()
			go o.writeAll()
			return
		}
		segs := o.segs
		o.segs = nil
		o.mu.Unlock()
		for i := range segs {
			o.part, o.put, o.err = segs[i].b, 0, nil
			err := o.raw.Write(o.try)
			if err == nil {
				err = o.err
			}
			o.wrote(o.put)
			if err != nil {
				o.close()
				return
			}
			if o.put < len(segs[i].b) { // the socket is full
				rest := append([]byte(nil), segs[i].b[o.put:]...)
				segs[i].free()
				segs[i] = segment{rest, false}
				o.mu.Lock()
				o.segs = append(segs[i:len(segs):len(segs)], o.segs...)
				o.mu.Unlock()
				go o.writeAll()
				return
			}
			segs[i].free()
		}
		o.mu.Lock()
		o.writing = false
		if len(o.segs) == 0 && o.segs == nil {
			clear(segs)
			o.segs = segs[:0:min(cap(segs), 4)]
		}
	}
}

// trySocket writes what the socket takes and never waits.
func (o *out) trySocket(fd uintptr) bool {
	for o.put < len(o.part) {
		n, err := syscall.Write(int(fd), o.part[o.put:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			o.err = err
			return true
		}
		o.put += n
	}
	return true
}

// writeAll writes, waiting where it must, until nothing is left.
func (o *out) writeAll() {
	for {
		o.mu.Lock()
		if o.closed || len(o.segs) == 0 {
			o.writing = false
			closing := o.closing || o.closed
			o.mu.Unlock()
			if closing {
				o.shut()
			} else if o.starved.Load() {
				o.drain()
			}
			return
		}
		segs := o.segs
		o.segs = nil
		o.mu.Unlock()
		for i := range segs {
			n, err := o.c.Write(segs[i].b)
			o.wrote(n)
			if err != nil {
				o.close()
				return
			}
			segs[i].free()
		}
	}
}

// wrote counts what has gone.
func (o *out) wrote(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	left := o.bytes.Add(int64(-n))
	o.all.bytes.Add(int64(-n))
	o.all.sent.Add(uint64(n))
	if left < outMark/2 && o.asked.Load() {
		o.relieve()
	}
}

// relieve lets publishers go on where there is room again. It needs the lock.
func (o *out) relieve() {
	bytes, queue := o.bytes.Load(), o.queue.Load()
	if o.room != nil && bytes < outMark/2 && queue < queueMark/2 {
		close(o.room)
		o.room = nil
		o.patience = min(patience, 2*o.patience)
	}
	if bytes == 0 && queue == 0 {
		o.slow = false
	}
	o.asked.Store(o.room != nil || o.slow)
}

// queued says how many messages are in the session's queue.
func (o *out) queued(n int) {
	o.queue.Store(int64(n))
	if n < queueMark/2 && o.asked.Load() {
		o.mu.Lock()
		o.relieve()
		o.mu.Unlock()
	}
}

// hold makes what is added wait for release.
func (o *out) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = true
}

func (o *out) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = false
}

// finish closes the connection when everything has gone, or after the timeout.
func (o *out) finish() {
	o.mu.Lock()
	o.closing = true
	held := o.held
	o.mu.Unlock()
	if held {
		o.close()
		return
	}
	_ = o.c.SetWriteDeadline(time.Now().Add(o.timeout))
	o.flush()
}

// farewell is how long a client that was told why it is disconnected may take to
// end the connection: what it still sends must not make the operating system
// throw away what it was told.
const farewell = 2 * time.Second

// shut ends this direction of the connection.
func (o *out) shut() {
	half, ok := o.c.(interface{ CloseWrite() error })
	if !ok || !o.linger.Load() || half.CloseWrite() != nil {
		o.close()
		return
	}
	_ = o.c.SetReadDeadline(time.Now().Add(farewell))
	o.end()
}

// close ends the connection now.
func (o *out) close() {
	o.end()
	go o.c.Close() // which waits for whoever reads, and that may be who calls this
}

func (o *out) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.closed = true
	o.all.bytes.Add(-o.bytes.Swap(0))
	o.segs = nil
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	close(o.ended)
}

// patience is how long a publisher waits at most for a client that does not keep
// up. One that has used it up is waited for half as long the next time.
const patience = 250 * time.Millisecond

// await waits until less is on the way, but not for one that is slow.
func (o *out) await(stop <-chan struct{}) {
	o.mu.Lock()
	if o.slow || o.closed || o.bytes.Load() < outMark && o.queue.Load() < queueMark {
		o.mu.Unlock()
		return
	}
	if o.room == nil {
		o.room = make(chan struct{})
		o.asked.Store(true)
	}
	room := o.room
	t := time.NewTimer(o.patience)
	o.mu.Unlock()
	defer t.Stop()
	select {
	case <-room:
	case <-stop:
	case <-t.C:
		o.mu.Lock()
		if !o.slow && (o.bytes.Load() >= outMark/2 || o.queue.Load() >= queueMark/2) {
			o.slow = true
			o.patience = max(o.patience/2, time.Millisecond)
			o.asked.Store(true)
		}
		o.mu.Unlock()
	}
}

package ash

import "sync"

// maxUnsent bounds what waits for the line. It is ten times what the largest
// window holds.
const maxUnsent = 32 << 10

// trier is a line that can say how much it takes without waiting.
type trier interface {
	TryWrite(p []byte) (n int, err error)
}

// outbox holds what the line has not taken yet.
type outbox struct {
	line trier // nil: all is for the writer
	wake chan struct{}

	mu   sync.Mutex
	b    []byte
	busy bool // somebody writes what came before b
}

// add reports whether there was room.
func (o *outbox) add(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.b)+len(b) > maxUnsent {
		return false
	}
	o.b = append(o.b, b...)
	return true
}

// send gives the line what it takes at once, and the rest to the writer, who
// would have to be woken for everything otherwise.
func (o *outbox) send() error {
	if o.line == nil {
		o.wakeWriter()
		return nil
	}
	b := o.take()
	if len(b) == 0 {
		return nil
	}
	n, err := o.line.TryWrite(b)
	o.taken(b, n)
	return err
}

// take gives all that waits to who is to write it, unless somebody else does.
func (o *outbox) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || len(o.b) == 0 {
		return nil
	}
	b := o.b
	o.b, o.busy = nil, true
	return b
}

// taken is after take: the line has taken n bytes of b.
func (o *outbox) taken(b []byte, n int) {
	o.mu.Lock()
	o.busy = false
	switch {
	case n < len(b):
		o.b = append(b[n:], o.b...)
	case o.b == nil && cap(b) <= 4*MaxData:
		o.b = b[:0] // there will be more
	}
	more := len(o.b) > 0
	o.mu.Unlock()
	if more {
		o.wakeWriter()
	}
}

func (o *outbox) wakeWriter() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

package mqttclient

import "sync"

// mailbox is a queue between goroutines whose writers never wait.
type mailbox[T any] struct {
	mu     sync.Mutex
	filled sync.Cond
	items  []T
	sizes  []int
	size   int
	closed bool
}

func newMailbox[T any]() *mailbox[T] {
	m := &mailbox[T]{}
	m.filled.L = &m.mu
	return m
}

// put appends v whatever the size.
func (m *mailbox[T]) put(v T) { m.putWithin(v, 0, 0) }

// putWithin appends v of the given size unless the sizes of what waits would
// exceed limit; it tells whether v was taken. A size of 0 is always taken.
func (m *mailbox[T]) putWithin(v T, limit, size int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || (size > 0 && m.size+size > limit) {
		return false
	}
	m.items = append(m.items, v)
	m.sizes = append(m.sizes, size)
	m.size += size
	m.filled.Signal()
	return true
}

// get waits for the next item; false after close.
func (m *mailbox[T]) get() (v T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.items) == 0 && !m.closed {
		m.filled.Wait()
	}
	if m.closed {
		return v, false
	}
	v = m.items[0]
	var zero T
	m.items[0] = zero // what was taken may be freed
	m.size -= m.sizes[0]
	m.items, m.sizes = m.items[1:], m.sizes[1:]
	if len(m.items) == 0 {
		m.items, m.sizes = nil, nil // a burst's array is not kept for ever
	}
	return v, true
}

// empty reports whether nothing waits.
func (m *mailbox[T]) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items) == 0
}

func (m *mailbox[T]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.items, m.sizes, m.size = nil, nil, 0
	m.filled.Broadcast()
}

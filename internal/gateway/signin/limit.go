package signin

import (
	"net/netip"
	"sync"
	"time"
)

// Failed attempts are counted in buckets that refill: one for each address and
// one for everybody, so that neither one machine nor many can guess fast.
const (
	addressBurst  = 8
	addressRefill = 30 * time.Second // for one attempt
	globalBurst   = 60
	globalRefill  = 2 * time.Second
	maxAddresses  = 4096 // remembered; beyond, the fullest are forgotten first
)

type limiter struct {
	now func() time.Time
	one rate // of each address
	any rate // of everybody together

	mu     sync.Mutex
	all    bucket
	byAddr map[netip.Prefix]*bucket
}

// A rate is how many attempts may fail at once, and how long one takes to be
// forgiven.
type rate struct {
	burst  float64
	refill time.Duration
}

// A bucket is a debt of attempts that falls with time.
type bucket struct {
	debt float64 // attempts
	at   time.Time
}

func (b *bucket) settle(now time.Time, refill time.Duration) {
	if d := now.Sub(b.at); d > 0 {
		b.debt = max(0, b.debt-d.Seconds()/refill.Seconds())
	}
	b.at = now
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, byAddr: map[netip.Prefix]*bucket{},
		one: rate{addressBurst, addressRefill}, any: rate{globalBurst, globalRefill}}
}

// network is what counts as one visitor: an IPv4 address, or an IPv6 /64 (one
// machine has as many addresses in it as it likes).
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{} // an unknown address: all of them are one visitor
	}
	return p
}

// take counts an attempt from addr, or says how long to wait first.
func (l *limiter) take(addr netip.Addr) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	key := network(addr)
	b := l.byAddr[key]
	if b == nil {
		l.makeRoom(now)
		b = &bucket{at: now}
		l.byAddr[key] = b
	}
	b.settle(now, l.one.refill)
	l.all.settle(now, l.any.refill)
	if over := b.debt + 1 - l.one.burst; over > 0 {
		wait = time.Duration(over * float64(l.one.refill))
	}
	if over := l.all.debt + 1 - l.any.burst; over > 0 {
		wait = max(wait, time.Duration(over*float64(l.any.refill)))
	}
	if wait > 0 {
		return wait
	}
	b.debt++
	l.all.debt++
	return 0
}

// giveBack takes back an attempt that was right or was never judged.
func (l *limiter) giveBack(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.byAddr[network(addr)]; b != nil {
		b.debt = max(0, b.debt-1)
	}
	l.all.debt = max(0, l.all.debt-1)
}

// makeRoom keeps the table bounded: paid-off buckets go first, and when every
// one of them is in debt, any goes (the global bucket still holds).
func (l *limiter) makeRoom(now time.Time) {
	if len(l.byAddr) < maxAddresses {
		return
	}
	for k, b := range l.byAddr {
		if b.settle(now, l.one.refill); b.debt == 0 {
			delete(l.byAddr, k)
		}
	}
	for k := range l.byAddr {
		if len(l.byAddr) < maxAddresses {
			return
		}
		delete(l.byAddr, k)
	}
}

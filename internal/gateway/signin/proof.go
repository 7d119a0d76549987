package signin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	proofTime = 5 * time.Minute
	maxProofs = 64
)

// proofs remembers which name and password were right a moment ago, as a digest
// under a key that lives only in this process.
type proofs struct {
	now func() time.Time
	key []byte

	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time
}

func newProofs(now func() time.Time) *proofs {
	key := make([]byte, 32)
	rand.Read(key)
	return &proofs{now: now, key: key, until: map[[sha256.Size]byte]time.Time{}}
}

func (p *proofs) digest(user, password string) (d [sha256.Size]byte) {
	m := hmac.New(sha256.New, p.key)
	m.Write([]byte(CleanUser(user)))
	m.Write([]byte{0})
	m.Write([]byte(password))
	copy(d[:], m.Sum(nil))
	return d
}

func (p *proofs) has(user, password string) bool {
	d := p.digest(user, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Before(p.until[d])
}

func (p *proofs) add(user, password string) {
	d := p.digest(user, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.until) >= maxProofs {
		clear(p.until)
	}
	p.until[d] = p.now().Add(proofTime)
}

func (p *proofs) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.until)
}

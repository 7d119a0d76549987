package broker

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// pairFiles is a certificate and its key in two files, as somebody else renews
// them: they are read again when they change, and one that is damaged leaves the
// last that was good.
type pairFiles struct {
	cert, key string

	mu     sync.Mutex
	read   [2]time.Time // when the files were changed that were read
	loaded *tls.Certificate
	err    error
}

func (p *pairFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var now [2]time.Time
	for i, path := range []string{p.cert, p.key} {
		if info, err := os.Stat(path); err == nil {
			now[i] = info.ModTime()
		}
	}
	if now == p.read && (p.loaded != nil || p.err != nil) {
		return p.loaded, p.err
	}
	p.read = now
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil:
		p.loaded, p.err = &pair, nil
	case p.loaded == nil:
		p.err = fmt.Errorf("reading the certificate of a listener: %w", err)
	}
	return p.loaded, p.err
}

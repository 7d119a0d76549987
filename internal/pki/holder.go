package pki

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Certificates are those of one holder, for its tls.Config: they are read again
// when the authority has renewed them. The process that holds them need not be
// the one that makes them.
type Certificates struct {
	dir string

	mu     sync.Mutex
	loaded map[string]loaded // by file
}

type loaded struct {
	info fs.FileInfo
	pair *tls.Certificate
}

// HolderDir is where a holder's certificates are in the authority's directory.
func HolderDir(dir, holder string) string { return filepath.Join(dir, holder) }

// NewCertificates returns those in a holder's directory. Nothing is read until
// somebody connects.
func NewCertificates(dir string) *Certificates {
	return &Certificates{dir: dir, loaded: map[string]loaded{}}
}

// GetCertificate is for a tls.Config whose Certificates are empty: crypto/tls
// would show the first of those to who sent no name. Who asked for a name is shown names alone;
// who asked for an address (and so sent no name) is shown the addresses too.
func (c *Certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	file := namesFile
	if _, err := netip.ParseAddr(hello.ServerName); hello.ServerName == "" || err == nil {
		file = allFile
	}
	return c.get(filepath.Join(c.dir, file))
}

func (c *Certificates) get(path string) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.loaded[path]
	info, err := os.Stat(path)
	if err == nil && old.pair != nil && os.SameFile(info, old.info) && info.ModTime().Equal(old.info.ModTime()) {
		return old.pair, nil
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.X509KeyPair(b, b)
	}
	if err != nil {
		if old.pair != nil {
			return old.pair, nil // better than none
		}
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	c.loaded[path] = loaded{info: info, pair: &pair}
	return &pair, nil
}

// Run renews what must be renewed, looking every minute, until ctx ends: names
// and addresses change, clocks get set, months pass.
func (a *Authority) Run(ctx context.Context) {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		_, err := a.Renew()
		if err == nil {
			said = ""
		} else if s := err.Error(); s != said {
			said = s
			a.o.Log.Error("certificates are not renewed", "err", err)
		}
	}
}

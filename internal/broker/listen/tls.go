package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
)

// TLS is how a listener proves who it is, and what it asks of clients.
type TLS struct {
	// GetCertificate is the listener's own, asked at each handshake: it may
	// change at any time.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Trust is whose client certificates are good; nil: none is asked for.
	Trust *Trust
	// RequireCertificate ends connections that show none.
	RequireCertificate bool
}

// tlsLayer is TLS on one listener. Its configuration is made anew when those who
// are trusted change: it has the keys of session tickets in it, and a ticket must
// not outlive the trust that it was given in.
type tlsLayer struct {
	o TLS

	mu     sync.Mutex
	pool   *x509.CertPool
	config *tls.Config
}

func (t *tlsLayer) current() (*tls.Config, error) {
	var pool *x509.CertPool
	if t.o.Trust != nil {
		var err error
		if pool, err = t.o.Trust.pool(); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.config != nil && t.pool == pool {
		return t.config, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: t.o.GetCertificate}
	if pool != nil {
		c.ClientCAs = pool
		c.ClientAuth = tls.VerifyClientCertIfGiven
		if t.o.RequireCertificate {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
		c.VerifyConnection = t.verify // also of a session that is resumed
	}
	t.pool, t.config = pool, c
	return c, nil
}

func (t *tlsLayer) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		if t.o.RequireCertificate {
			return errors.New("it shows no certificate")
		}
		return nil
	}
	return t.o.Trust.Check(s.PeerCertificates[0])
}

// shake puts TLS on the connection.
func (t *tlsLayer) shake(ctx context.Context, c *Conn) error {
	config, err := t.current()
	if err != nil {
		return err
	}
	secure := tls.Server(c.Raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("it took too long: %w", ctx.Err())
		}
		return err
	}
	c.Conn = secure
	if chain := secure.ConnectionState().PeerCertificates; len(chain) > 0 && t.o.Trust != nil {
		c.Certificate = chain[0]
	}
	return nil
}

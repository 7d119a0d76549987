package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

// answerMost bounds what is read of an answer: half a reason is better than none.
const answerMost = 16 << 10

// newClient is the HTTP side of a destination.
func (d Destination) newClient() *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: 2 * time.Minute,
		TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true,
		MaxResponseHeaderBytes: 64 << 10,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}
	transport.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		config, err := d.tls()
		if err != nil {
			return nil, err
		}
		return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}).DialContext(ctx, network, addr)
	}
	return &http.Client{
		Transport: transport, Timeout: httpWithin,
		// A redirect would take the token to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// tls reads the certificates anew for each connection. The server's is always
// checked, and its name too.
func (d Destination) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	read := func(of Secret, what string) ([]byte, error) {
		s, err := of()
		if err != nil {
			return nil, &problem{kind: misconfigured, text: "its " + what + " cannot be read: " + err.Error(),
				hint: "put the " + what + " for " + d.Name + " in its file under secrets/"}
		}
		return []byte(s), nil
	}
	if d.Authority != nil {
		pem, err := read(d.Authority, "certificate authority")
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &problem{kind: misconfigured, text: "its certificate authority is no certificate in PEM", hint: "put the authority's certificate for " + d.Name + " in its file under secrets/"}
		}
	}
	if d.Certificate != nil && d.Key != nil {
		cert, err := read(d.Certificate, "client certificate")
		if err != nil {
			return nil, err
		}
		key, err := read(d.Key, "client key")
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, &problem{kind: misconfigured, text: "the client certificate cannot be used: " + err.Error(), hint: "put the certificate and the key for " + d.Name + ", in PEM, in their files under secrets/"}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// post sends lines in one request, compressed. The error is nil when the
// server has answered for all of them, and a *problem otherwise.
func (s *Sender) post(ctx context.Context, body []byte) error {
	s.packed.Reset()
	s.gzip.Reset(&s.packed)
	if _, err := s.gzip.Write(body); err != nil {
		return err
	}
	if err := s.gzip.Close(); err != nil {
		return err
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		s.freshConn.Store(!c.Reused)
	}})
	// The transport may still read from the body when it has returned.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.target, bytes.NewReader(bytes.Clone(s.packed.Bytes())))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("Content-Encoding", "gzip")
	if err := s.signIn(req); err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return s.noAnswer(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	err = s.judge(resp.StatusCode, resp.Header, answer)
	s.noteAnswer(resp.StatusCode, err)
	return err
}

// noAnswer is a request that got none.
func (s *Sender) noAnswer(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p // a certificate of ours
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, which may have a secret in it
	}
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		alert   tls.AlertError
	)
	switch {
	case errors.As(err, &unknown):
		return &problem{kind: misconfigured, text: "its certificate is not trusted: " + err.Error(),
			hint: fmt.Sprintf("put the certificate of the authority of %s in a file under secrets/ and name it as its ca", s.Name)}
	case errors.As(err, &name), errors.As(err, &invalid):
		return &problem{kind: misconfigured, text: "its certificate is not right: " + err.Error(), hint: "check the address of " + s.Name + " and its certificate"}
	case errors.As(err, &alert):
		return &problem{kind: misconfigured, text: "it refuses the connection: " + err.Error(), hint: "check the client certificate for " + s.Name}
	}
	return &problem{kind: unreachable, text: "it does not answer: " + err.Error(), hint: "check that the server is running and its address is right", gone: true}
}

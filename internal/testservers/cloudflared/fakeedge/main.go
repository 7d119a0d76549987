// Command fakeedge stands for Cloudflare's edge: it takes the connections of one
// cloudflared, tells it where the tunnel leads, and passes to it what comes in at a
// port, as the edge does with a visitor's request.
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/cloudflare/cloudflared/connection"
	"github.com/cloudflare/cloudflared/tunnelrpc"
	"github.com/cloudflare/cloudflared/tunnelrpc/pogs"
	"github.com/google/uuid"
	"golang.org/x/net/http2"
)

func main() {
	config := flag.String("config", "", "the tunnel's configuration, as JSON")
	ca := flag.String("ca", "", "file to write the certificate to that cloudflared is to trust")
	flag.Parse()
	if err := run(*config, *ca); err != nil {
		log.Fatal(err)
	}
}

// edge is what there is of it.
type edge struct {
	config string

	mu      sync.Mutex
	tunnels []*http2.ClientConn
}

func run(config, ca string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"h2.cftunnel.com"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	inner, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		return err
	}
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e := &edge{config: config}
	go func() {
		for {
			c, err := inner.Accept()
			if err != nil {
				return
			}
			go e.take(c)
		}
	}()
	fmt.Printf("%s %s\n", inner.Addr(), outer.Addr())
	return http.Serve(outer, e)
}

// stream is a request's body and its answer's, as one.
type stream struct {
	io.Reader
	io.WriteCloser
}

func (e *edge) take(c net.Conn) {
	cc, err := (&http2.Transport{}).NewClientConn(c)
	if err != nil {
		log.Print(err)
		return
	}
	body, to := io.Pipe()
	r, _ := http.NewRequest(http.MethodGet, "https://edge.invalid/", body)
	r.Header.Set(connection.InternalUpgradeHeader, connection.ControlStreamUpgrade)
	res, err := cc.RoundTrip(r)
	if err != nil {
		log.Print(err)
		return
	}
	_ = tunnelrpc.NewRegistrationServer(&registrar{e, cc}).Serve(context.Background(), stream{res.Body, to})
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, t := range e.tunnels {
		if t == cc {
			e.tunnels = append(e.tunnels[:i], e.tunnels[i+1:]...)
			break
		}
	}
	cc.Close()
}

type registrar struct {
	e  *edge
	cc *http2.ClientConn
}

func (r *registrar) RegisterConnection(context.Context, pogs.TunnelAuth, uuid.UUID, byte, *pogs.ConnectionOptions) (*pogs.ConnectionDetails, error) {
	go r.configure()
	return &pogs.ConnectionDetails{UUID: uuid.New(), Location: "TST", TunnelIsRemotelyManaged: true}, nil
}

func (r *registrar) UnregisterConnection(context.Context)                   {}
func (r *registrar) UpdateLocalConfiguration(context.Context, []byte) error { return nil }

// configure tells where the tunnel leads; then it is used.
func (r *registrar) configure() {
	b, _ := json.Marshal(connection.ConfigurationUpdateBody{Version: 1, Config: []byte(r.e.config)})
	q, _ := http.NewRequest(http.MethodPost, "https://edge.invalid/", bytes.NewReader(b))
	q.Header.Set(connection.InternalUpgradeHeader, connection.ConfigurationUpdate)
	res, err := r.cc.RoundTrip(q)
	if err != nil {
		log.Print(err)
		return
	}
	answer, _ := io.ReadAll(res.Body)
	log.Printf("configured: %s", answer)
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	r.e.tunnels = append(r.e.tunnels, r.cc)
}

// ServeHTTP is a visitor's request.
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	var t *http2.ClientConn
	if len(e.tunnels) > 0 {
		t = e.tunnels[0]
	}
	e.mu.Unlock()
	if t == nil {
		http.Error(w, "there is no tunnel", http.StatusBadGateway)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "https", r.Host
	out.Header.Set("Cf-Connecting-Ip", "203.0.113.7")
	out.Header.Set("Cf-Visitor", `{"scheme":"https"}`)
	res, err := t.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
}

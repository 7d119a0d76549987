package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// dialRemote connects to the other broker at address, with the best version of
// MQTT that it speaks.
func (l *link) dialRemote(ctx context.Context, address string) (*end, error) {
	type form struct {
		version byte
		private bool
	}
	var forms []form
	if l.c.Version != MQTT311 {
		forms = append(forms, form{5, false})
	}
	if l.c.Version != MQTT50 {
		if l.c.TryPrivate {
			forms = append(forms, form{4, true})
		}
		forms = append(forms, form{4, false})
	}
	var last error
	for _, f := range forms {
		conn, err := l.connect(ctx, address)
		if err != nil {
			return nil, err
		}
		e, err := newEnd(ctx, address, conn, hello{
			version: f.version, private: f.private, clientID: l.remoteID(), user: l.c.Username, password: l.c.Password,
			clean: l.c.CleanSession, keepAlive: l.c.KeepAlive, receive: inFlightHere, will: l.will(),
		})
		if err == nil {
			l.spoken = f.version
			return e, nil
		}
		no := (*refusal)(nil)
		if !(errors.As(err, &no) && no.wrongVersion()) && !(errors.Is(err, errSilent) && l.spoken != f.version) {
			return nil, err
		}
		if last == nil || no != nil {
			last = err
		}
	}
	return nil, last
}

// connect is TCP, and TLS where it is asked for.
func (l *link) connect(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTimeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil || l.c.TLS == nil {
		return conn, err
	}
	cfg, err := l.c.TLS.config(address)
	if err != nil {
		conn.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting to %s over TLS: %w", address, err)
	}
	return secure, nil
}

func (t *TLS) config(address string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the certificates of the bridge: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the certificates of the bridge: %s holds none in PEM form", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the bridge's own certificate: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if t.Insecure { // who it is, is proved all the same: only its name is not compared
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: cfg.RootCAs, Intermediates: x509.NewCertPool()}
			for _, c := range s.PeerCertificates[1:] {
				o.Intermediates.AddCert(c)
			}
			_, err := s.PeerCertificates[0].Verify(o)
			return err
		}
	}
	return cfg, nil
}

// remoteID is the bridge's client id at the other broker, where those of many
// houses meet.
func (l *link) remoteID() string {
	if l.c.ClientID != "" {
		return l.c.ClientID
	}
	return "hems-" + l.u.kept.data.ID + "-" + l.c.Name // some take no dots
}

// notification says whether the bridge is up; topic is "" for the usual one.
func (l *link) notification(state string) packets.Packet {
	topic := l.c.NotifyTopic
	if topic == "" {
		topic = "$SYS/broker/connection/" + l.remoteID() + "/state"
	}
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: true}, TopicName: topic, Payload: []byte(state)}
}

func (l *link) will() *packets.Packet {
	if !l.c.NotifyRemote {
		return nil
	}
	w := l.notification("0")
	w.FixedHeader.Qos = 1
	return &w
}

// farewell sends what waits, the packets given and a DISCONNECT, as far as the
// broker reads within a moment.
func (e *end) farewell(last ...packets.Packet) {
	for _, pk := range append(last, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}}) {
		_, _ = e.put(pk, false)
	}
	if e.conn.SetWriteDeadline(time.Now().Add(time.Second/2)) == nil {
		_ = e.flush()
	}
}

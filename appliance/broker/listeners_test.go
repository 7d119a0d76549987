package broker

import (
	"crypto/tls"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/listen"
	"github.com/smartcore-ireland/hems/internal/pki"
)

// shape is what of a listener can be compared.
type shape struct {
	Address                             string
	TLS, Trust, Require, WebSocket      bool
	Origins                             []string
	Anonymous, Identity, QueueQoS0      bool
	MaxConnections, MaxConnectionsByOne int
}

func shapes(all []broker.Listener) (out []shape) {
	for _, l := range all {
		s := shape{Address: l.Address, Anonymous: l.AllowAnonymous, Identity: l.UseIdentityAsUsername, QueueQoS0: l.QueueQoS0Messages,
			MaxConnections: l.MaxConnections, MaxConnectionsByOne: l.MaxPerAddress}
		if l.TLS != nil {
			s.TLS, s.Trust, s.Require = true, l.TLS.Trust != nil, l.TLS.RequireCertificate
		}
		if l.WebSocket != nil {
			s.WebSocket, s.Origins = true, l.WebSocket.Origins
		}
		out = append(out, s)
	}
	return out
}

func TestListeners(t *testing.T) {
	env := appliance.Env{Data: t.TempDir(), Listen: "127.0.0.1", PortBase: 20000, Log: slog.New(slog.DiscardHandler)}
	for name, tt := range map[string]struct {
		text string
		want []shape
	}{
		"Default": {"", []shape{
			{Address: "127.0.0.1:20004", MaxConnectionsByOne: 256},
			{Address: "127.0.0.1:20005", TLS: true, Trust: true, Identity: true, MaxConnectionsByOne: 256},
			{Address: "127.0.0.1:20006", WebSocket: true, MaxConnectionsByOne: 256},
		}},
		"Listen": {"mqtt: {listen: '192.0.2.1:1884', max_connections_per_address: 9}", []shape{
			{Address: "192.0.2.1:1884", MaxConnectionsByOne: 9},
			{Address: "127.0.0.1:20005", TLS: true, Trust: true, Identity: true, MaxConnectionsByOne: 9},
			{Address: "127.0.0.1:20006", WebSocket: true, MaxConnectionsByOne: 9},
		}},
		"Listeners": {`mqtt:
  listeners:
    - {port: 1, allow_anonymous: true, max_connections: 3, queue_qos0_messages: true}
    - {port: 2, tls: true}
    - {port: 3, bind_address: "::1", certfile: a.crt, keyfile: a.key, cafile: ca.crt, require_certificate: true, use_identity_as_username: true}
    - {port: 4, protocol: websockets, tls: true, websockets_origin: ["*"]}
`, []shape{
			{Address: ":1", Anonymous: true, MaxConnections: 3, QueueQoS0: true, MaxConnectionsByOne: 256},
			{Address: ":2", TLS: true, MaxConnectionsByOne: 256},
			{Address: "[::1]:3", TLS: true, Trust: true, Require: true, Identity: true, MaxConnectionsByOne: 256},
			{Address: ":4", TLS: true, WebSocket: true, Origins: []string{"*"}, MaxConnectionsByOne: 256},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, problems, err := appliance.ParseConfig([]byte(tt.text))
			if err != nil || problems.Err() != nil {
				t.Fatal(err, problems.Err())
			}
			if diff := cmp.Diff(tt.want, shapes(listeners(env, cfg.MQTT))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheDefaultsOfHemsYAMLAreTheBrokersOwn(t *testing.T) {
	core, door := limits(appliance.DefaultConfig().MQTT)
	if core.MaxConnections != listen.DefaultMaxConnections || core.MaxQueuedMessages != 20480 || core.MaxKeepAlive != time.Minute || door.PacketSize != 1<<20 {
		t.Errorf("limits: %+v %+v", core, door)
	}
}

// pair writes a certificate of a new authority into two files.
func pair(t *testing.T, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	_, err := pki.Open(pki.Options{Dir: dir, Holders: []pki.Holder{{Name: "x"}}, Host: func() string { return "hems" },
		Synchronised: func() bool { return true }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "x", "names.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		path := cert
		if block.Type != "CERTIFICATE" {
			path = key
		}
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACertificateInFilesIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	p := &pairFiles{cert: filepath.Join(dir, "a.crt"), key: filepath.Join(dir, "a.key")}
	if _, err := p.get(nil); err == nil {
		t.Error("there is a certificate before there is one")
	}
	get := func() *tls.Certificate {
		t.Helper()
		c, err := p.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	pair(t, p.cert, p.key)
	first := get()
	later := time.Now().Add(time.Minute)
	if err := os.WriteFile(p.key, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(p.key, later, later); err != nil {
		t.Fatal(err)
	}
	if get() != first {
		t.Error("a damaged one took the place of the good one")
	}
	pair(t, p.cert, p.key)
	if get() == first {
		t.Error("the new one is not read")
	}
}

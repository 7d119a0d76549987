package appliance

import (
	"fmt"
	"net"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/smartcore-ireland/hems/internal/broker/uplink/mapping"
)

// Bridge is one bridge of the broker to another. The keys are those of
// Mosquitto's configuration; secrets are names of files under secrets.
type Bridge struct {
	Connection string        `yaml:"connection"` // its name
	Addresses  []string      `yaml:"addresses"`  // "host" or "host:port"
	Topics     []BridgeTopic `yaml:"topics"`     // PATTERN [[[out|in|both] QOS] LOCAL-PREFIX REMOTE-PREFIX]
	RoundRobin bool          `yaml:"round_robin"`

	RemoteClientID string `yaml:"remote_clientid"`
	RemoteUsername string `yaml:"remote_username"`
	RemotePassword string `yaml:"remote_password"` // a file under secrets

	CleanSession          bool   `yaml:"cleansession"`
	KeepaliveInterval     int    `yaml:"keepalive_interval"` // seconds; 0: 60
	BridgeProtocolVersion string `yaml:"bridge_protocol_version"`
	TryPrivate            *bool  `yaml:"try_private"` // default true
	QueueQoS0             bool   `yaml:"queue_qos0_messages"`
	Notifications         *bool  `yaml:"notifications"` // default true
	// NotificationsLocalOnly is true by default, unlike Mosquitto's: brokers
	// other than Mosquitto let nobody write below $SYS.
	NotificationsLocalOnly *bool  `yaml:"notifications_local_only"`
	NotificationTopic      string `yaml:"notification_topic"`

	UseOSCerts bool   `yaml:"bridge_tls_use_os_certs"` // TLS with the system's authorities
	CAFile     string `yaml:"bridge_cafile"`           // TLS with those in this file under secrets
	CertFile   string `yaml:"bridge_certfile"`         // a file under secrets
	KeyFile    string `yaml:"bridge_keyfile"`          // a file under secrets
	Insecure   bool   `yaml:"bridge_insecure"`         // the host's name is not compared
}

// BridgeTopic is a line "topic" of Mosquitto's, without that word.
type BridgeTopic struct{ mapping.Topic }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *BridgeTopic) UnmarshalYAML(n *yaml.Node) error {
	var err error
	t.Topic, err = mapping.Parse(n.Value)
	return err
}

// MarshalYAML implements yaml.Marshaler.
func (t BridgeTopic) MarshalYAML() (any, error) { return t.String(), nil }

// Table is all its topics.
func (b Bridge) Table() (t mapping.Table) {
	for _, topic := range b.Topics {
		t = append(t, topic.Topic)
	}
	return t
}

// TLS says whether the bridge speaks TLS.
func (b Bridge) TLS() bool { return b.UseOSCerts || b.CAFile != "" }

// HostPorts are its addresses, each with a port.
func (b Bridge) HostPorts() (all []string) {
	port := "1883"
	if b.TLS() {
		port = "8883"
	}
	for _, a := range b.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			a = net.JoinHostPort(strings.Trim(a, "[]"), port)
		}
		all = append(all, a)
	}
	return all
}

// secrets are the files it names.
func (b Bridge) secrets() []string {
	return []string{b.RemotePassword, b.CAFile, b.CertFile, b.KeyFile}
}

// checkBridges is the part of Check that is about bridges.
func checkBridges(bridges []Bridge) error {
	seen := map[string]bool{}
	for i, b := range bridges {
		path := fmt.Sprintf("bridges[%d]", i)
		if err := b.check(path); err != nil {
			return err
		}
		if seen[b.Connection] {
			return at(path+".connection", "is %q, as that of another: give each a name of its own", b.Connection)
		}
		seen[b.Connection] = true
	}
	return nil
}

func (b Bridge) check(path string) error {
	if !nameRE.MatchString(b.Connection) {
		return at(path+".connection", "is %q: give a short name of a-z, 0-9, _ and -", b.Connection)
	}
	if len(b.Addresses) == 0 {
		return at(path+".addresses", "is empty: give at least one, such as [mqtt.example.com:8883]")
	}
	for i, a := range b.HostPorts() {
		if !isServer(a) {
			return at(fmt.Sprintf("%s.addresses[%d]", path, i), "is %q: give a name or an address, with :port behind it if it is not the usual one", a)
		}
	}
	switch b.BridgeProtocolVersion {
	case "", "mqttv311", "mqttv50":
	default:
		return at(path+".bridge_protocol_version", "is %q: give mqttv311 or mqttv50, or leave it out to have the better one found", b.BridgeProtocolVersion)
	}
	if k := b.KeepaliveInterval; k != 0 && (k < 5 || k > 65535) {
		return at(path+".keepalive_interval", "is %d: give 5 to 65535 seconds", k)
	}
	for _, f := range []struct{ key, name string }{
		{"remote_password", b.RemotePassword}, {"bridge_cafile", b.CAFile}, {"bridge_certfile", b.CertFile}, {"bridge_keyfile", b.KeyFile},
	} {
		switch {
		case f.name == "":
		case !secretRE.MatchString(f.name):
			return at(path+"."+f.key, "is not a file name: put what it stands for in a file under secrets/ and give the file's name")
		case ownRE.MatchString(f.name):
			return at(path+"."+f.key, "is %q, which is a secret of the appliance itself: give the file another name", f.name)
		}
	}
	if (b.CertFile == "") != (b.KeyFile == "") {
		return at(path, "has one of bridge_certfile and bridge_keyfile: give both or none")
	}
	if !b.TLS() && (b.CertFile != "" || b.Insecure) {
		return at(path, "has no bridge_cafile: without it, or bridge_tls_use_os_certs, there is no TLS")
	}
	if err := b.Table().Check(); err != nil {
		return at(path+".topics", "cannot be: %v", err)
	}
	return nil
}

package appliance

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// MQTT is the broker. Where Mosquitto has the option, it has Mosquitto's name.
type MQTT struct {
	// Listen replaces the TCP address of the environment ("host:port").
	Listen string `yaml:"listen"`
	// Listeners replace all of the default ones: MQTT on 1883, with TLS on 8883,
	// and over WebSocket on 9001.
	Listeners []MQTTListener `yaml:"listeners"`

	MaxPacketSize              int        `yaml:"max_packet_size"`              // bytes
	MaxInflightMessages        int        `yaml:"max_inflight_messages"`        // on their way to one client
	MaxQueuedMessages          int        `yaml:"max_queued_messages"`          // that wait for one client
	MaxQueuedBytes             int        `yaml:"max_queued_bytes"`             // that wait for one client
	MaxKeepAlive               int        `yaml:"max_keepalive"`                // seconds
	PersistentClientExpiration Expiration `yaml:"persistent_client_expiration"` // of a session whose client is away
	Bridges                    []Bridge   `yaml:"bridges"`                      // to other brokers
	// What Mosquitto has no option for.
	MaxConnectionsPerAddress int `yaml:"max_connections_per_address"`
	MaxFailedSignIns         int `yaml:"max_failed_sign_ins"` // of one address in a minute
	MaxFlushWait             int `yaml:"max_flush_wait"`      // milliseconds that what is to be acknowledged waits to share a flush; 0: none
}

// MQTTListener is one place where clients connect.
type MQTTListener struct {
	Port        int      `yaml:"port"`
	BindAddress string   `yaml:"bind_address"` // empty: every address
	Protocol    Protocol `yaml:"protocol"`     // "mqtt" or "websockets"

	AllowAnonymous    bool `yaml:"allow_anonymous"`
	MaxConnections    int  `yaml:"max_connections"`     // 0: the default
	QueueQoS0Messages bool `yaml:"queue_qos0_messages"` // for clients that are away
	TLS               bool `yaml:"tls"`                 // with the appliance's own certificates
	CertFile          Path `yaml:"certfile"`            // or with this one, and
	KeyFile           Path `yaml:"keyfile"`             // its key
	CAFile            Path `yaml:"cafile"`              // whose client certificates are good; empty: the appliance's
	CRLFile           Path `yaml:"crlfile"`             // which of them are revoked
	RequireCert       bool `yaml:"require_certificate"` // of each client
	IdentityIsUser    bool `yaml:"use_identity_as_username"`
	// WebSocketOrigins are the pages that may connect, beside those of the
	// appliance itself; "*": all.
	WebSocketOrigins []string `yaml:"websockets_origin"`
}

// Protocol is what is spoken at a listener.
type Protocol string

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *Protocol) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "", "mqtt", "websockets": // "" is mqtt
		*p = Protocol(n.Value)
		return nil
	}
	return fmt.Errorf("%q is not a protocol: give mqtt or websockets", n.Value)
}

// Path is a file: absolute, or below the data directory.
type Path string

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *Path) UnmarshalYAML(n *yaml.Node) error {
	if n.Value != "" && !filepath.IsAbs(n.Value) && !filepath.IsLocal(n.Value) {
		return fmt.Errorf("%q leads out of the data directory: give a path in it, or an absolute one", n.Value)
	}
	*p = Path(n.Value)
	return nil
}

// In is the path in the data directory; "" stays empty.
func (p Path) In(e Env) string {
	if p == "" || filepath.IsAbs(string(p)) {
		return string(p)
	}
	return e.Path(string(p))
}

// Expiration is a time as Mosquitto writes it: a number and h, d, w, m or y. Zero
// is "never", which has no number.
type Expiration time.Duration

const day = 24 * time.Hour

var expirationUnits = []struct {
	letter string
	is     time.Duration
}{{"y", 365 * day}, {"m", 30 * day}, {"w", 7 * day}, {"d", day}, {"h", time.Hour}}

// maxExpiration is what a session's expiry can say (MQTT 5, 3.1.2.11.2).
const maxExpiration = (1<<32 - 2) * time.Second

// UnmarshalYAML implements yaml.Unmarshaler.
func (x *Expiration) UnmarshalYAML(n *yaml.Node) error {
	for _, u := range expirationUnits {
		number, ok := strings.CutSuffix(n.Value, u.letter)
		if !ok {
			continue
		}
		v, err := strconv.Atoi(number)
		if err != nil || v < 1 || time.Duration(v) > maxExpiration/u.is {
			break
		}
		*x = Expiration(time.Duration(v) * u.is)
		return nil
	}
	return fmt.Errorf("%q is not a time: write it as 12h, 7d, 2w, 1m or 1y", n.Value)
}

// MarshalYAML implements yaml.Marshaler.
func (x Expiration) MarshalYAML() (any, error) {
	for _, u := range expirationUnits {
		if d := time.Duration(x); d >= u.is && d%u.is == 0 {
			return strconv.Itoa(int(d/u.is)) + u.letter, nil
		}
	}
	return "", nil
}

// defaultMQTT has the limits of the broker's parts, as they are when nothing is
// said.
func defaultMQTT() MQTT {
	return MQTT{
		MaxPacketSize: 1 << 20, MaxInflightMessages: 100, MaxQueuedMessages: 20480, MaxQueuedBytes: 16 << 20,
		MaxKeepAlive: 60, PersistentClientExpiration: Expiration(7 * day),
		MaxConnectionsPerAddress: 256, MaxFailedSignIns: 60, MaxFlushWait: 2000,
	}
}

// Check is as for Home.
func (m MQTT) Check() error {
	if m.Listen != "" {
		if _, _, err := net.SplitHostPort(m.Listen); err != nil {
			return at("listen", "is %q: give host:port, such as 127.0.0.1:1883", m.Listen)
		}
		if len(m.Listeners) > 0 {
			return at("listen", "and listeners: give the port as one of the listeners")
		}
	}
	for _, n := range []struct {
		name            string
		is, least, most int
	}{
		{"max_packet_size", m.MaxPacketSize, 1024, 16 << 20},
		{"max_inflight_messages", m.MaxInflightMessages, 1, 65535},
		{"max_queued_messages", m.MaxQueuedMessages, 1, 1_000_000},
		{"max_queued_bytes", m.MaxQueuedBytes, 1 << 16, 1 << 30},
		{"max_keepalive", m.MaxKeepAlive, 10, 65535},
		{"max_connections_per_address", m.MaxConnectionsPerAddress, 1, 100_000},
		{"max_failed_sign_ins", m.MaxFailedSignIns, 1, 100_000},
		{"max_flush_wait", m.MaxFlushWait, 0, 10_000},
	} {
		if n.is < n.least || n.is > n.most {
			return at(n.name, "is %d: give %d to %d", n.is, n.least, n.most)
		}
	}
	if len(m.Listeners) > 16 {
		return at("listeners", "are %d: give at most 16", len(m.Listeners))
	}
	for i, l := range m.Listeners {
		if err := l.check(fmt.Sprintf("listeners[%d]", i)); err != nil {
			return err
		}
		for j, other := range m.Listeners[:i] {
			if l.Port == other.Port && (l.BindAddress == other.BindAddress || l.BindAddress == "" || other.BindAddress == "") {
				return at(fmt.Sprintf("listeners[%d].port", i), "is %d, as that of listeners[%d]: give each its own", l.Port, j)
			}
		}
	}
	return checkBridges(m.Bridges)
}

func (l MQTTListener) check(path string) error {
	secure := l.Secure()
	switch {
	case l.Port < 1 || l.Port > 65535:
		return at(path+".port", "is %d: give a TCP port from 1 to 65535", l.Port)
	case strings.ContainsAny(l.BindAddress, "[] /"):
		return at(path+".bind_address", "is %q: give an address or a name alone", l.BindAddress)
	case l.MaxConnections < 0 || l.MaxConnections > 100_000:
		return at(path+".max_connections", "is %d: give 1 to 100000, or leave it out", l.MaxConnections)
	case (l.CertFile == "") != (l.KeyFile == ""):
		return at(path+"."+cmp.Or(map[bool]string{true: "certfile"}[l.CertFile != ""], "keyfile"), "stands alone: give certfile and keyfile together")
	case !secure && (l.RequireCert || l.IdentityIsUser || l.CAFile != "" || l.CRLFile != ""):
		return at(path, "asks for client certificates without TLS: give tls: true")
	case l.CRLFile != "" && l.CAFile == "":
		return at(path+".crlfile", "needs cafile, whose list it is")
	case l.IdentityIsUser && l.AllowAnonymous && l.RequireCert:
		return at(path+".allow_anonymous", "and use_identity_as_username: who must show a certificate is not anonymous")
	case l.CAFile != "" && !l.RequireCert && !l.IdentityIsUser:
		return at(path+".cafile", "has no effect: give require_certificate or use_identity_as_username too")
	case len(l.WebSocketOrigins) > 0 && l.Protocol != "websockets":
		return at(path+".websockets_origin", "is for protocol: websockets")
	}
	for i, o := range l.WebSocketOrigins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			return at(fmt.Sprintf("%s.websockets_origin[%d]", path, i), "is %q: give a page's origin such as https://panel.example, or *", o)
		}
	}
	return nil
}

// Secure says whether the listener speaks TLS.
func (l MQTTListener) Secure() bool { return l.TLS || l.CertFile != "" }

// Address is where it listens.
func (l MQTTListener) Address() string { return net.JoinHostPort(l.BindAddress, strconv.Itoa(l.Port)) }

// misplaced is what is wrong with the value at a path below a section.
type misplaced struct{ path, text string }

func (m *misplaced) Error() string { return m.path + " " + m.text }

func at(path, format string, args ...any) error {
	return &misplaced{path, fmt.Sprintf(format, args...)}
}

// lineOf is the line that an error of Check is about: of the value that it names,
// or of what is nearest to it. otherwise is the line of the section.
func lineOf(err error, section *yaml.Node, otherwise int) int {
	m, ok := errors.AsType[*misplaced](err)
	if !ok {
		return otherwise
	}
	n, line := section, otherwise
	for name := range strings.FieldsFuncSeq(m.path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		found := false
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == name {
					line, n, found = n.Content[i].Line, n.Content[i+1], true
					break
				}
			}
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(name); err == nil && i < len(n.Content) {
				n, found = n.Content[i], true
				line = n.Line
			}
		}
		if !found {
			return line
		}
	}
	return line
}

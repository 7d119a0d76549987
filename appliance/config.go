package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ConfigFile is the name of the configuration file in the data directory.
const ConfigFile = "hems.yaml"

// maxConfig bounds hems.yaml.
const maxConfig = 1 << 20

// Config is hems.yaml. A file that is not there is the default configuration.
type Config struct {
	Home    Home    `yaml:"home"`
	MQTT    MQTT    `yaml:"mqtt"`
	Zigbee  Zigbee  `yaml:"zigbee"`
	Metrics Metrics `yaml:"metrics"`
	Gateway Gateway `yaml:"gateway"`
	Hass    Hass    `yaml:"home_assistant"`
	Cloud   Cloud   `yaml:"cloudflare"`
	Tailnet Tailnet `yaml:"tailnet"`
	Update  Update  `yaml:"update"`
	Time    Time    `yaml:"time"`
}

// Home is the household.
type Home struct {
	Name string `yaml:"name"`
	// HostName is the appliance's name on the network, without ".local": one
	// label of RFC 1123.
	HostName string   `yaml:"host_name"`
	TimeZone TimeZone `yaml:"time_zone"`
	// Meter is the friendly name of the main meter; empty: the first device
	// that has both a power and an energy reading.
	Meter string `yaml:"meter"`
}

// Zigbee is the coordinator.
type Zigbee struct {
	Serial  Serial `yaml:"serial"`
	Channel uint8  `yaml:"channel"` // 11 to 26, used when a network is formed
	// Payloads is the form of what is published: "reference", or "z2m2" for
	// Zigbee2MQTT 2's. LastSeen is how a state says when its device was last
	// heard: "disable", "ISO_8601", "ISO_8601_local", "epoch". Output is what a
	// state is published as: "json", "attribute", "attribute_and_json".
	Payloads Payloads `yaml:"payloads"`
	LastSeen LastSeen `yaml:"last_seen"`
	Output   Output   `yaml:"output"`
}

// Serial is the line to the dongle.
type Serial struct {
	Port        string      `yaml:"port"`         // "auto", "/dev/ttyACM0", "tcp://host:port", "mdns://slzb-06"
	Baud        int         `yaml:"baud"`         // bits per second; 0: as the dongle wants
	FlowControl FlowControl `yaml:"flow_control"` // "auto" (as the dongle wants), "software", "hardware", "none"
}

// FlowControl is how the line to the dongle says "stop".
type FlowControl string

// Payloads, LastSeen and Output are forms of what the coordinator publishes.
type (
	Payloads string
	LastSeen string
	Output   string
)

// Metrics is the metrics writer.
type Metrics struct {
	CommitEvery  Duration      `yaml:"commit_every"` // 1s to 10m: how long a reading may wait in memory
	KeepDays     int           `yaml:"keep_days"`    // 1 to 36500
	DiskShare    int           `yaml:"disk_share"`   // 1 to 90: percent of the card that readings may take
	Domains      []string      `yaml:"domains"`      // whose states are kept: of MetricsDomains
	Destinations []Destination `yaml:"destinations"`
}

// Gateway is the dashboard.
type Gateway struct {
	// Listen replaces the addresses of the environment ("host:port"); there is no
	// HTTPS then but at those of ListenHTTPS.
	Listen      []string `yaml:"listen"`
	ListenHTTPS []string `yaml:"listen_https"`
	// ClientCertificates says where visitors are asked for their phone's
	// certificate.
	ClientCertificates ClientCertificates `yaml:"client_certificates"`
}

// ClientCertificates is what is asked of visitors' phones, by way in.
type ClientCertificates struct {
	LAN    CertificateMode `yaml:"lan"`
	Funnel CertificateMode `yaml:"funnel"`
}

// CertificateMode is whether a phone's certificate is asked for: "off", "optional"
// (who has one shows it) or "required".
type CertificateMode string

// Hass is a Home Assistant that this appliance stands before.
type Hass struct {
	// URL is its address; empty: there is none.
	URL HassURL `yaml:"url"`
	// VerifyCertificate: of an https address only a certificate that is good for
	// its host is taken.
	VerifyCertificate bool `yaml:"verify_certificate"`
}

// Cloud is a way in through a Cloudflare Tunnel.
type Cloud struct {
	Enabled bool `yaml:"enabled"`
	// Team is that of Cloudflare Access: "smartcore" of
	// smartcore.cloudflareaccess.com; empty: no host has the rule "access".
	Team string `yaml:"team"`
	// Hosts are the tunnel's names that may be used; others are refused.
	Hosts []CloudHost `yaml:"hosts"`
}

// CloudHost is one of the tunnel's host names.
type CloudHost struct {
	Host string `yaml:"host"` // "ha.example.ie"
	To   string `yaml:"to"`   // "home_assistant" or "dashboard"
	// Rule is who may use it: "access" (whom Cloudflare Access lets in),
	// "client_certificate" (a phone with one of Certificates), "sign-in"
	// (anybody, who then signs in).
	Rule     string `yaml:"rule"`
	Audience string `yaml:"audience"` // of the Access application
	// Certificates are the SHA-256 of the zone's client certificates.
	Certificates []string `yaml:"certificates"`
	// SecondFactor says that a password alone does not do there: with the rule
	// "sign-in".
	SecondFactor bool `yaml:"second_factor"`
}

// maxCloudHosts bounds cloudflare.hosts.
const maxCloudHosts = 32

// Tailnet is the appliance's own node in a tailnet.
type Tailnet struct {
	Enabled bool `yaml:"enabled"`
	// HostName is the node's name there; empty: home.host_name.
	HostName string `yaml:"host_name"`
	// ControlURL is a headscale's address; empty: Tailscale's own.
	ControlURL ControlURL `yaml:"control_url"`
	// Tags are the node's, with an OAuth client's secret: "tag:hems".
	Tags []string `yaml:"tags"`
	// UploadLogs sends the node's log to Tailscale, whose support asks for it.
	UploadLogs bool `yaml:"upload_logs"`
	// Devices are TCP addresses in the home's network, "192.168.1.20:502", that
	// members can reach through the node.
	Devices []TCPAddress `yaml:"devices"`
	// Funnel lets the whole internet in at the node's name: to the dashboard, or
	// to Home Assistant.
	Funnel Funnel `yaml:"funnel"`
}

// Funnel is what is open to the internet: "off", "dashboard" or "home_assistant".
type Funnel string

// maxTailnetDevices bounds tailnet.devices.
const maxTailnetDevices = 64

// Update is where new versions of the whole system may come from.
type Update struct {
	// Developer lets systems in that nobody signed.
	Developer bool `yaml:"developer"`
	// Feed is the address of a signed feed of versions; empty: none is asked.
	Feed Feed `yaml:"feed"`
	// Automatic installs what the feed has without being asked.
	Automatic bool `yaml:"automatic"`
}

// Time is where the appliance has its time from.
type Time struct {
	// Servers are asked by NTP: "host" or "host:port", one to maxTimeServers.
	Servers []string `yaml:"servers"`
}

// maxTimeServers bounds time.servers: each of them is asked every time.
const maxTimeServers = 8

// DefaultConfig is the configuration without hems.yaml.
func DefaultConfig() Config {
	return Config{
		Home: Home{Name: "Home", HostName: "hems", TimeZone: TimeZone{mustZone("Europe/Dublin")}},
		Zigbee: Zigbee{
			Serial:  Serial{Port: "auto", FlowControl: "auto"},
			Channel: 11, Payloads: "reference", LastSeen: "disable", Output: "json",
		},
		Gateway: Gateway{ClientCertificates: ClientCertificates{LAN: "off", Funnel: "off"}},
		MQTT:    defaultMQTT(),
		Metrics: Metrics{CommitEvery: Duration(time.Minute), KeepDays: 400, DiskShare: 50},
		Hass:    Hass{VerifyCertificate: true},
		Tailnet: Tailnet{Funnel: "off"},
		Time:    Time{Servers: []string{"0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org"}},
	}
}

// LoadConfig reads hems.yaml over the defaults. What is wrong inside one
// section is a Problem of that section, so that only the process that needs
// the section stops for it; the error is for a file that cannot be read at all.
func LoadConfig(path string) (Config, Problems, error) {
	c := DefaultConfig()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil, nil
	}
	if err != nil {
		return c, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return c, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if fi.Size() > maxConfig {
		return c, nil, fmt.Errorf("reading %s: %d bytes is more than hems.yaml may have (%d)", path, fi.Size(), maxConfig)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return c, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	problems, err := c.parse(b)
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, problems, nil
}

// ParseConfig is LoadConfig for a text: the error is for one that is not YAML.
func ParseConfig(text []byte) (Config, Problems, error) {
	c := DefaultConfig()
	if len(text) > maxConfig {
		return c, nil, fmt.Errorf("%d bytes is more than hems.yaml may have (%d)", len(text), maxConfig)
	}
	problems, err := c.parse(text)
	return c, problems, err
}

func (c *Config) parse(b []byte) (Problems, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 { // empty, or comments alone
		return nil, nil
	}
	return decodeStrict(doc.Content[0], c), nil
}

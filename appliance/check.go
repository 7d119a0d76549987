package appliance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	nameRE   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	labelRE  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`) // RFC 1123, 2.1
	ownRE    = regexp.MustCompile(`^(mqtt|claim|tailnet|update|tls|ca)-`)          // the appliance's own secrets
	secretRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// Check says what is wrong with a section's values beyond their types.
func (h Home) Check() error {
	switch {
	case !labelRE.MatchString(h.HostName):
		return fmt.Errorf("host_name is %q: give one word of a-z, 0-9 and -, at most 63 long, without - at its ends", h.HostName)
	case strings.EqualFold(h.HostName, "localhost"):
		return errors.New("host_name is localhost, which every machine calls itself: give another name")
	}
	return nil
}

// Check is as for Home.
func (z Zigbee) Check() error {
	switch {
	case z.Channel < 11 || z.Channel > 26:
		return fmt.Errorf("channel is %d: give a Zigbee channel from 11 to 26", z.Channel)
	case z.Serial.Port == "":
		return errors.New(`serial.port is empty: give "auto", a device such as "/dev/ttyACM0", "tcp://host:port" or "mdns://slzb-06"`)
	case z.Serial.Baud != 0 && (z.Serial.Baud < 9600 || z.Serial.Baud > 3_000_000):
		return fmt.Errorf("serial.baud is %d: give bits per second, usually 115200, or 0 for what the dongle wants", z.Serial.Baud)
	}
	return nil
}

// Check is as for Home.
func (m Metrics) Check() error {
	if d := time.Duration(m.CommitEvery); d < time.Second || d > 10*time.Minute {
		return fmt.Errorf("commit_every is %v: give a time from 1s to 10m", d)
	}
	if m.KeepDays < 1 || m.KeepDays > 36500 {
		return fmt.Errorf("keep_days is %d: give 1 to 36500", m.KeepDays)
	}
	if m.DiskShare < 1 || m.DiskShare > 90 {
		return fmt.Errorf("disk_share is %d: give 1 to 90 percent of the card", m.DiskShare)
	}
	for i, d := range m.Domains {
		if !slices.Contains(MetricsDomains, d) {
			return fmt.Errorf("domains[%d] is %q: give some of %s", i, d, strings.Join(MetricsDomains, ", "))
		}
	}
	return checkDestinations(m.Destinations)
}

// MetricsDomains are the kinds of entities whose states can be kept.
var MetricsDomains = []string{"binary_sensor", "light", "number", "select", "sensor", "switch", "text"}

var (
	hostRE  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)
	printRE = regexp.MustCompile(`^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$`)
	teamRE  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Check is as for Home.
func (c Cloud) Check() error {
	if c.Team != "" && !teamRE.MatchString(c.Team) {
		return fmt.Errorf("team is %q: give what stands before .cloudflareaccess.com", c.Team)
	}
	if n := len(c.Hosts); n > maxCloudHosts {
		return fmt.Errorf("hosts: there are %d: give at most %d", n, maxCloudHosts)
	}
	seen := map[string]bool{}
	for i, h := range c.Hosts {
		name := strings.ToLower(h.Host)
		switch {
		case !hostRE.MatchString(name):
			return fmt.Errorf("hosts[%d].host is %q: write it as ha.example.ie", i, h.Host)
		case seen[name]:
			return fmt.Errorf("hosts[%d].host: %s is there twice", i, h.Host)
		case h.To != "home_assistant" && h.To != "dashboard":
			return fmt.Errorf("hosts[%d].to is %q: give home_assistant or dashboard", i, h.To)
		}
		seen[name] = true
		switch h.Rule {
		case "sign-in":
		case "access":
			if c.Team == "" || h.Audience == "" {
				return fmt.Errorf("hosts[%d]: the rule access needs team, and audience of the application", i)
			}
		case "client_certificate":
			if len(h.Certificates) == 0 {
				return fmt.Errorf("hosts[%d]: the rule client_certificate needs certificates: the SHA-256 of each", i)
			}
			for _, p := range h.Certificates {
				if !printRE.MatchString(p) {
					return fmt.Errorf("hosts[%d].certificates: %q is no SHA-256: openssl x509 -noout -fingerprint -sha256 -in cf-client.pem prints it", i, p)
				}
			}
		default:
			return fmt.Errorf("hosts[%d].rule is %q: give access, client_certificate or sign-in", i, h.Rule)
		}
	}
	return nil
}

var tagRE = regexp.MustCompile(`^tag:[A-Za-z][A-Za-z0-9-]{0,49}$`)

// Check is as for Home.
func (t Tailnet) Check() error {
	if t.HostName != "" && !labelRE.MatchString(t.HostName) {
		return fmt.Errorf("host_name is %q: give one word of a-z, 0-9 and -, at most 63 long, without - at its ends, or leave it empty", t.HostName)
	}
	for i, tag := range t.Tags {
		if !tagRE.MatchString(tag) {
			return fmt.Errorf("tags[%d] is %q: write it as tag:hems", i, tag)
		}
	}
	if n := len(t.Devices); n > maxTailnetDevices {
		return fmt.Errorf("devices: there are %d: give at most %d", n, maxTailnetDevices)
	}
	return nil
}

// Check is as for Home.
func (u Update) Check() error {
	if u.Automatic && u.Feed.URL == nil {
		return errors.New("automatic is true, but there is no feed to install from: give its address as update.feed")
	}
	return nil
}

// Check is as for Home.
func (t Time) Check() error {
	if n := len(t.Servers); n == 0 || n > maxTimeServers {
		return fmt.Errorf("servers: there are %d: give 1 to %d names or addresses", n, maxTimeServers)
	}
	for i, s := range t.Servers {
		if !isServer(s) {
			return fmt.Errorf("servers[%d] is %q: give a name such as 0.pool.ntp.org or an address, with :port behind it if it is not 123", i, s)
		}
	}
	return nil
}

// isServer says whether s is a host name or an IP address, alone or with a port.
func isServer(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
		host = h
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if !labelRE.MatchString(label) {
			return false
		}
	}
	return true
}

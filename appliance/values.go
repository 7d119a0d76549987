package appliance

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a time.Duration written as "10s" or "1m30s".
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("%q is not a time: write it as 10s or 5m", n.Value)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// TimeZone is a time zone by its IANA name.
type TimeZone struct{ *time.Location }

// UnmarshalYAML implements yaml.Unmarshaler.
func (z *TimeZone) UnmarshalYAML(n *yaml.Node) error {
	l, err := time.LoadLocation(n.Value)
	if err != nil || n.Value == "" || n.Value == "Local" {
		return fmt.Errorf("%q is not a time zone: write it as Europe/Dublin", n.Value)
	}
	z.Location = l
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (z TimeZone) MarshalYAML() (any, error) {
	if z.Location == nil {
		return "", nil
	}
	return z.Location.String(), nil
}

func mustZone(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zone database is linked in: see zone.go
	}
	return l
}

// URL is an http or https address.
type URL struct{ *url.URL }

// UnmarshalYAML implements yaml.Unmarshaler.
func (u *URL) UnmarshalYAML(n *yaml.Node) error {
	v, err := url.Parse(n.Value)
	if err != nil || (v.Scheme != "http" && v.Scheme != "https") || v.Host == "" {
		return errors.New("not a server's address: write it as http://192.0.2.1:8086")
	}
	if v.User != nil {
		return errors.New("a password does not belong in an address: put the token in a file under secrets/")
	}
	u.URL = v
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (u URL) MarshalYAML() (any, error) { return urlText(u.URL), nil }

func urlText(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// Feed is a URL, or nothing.
type Feed struct{ *url.URL }

// UnmarshalYAML implements yaml.Unmarshaler.
func (f *Feed) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "" {
		f.URL = nil
		return nil
	}
	var u URL
	if err := u.UnmarshalYAML(n); err != nil {
		return errors.New("not an address: write it as https://example.com/hems, or leave it empty")
	}
	f.URL = u.URL
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (f Feed) MarshalYAML() (any, error) { return urlText(f.URL), nil }

// HassURL is Home Assistant's address, or nothing.
type HassURL struct{ *url.URL }

// UnmarshalYAML implements yaml.Unmarshaler.
func (h *HassURL) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "" {
		h.URL = nil
		return nil
	}
	var u URL
	if err := u.UnmarshalYAML(n); err != nil {
		return errors.New("not Home Assistant's address: write it as http://192.0.2.1:8123, or leave it empty")
	}
	switch {
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("Home Assistant's address ends with its port: write it as http://192.0.2.1:8123")
	case strings.HasSuffix(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), ".local"):
		return fmt.Errorf("%s is not looked up from here: give its address in numbers, and let the router keep it", u.Hostname())
	}
	u.Path = ""
	h.URL = u.URL
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (h HassURL) MarshalYAML() (any, error) { return urlText(h.URL), nil }

// ControlURL is the address of a tailnet's control server, or nothing.
type ControlURL struct{ *url.URL }

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *ControlURL) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "" {
		c.URL = nil
		return nil
	}
	var u URL
	if err := u.UnmarshalYAML(n); err != nil {
		return errors.New("not a control server's address: write it as https://headscale.example.com, or leave it empty for Tailscale")
	}
	c.URL = u.URL
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (c ControlURL) MarshalYAML() (any, error) { return urlText(c.URL), nil }

// TCPAddress is an IP address with a port.
type TCPAddress struct{ netip.AddrPort }

// UnmarshalYAML implements yaml.Unmarshaler.
func (a *TCPAddress) UnmarshalYAML(n *yaml.Node) error {
	v, err := netip.ParseAddrPort(n.Value)
	if err != nil || v.Port() == 0 || v.Addr().Zone() != "" {
		return fmt.Errorf("%q is not an address with a port: write it as 192.168.1.20:502", n.Value)
	}
	if ip := v.Addr(); ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() {
		return fmt.Errorf("%q is not a device's address in the home's network", n.Value)
	}
	a.AddrPort = netip.AddrPortFrom(v.Addr().Unmap(), v.Port())
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (a TCPAddress) MarshalYAML() (any, error) { return a.AddrPort.String(), nil }

// UnmarshalYAML implements yaml.Unmarshaler.
func (f *Funnel) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "off", "dashboard", "home_assistant":
		*f = Funnel(n.Value)
		return nil
	}
	return fmt.Errorf("%q is not what Funnel can lead to: give off, dashboard or home_assistant", n.Value)
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (f *FlowControl) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "auto", "software", "hardware", "none":
		*f = FlowControl(n.Value)
		return nil
	}
	return fmt.Errorf("%q is not a flow control: give auto, software, hardware or none", n.Value)
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (m *CertificateMode) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "off", "optional", "required":
		*m = CertificateMode(n.Value)
		return nil
	case "false": // as YAML 1.1 writes off
		*m = "off"
		return nil
	}
	return fmt.Errorf("%q is not what can be asked of phones: give off, optional or required", n.Value)
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *Payloads) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "reference", "z2m2":
		*p = Payloads(n.Value)
		return nil
	}
	return fmt.Errorf("%q is not a form of payloads: give reference, or z2m2 for Zigbee2MQTT 2's", n.Value)
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *LastSeen) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "disable", "ISO_8601", "ISO_8601_local", "epoch":
		*l = LastSeen(n.Value)
		return nil
	}
	return fmt.Errorf("%q is not a form of time: give disable, ISO_8601, ISO_8601_local or epoch", n.Value)
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *Output) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "json", "attribute", "attribute_and_json":
		*o = Output(n.Value)
		return nil
	}
	return fmt.Errorf("%q is not a form of state: give json, attribute or attribute_and_json", n.Value)
}

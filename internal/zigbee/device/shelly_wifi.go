package device

import (
	"fmt"
	"maps"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Shelly's devices tell of their Wi-Fi and are told of it in cluster 0xFC02 of
// endpoint 239.
const (
	shellyEndpoint     = 239
	shellyCluster      = 0xfc02
	shellyManufacturer = 0x1490

	shellyAction   = 0x0002 // 0: refresh what is read, 1: apply what was written
	shellyEnabled  = 0x0004
	shellyPassword = 0x0006
)

// shellyTexts are what can be set as text.
var shellyTexts = []struct {
	key        string
	label      string
	attribute  uint16
	most       int
	mayBeEmpty bool
}{
	{"ssid", "Network", 0x0005, 32, false},
	{"password", "Password", shellyPassword, 64, false},
	{"static_ip", "IPv4 address", 0x0007, 45, true},
	{"net_mask", "Network mask", 0x0008, 45, true},
	{"gateway", "Gateway", 0x0009, 45, true},
	{"name_server", "DNS", 0x000a, 45, true},
}

func shellyAt(attribute uint16) address {
	return address{shellyEndpoint, shellyCluster, shellyManufacturer, attribute}
}

// shellyWiFi is what they say of their Wi-Fi, and how it is set. A password is
// only ever written.
var shellyWiFi = shellyWiFiPart()

func shellyWiFiPart() Part {
	const read = AccessState | AccessGet
	enabled := flag("enabled", "Whether it joins a Wi-Fi", AccessState|AccessSet).called("Wi-Fi enabled")
	config := Expose{Type: Composite, Name: "wifi_config", Property: "wifi_config", Label: "Wi-Fi Configuration", Category: "config",
		Description: "The Wi-Fi that it joins; what is left out stays as it is", Access: read | AccessSet, Features: []Expose{enabled}}
	for _, t := range shellyTexts {
		access := AccessState | AccessSet
		if t.attribute == shellyPassword {
			access = AccessSet
		}
		config.Features = append(config.Features, text(t.key, "Part of its Wi-Fi: "+t.label, access).called(t.label))
	}
	p := Part{items: []item{
		{name: "wifi_status", expose: ptr(text("wifi_status", "What its Wi-Fi does", read).called("Wi-Fi status").of("diagnostic")),
			sources: []source{{name: "wifi_status", as: asText, typ: zcl.CharString, address: shellyAt(0x0000)}}},
		{name: "ip_address", expose: ptr(text("ip_address", "Its address on the Wi-Fi", read).called("IP address").of("diagnostic")),
			sources: []source{{name: "ip_address", as: asText, typ: zcl.CharString, address: shellyAt(0x0001)}}},
		{name: "dhcp_enabled", expose: ptr(flag("dhcp_enabled", "Whether it is given its address", read).called("DHCP enabled").of("diagnostic")),
			sources: []source{{name: "dhcp_enabled", as: asBool, typ: zcl.Bool, address: shellyAt(0x0003)}}},
		{name: "wifi_config", expose: &config, set: setWiFi, get: []address{shellyAt(shellyEnabled), shellyAt(0x0005), shellyAt(0x0007), shellyAt(0x0008)}},
	}}
	p.setup = []Setup{{Endpoint: shellyEndpoint, Cluster: shellyCluster, Optional: true, Actions: []Action{
		{Kind: Write, Cluster: shellyCluster, Manufacturer: shellyManufacturer, Attributes: []zcl.Attribute{{ID: shellyAction, Value: zcl.Number(zcl.Uint8, 0)}}},
		{Kind: Read, Cluster: shellyCluster, Manufacturer: shellyManufacturer, IDs: []uint16{0x0000, 0x0001, shellyEnabled, 0x0003}},
		{Kind: Read, Cluster: shellyCluster, Manufacturer: shellyManufacturer, IDs: []uint16{0x0005}},
		{Kind: Read, Cluster: shellyCluster, Manufacturer: shellyManufacturer, IDs: []uint16{0x0007, 0x0008}},
		{Kind: Read, Cluster: shellyCluster, Manufacturer: shellyManufacturer, IDs: []uint16{0x0009, 0x000a}},
	}}}
	p.special = wifiDecode
	return p.withoutSuffix()
}

// wifiDecode collects the parts of what is set; the rest is the table's.
func wifiDecode(d *Decoder, in Input) bool {
	if in.Cluster != shellyCluster || in.Frame.Manufacturer != shellyManufacturer || in.Endpoint != shellyEndpoint {
		return false
	}
	before, _ := d.extra["wifi_config"].(map[string]any)
	config := maps.Clone(before)
	if config == nil {
		config = make(map[string]any)
	}
	told := false
	for _, a := range in.Attributes {
		if a.Status != zcl.StatusSuccess {
			continue
		}
		if a.ID == shellyEnabled {
			if on, ok := a.Value.Bool(); ok {
				config["enabled"], told = on, true
			}
		}
		for _, t := range shellyTexts {
			s, ok := a.Value.Text()
			if t.attribute != a.ID || t.attribute == shellyPassword || !ok {
				continue
			}
			told = true
			if s = clean(s); s == "" {
				delete(config, t.key)
			} else {
				config[t.key] = s
			}
		}
	}
	if told {
		d.extra["wifi_config"] = config
		d.emit("wifi_config", maps.Clone(config))
	}
	return false
}

// setWiFi writes what is given and nothing else, and then has it applied.
func setWiFi(w *wish) error {
	m, err := w.object()
	if err != nil {
		return err
	}
	w.endpoint = shellyEndpoint
	said := make(map[string]any)
	if on, ok := m["enabled"].(bool); ok {
		w.write(shellyCluster, shellyManufacturer, shellyEnabled, zcl.Number(zcl.Bool, map[bool]uint64{true: 1}[on]))
		said["enabled"] = on
	} else if m["enabled"] != nil {
		return fmt.Errorf("cannot have wifi_config.enabled set to %s: it is true or false", shown(m["enabled"]))
	}
	for _, t := range shellyTexts {
		if m[t.key] == nil {
			continue
		}
		s, ok := m[t.key].(string)
		if !ok || len(s) > t.most || s == "" && !t.mayBeEmpty {
			return fmt.Errorf("cannot have wifi_config.%s set like that: it is a text of at most %d characters", t.key, t.most)
		}
		w.write(shellyCluster, shellyManufacturer, t.attribute, zcl.Text(s))
		if t.attribute != shellyPassword {
			said[t.key] = s
		}
	}
	if len(w.actions) == 0 {
		return fmt.Errorf("cannot have wifi_config set to nothing: give what is to change")
	}
	w.write(shellyCluster, shellyManufacturer, shellyAction, zcl.Number(zcl.Uint8, 1))
	w.say(w.key, said)
	return nil
}

// shellyInput is a switch that is wired to the input: it sends commands from
// endpoint 2, which is there when something is wired.
var shellyInput = Part{
	items: []item{{name: "action", get: []address{}, expose: ptr(choice("action", "What was done at its input", AccessState,
		"input_1_on", "input_1_off", "input_1_toggle", "input_1_single", "input_1_double", "input_1_triple", "input_1_hold").of("diagnostic"))}},
	setup: []Setup{
		{Endpoint: 2, Cluster: zcl.ClusterOnOff, Bind: true, Optional: true},
		{Endpoint: 2, Cluster: zcl.ClusterScenes, Bind: true, Optional: true},
	},
	special: func(d *Decoder, in Input) bool {
		if in.Endpoint != 2 || !in.Frame.ClusterSpecific || in.Frame.FromServer || in.Frame.Manufacturer != 0 {
			return false
		}
		action := ""
		switch {
		case in.Cluster == zcl.ClusterOnOff:
			action = map[uint8]string{commandOn: "on", commandOff: "off", commandToggle: "toggle"}[in.Frame.Command]
		case in.Cluster == zcl.ClusterScenes && in.Frame.Command == sceneRecall && len(in.Frame.Payload) >= 3:
			action = map[uint8]string{1: "single", 2: "double", 3: "triple", 4: "hold", 5: "toggle", 11: "hold"}[in.Frame.Payload[2]]
		}
		if action != "" {
			d.emit("action", "input_1_"+action)
		}
		return true
	},
}

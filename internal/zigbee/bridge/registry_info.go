package bridge

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// info is bridge/info. What only Zigbee2MQTT has (the versions of its
// libraries and of Node.js) is there as clients read it, with what stands in
// its place here: this program's version and Go's.
type info struct {
	Commit          string          `json:"commit,omitempty"`
	Config          map[string]any  `json:"config"`
	ConfigSchema    map[string]any  `json:"config_schema"`
	Coordinator     infoCoordinator `json:"coordinator"`
	LogLevel        string          `json:"log_level"`
	MQTT            infoMQTT        `json:"mqtt"`
	Network         infoNetwork     `json:"network"`
	OS              infoOS          `json:"os"`
	PermitJoin      bool            `json:"permit_join"`
	PermitJoinEnd   int64           `json:"permit_join_end,omitempty"` // ms since 1970
	RestartRequired bool            `json:"restart_required"`          // never: options take effect at once
	Version         string          `json:"version"`
	Herdsman        infoVersion     `json:"zigbee_herdsman"`
	Converters      infoVersion     `json:"zigbee_herdsman_converters"`
}

type infoCoordinator struct {
	IEEEAddress zcl.EUI64 `json:"ieee_address"`
	Meta        infoMeta  `json:"meta"`
	Type        string    `json:"type"`
}

type infoMeta struct {
	EZSP     uint8  `json:"ezsp,omitempty"`
	Revision string `json:"revision,omitempty"`
	Major    *int   `json:"major,omitempty"`
	Minor    *int   `json:"minor,omitempty"`
	Patch    *int   `json:"patch,omitempty"`
	Build    *int   `json:"build,omitempty"`
	Special  *int   `json:"special,omitempty"`
	Type     *int   `json:"type,omitempty"`
}

type infoMQTT struct {
	Server  string `json:"server"`
	Version int    `json:"version"`
}

type infoNetwork struct {
	Channel       uint8  `json:"channel"`
	ExtendedPANID string `json:"extended_pan_id"`
	PANID         uint16 `json:"pan_id"`
}

type infoOS struct {
	CPUs        string `json:"cpus"`
	MemoryMB    int    `json:"memory_mb"`
	NodeVersion string `json:"node_version"`
	Version     string `json:"version"`
}

type infoVersion struct {
	Version string `json:"version"`
}

// contractVersion is the release of Zigbee2MQTT whose contract this is. Clients
// compare it as a semantic version (homebridge-z2m refuses what is below 1.17),
// so in Zigbee2MQTT's form it comes first and ours is the build's metadata.
const contractVersion = "2.14.1"

// shownVersion is the version in bridge/info.
func (b *Bridge) shownVersion() string {
	if !b.z2m2() {
		return b.opts.Version
	}
	own := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '-':
			return r
		}
		return '-'
	}, b.opts.Version)
	return contractVersion + "+hems." + own
}

// mqttVersion is the version of the protocol that mqttclient speaks.
const mqttVersion = 5

// setInfo wants bridge/info as the network is now, and again when joining ends.
func (b *Bridge) setInfo(n network.Info) {
	v := info{
		Commit:       b.opts.Commit,
		Config:       b.config(n),
		ConfigSchema: configSchema(),
		Coordinator:  infoCoordinator{IEEEAddress: n.EUI64, Meta: b.newMeta(n), Type: "EmberZNet"},
		LogLevel:     b.logLevelName,
		MQTT:         infoMQTT{Server: b.opts.MQTT.Server, Version: mqttVersion},
		Network:      infoNetwork{Channel: n.Channel, ExtendedPANID: fmt.Sprintf("0x%016x", n.ExtendedPANID), PANID: n.PANID},
		OS:           machine(),
		Version:      b.shownVersion(),
		Herdsman:     infoVersion{b.opts.Version},
		Converters:   infoVersion{b.opts.Version},
	}
	if b.permit != nil {
		b.permit.Stop()
		b.permit = nil
	}
	if left := n.PermitUntil.Sub(b.now()); !n.PermitUntil.IsZero() && left > 0 {
		v.PermitJoin, v.PermitJoinEnd = true, n.PermitUntil.UnixMilli()
		b.permit = time.AfterFunc(left+10*time.Millisecond, func() {
			select {
			case b.do <- func() { b.setInfo(b.net.Info()) }:
			default: // the network says itself that joining ended
			}
		})
	}
	payload, err := json.Marshal(v)
	if err != nil { // nothing in it can fail to marshal
		panic(err)
	}
	b.retained.set(b.topics.bridge("info"), payload, 0)
}

// newMeta is the dongle's firmware, "7.4.4 build 0 [GA]", in its parts too. In
// Zigbee2MQTT's form the build is only among the parts, and a release has its
// number.
func (b *Bridge) newMeta(n network.Info) infoMeta {
	m := infoMeta{EZSP: n.EZSPVersion, Revision: n.Firmware}
	version, rest, _ := strings.Cut(n.Firmware, " ")
	parts := strings.Split(version, ".")
	for i, p := range []**int{&m.Major, &m.Minor, &m.Patch} {
		if i < len(parts) {
			*p = wholeNumber(parts[i])
		}
	}
	if after, ok := strings.CutPrefix(rest, "build "); ok {
		build, _, _ := strings.Cut(after, " ")
		m.Build = wholeNumber(build)
	}
	if word := "[GA]"; b.z2m2() && m.Patch != nil && strings.HasSuffix(rest, word) {
		const release = 0xaa
		m.Revision, m.Type, m.Special = version+" "+word, new(int), new(int)
		*m.Type = release
		if len(parts) > 3 {
			m.Special = wholeNumber(parts[3])
		}
	}
	return m
}

func wholeNumber(s string) *int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return nil
	}
	return &n
}

// config is our settings as Zigbee2MQTT's configuration says the like. No
// secret is in it.
func (b *Bridge) config(n network.Info) map[string]any {
	devices, groups := make(map[string]any), make(map[string]any)
	for e := range b.devices {
		o := merge(b.options.device(e), nil)
		o["friendly_name"] = b.names.name(e)
		devices[e.String()] = o
	}
	for _, g := range b.groups.sorted() {
		o := merge(g.Options, nil)
		o["friendly_name"] = g.Name
		groups[strconv.Itoa(int(g.id))] = o
	}
	extended := make([]int, 8) // in the order of the air, as configuration.yaml has it
	for i := range extended {
		extended[i] = int(byte(n.ExtendedPANID >> (8 * i)))
	}
	blocked := b.options.Blocklist
	if blocked == nil {
		blocked = []zcl.EUI64{}
	}
	own := map[string]any{
		"advanced": map[string]any{
			"cache_state": true, "cache_state_persistent": true, "cache_state_send_on_startup": true,
			"channel": n.Channel, "elapsed": false, "ext_pan_id": extended, "last_seen": b.opts.LastSeen,
			"log_level": b.logLevelName, "output": b.opts.Output, "pan_id": n.PANID,
		},
		"availability": map[string]any{
			"active":  map[string]any{"backoff": true, "max_jitter": 30000, "pause_on_backoff_gt": 0, "timeout": 10},
			"enabled": true,
			"passive": map[string]any{"timeout": 1500},
		},
		"blocklist":      blocked,
		"device_options": map[string]any{},
		"devices":        devices,
		"frontend":       map[string]any{"enabled": false},
		"groups":         groups,
		"health":         map[string]any{"interval": 10, "reset_on_check": false},
		"homeassistant": map[string]any{
			"discovery_topic": b.topics.prefix, "enabled": true, "experimental_event_entities": false,
			"legacy_action_sensor": false, "status_topic": b.topics.homeAssistant(),
		},
		"mqtt": map[string]any{
			"base_topic": b.topics.base, "force_disable_retain": false, "include_device_information": false,
			"server": b.opts.MQTT.Server, "version": mqttVersion,
		},
		"ota":      map[string]any{"disable_automatic_update_check": true},
		"passlist": []string{},
		"serial":   map[string]any{"adapter": "ember"},
		"version":  5,
	}
	return merge(own, b.options.Bridge)
}

// configSchema is JSON Schema of what requests can change.
var configSchema = sync.OnceValue(func() map[string]any {
	properties := func(rules map[string]rule) map[string]any {
		list := make(map[string]any)
		for key, r := range rules {
			list[key] = r.schema
		}
		return map[string]any{"type": "object", "properties": list}
	}
	root := map[string]any{"type": "object", "properties": make(map[string]any)}
	for path, r := range bridgeRules {
		at := root
		keys := strings.Split(path, ".")
		for i, key := range keys {
			members := at["properties"].(map[string]any)
			if i == len(keys)-1 {
				members[key] = r.schema
				break
			}
			if members[key] == nil {
				members[key] = map[string]any{"type": "object", "properties": make(map[string]any)}
			}
			at = members[key].(map[string]any)
		}
	}
	advanced := root["properties"].(map[string]any)["advanced"].(map[string]any)["properties"].(map[string]any)
	advanced["channel"] = map[string]any{"type": "number", "minimum": 11, "maximum": 26}
	root["definitions"] = map[string]any{"device": properties(deviceRules), "group": properties(groupRules)}
	return root
})

// machine is what the program runs on. Source: proc(5).
var machine = sync.OnceValue(func() infoOS {
	total, _ := systemMemory()
	cpu := runtime.GOARCH
	for line := range strings.Lines(readProc("/proc/cpuinfo")) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	kernel := strings.TrimSpace(readProc("/proc/sys/kernel/ostype") + " " + strings.TrimSpace(readProc("/proc/sys/kernel/osrelease")))
	kernel = strings.Join(strings.Fields(kernel), " ")
	if _, err := os.Stat("/proc"); err != nil {
		kernel = runtime.GOOS
	}
	return infoOS{
		CPUs:        fmt.Sprintf("%s (x%d)", cpu, runtime.NumCPU()),
		MemoryMB:    int(total >> 20),
		NodeVersion: runtime.Version(),
		Version:     kernel + " - " + runtime.GOARCH,
	}
})

// setOutside wants, in Zigbee2MQTT's form, the lists of code from outside, of
// which there is none. What a Zigbee2MQTT that was here before has left of its
// table of clusters is taken away: nobody publishes it any more.
func (b *Bridge) setOutside() {
	b.retained.clear(b.topics.bridge("definitions"))
	if b.z2m2() {
		b.retained.set(b.topics.bridge("converters"), []byte("[]"), 0)
		b.retained.set(b.topics.bridge("extensions"), []byte("[]"), 0)
	}
}

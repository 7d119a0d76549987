package zigbee2mqtt

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// apply puts names, options and groups to what the database says, and tells what
// of the rest is left behind.
func (c *config) apply(out *migrate.Import, db *database) error {
	out.Options = make(map[zcl.EUI64]map[string]any)
	defaults, common := section(c.all, "device_options"), make(map[string]string)
	for _, e := range slices.Sorted(maps.Keys(c.devices)) {
		name, _ := c.devices[e]["friendly_name"].(string)
		if _, ok := db.index[e]; !ok && e != db.coordinator {
			out.Leave(fmt.Sprintf("the entry %v (%q) of %s", e, name, configFile), "the device is not in %s", databaseFile)
		}
	}
	for _, d := range db.devices {
		m := c.devices[d.EUI64]
		if name, ok := m["friendly_name"].(string); ok {
			out.Name(d.EUI64, name)
		}
		options := maps.Clone(defaults)
		if options == nil {
			options = make(map[string]any)
		}
		maps.Copy(options, m)
		delete(options, "friendly_name")
		kept, left := bridge.KeepOptions(d.Subject(), options)
		if len(kept) > 0 {
			out.Options[d.EUI64] = kept
		}
		for _, key := range slices.Sorted(maps.Keys(left)) {
			if _, own := m[key]; own {
				out.Leave(fmt.Sprintf("the option %s of %s", key, called(out, d.EUI64)), "%s", left[key])
			} else {
				common[key] = left[key]
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(common)) { // once, not for each device
		out.Leave("device_options."+key, "%s", common[key])
	}
	if err := c.applyGroups(out, db); err != nil {
		return err
	}
	c.rest(out)
	return nil
}

func called(out *migrate.Import, e zcl.EUI64) string {
	if name, ok := out.Names[e]; ok {
		return name
	}
	return e.String()
}

// applyGroups takes groups from both files: their members stand in the database,
// before version 2 also in the configuration.
func (c *config) applyGroups(out *migrate.Import, db *database) error {
	out.Groups = make(map[uint16]bridge.ImportedGroup)
	ids := make(map[uint16]bool)
	for id := range db.groups {
		// Group 901 is where buttons send to when nobody tells them better; it is
		// made by itself.
		if _, named := c.groups[id]; named || len(db.groups[id]) > 0 || id != 901 {
			ids[id] = true
		}
	}
	for id := range c.groups {
		ids[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		m := c.groups[id]
		name, _ := m["friendly_name"].(string)
		if name == "" {
			name = strconv.Itoa(int(id))
		} else if err := bridge.CheckName(name); err != nil {
			out.Leave(fmt.Sprintf("the name %q of group %d", name, id), "%v; it is called by its number", err)
			name = strconv.Itoa(int(id))
		}
		g := bridge.ImportedGroup{Name: name}
		for _, x := range db.groups[id] {
			g.Members = append(g.Members, bridge.ImportedMember{EUI64: x.eui64, Endpoint: x.endpoint})
		}
		options := maps.Clone(m)
		list, _ := options["devices"].([]any)
		for _, v := range list {
			s, _ := v.(string)
			x, ok := c.member(out, db, s)
			if !ok {
				out.Leave(fmt.Sprintf("the member %.100q of group %s", s, name), "there is no such device")
				continue
			}
			if !slices.Contains(g.Members, x) {
				g.Members = append(g.Members, x)
			}
		}
		delete(options, "devices")
		delete(options, "friendly_name")
		delete(options, "retain_legacy")
		kept, left := bridge.KeepGroupOptions(options)
		if len(kept) > 0 {
			g.Options = kept
		}
		for _, key := range slices.Sorted(maps.Keys(left)) {
			out.Leave(fmt.Sprintf("the option %s of group %s", key, name), "%s", left[key])
		}
		out.Groups[id] = g
	}
	return nil
}

// member finds "0x0015bc003f000001/1", "name" or "name/left" of version 1.
func (c *config) member(out *migrate.Import, db *database, s string) (bridge.ImportedMember, bool) {
	who, rest := s, ""
	find := func(who string) (zcl.EUI64, bool) {
		if e, err := eui64(strings.ToLower(who)); err == nil {
			_, ok := db.index[e]
			return e, ok
		}
		for e, m := range c.devices {
			if name, _ := m["friendly_name"].(string); name == who && name != "" {
				_, ok := db.index[e]
				return e, ok
			}
		}
		return 0, false
	}
	e, ok := find(who)
	if i := strings.LastIndexByte(s, '/'); !ok && i >= 0 {
		who, rest = s[:i], s[i+1:]
		e, ok = find(who)
	}
	if !ok {
		return bridge.ImportedMember{}, false
	}
	endpoints := db.devices[db.index[e]].Endpoints
	if rest != "" {
		if n, err := strconv.ParseUint(rest, 10, 8); err == nil && n > 0 {
			return bridge.ImportedMember{EUI64: e, Endpoint: uint8(n)}, true
		}
	}
	for _, ep := range endpoints { // the first that can be in a group
		if slices.Contains(ep.In, 0x0004) {
			return bridge.ImportedMember{EUI64: e, Endpoint: ep.ID}, true
		}
	}
	if len(endpoints) > 0 {
		return bridge.ImportedMember{EUI64: e, Endpoint: endpoints[0].ID}, true
	}
	return bridge.ImportedMember{EUI64: e, Endpoint: 1}, true
}

// rest tells what else there is: settings that the appliance has too, and what
// is left behind.
func (c *config) rest(out *migrate.Import) {
	out.Settings = make(map[string]any)
	major := "1"
	if v, ok := c.all["version"].(float64); ok && v >= 2 {
		major = "2"
		out.Settings["zigbee.payloads"] = "z2m2"
	}
	advanced := section(c.all, "advanced")
	if s, _ := advanced["last_seen"].(string); s != "" && s != "disable" {
		if slices.Contains([]string{"ISO_8601", "ISO_8601_local", "epoch"}, s) {
			out.Settings["zigbee.last_seen"] = s
		} else {
			out.Leave("advanced.last_seen", "%.40q is none of its values", s)
		}
	}
	output, _ := advanced["output"].(string)
	if s, _ := section(c.all, "experimental")["output"].(string); output == "" {
		output = s
	}
	if slices.Contains([]string{"attribute", "attribute_and_json"}, output) {
		out.Settings["zigbee.output"] = output
	}
	if major == "2" {
		out.Notes = append(out.Notes, "Zigbee2MQTT 2's forms of messages need zigbee.payloads: z2m2; without it they are those of the appliance's own contract")
	}
	if c.baseTopic != "zigbee2mqtt" {
		out.Leave("mqtt.base_topic", "topics begin with zigbee2mqtt/ here, not with %s/: change those who listen", c.baseTopic)
	}
	if mqtt := section(c.all, "mqtt"); mqtt != nil {
		out.Leave("mqtt.server and how to sign in there", "the appliance is the broker: let clients connect to it")
	}
	blocked := make(map[zcl.EUI64]bool)
	for _, key := range []string{"blocklist", "ban"} {
		list, _ := c.all[key].([]any)
		for _, v := range list {
			s, _ := v.(string)
			e, err := eui64(strings.ToLower(s))
			if err != nil {
				out.Leave(fmt.Sprintf("%.60q of %s", s, key), "it is no address")
				continue
			}
			blocked[e] = true
		}
	}
	out.Blocked = slices.Sorted(maps.Keys(blocked))
	for _, key := range []string{"passlist", "whitelist"} {
		if list, _ := c.all[key].([]any); len(list) > 0 {
			out.Leave(key, "a network is opened to everybody or nobody here; close it after pairing")
		}
	}
	why := map[string]string{
		"external_converters": "a device without a definition here is understood by its clusters",
		"frontend":            "the appliance has its own pages",
		"ota":                 "the firmware of devices is not updated here",
		"map_options":         "the map has its own looks",
		"serial":              "the dongle is found by itself, or named with zigbee.serial in hems.yaml",
	}
	for _, key := range slices.Sorted(maps.Keys(why)) {
		if v := c.all[key]; v != nil && v != false {
			out.Leave(key, "%s", why[key])
		}
	}
	if h := section(c.all, "homeassistant"); h != nil {
		for _, key := range []string{"discovery_topic", "status_topic"} {
			if s, _ := h[key].(string); s != "" && s != "homeassistant" && s != "homeassistant/status" && s != "hass/status" {
				out.Leave("homeassistant."+key, "it is Home Assistant's default here")
			}
		}
	}
	if a := section(c.all, "availability"); a != nil {
		for _, key := range []string{"active", "passive"} {
			if section(a, key) != nil {
				out.Leave("availability."+key, "how long devices may be silent is judged by what they report; set it for single devices")
			}
		}
	}
}

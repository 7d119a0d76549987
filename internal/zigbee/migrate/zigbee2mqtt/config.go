package zigbee2mqtt

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// What a configuration that says nothing means (Zigbee2MQTT's documentation of
// "advanced").
var defaultKey = coordbackup.Key{1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 13}

const (
	defaultPANID         = 0x1A62
	defaultExtendedPANID = 0xDDDDDDDDDDDDDDDD
	defaultChannel       = 11
)

// config is configuration.yaml.
type config struct {
	networkKey    coordbackup.Key
	panID         uint16
	extendedPANID uint64 // the list's first byte is the most significant
	channel       uint8
	baseTopic     string
	all           map[string]any
	devices       map[zcl.EUI64]map[string]any
	groups        map[uint16]map[string]any
}

// loader reads the YAML files of the directory.
type loader struct {
	dir   string
	files map[string]any
	nodes int // converted so far
}

// Limits on YAML, of which a little can mean very much.
const (
	maxNodes    = 500_000
	maxIncludes = 50
)

// load gives a file's content. Keys are strings; numbers are float64.
func (l *loader) load(name string, optional bool) (any, error) {
	if v, ok := l.files[name]; ok {
		return v, nil
	}
	if len(l.files) > maxIncludes || strings.ContainsAny(name, "/\\") {
		return nil, &migrate.Error{File: configFile, Message: fmt.Sprintf("it takes %.60q in, which is no file beside it", name), Advice: "name a file in the same directory"}
	}
	b, err := read(l.dir, name, optional)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		line := "it is not YAML"
		var t *yaml.TypeError
		if !errors.As(err, &t) {
			line = strings.TrimPrefix(err.Error(), "yaml: ")
		}
		return nil, &migrate.Error{File: name, Message: line, Advice: "correct it; Zigbee2MQTT does not start with it either"}
	}
	v, err := l.convert(&doc, 0)
	if err != nil {
		return nil, &migrate.Error{File: name, Message: err.Error(), Advice: "correct it"}
	}
	l.files[name] = v
	return v, nil
}

func (l *loader) convert(n *yaml.Node, depth int) (any, error) {
	if l.nodes++; l.nodes > maxNodes || depth > 50 {
		return nil, errors.New("it is too large or too deep")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return l.convert(n.Content[0], depth+1)
	case yaml.AliasNode:
		return l.convert(n.Alias, depth+1)
	case yaml.MappingNode:
		m := make(map[string]any)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %.60q is there twice", n.Content[i].Line, key)
			}
			v, err := l.convert(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m[key] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := l.convert(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.ScalarNode:
		return scalar(n), nil
	}
	return nil, nil
}

// scalar is a value. A tag such as !secret is put before it, as Zigbee2MQTT
// writes it within quotes.
func scalar(n *yaml.Node) any {
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int", "!!float":
		var f float64
		if n.Decode(&f) == nil {
			return f
		}
		var u uint64
		if n.Decode(&u) == nil {
			return float64(u)
		}
	case "!!str":
	default:
		if strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
			return tag + " " + n.Value
		}
	}
	return n.Value
}

// resolve replaces "!secret network_key" by what secret.yaml says.
func (l *loader) resolve(v any) (any, error) {
	s, ok := v.(string)
	if !ok || !strings.HasPrefix(s, "!") {
		return v, nil
	}
	file, key, ok := strings.Cut(s[1:], " ")
	if !ok {
		return v, nil
	}
	if !strings.HasSuffix(file, ".yaml") && !strings.HasSuffix(file, ".yml") {
		file += ".yaml"
	}
	from, err := l.load(file, false)
	if err != nil {
		return nil, err
	}
	m, _ := from.(map[string]any)
	secret, ok := m[strings.TrimSpace(key)]
	if !ok {
		return nil, &migrate.Error{File: file, Message: fmt.Sprintf("there is no %.60q in it, which %s asks for", strings.TrimSpace(key), configFile), Advice: "add it, or write the value into " + configFile}
	}
	return secret, nil
}

// included is a section that may stand in files of its own.
func (l *loader) included(v any) (map[string]any, error) {
	names := []any{}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return v, nil
	case string:
		names = append(names, v)
	case []any:
		names = v
	default:
		return nil, errors.New("it is neither a list of files nor a map")
	}
	all := make(map[string]any)
	for _, name := range names {
		file, ok := name.(string)
		if !ok {
			return nil, errors.New("the name of a file is none")
		}
		from, err := l.load(file, true) // Zigbee2MQTT writes one only when there is something in it
		if err != nil {
			return nil, err
		}
		m, ok := from.(map[string]any)
		if !ok && from != nil {
			return nil, &migrate.Error{File: file, Message: "it is no map", Advice: "correct it"}
		}
		for k, v := range m {
			if _, twice := all[k]; twice {
				return nil, &migrate.Error{File: file, Message: fmt.Sprintf("%.60q is in another file too", k), Advice: "remove one of them"}
			}
			all[k] = v
		}
	}
	return all, nil
}

// section is a map in a map.
func section(m map[string]any, key string) map[string]any {
	s, _ := m[key].(map[string]any)
	return s
}

func readConfig(dir string) (*config, error) {
	l := &loader{dir: dir, files: make(map[string]any)}
	v, err := l.load(configFile, false)
	if err != nil {
		return nil, err
	}
	all, ok := v.(map[string]any)
	if !ok {
		return nil, &migrate.Error{File: configFile, Message: "it is no map", Advice: "is it Zigbee2MQTT's?"}
	}
	c := &config{all: all, networkKey: defaultKey, panID: defaultPANID, extendedPANID: defaultExtendedPANID, channel: defaultChannel, baseTopic: "zigbee2mqtt"}
	wrong := func(what string, err error) error {
		var own *migrate.Error
		if errors.As(err, &own) {
			return own
		}
		return &migrate.Error{File: configFile, Message: what + ": " + err.Error(), Advice: "correct it, as the running Zigbee2MQTT has it"}
	}
	advanced := section(all, "advanced")
	for key, take := range map[string]func(any) error{
		"network_key": c.takeKey, "pan_id": c.takePANID, "ext_pan_id": c.takeExtendedPANID, "channel": c.takeChannel,
	} {
		v, err := l.resolve(advanced[key])
		if err == nil && v != nil {
			err = take(v)
		}
		if err != nil {
			return nil, wrong("advanced."+key, err)
		}
	}
	if s, ok := section(all, "mqtt")["base_topic"].(string); ok && s != "" {
		c.baseTopic = s
	}
	devices, err := l.included(all["devices"])
	if err != nil {
		return nil, wrong("devices", err)
	}
	c.devices = make(map[zcl.EUI64]map[string]any)
	for key, v := range devices {
		e, err := eui64(strings.ToLower(key))
		if err != nil {
			return nil, wrong("devices", err)
		}
		if _, twice := c.devices[e]; twice {
			return nil, wrong("devices", fmt.Errorf("device %v is there twice", e))
		}
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			return nil, wrong("devices", fmt.Errorf("what is said of %v is no map", e))
		}
		c.devices[e] = m
	}
	groups, err := l.included(all["groups"])
	if err != nil {
		return nil, wrong("groups", err)
	}
	c.groups = make(map[uint16]map[string]any)
	for key, v := range groups {
		id, err := strconv.ParseUint(key, 10, 16)
		if err != nil || id == 0 || id > 0xFFF7 {
			return nil, wrong("groups", fmt.Errorf("there cannot be a group %.40q", key))
		}
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			return nil, wrong("groups", fmt.Errorf("what is said of group %d is no map", id))
		}
		c.groups[uint16(id)] = m
	}
	return c, c.unique()
}

// unique is why names cannot be those of Zigbee2MQTT, or nil.
func (c *config) unique() error {
	taken := make(map[string]string)
	take := func(who string, m map[string]any) error {
		name, _ := m["friendly_name"].(string)
		if name == "" {
			return nil
		}
		if other, twice := taken[name]; twice {
			return &migrate.Error{File: configFile, Message: fmt.Sprintf("the name %q is given to %s and to %s", name, other, who), Advice: "rename one of them; Zigbee2MQTT does not start with it either"}
		}
		taken[name] = who
		return nil
	}
	for _, e := range slices.Sorted(maps.Keys(c.devices)) {
		if err := take("device "+e.String(), c.devices[e]); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		if err := take(fmt.Sprintf("group %d", id), c.groups[id]); err != nil {
			return err
		}
	}
	return nil
}

// errGenerate is for a configuration that waits for its first start.
var errGenerate = errors.New("it is still to be generated: this Zigbee2MQTT has never run")

func byteList(v any, length int) ([]byte, error) {
	if v == "GENERATE" {
		return nil, errGenerate
	}
	list, ok := v.([]any)
	if !ok || len(list) != length {
		return nil, fmt.Errorf("it is no list of %d numbers", length)
	}
	b := make([]byte, length)
	for i, x := range list {
		f, ok := x.(float64)
		if s, isText := x.(string); isText { // "0x1a"
			u, err := strconv.ParseUint(s, 0, 8)
			f, ok = float64(u), err == nil
		}
		if !ok || f < 0 || f > 255 || f != float64(uint8(f)) {
			return nil, errors.New("a number of it is not from 0 to 255")
		}
		b[i] = uint8(f)
	}
	return b, nil
}

func (c *config) takeKey(v any) error {
	b, err := byteList(v, len(c.networkKey))
	if err == nil {
		copy(c.networkKey[:], b)
	}
	return err
}

func (c *config) takePANID(v any) error {
	if v == "GENERATE" {
		return errGenerate
	}
	f, ok := v.(float64)
	if s, isText := v.(string); isText {
		u, err := strconv.ParseUint(s, 0, 16)
		f, ok = float64(u), err == nil
	}
	if !ok || f < 1 || f > 0xFFFD || f != float64(uint16(f)) {
		return errors.New("it is no number from 1 to 0xfffd")
	}
	c.panID = uint16(f)
	return nil
}

func (c *config) takeExtendedPANID(v any) error {
	b, err := byteList(v, 8)
	if err != nil {
		return err
	}
	c.extendedPANID = 0
	for _, x := range b {
		c.extendedPANID = c.extendedPANID<<8 | uint64(x)
	}
	return nil
}

func (c *config) takeChannel(v any) error {
	f, ok := v.(float64)
	if !ok || f < 11 || f > 26 || f != float64(uint8(f)) {
		return errors.New("it is no channel from 11 to 26")
	}
	c.channel = uint8(f)
	return nil
}

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

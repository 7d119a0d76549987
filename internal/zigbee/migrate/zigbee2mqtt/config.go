package zigbee2mqtt

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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

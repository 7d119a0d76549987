package bridge

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// names are the friendly names people gave to devices, in the section "names" of
// the state: {"0x0015bc001b0211a5": "frient_blink_counter"}.
type names struct {
	state *statefile.File
	of    map[zcl.EUI64]string
}

// maxName is the longest name in octets.
const maxName = 100

// loadNames reads the section; one that does not exist is empty.
func loadNames(state *statefile.File) (*names, error) {
	n := &names{state: state, of: make(map[zcl.EUI64]string)}
	if _, err := state.Get(statefile.Names, &n.of); err != nil {
		return nil, err
	}
	if n.of == nil { // the file says null
		n.of = make(map[zcl.EUI64]string)
	}
	taken := make(map[string]zcl.EUI64)
	for e, name := range n.of {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("bridge: reading the devices' names from %s: %w; correct the file", state.Path(), err)
		}
		if other, ok := taken[entityID(name)]; ok {
			return nil, fmt.Errorf("bridge: reading the devices' names from %s: %v and %v have the same name %q; correct the file", state.Path(), other, e, name)
		}
		taken[entityID(name)] = e
	}
	return n, nil
}

// name is the device's friendly name: its address until a person gave one.
func (n *names) name(e zcl.EUI64) string {
	if name, ok := n.of[e]; ok {
		return name
	}
	return e.String()
}

// check is why the device cannot be called name, or nil.
func (n *names) check(e zcl.EUI64, name string, devices map[zcl.EUI64]*device) error {
	if err := checkName(name); err != nil {
		return err
	}
	if a, err := zcl.ParseEUI64(strings.ToLower(name)); err == nil && a != e {
		return fmt.Errorf("friendly_name '%s' is the address of another device", name)
	}
	id := entityID(name)
	for other, given := range n.of {
		if other != e && entityID(given) == id {
			return fmt.Errorf("friendly_name '%s' is already in use", name)
		}
	}
	for other := range devices {
		if other != e && entityID(n.name(other)) == id {
			return fmt.Errorf("friendly_name '%s' is already in use", name)
		}
	}
	return nil
}

// set gives a device a name, durably.
func (n *names) set(e zcl.EUI64, name string) error {
	old, had := n.of[e]
	n.of[e] = name
	if err := n.save(); err != nil {
		if delete(n.of, e); had {
			n.of[e] = old
		}
		return err
	}
	return nil
}

// remove forgets the name of a device that was removed, durably.
func (n *names) remove(e zcl.EUI64) error {
	old, had := n.of[e]
	if !had {
		return nil
	}
	delete(n.of, e)
	if err := n.save(); err != nil {
		n.of[e] = old
		return err
	}
	return nil
}

func (n *names) save() error {
	if err := n.state.Put(statefile.Names, n.of); err != nil {
		return fmt.Errorf("saving the devices' names: %w", err)
	}
	return nil
}

// entityID is what Home Assistant and the metrics writer make of a name; two
// devices whose names only differ in what is lost there would share entities.
func entityID(name string) string { return strings.ToLower(nodeID(name)) }

// reserved are the levels a name may not end in: they are topics of a device.
var reserved = map[string]bool{"get": true, "set": true, "availability": true}

// checkName is why no device can have this name, or nil.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("friendly_name must be at least 1 char long")
	case len(name) > maxName:
		return fmt.Errorf("friendly_name must be at most %d bytes long", maxName)
	case !utf8.ValidString(name):
		return errors.New("friendly_name must be UTF-8")
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }):
		return errors.New("friendly_name is not allowed to contain control char")
	case strings.ContainsAny(name, "+#"):
		return fmt.Errorf("MQTT wildcard (+ and #) not allowed in friendly_name ('%s')", name)
	case strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/"):
		return errors.New("friendly_name is not allowed to end or start with /")
	case strings.TrimSpace(name) != name:
		return errors.New("friendly_name is not allowed to end or start with a space")
	}
	levels := strings.Split(name, "/")
	if len(levels) > maxLevels {
		return fmt.Errorf("friendly_name must not have more than %d levels ('%s')", maxLevels, name)
	}
	if strings.EqualFold(levels[0], "bridge") || strings.EqualFold(name, "coordinator") {
		return fmt.Errorf("friendly_name '%s' is not allowed: it means the bridge itself", name)
	}
	for _, l := range levels {
		if l == "" || l == "get" || l == "set" {
			return fmt.Errorf("friendly_name is not allowed to have a level '%s' ('%s')", l, name)
		}
	}
	last := levels[len(levels)-1]
	if len(levels) > 1 && strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("friendly_name cannot end with a \"/DIGIT\" ('%s')", name)
	}
	if reserved[last] {
		return fmt.Errorf("friendly_name is not allowed to be or end in '%s'", last)
	}
	return nil
}

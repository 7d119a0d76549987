package bridge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// ImportedGroup is a group as another program knew it.
type ImportedGroup struct {
	Name    string
	Members []ImportedMember
	Options map[string]any // as KeepGroupOptions has left them
}

// ImportedMember is one endpoint of a device in a group.
type ImportedMember struct {
	EUI64    zcl.EUI64
	Endpoint uint8
}

// ImportSections are the sections of the state that belong to this package, made
// of what another program has kept: names, groups by number, options of devices
// as KeepOptions has left them, and the devices that may not join. They replace
// what was there.
func ImportSections(devices map[zcl.EUI64]string, imported map[uint16]ImportedGroup, set map[zcl.EUI64]map[string]any, blocked []zcl.EUI64) (map[string]any, error) {
	taken := make(map[string]zcl.EUI64)
	for e, name := range devices {
		if err := checkName(name); err != nil {
			return nil, err
		}
		if other, ok := taken[entityID(name)]; ok {
			return nil, fmt.Errorf("%v and %v have the same name '%s'", other, e, name)
		}
		taken[entityID(name)] = e
	}
	if len(imported) > maxGroups {
		return nil, fmt.Errorf("there are %d groups; there can be %d", len(imported), maxGroups)
	}
	all := make(map[uint16]*group)
	for id, g := range imported {
		switch {
		case id == 0 || id > maxGroupID:
			return nil, fmt.Errorf("there cannot be a group %d: they are 1 to %d", id, maxGroupID)
		case len(g.Members) > maxMembers:
			return nil, fmt.Errorf("group %d has %d members; it can have %d", id, len(g.Members), maxMembers)
		}
		to := &group{Name: g.Name, Options: g.Options}
		for _, m := range g.Members {
			if !to.has(m.EUI64, m.Endpoint) {
				to.Members = append(to.Members, member(m))
			}
		}
		all[id] = to
	}
	o := savedOptions{Devices: make(map[zcl.EUI64]entityOptions), Blocklist: blocked}
	if len(blocked) > maxBlocked {
		return nil, fmt.Errorf("%d devices are blocked; there can be %d", len(blocked), maxBlocked)
	}
	for e, v := range set {
		o.Devices[e] = v
	}
	return map[string]any{statefile.Names: devices, statefile.Groups: all, statefile.Options: o}, nil
}

// CheckName is why no device or group can have this name, or nil.
func CheckName(name string) error { return checkName(name) }

// EntityID is what Home Assistant makes of a name: two devices whose names have
// the same one cannot live together.
func EntityID(name string) string { return entityID(name) }

// KeepOptions parts the options of a device, in the form of Zigbee2MQTT's
// configuration and values as JSON has them, in those that mean something here
// and the reasons why the others do not.
func KeepOptions(s model.Subject, options map[string]any) (kept map[string]any, left map[string]string) {
	m := model.For(s)
	return keep(options, deviceRules, modelRules(m.Exposes(), m.Options()))
}

// KeepGroupOptions is KeepOptions of a group.
func KeepGroupOptions(options map[string]any) (kept map[string]any, left map[string]string) {
	return keep(options, groupRules)
}

func keep(options map[string]any, rules ...map[string]rule) (kept map[string]any, left map[string]string) {
	kept, left = make(map[string]any), make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(options)) {
		if options[key] == nil {
			continue
		}
		to, err := changeOptions(kept, map[string]any{key: options[key]}, rules...)
		if err != nil {
			left[key] = strings.TrimPrefix(err.Error(), "Invalid payload: ")
			continue
		}
		kept = to
	}
	return kept, left
}

package bridge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Limits on groups. The specification lets a home have more; devices keep far
// fewer.
const (
	maxGroups  = 255
	maxMembers = 255
	// maxGroupID is the last number of a group: those above are for broadcasts.
	// Source: Zigbee §3.6.5.
	maxGroupID = 0xfff7
	// defaultBindGroup is where buttons of some makers send their commands
	// until they are bound to something else; Zigbee2MQTT listens to it.
	defaultBindGroup     = 901
	defaultBindGroupName = "default_bind_group"
)

// member is one endpoint of a device in a group.
type member struct {
	EUI64    zcl.EUI64 `json:"ieee_address"`
	Endpoint uint8     `json:"endpoint"`
}

// scene is what devices remember under a number, and how people call it.
type scene struct {
	ID   uint8  `json:"id"`
	Name string `json:"name"`
	// Group is the group the scene belongs to on the device, 0 for none.
	Group uint16 `json:"group,omitempty"`
	// State is what the device will be like after a recall, as far as known.
	State map[string]any `json:"state,omitempty"`
}

// group is devices that do the same on one command.
type group struct {
	id      uint16
	Name    string        `json:"friendly_name"`
	Members []member      `json:"members,omitempty"`
	Scenes  []scene       `json:"scenes,omitempty"`
	Options entityOptions `json:"options,omitempty"`

	state map[string]any // as last published
	nulls []field        // keys that the state always has
	last  []byte         // what of a member was last taken over
}

// has reports whether an endpoint is a member.
func (g *group) has(e zcl.EUI64, endpoint uint8) bool {
	return slices.Contains(g.Members, member{e, endpoint})
}

// groups are the groups of the network, by their number in the radio network.
// It is the section "groups" of the state file.
type groups struct {
	state *statefile.File
	of    map[uint16]*group
}

// loadGroups reads the section. Names are as good as the file says: they were
// checked when they were given, or imported.
func loadGroups(state *statefile.File) (*groups, error) {
	gs := &groups{state: state, of: make(map[uint16]*group)}
	if _, err := state.Get(statefile.Groups, &gs.of); err != nil {
		return nil, err
	}
	if gs.of == nil {
		gs.of = make(map[uint16]*group)
	}
	for id, g := range gs.of {
		if g == nil || id == 0 || id > maxGroupID {
			return nil, fmt.Errorf("bridge: reading the groups: there cannot be a group %d; correct the section %q of the state file", id, statefile.Groups)
		}
		g.id = id
		if g.Name == "" { // a group without a name is called by its number
			g.Name = strconv.Itoa(int(id))
		}
	}
	return gs, nil
}

// save makes the groups durable. On an error the caller puts back what was.
func (gs *groups) save() error {
	if err := gs.state.Put(statefile.Groups, gs.of); err != nil {
		return fmt.Errorf("saving the groups: %w", err)
	}
	return nil
}

// find is the group with this name or number.
func (gs *groups) find(id string) (*group, bool) {
	if n, err := strconv.ParseUint(id, 10, 16); err == nil {
		if g, ok := gs.of[uint16(n)]; ok {
			return g, true
		}
	}
	for _, g := range gs.of {
		if g.Name == id {
			return g, true
		}
	}
	return nil, false
}

// named is a group that Home Assistant could not tell from one with this name.
func (gs *groups) named(name string) (*group, bool) {
	id := entityID(name)
	for _, g := range gs.of {
		if entityID(g.Name) == id {
			return g, true
		}
	}
	return nil, false
}

// sorted is the groups by number.
func (gs *groups) sorted() []*group {
	return slices.SortedFunc(maps.Values(gs.of), func(a, b *group) int { return cmp.Compare(a.id, b.id) })
}

// free is the lowest number no group has.
func (gs *groups) free() uint16 {
	id := uint16(1)
	for gs.of[id] != nil {
		id++
	}
	return id
}

// add makes a group, durably.
func (gs *groups) add(id uint16, name string) (*group, error) {
	g := &group{id: id, Name: name}
	gs.of[id] = g
	if err := gs.save(); err != nil {
		delete(gs.of, id)
		return nil, err
	}
	return g, nil
}

// remove drops a group, durably.
func (gs *groups) remove(g *group) error {
	delete(gs.of, g.id)
	if err := gs.save(); err != nil {
		gs.of[g.id] = g
		return err
	}
	return nil
}

// change does something to a group and makes it durable, or undoes it.
func (gs *groups) change(g *group, do func(*group)) error {
	old := *g
	old.Members, old.Scenes = slices.Clone(g.Members), slices.Clone(g.Scenes)
	do(g)
	if err := gs.save(); err != nil {
		g.Name, g.Members, g.Scenes, g.Options = old.Name, old.Members, old.Scenes, old.Options
		return err
	}
	return nil
}

// memberships are the groups that an endpoint is in.
func (gs *groups) memberships(e zcl.EUI64, endpoint uint8) []*group {
	var list []*group
	for _, g := range gs.sorted() {
		if g.has(e, endpoint) {
			list = append(list, g)
		}
	}
	return list
}

// forget takes a removed device out of all groups, durably.
func (gs *groups) forget(e zcl.EUI64) error {
	changed := false
	for _, g := range gs.of {
		before := len(g.Members)
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m member) bool { return m.EUI64 == e })
		changed = changed || len(g.Members) != before
	}
	if !changed {
		return nil
	}
	return gs.save()
}

// groupEntry is one group in bridge/groups.
type groupEntry struct {
	Description  string       `json:"description,omitempty"`
	FriendlyName string       `json:"friendly_name"`
	ID           uint16       `json:"id"`
	Members      []member     `json:"members"`
	Scenes       []sceneEntry `json:"scenes"`
}

// sceneEntry is one scene in bridge/groups and bridge/devices.
type sceneEntry struct {
	ID   uint8  `json:"id"`
	Name string `json:"name"`
}

func sceneEntries(list []scene, group uint16) []sceneEntry {
	entries := make([]sceneEntry, 0, len(list))
	for _, s := range list {
		if s.Group == group {
			entries = append(entries, sceneEntry{s.ID, s.shown()})
		}
	}
	return entries
}

// setGroups wants bridge/groups as the groups are now.
func (b *Bridge) setGroups() {
	list := []groupEntry{}
	for _, g := range b.groups.sorted() {
		e := groupEntry{
			Description:  g.Options.text("description"),
			FriendlyName: g.Name,
			ID:           g.id,
			Members:      g.Members,
			Scenes:       sceneEntries(g.Scenes, g.id),
		}
		if g.id == defaultBindGroup {
			e.FriendlyName = defaultBindGroupName
		}
		if e.Members == nil {
			e.Members = []member{}
		}
		list = append(list, e)
	}
	payload, err := json.Marshal(list)
	if err != nil { // nothing in it can fail to marshal
		panic(err)
	}
	b.retained.set(b.topics.bridge("groups"), payload, 0)
	b.describeGroups()
}

// shared are the keys of a state that members of a group have in common.
var shared = map[string]bool{"state": true, "brightness": true, "color_temp": true, "color": true, "color_mode": true}

// groupsFollow publishes what a device has just said for the groups it is in:
// update is the keys that came now. A group is off only when no member is on,
// unless its option off_state says otherwise.
func (b *Bridge) groupsFollow(d *device, update map[string]any) {
	if len(b.groups.of) == 0 {
		return
	}
	for endpoint, values := range b.byEndpoint(d, update) {
		for _, g := range b.groups.memberships(d.EUI64, endpoint) {
			last, err := json.Marshal(values)
			if err != nil || string(last) == string(g.last) || !g.Options.flag("optimistic", true) || !b.mayPublish(g, values) {
				continue
			}
			g.last = last
			b.publishGroup(g, values)
		}
	}
}

// groupChanged is after a command to a group: the group, its members and the
// other groups these are in are taken to be as they were told.
func (b *Bridge) groupChanged(g *group, update map[string]any) {
	g.last = nil
	if len(update) == 0 {
		return
	}
	b.publishGroup(g, update)
	values := make(map[string]any)
	for k, v := range update {
		if shared[k] {
			values[k] = v
		}
	}
	if len(values) == 0 || !g.Options.flag("optimistic", true) {
		return
	}
	others := make(map[*group]bool)
	for _, m := range g.Members {
		d, ok := b.devices[m.EUI64]
		if !ok || b.options.device(m.EUI64).flag("disabled", false) {
			continue
		}
		b.takeOver(d, m.Endpoint, values)
		for _, other := range b.groups.memberships(m.EUI64, m.Endpoint) {
			if other != g && other.Options.flag("optimistic", true) && b.mayPublish(other, values) {
				others[other] = true
			}
		}
	}
	for _, other := range slices.SortedFunc(maps.Keys(others), func(x, y *group) int { return cmp.Compare(x.id, y.id) }) {
		b.publishGroup(other, values)
	}
}

// takeOver publishes a device as if it had said values itself, as far as it has
// such keys.
func (b *Bridge) takeOver(d *device, endpoint uint8, values map[string]any) {
	keys := properties(d.exposes())
	name := d.endpointName(endpoint)
	st := b.states.get(d.EUI64)
	changed := false
	for k, v := range values {
		if name != "" && slices.Contains(keys, k+"_"+name) {
			k += "_" + name
		} else if !slices.Contains(keys, k) && k != "color_mode" {
			continue
		}
		st.Values[k], changed = v, true
	}
	if changed {
		b.states.dirty = true
		b.publishState(d, st)
	}
}

// byEndpoint sorts the shared keys of a device's state by the endpoint they are
// about.
func (b *Bridge) byEndpoint(d *device, update map[string]any) map[uint8]map[string]any {
	list := make(map[uint8]map[string]any)
	put := func(endpoint uint8, k string, v any) {
		if list[endpoint] == nil {
			list[endpoint] = make(map[string]any)
		}
		list[endpoint][k] = v
	}
	for k, v := range update {
		if shared[k] {
			if ep, ok := d.endpoint(""); ok {
				put(ep.ID, k, v)
			}
			continue
		}
		for _, ep := range d.Endpoints {
			name := d.endpointName(ep.ID)
			if base, ok := strings.CutSuffix(k, "_"+name); ok && name != "" && shared[base] {
				put(ep.ID, base, v)
			}
		}
	}
	return list
}

// mayPublish reports whether a group takes values over from a member.
func (b *Bridge) mayPublish(g *group, values map[string]any) bool {
	if g.Options.text("off_state") == "last_member_state" {
		return true
	}
	if s := values["state"]; s != "OFF" && s != "CLOSE" {
		return true
	}
	for _, m := range g.Members {
		d, ok := b.devices[m.EUI64]
		st, heard := b.states.of[m.EUI64]
		if !ok || !heard {
			continue
		}
		key := "state"
		if name := d.endpointName(m.Endpoint); name != "" && st.Values["state_"+name] != nil {
			key += "_" + name
		}
		if v := st.Values[key]; v == "ON" || v == "OPEN" {
			return false
		}
	}
	return true
}

// publishGroup publishes a group's state with what has changed in it.
func (b *Bridge) publishGroup(g *group, update map[string]any) {
	if g.state == nil {
		g.state = make(map[string]any)
	}
	maps.Copy(g.state, update)
	shown := maps.Clone(g.state)
	for _, f := range g.nulls {
		if _, ok := shown[f.key]; !ok {
			shown[f.key] = f.value
		}
	}
	for _, key := range g.Options.list("filtered_attributes") {
		delete(shown, key)
	}
	payload, err := json.Marshal(shown)
	if err != nil { // only an error of ours: what devices say is decoded before
		b.log.Error("the state of a group could not be written as JSON", "group", g.Name, "error", err)
		return
	}
	topic := b.topics.state(g.Name)
	b.retained.forget(topic) // a name that was free until now may be to be cleared
	b.send(topic, payload, g.Options.flag("retain", !b.z2m2()))
}

// properties are the keys of a device's state, those of its parts too.
func properties(exposes []model.Expose) []string {
	var keys []string
	for _, e := range exposes {
		if e.Property != "" {
			keys = append(keys, e.Property)
			continue // the parts of a composite are in it
		}
		keys = append(keys, properties(e.Features)...)
	}
	return keys
}

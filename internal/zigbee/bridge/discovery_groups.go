package bridge

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// shownGroup is a group as it is on MQTT.
type shownGroup struct {
	name    string
	topics  []string // retained
	waiting int      // how often it was renamed of late: its descriptions wait
	told    bool     // whether it can be reached has been said
}

// hasDevice reports whether any endpoint of the device is a member.
func (g *group) hasDevice(e zcl.EUI64) bool {
	return slices.ContainsFunc(g.Members, func(m member) bool { return m.EUI64 == e })
}

// describeGroups wants the retained topics of all groups, and none of groups
// that are no more.
func (b *Bridge) describeGroups() {
	for id, shown := range b.shown {
		if b.groups.of[id] == nil {
			for _, topic := range shown.topics {
				b.retained.clear(topic)
			}
			delete(b.shown, id)
		}
	}
	for _, g := range b.groups.sorted() {
		b.setGroup(g)
	}
}

// setGroup wants the availability and the descriptions of a group. After it got
// another name the descriptions wait, as those of a device do.
func (b *Bridge) setGroup(g *group) {
	shown := b.shown[g.id]
	if shown == nil {
		shown = &shownGroup{name: g.Name, told: b.starting}
		b.shown[g.id] = shown
	}
	if shown.name != g.Name {
		for _, topic := range shown.topics {
			b.retained.clear(topic)
		}
		shown.name, shown.topics = g.Name, nil
		shown.waiting++
		time.AfterFunc(b.opts.RenamePause, func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			b.post(ctx, func() {
				if shown.waiting--; b.shown[g.id] == shown && b.groups.of[g.id] != nil {
					b.setGroup(b.groups.of[g.id])
				}
			})
		})
	}
	// Of a group that has just been made, and has nobody in it, there is nothing
	// to say yet.
	var topics []string
	if available := b.topics.availability(g.Name); len(g.Members) > 0 || shown.told {
		b.retained.set(available, b.opts.Payloads.presence(b.groupAvailable(g)), 1)
		topics, shown.told = append(topics, available), true
	}
	g.nulls = nil
	list := b.groupEntities(g)
	s := b.groupSubject(g)
	announced := b.groupAnnounced(g)
	for _, e := range list {
		if b.z2m2() && announced {
			g.nulls = append(g.nulls, e.nulls...)
		}
		topic, doc := b.document(s, e)
		if shown.waiting == 0 && announced {
			b.retained.set(topic, marshal(doc), 1)
			topics = append(topics, topic)
		}
	}
	for _, topic := range shown.topics {
		if !slices.Contains(topics, topic) {
			b.retained.clear(topic)
		}
	}
	shown.topics = topics
}

// groupAnnounced reports whether Home Assistant is told of a group.
func (b *Bridge) groupAnnounced(g *group) bool {
	told, set := g.Options["homeassistant"].(bool)
	return told || !set
}

// groupAvailable reports whether any member can be reached.
func (b *Bridge) groupAvailable(g *group) bool {
	return slices.ContainsFunc(g.Members, func(m member) bool {
		d, ok := b.devices[m.EUI64]
		return ok && d.Available && !d.settings.hermit
	})
}

// groupSubject is a group as the owner of its entities.
func (b *Bridge) groupSubject(g *group) subject {
	id := strconv.Itoa(int(g.id))
	s := subject{node: g.Name, id: id, name: g.Name}
	s.overrides, _ = g.Options["homeassistant"].(map[string]any)
	if v, ok := s.overrides["name"].(string); ok {
		s.name = v
	}
	if b.z2m2() {
		s.node = b.topics.node(id)
		s.available = append(s.available, b.topics.bridge("state"))
	}
	s.available = append(s.available, b.topics.availability(g.Name))
	s.device = map[string]any{
		"identifiers": []string{"zigbee2mqtt_" + b.topics.node(id)}, "name": s.name,
		"model": "Group", "manufacturer": "Zigbee2MQTT", "sw_version": "Zigbee2MQTT " + b.shownVersion(),
		"via_device": b.bridgeIdentifier(),
	}
	if !b.z2m2() {
		s.device = map[string]any{"identifiers": s.device["identifiers"], "name": title(s.name), "model": "Group", "manufacturer": "SmartCORE"}
	}
	return s
}

// groupEntities are what the members of a group have in common: one light, one
// switch and so on, and its scenes.
func (b *Bridge) groupEntities(g *group) []entity {
	byKind := make(map[string][]model.Expose)
	w := describer{form: b.opts.Payloads, topics: b.topics, name: g.Name, group: true}
	for _, m := range g.Members {
		d, ok := b.devices[m.EUI64]
		if !ok {
			continue
		}
		w.all = append(w.all, d.exposes()...)
		for _, e := range d.exposes() {
			switch kind := e.Type; kind {
			case model.Switch, "lock", "cover":
				if f, ok := feature(e, "state"); ok && e.Endpoint != "" {
					kind += bare(f)
				}
				byKind[kind] = append(byKind[kind], e)
			case model.Light:
				byKind[kind] = append(byKind[kind], e)
			}
		}
	}
	var list []entity
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		for _, e := range w.entities(byKind[kind]...) {
			if ids := b.memberIDs(g, e.component); ids != nil {
				e.doc["group"] = ids
			}
			list = append(list, e)
		}
	}
	return append(list, w.scenes(g.Scenes, g.id)...)
}

// memberIDs are the unique ids of the members' own entities of a component.
func (b *Bridge) memberIDs(g *group, component string) []string {
	var ids []string
	for _, m := range g.Members {
		d, ok := b.devices[m.EUI64]
		if !ok {
			continue
		}
		i := slices.IndexFunc(d.entities, func(e entity) bool {
			ep, ok := d.endpoint(e.endpoint)
			return ok && e.component == component && ep.ID == m.Endpoint
		})
		if i >= 0 {
			ids = append(ids, b.opts.Payloads.uniqueID(m.EUI64.String(), d.entities[i].object, b.topics))
		}
	}
	return ids
}

// sceneEntities are the scenes that a device remembers.
func (b *Bridge) sceneEntities(d *device, w describer) []entity {
	var list []entity
	byEndpoint := b.options.Scenes[d.EUI64]
	for _, endpoint := range slices.SortedFunc(maps.Keys(byEndpoint), cmp.Compare[uint8]) {
		list = append(list, w.scenes(byEndpoint[endpoint], 0)...)
	}
	return list
}

// scenes are those of a group, or of a device's own where that is 0.
func (w describer) scenes(scenes []scene, group uint16) []entity {
	var list []entity
	for _, s := range scenes {
		if s.Group != group {
			continue
		}
		list = append(list, entity{
			component: "scene",
			object:    fmt.Sprintf("scene_%d", s.ID),
			postfix:   "_" + strings.ToLower(strings.Join(strings.Fields(s.shown()), "_")),
			doc: map[string]any{
				"name":          s.shown(),
				"command_topic": w.set("", ""),
				"payload_on":    fmt.Sprintf(`{ "scene_recall": %d }`, s.ID),
			},
		})
	}
	return list
}

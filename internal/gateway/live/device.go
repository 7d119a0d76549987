package live

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Device is one device of the home. It is also an answer of the JSON interface:
// names and units stay.
type Device struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Model        string     `json:"model,omitempty"`
	Vendor       string     `json:"vendor,omitempty"`
	Description  string     `json:"description,omitempty"`
	Address      string     `json:"address,omitempty"` // IEEE address of a Zigbee device
	Availability string     `json:"availability"`      // "online", "offline", "joining" or "unknown"
	LastSeen     *time.Time `json:"last_seen"`
	Power        *float64   `json:"power_w"`
	Energy       *float64   `json:"energy_kwh"`
	Battery      *float64   `json:"battery_percent"`
	LinkQuality  *float64   `json:"link_quality"` // 0 to 255
	Main         bool       `json:"main_meter"`
}

// Devices are all devices, in the order in which they joined, then by name.
func (m *Model) Devices() []Device {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.devices()
}

// devices needs mu.
func (m *Model) devices() []Device {
	byKey := map[string]*Device{}
	for _, b := range m.zigbee {
		if b.Type == "Coordinator" || b.IEEE == "" {
			continue
		}
		byKey[zigbeeKey(b.IEEE)] = m.fromBridge(b)
	}
	mainPower, _ := m.meter()
	for _, e := range m.inOrder() {
		key := e.device()
		if m.isBridge(key) {
			continue
		}
		d := byKey[key]
		if d == nil {
			if len(byKey) >= maxDevices {
				continue
			}
			d = &Device{ID: key, Availability: "unknown"}
			byKey[key] = d
		}
		d.Main = d.Main || mainPower != nil && mainPower.device() == key
		m.addEntity(d, e)
	}
	list := make([]Device, 0, len(byKey))
	for _, key := range sortedKeys(byKey) {
		list = append(list, *byKey[key])
	}
	slices.SortStableFunc(list, func(a, b Device) int {
		return cmp.Or(cmp.Compare(m.joined(a.ID), m.joined(b.ID)), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// fromBridge is a Zigbee device as the bridge lists it, with what its state
// says beyond the discovered entities.
func (m *Model) fromBridge(b bridgeDevice) *Device {
	d := &Device{
		ID: zigbeeKey(b.IEEE), Name: cmp.Or(b.FriendlyName, b.IEEE), Address: b.IEEE, Availability: "unknown",
		Model: cmp.Or(b.Model, b.ModelID), Vendor: b.Manufacturer,
	}
	if b.Definition != nil {
		d.Model = cmp.Or(b.Definition.Model, d.Model)
		d.Vendor = cmp.Or(b.Definition.Vendor, d.Vendor)
		d.Description = b.Definition.Description
	}
	if s := m.avail[m.o.BaseTopic+"/"+b.FriendlyName+"/availability"]; s != nil {
		d.Availability = onlineText(s.payload)
	}
	if b.Interviewing || b.InterviewState == "IN_PROGRESS" || b.InterviewState == "PENDING" {
		d.Availability = "joining"
	}
	if s := m.states[m.o.BaseTopic+"/"+b.FriendlyName]; s != nil {
		var v struct {
			Battery     *float64 `json:"battery"`
			LinkQuality *float64 `json:"linkquality"`
		}
		if json.Unmarshal(s.payload, &v) == nil {
			d.Battery, d.LinkQuality = v.Battery, v.LinkQuality
		}
		d.see(s.at)
	}
	return d
}

// addEntity adds what one entity knows; needs mu.
func (m *Model) addEntity(d *Device, e *entity) {
	if doc := e.Device; doc != nil {
		d.Name = cmp.Or(d.Name, doc.Name)
		d.Model = cmp.Or(d.Model, doc.Model)
		d.Vendor = cmp.Or(d.Vendor, doc.Manufacturer)
	}
	d.Name = cmp.Or(d.Name, e.Name, e.EntityID)
	if a := e.availability(m.avail); d.Availability == "unknown" && a != "" {
		d.Availability = a
	}
	if !e.known {
		return
	}
	d.see(m.seen(e))
	v := e.value
	switch e.role {
	case rolePower:
		d.Power = cmp.Or(d.Power, &v)
	case roleEnergy:
		d.Energy = cmp.Or(d.Energy, &v)
	case roleBattery:
		d.Battery = &v
	case roleLink:
		d.LinkQuality = &v
	}
}

func (d *Device) see(at time.Time) {
	if !at.IsZero() && (d.LastSeen == nil || at.After(*d.LastSeen)) {
		d.LastSeen = &at
	}
}

// joined is a device's place in the bridge's list; those that are not Zigbee
// come after.
func (m *Model) joined(key string) int {
	for i, b := range m.zigbee {
		if zigbeeKey(b.IEEE) == key {
			return i
		}
	}
	return len(m.zigbee)
}

// isBridge tells the bridge's own entities (version, permit join) from devices.
func (m *Model) isBridge(key string) bool {
	if strings.HasPrefix(key, "zigbee2mqtt_bridge_") {
		return true
	}
	for _, b := range m.zigbee {
		if b.Type == "Coordinator" && zigbeeKey(b.IEEE) == key {
			return true
		}
	}
	return false
}

// name is what people call an entity's device; needs mu.
func (m *Model) name(e *entity) string {
	for _, b := range m.zigbee {
		if zigbeeKey(b.IEEE) == e.device() && b.FriendlyName != "" {
			return b.FriendlyName
		}
	}
	if e.Device != nil && e.Device.Name != "" {
		return e.Device.Name
	}
	return cmp.Or(e.Name, e.EntityID)
}

// isCalled tells whether a person means this entity's device by a name: its
// friendly name, the name in its discovery document, or its topic's last part.
func (m *Model) isCalled(e *entity, name string) bool {
	return strings.EqualFold(m.name(e), name) ||
		e.Device != nil && strings.EqualFold(e.Device.Name, name) ||
		strings.EqualFold(e.StateTopic, m.o.BaseTopic+"/"+name)
}

// zigbeeKey is the device identifier in Zigbee2MQTT's discovery documents.
func zigbeeKey(ieee string) string { return "zigbee2mqtt_" + ieee }

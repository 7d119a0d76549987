package discovery

import "strings"

// entityID is the id Home Assistant gives a new entity, without the domain: of
// what the document asks for (default_entity_id, or the older object_id), or
// else of the full name. The full name is that of the device followed by the
// entity's own, which documents of Zigbee2MQTT 1 already begin with the
// device's.
func (e *Entity) entityID(o object) string {
	if id := o.text("default_entity_id"); id != "" {
		if _, after, ok := strings.Cut(id, "."); ok {
			id = after
		}
		return Slug(id)
	}
	if id := o.text("object_id"); id != "" {
		return Slug(id)
	}
	device := ""
	if e.Device != nil {
		device = e.Device.Name
	}
	name := e.Name
	if name == "" && !o.isNull("name") {
		name = defaultName(e.Component, e.DeviceClass)
	}
	if id := EntityID(device, name); id != "" {
		return id
	}
	return Slug("MQTT " + e.Component)
}

// EntityID is the id, without its domain, that Home Assistant gives an entity
// called name of a device called device. Either may be empty.
func EntityID(device, name string) string {
	switch {
	case name == "":
		return Slug(device)
	case device == "" || beginsWith(name, device):
		return Slug(name)
	}
	return Slug(device + " " + name)
}

// beginsWith reports whether the words of name begin with those of device.
func beginsWith(name, device string) bool {
	n, d := Slug(name), Slug(device)
	return n == d || strings.HasPrefix(n, d+"_")
}

// defaultName is what Home Assistant calls an entity whose document gives no
// name: after its device class, or else after the integration.
func defaultName(component, class string) string {
	if class == "" {
		return "MQTT " + strings.ReplaceAll(component, "_", " ")
	}
	if name, other := classNames[component+"."+class]; other {
		return name
	}
	if name, other := classNames[class]; other {
		return name
	}
	return strings.ReplaceAll(class, "_", " ")
}

// classNames are the names of device classes that are not their words. Source:
// Home Assistant, the English names of sensor, number and binary_sensor.
var classNames = map[string]string{
	"aqi":                            "Air quality index",
	"binary_sensor.battery_charging": "Charging",
	"energy_storage":                 "Stored energy",
	"pm25":                           "PM2.5",
	"volume_storage":                 "Stored volume",
}

package bridge

import (
	"slices"
	"strconv"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// endpoint is the endpoint that a request means: its number, the name that the
// device's model has for it, or "default" or nothing for the first.
func (d *device) endpoint(key string) (network.Endpoint, bool) {
	id := uint8(0)
	switch n, err := strconv.ParseUint(key, 10, 8); {
	case err == nil:
		id = uint8(n)
	case key == "" || key == "default":
		if id = endpointOf(d.exposes(), "default"); id == 0 && len(d.Endpoints) > 0 {
			return d.Endpoints[0], true
		}
	default:
		id = endpointOf(d.exposes(), key)
	}
	for _, ep := range d.Endpoints {
		if ep.ID == id && id != 0 {
			return ep, true
		}
	}
	return network.Endpoint{}, false
}

// endpointName is what the model calls an endpoint ("l1"), empty for none.
func (d *device) endpointName(id uint8) string {
	for _, name := range endpointNames(d.exposes()) {
		if name != "default" && endpointOf(d.exposes(), name) == id {
			return name
		}
	}
	return ""
}

// endpointNames are the names of endpoints in a model's exposes.
func endpointNames(exposes []model.Expose) []string {
	var names []string
	for _, e := range exposes {
		if e.Endpoint != "" && !slices.Contains(names, e.Endpoint) {
			names = append(names, e.Endpoint)
		}
		for _, name := range endpointNames(e.Features) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// endpointOf is the number of a named endpoint, 0 when it is not known. Models
// name endpoints after their number: "l1" is 1.
func endpointOf(exposes []model.Expose, name string) uint8 {
	for _, known := range endpointNames(exposes) {
		if known != name {
			continue
		}
		digits := name
		for len(digits) > 0 && (digits[0] < '0' || digits[0] > '9') {
			digits = digits[1:]
		}
		n, err := strconv.ParseUint(digits, 10, 8)
		if err != nil {
			return 0
		}
		return uint8(n)
	}
	return 0
}

// description is what the device is, for people.
func (d *device) description() string { return d.model.Info().Description }

// options is what can be chosen for the device's model.
func (d *device) options() []model.Expose { return d.model.Options() }

// supportsOTA reports whether the device's model takes firmware over the air.
func (d *device) supportsOTA() bool { return d.model.Info().SupportsOTA }

package bridge

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// What a person has set of a device or of the bridge and the coordinator acts
// upon: when a device counts as gone, and what it is asked how often.

// tellOptions tells the coordinator of all options, at the start.
func (b *Bridge) tellOptions() {
	b.net.SetAvailabilityDefaults(b.availabilityDefaults())
	for e := range b.options.Devices {
		b.tellDeviceOptions(e)
	}
}

// tellDeviceOptions tells the coordinator of the options of a device.
func (b *Bridge) tellDeviceOptions(e zcl.EUI64) {
	o := b.options.device(e)
	b.net.SetOptions(e, o)
	availability := availabilityOptions(o["availability"])
	availability.Off = availability.Off || o.flag("disabled", false)
	b.net.SetAvailability(e, availability)
}

// availabilityOptions is Zigbee2MQTT's option availability of a device: false,
// true, or an object with a timeout in minutes.
func availabilityOptions(v any) network.AvailabilityOptions {
	switch v := v.(type) {
	case bool:
		return network.AvailabilityOptions{Off: !v}
	case map[string]any:
		return network.AvailabilityOptions{Timeout: times(v["timeout"], time.Minute)}
	}
	return network.AvailabilityOptions{}
}

func (b *Bridge) availabilityDefaults() network.AvailabilityDefaults {
	option := func(path ...string) any { return b.options.option(append([]string{"availability"}, path...)...) }
	return network.AvailabilityDefaults{
		Off:            option("enabled") == false,
		ActiveTimeout:  times(option("active", "timeout"), time.Minute),
		PassiveTimeout: times(option("passive", "timeout"), time.Minute),
		MaxJitter:      times(option("active", "max_jitter"), time.Millisecond),
		NoBackoff:      option("active", "backoff") == false,

		PauseOnBackoffOver: int(times(option("active", "pause_on_backoff_gt"), 1)),
	}
}

// times is a number of units as JSON has it; 0 for anything else, which means
// the default.
func times(v any, unit time.Duration) time.Duration {
	n, _ := v.(float64)
	return time.Duration(n * float64(unit))
}

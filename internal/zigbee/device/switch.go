package device

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Commands of the on/off, level and colour clusters. Source: ZCL8 §3.8.2.3,
// §3.10.2.3, §5.2.2.3.
const (
	commandOff           = 0x00
	commandOn            = 0x01
	commandToggle        = 0x02
	commandOnTimed       = 0x42
	commandLevelWithOn   = 0x04
	commandToTemperature = 0x0a

	attrOnOff       = 0x0000
	attrStartUp     = 0x4003
	attrLevel       = 0x0000
	attrTemperature = 0x0007
	attrStartUpTemp = 0x4010
)

func stateExpose() Expose {
	e := eitherOf("state", "Whether it is switched on", "ON", "OFF", AccessState|AccessSet|AccessGet)
	e.ValueToggle = "TOGGLE"
	return e
}

// switchItem is the state of a switch: cluster 0x0006.
func switchItem(expose Expose) item {
	return item{
		name:   "state",
		expose: &expose,
		sources: []source{{name: "state", address: address{cluster: zcl.ClusterOnOff, attribute: attrOnOff}, typ: zcl.Bool, as: asOnOff,
			report: &reporting{0, atMost, 0}}},
		set:  setState,
		also: []string{"on_time", "off_wait_time"},
	}
}

// onOff is a switch that reports its state.
func onOff() Part {
	return Part{items: []item{switchItem(Expose{Type: Switch, Features: []Expose{stateExpose()}})}, options: []Expose{stateAction}}
}

// stateAction makes each change of a switch an action too.
var stateAction = flag("state_action", "Tells each state as an action too", AccessSet)

// onOffQuiet is a switch that reports as it likes.
func onOffQuiet() Part {
	p := onOff().silent()
	p.bind = []uint16{zcl.ClusterOnOff}
	p.items[0].sources[0].first = true
	return p
}

// setState switches, for a time when the message has on_time, in seconds.
func setState(w *wish) error {
	i, err := w.word([]string{"ON", "OFF", "TOGGLE"})
	if err != nil {
		return err
	}
	if w.endpoint == 0 {
		return errNoEndpoint
	}
	if i == 0 && (w.message["on_time"] != nil || w.message["off_wait_time"] != nil) {
		return w.onTimed()
	}
	if _, ok := w.model.settings[joined("countdown", w.suffix)]; ok && w.message["countdown"] == nil {
		w.say("countdown", int64(0)) // a switch that is told its state forgets it
	}
	switch i {
	case 0:
		w.do(zcl.ClusterOnOff, 0, commandOn)
		w.say("state", "ON")
	case 1:
		w.do(zcl.ClusterOnOff, 0, commandOff)
		w.say("state", "OFF")
	case 2:
		w.do(zcl.ClusterOnOff, 0, commandToggle)
		switch w.state[joined("state", w.suffix)] {
		case "ON":
			w.say("state", "OFF")
		case "OFF":
			w.say("state", "ON")
		}
	}
	return nil
}

// maxOnTime is the most that a device can be told, in seconds: tenths of a
// second in 16 bits, all ones being reserved.
const maxOnTime = 6553.4

func (w *wish) onTimed() error {
	var times [2]uint16
	for i, key := range []string{"on_time", "off_wait_time"} {
		v := w.message[key]
		if v == nil {
			continue
		}
		sub := *w
		sub.key, sub.value = key, v
		n, err := sub.number(0, maxOnTime)
		if err != nil {
			return err
		}
		times[i] = uint16(math.Round(n * 10))
	}
	payload := binary.LittleEndian.AppendUint16([]byte{0}, times[0])
	w.do(zcl.ClusterOnOff, 0, commandOnTimed, binary.LittleEndian.AppendUint16(payload, times[1])...)
	w.say("state", "ON")
	return nil
}

// powerOn is what a switch does when its power comes back: 0x4003. Source:
// ZCL8 §3.8.2.2.5.
func powerOn(options ...option) Part {
	if len(options) == 0 {
		options = []option{{"off", 0}, {"on", 1}, {"toggle", 2}, {"previous", 0xff}}
	}
	e := choice("power_on_behavior", "What it does when its power comes back", AccessState|AccessSet|AccessGet).
		called("Power-on behavior").of("config")
	return choiceSetting(place{zcl.ClusterOnOff, 0, attrStartUp, zcl.Enum8}, e, options...)
}

// identify makes the device show itself.
func identify() Part {
	p := button("identify", "identify", "Makes the device show itself, for a few seconds", func(w *wish) {
		seconds := 3.0
		if v, ok := toFloat(w.options["identify_timeout"]); ok {
			seconds = min(max(v, 1), 30)
		}
		w.do(zcl.ClusterIdentify, 0, 0x00, byte(seconds), 0)
	}).among("config").withoutSuffix()
	p.items[0].get = []address{}
	p.options = []Expose{numeric("identify_timeout", "How long the device shows itself: 1 to 30 s, 3 when nothing is said", "", AccessSet).between(1, 30)}
	return p
}

// light is a lamp that can be dimmed, and with mireds one whose whiteness can be
// chosen between these.
func light(mireds ...float64) Part {
	brightness := numeric("brightness", "How bright it is", "", AccessState|AccessSet|AccessGet).between(0, 254)
	e := Expose{Type: Light, Features: []Expose{stateExpose(), brightness}}
	state := switchItem(e)
	state.also = append(state.also, "transition")
	level := item{name: "brightness", set: setBrightness, also: []string{"transition"},
		get: []address{{cluster: zcl.ClusterLevel, attribute: attrLevel}},
		sources: []source{{name: "brightness", address: address{cluster: zcl.ClusterLevel, attribute: attrLevel}, typ: zcl.Uint8, as: asRaw,
			report: &reporting{1, atMost, 1}}}}
	p := Part{items: []item{state, level}}
	if len(mireds) == 2 {
		temp := numeric("color_temp", "How warm its white is: more mireds are warmer", "mired", AccessState|AccessSet|AccessGet).between(mireds[0], mireds[1])
		p.items[0].expose.Features = append(p.items[0].expose.Features, temp)
		p.items = append(p.items, item{name: "color_temp", set: setColorTemp(mireds[0], mireds[1]), also: []string{"transition"},
			get: []address{{cluster: zcl.ClusterColor, attribute: attrTemperature}},
			sources: []source{{name: "color_temp", address: address{cluster: zcl.ClusterColor, attribute: attrTemperature}, typ: zcl.Uint16, as: asRaw,
				report: &reporting{1, atMost, 1}}}})
	}
	p.options = []Expose{stateAction, numeric("transition", "How long a change of brightness takes when the message does not say it, in seconds", "s", AccessSet).between(0, 6553)}
	return p
}

// transition is how long a change takes, in tenths of a second.
func (w *wish) transition() uint16 {
	v, ok := toFloat(w.message["transition"])
	if !ok {
		v, _ = toFloat(w.options["transition"])
	}
	if math.IsNaN(v) {
		v = 0
	}
	return uint16(math.Round(min(max(v, 0), 6553) * 10))
}

func setBrightness(w *wish) error {
	v, err := w.number(0, 255)
	if err != nil {
		return err
	}
	level := byte(min(math.Round(v), 254))
	w.do(zcl.ClusterLevel, 0, commandLevelWithOn, append([]byte{level}, binary.LittleEndian.AppendUint16(nil, w.transition())...)...)
	w.say("brightness", int64(level))
	state := "ON"
	if level == 0 {
		state = "OFF"
	}
	if said, ok := w.message["state"].(string); !ok || strings.EqualFold(said, state) {
		w.say("state", state)
	}
	return nil
}

func setColorTemp(low, high float64) setter {
	return func(w *wish) error {
		v, err := w.number(1, 10000)
		if err != nil {
			return err
		}
		mired := uint16(math.Round(min(max(v, low), high)))
		payload := binary.LittleEndian.AppendUint16(nil, mired)
		w.do(zcl.ClusterColor, 0, commandToTemperature, binary.LittleEndian.AppendUint16(payload, w.transition())...)
		w.say("color_temp", int64(mired))
		return nil
	}
}

// siren is a warning device: cluster 0x0502. Source: ZCL8 §8.4.
var (
	warningModes  = []string{"stop", "burglar", "fire", "emergency", "police_panic", "fire_panic", "emergency_panic"}
	warningLevels = []string{"low", "medium", "high", "very_high"}
)

// setWarning starts or ends the siren.
func setWarning(w *wish) error {
	m, err := w.object()
	if err != nil {
		return err
	}
	pick := func(key string, words []string, otherwise int) (int, error) {
		if m[key] == nil {
			return otherwise, nil
		}
		sub := *w
		sub.key, sub.value = "warning."+key, m[key]
		return sub.word(words)
	}
	within := func(key string, high, otherwise float64) (float64, error) {
		if m[key] == nil {
			return otherwise, nil
		}
		sub := *w
		sub.key, sub.value = "warning."+key, m[key]
		return sub.number(0, high)
	}
	mode, err := pick("mode", warningModes, 3)
	if err != nil {
		return err
	}
	level, err := pick("level", warningLevels, 1)
	if err != nil {
		return err
	}
	strobeLevel, err := pick("strobe_level", warningLevels, 1)
	if err != nil {
		return err
	}
	strobe := true
	if m["strobe"] != nil {
		is, ok := m["strobe"].(bool)
		if !ok {
			return fmt.Errorf("cannot have warning.strobe set to %s: it is true or false", shown(m["strobe"]))
		}
		strobe = is
	}
	duration, err := within("duration", 65535, 10)
	if err != nil {
		return err
	}
	duty, err := within("strobe_duty_cycle", 10, 0)
	if err != nil {
		return err
	}
	info := byte(mode<<4 | level)
	if strobe {
		info |= 1 << 2
	}
	w.warn(info, uint16(duration), byte(duty*10), byte(strobeLevel))
	return nil
}

// warn sends a start warning command. Source: ZCL8 §8.4.2.3.1.
func (w *wish) warn(info byte, seconds uint16, duty, level byte) {
	w.do(zcl.ClusterIASWarning, 0, 0x00, info, byte(seconds), byte(seconds>>8), duty, level)
}

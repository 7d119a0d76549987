package simulator

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/devices"
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/quantity"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// DefaultModel is the device of a house for which no other is asked.
const DefaultModel = "EMIZB-141"

// maxDevices is how many devices a house may have.
const maxDevices = 500

// ErrNoDevice: no device of the house has the address.
var ErrNoDevice = errors.New("no device has this address: GET /state lists those there are")

// coded ends the name of a model whose device joins with its install code.
const coded = "+code"

// device is one device of the house.
type device struct {
	model  devices.Model
	code   []byte // install code; nil: it joins with the well-known key
	node   *node.Node
	values *quantity.Set
}

// ParseDevices reads a list of models as -devices takes it: names with commas
// between them, a name with +code for a device that joins with its install
// code, and with *n for n of the same.
func ParseDevices(list string) ([]string, error) {
	var models []string
	for _, part := range strings.Split(list, ",") {
		name, times, many := strings.Cut(strings.TrimSpace(part), "*")
		n := 1
		if many {
			var err error
			if n, err = strconv.Atoi(strings.TrimSpace(times)); err != nil || n < 1 {
				return nil, fmt.Errorf("%q: %q is no number of devices", part, times)
			}
		}
		name, code := strings.CutSuffix(strings.TrimSpace(name), coded)
		m, err := devices.Find(name)
		if err != nil {
			return nil, err
		}
		if code {
			m.Name += coded
		}
		if len(models)+n > maxDevices {
			return nil, fmt.Errorf("more than %d devices do not fit the house", maxDevices)
		}
		for range n {
			models = append(models, m.Name)
		}
	}
	return models, nil
}

// furnish puts the devices into the house.
func (s *Simulator) furnish() error {
	models := s.o.Devices
	if models == nil {
		models = []string{DefaultModel}
	}
	if len(models) > maxDevices {
		return fmt.Errorf("%d devices do not fit the house: at most %d", len(models), maxDevices)
	}
	first := true
	for i, name := range models {
		name, code := strings.CutSuffix(name, coded)
		m, err := devices.Find(name)
		if err != nil {
			return err
		}
		eui := m.Address(i)
		if first && m.Name == DefaultModel {
			eui, first = s.o.MeterEUI64, false
		}
		d, err := s.place(m, eui, i, code)
		if err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
		s.devices = append(s.devices, d)
	}
	return nil
}

// place makes one device with what it remembers.
func (s *Simulator) place(m devices.Model, eui radio.EUI64, position int, code bool) (*device, error) {
	kept := s.keep.recall(eui)
	seed := s.o.Seed
	if eui != s.o.MeterEUI64 { // each has its own days
		seed ^= uint64(eui) << 1
	}
	d := &device{model: m}
	var err error
	d.values, err = quantity.New(quantity.Options{Quantities: m.Measures, Memory: kept.Values, Seed: seed,
		Now: s.o.Now, Ticking: s.o.ReportEvery > 0, Changed: s.save})
	if err != nil {
		return nil, err
	}
	description := m.Describe(eui, d.values)
	if code {
		d.code = radio.InstallCode(eui)
		description.LinkKey = radio.LinkKeyOf(d.code)
	}
	d.node = node.New(node.Options{
		Description: description, Memory: kept.Node, Air: s.air, Changed: s.save,
		Reported: s.trace.reports, Every: s.o.ReportEvery, Tick: d.values.Tick, Position: position, Log: s.o.Log,
	})
	d.values.Watch(d.node.Look)
	return d, nil
}

// find returns a device by its address.
func (s *Simulator) find(eui radio.EUI64) (*device, error) {
	for _, d := range s.devices {
		if d.node.EUI64() == eui {
			return d, nil
		}
	}
	return nil, ErrNoDevice
}

// with does something to a device, alone in the world.
func (s *Simulator) with(eui radio.EUI64, f func(*device) error) error {
	d, err := s.find(eui)
	if err != nil {
		return err
	}
	s.air.Do(func() { err = f(d) })
	return err
}

// SetValues holds quantities of a device at values: numbers, booleans, "ON" and
// "OFF"; nil lets one follow the day again. Nothing is changed when one of them
// is wrong, which a BadValue tells.
func (s *Simulator) SetValues(eui radio.EUI64, values map[string]any) error {
	return s.with(eui, func(d *device) error {
		numbers := map[string]float64{}
		for name, v := range values {
			n, release, err := number(v)
			if !d.values.Has(name) {
				return BadValue(fmt.Sprintf("the device has no %q: it has %s", name, strings.Join(d.values.Names(), ", ")))
			}
			if err == nil && !release {
				err = d.values.Check(name, n)
			}
			if err != nil {
				return BadValue(fmt.Sprintf("%s: %v", name, err))
			}
			if !release {
				numbers[name] = n
			}
		}
		for _, name := range d.values.Names() { // in the table's order
			v, ok := values[name]
			if !ok {
				continue
			}
			if v == nil {
				d.values.Release(name)
			} else if err := d.values.Set(name, numbers[name]); err != nil {
				return BadValue(err.Error())
			}
			if d.model.Senses(name) {
				d.node.Trigger()
			}
		}
		return nil
	})
}

// BadValue says what is wrong with a value that somebody sent.
type BadValue string

func (e BadValue) Error() string { return string(e) }

// number reads a value as JSON has it.
func number(v any) (n float64, release bool, err error) {
	switch v := v.(type) {
	case nil:
		return 0, true, nil
	case float64:
		return v, false, nil
	case int:
		return float64(v), false, nil
	case bool:
		if v {
			return 1, false, nil
		}
		return 0, false, nil
	case string:
		switch strings.ToUpper(v) {
		case "ON":
			return 1, false, nil
		case "OFF":
			return 0, false, nil
		}
	}
	return 0, false, fmt.Errorf("%v is no value: send a number, true, false, \"ON\", \"OFF\", or null to follow the day", v)
}

// Press presses a device's button: it joins, or announces itself and checks in
// when it has.
func (s *Simulator) Press(eui radio.EUI64) error {
	return s.with(eui, func(d *device) error { return d.node.Press() })
}

// Leave lets a device leave the network by itself.
func (s *Simulator) Leave(eui radio.EUI64) error {
	return s.with(eui, func(d *device) error { return d.node.Leave() })
}

// Rejoin lets a device come back with a new short address.
func (s *Simulator) Rejoin(eui radio.EUI64) error {
	return s.with(eui, func(d *device) error { return d.node.Rejoin() })
}

// Silence takes a device's power away, or gives it back.
func (s *Simulator) Silence(eui radio.EUI64, silent bool) error {
	return s.with(eui, func(d *device) error {
		if !silent {
			d.restartCounters()
		}
		d.node.Silence(silent)
		return nil
	})
}

// LimitReports lets a device refuse longer times between reports than so many
// seconds; 0 lets it take any.
func (s *Simulator) LimitReports(eui radio.EUI64, longest uint16) error {
	return s.with(eui, func(d *device) error { d.node.LimitReports(longest); return nil })
}

// Restart is a short power cut at a device, with what that does to its
// counters.
func (s *Simulator) Restart(eui radio.EUI64) error {
	return s.with(eui, func(d *device) error {
		d.restartCounters()
		d.node.Restart()
		return nil
	})
}

func (d *device) restartCounters() {
	if r := d.model.Restart; r != (devices.Restart{}) {
		d.values.Restart(r.Zero, r.Lost)
	}
}

// SetPower holds the meter's load at watts, 0 to 60,000; nil follows the day
// again. A house without the meter has nothing to hold.
func (s *Simulator) SetPower(watts *int64) {
	var v any
	if watts != nil {
		v = float64(*watts)
	}
	s.SetValues(s.o.MeterEUI64, map[string]any{"power": v})
}

// PressButton presses the meter's button. node.ErrClosed: no network is open.
func (s *Simulator) PressButton() error { return s.Press(s.o.MeterEUI64) }

// view shows a device. It is called in the world.
func (d *device) view(up bool, net radio.Network) DeviceView {
	id, mine, joined := d.node.Address()
	m := d.node.Memory()
	v := DeviceView{EUI64: d.node.EUI64(), Model: d.model.Name, Joined: joined && (!up || mine == net), NodeID: id,
		InstallCode: hex.EncodeToString(d.code),
		Silent:      d.node.Silent(), Reporting: len(m.Reporting), Reports: m.Reporting, Bindings: m.Bindings, Groups: m.Groups,
		Scenes: len(m.Scenes), Zones: m.Zones, Values: map[string]float64{}, PowerW: int64(d.values.Get("power")),
		EnergyWh: int64(d.values.Get("energy")*1000 + 1e-6)}
	role := d.node.Role()
	switch {
	case role.Router:
		v.Role = "router"
	case role.Sleepy:
		v.Role = "sleepy end device"
	default:
		v.Role = "end device"
	}
	if joined {
		parent := d.node.Parent()
		v.Parent = &parent
		v.WakesMS = d.node.Wakes().Round(time.Millisecond).Milliseconds()
	}
	for _, name := range d.values.Names() {
		v.Values[name] = d.values.Get(name)
		if held, ok := d.values.Fixed(name); ok {
			v.Held = append(v.Held, name)
			if name == "power" {
				w := int64(held)
				v.FixedW = &w
			}
		}
	}
	return v
}

package devices

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/quantity"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

func values(t *testing.T, m Model) *quantity.Set {
	t.Helper()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	q, err := quantity.New(quantity.Options{Quantities: m.Measures, Now: func() time.Time { return noon }, Changed: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestEveryTable holds each table to what the builder takes for granted.
func TestEveryTable(t *testing.T) {
	if len(catalogue) < 14 {
		t.Errorf("got %d devices, want at least 14", len(catalogue))
	}
	seen := map[string]bool{}
	for _, m := range catalogue {
		t.Run(m.Name, func(t *testing.T) {
			for _, name := range append([]string{m.Name}, m.Also...) {
				if seen[strings.ToLower(name)] || strings.ContainsAny(name, ",*+") {
					t.Errorf("the name %q is taken or cannot be asked for", name)
				}
				seen[strings.ToLower(name)] = true
				if got, err := Find(strings.ToUpper(name)); err != nil || got.Name != m.Name {
					t.Errorf("%q: got %q %v", name, got.Name, err)
				}
			}
			q := values(t, m)
			known := func(what, name string) {
				t.Helper()
				if name != "" && !q.Has(name) {
					t.Errorf("%s: the device has no %q", what, name)
				}
			}
			for _, e := range m.Endpoints {
				for _, a := range e.Attributes {
					known("attribute", a.Of)
					known("attribute", a.By)
					known("attribute", a.And)
					known("attribute", a.Zero)
				}
				if e.Switch != nil {
					known("switch", e.Switch.Of)
				}
				known("dimmer", e.Dimmer)
				if e.Zone != nil {
					for _, name := range e.Zone.Bits {
						known("zone", name)
					}
				}
				if e.Tuya != nil {
					known("burst", e.Tuya.Every)
					for _, p := range e.Tuya.Points {
						known("datapoint", p.Of)
						known("datapoint", p.With)
					}
					for _, id := range slices.Concat(e.Tuya.Burst, e.Tuya.Seldom) {
						if !slices.ContainsFunc(e.Tuya.Points, func(p Point) bool { return p.ID == id }) {
							t.Errorf("datapoint %d of the bursts is not there", id)
						}
					}
				}
			}
			d := m.Describe(1, q)
			if d.Node[2] != d.Capability || d.Manufacturer == 0 {
				t.Errorf("got capability %02x and manufacturer %04x", d.Capability, d.Manufacturer)
			}
			if sleepy := d.Capability&0x08 == 0; sleepy != (d.Node[0]&7 == 2) {
				t.Errorf("node descriptor %x: want a router that listens or an end device that sleeps", d.Node)
			}
			for _, e := range d.Endpoints {
				for _, c := range e.Clusters {
					ids := map[[2]uint16]bool{}
					for _, a := range c.Attributes {
						if key := [2]uint16{a.Manufacturer, a.ID}; ids[key] {
							t.Errorf("endpoint %d, cluster %04x: attribute %04x is there twice", e.ID, c.ID, a.ID)
						} else {
							ids[key] = true
						}
						if a.Get == nil && a.Set == nil {
							t.Errorf("endpoint %d, cluster %04x: attribute %04x cannot be read or written", e.ID, c.ID, a.ID)
						}
					}
				}
			}
		})
	}
	if _, err := Find("nonsense"); err == nil || !strings.Contains(err.Error(), "EMIZB-141") {
		t.Errorf("got %v, want an error that lists the devices", err)
	}
}

func TestAddresses(t *testing.T) {
	seen := map[radio.EUI64]bool{}
	for _, m := range catalogue {
		for position := range 50 {
			a := m.Address(position)
			if seen[a] || uint64(a)>>40 != uint64(m.OUI) || a != m.Address(position) {
				t.Errorf("%s at %d: got %v", m.Name, position, a)
			}
			seen[a] = true
		}
	}
}

// attribute finds an attribute of a built device.
func attribute(t *testing.T, d node.Description, endpoint uint8, cluster, manufacturer, id uint16) node.Attribute {
	t.Helper()
	for _, e := range d.Endpoints {
		for _, c := range e.Clusters {
			for _, a := range c.Attributes {
				if e.ID == endpoint && c.ID == cluster && a.ID == id && a.Manufacturer == manufacturer {
					return a
				}
			}
		}
	}
	t.Fatalf("endpoint %d has no attribute %04x/%04x", endpoint, cluster, id)
	return node.Attribute{}
}

func TestTraps(t *testing.T) {
	build := func(name string) (node.Description, *quantity.Set) {
		m, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		q := values(t, m)
		return m.Describe(1, q), q
	}
	hold := func(q *quantity.Set, name string, v float64) {
		if err := q.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("EMIZB-132 reports its mode under the divisor's number and now and then no energy", func(t *testing.T) {
		d, q := build("EMIZB-132")
		if mode := attribute(t, d, 2, 0x0702, frientCode, 0x0302); mode.Own == nil || mode.Get().Number != 0x0200 {
			t.Errorf("got %+v", mode)
		}
		if divisor := attribute(t, d, 2, 0x0702, 0, 0x0302); divisor.Get().Number != 1000 {
			t.Errorf("divisor: got %d, want 1000", divisor.Get().Number)
		}
		hold(q, "energy", 1)
		energy, unknown := attribute(t, d, 2, 0x0702, 0, 0x0000), 0
		for range 100 {
			switch v := energy.Get().Number; v {
			case -1:
				unknown++
			case 1000:
			default:
				t.Fatalf("energy: got %d, want 1000 or all ones", v)
			}
		}
		if unknown != 10 {
			t.Errorf("got %d unknown energies of 100, want 10", unknown)
		}
	})
	t.Run("EMIZB-151 knows neither reactive power nor three of its sub-meters", func(t *testing.T) {
		d, _ := build("EMIZB-151")
		if v := attribute(t, d, 2, 0x0B04, 0, 0x0305).Get().Number; v != -1<<31 {
			t.Errorf("reactive power: got %d", v)
		}
		for _, e := range []uint8{65, 66, 67} {
			if v := attribute(t, d, e, 0x0702, 0, 0x0000).Get().Number; v != -1 {
				t.Errorf("endpoint %d: got %d, want all ones", e, v)
			}
		}
		if v := attribute(t, d, 64, 0x0702, 0, 0x0000).Get().Number; v != 2950491 {
			t.Errorf("gas: got %d, want 2950491", v)
		}
	})
	t.Run("INSPELNING changes its divisor", func(t *testing.T) {
		d, q := build("INSPELNING")
		power, divisor := attribute(t, d, 1, 0x0B04, 0, 0x050B), attribute(t, d, 1, 0x0B04, 0, 0x0605)
		for _, tt := range []struct {
			watts        float64
			raw, divided int64
		}{{12.3, 123, 10}, {999.9, 9999, 10}, {1500, 1500, 1}} {
			hold(q, "power", tt.watts)
			if power.Get().Number != tt.raw || divisor.Get().Number != tt.divided {
				t.Errorf("%v W: got %d / %d, want %d / %d", tt.watts, power.Get().Number, divisor.Get().Number, tt.raw, tt.divided)
			}
		}
	})
	t.Run("3RSP02028BZ counts watt-seconds and starts anew when told", func(t *testing.T) {
		d, q := build("3RSP02028BZ")
		hold(q, "energy", 2)
		energy := attribute(t, d, 1, 0x0702, 0, 0x0000)
		if v := energy.Get().Number; v != 7200000 {
			t.Errorf("got %d, want 7200000", v)
		}
		if !attribute(t, d, 1, 0xFF03, thirdRealityCode, 0x0000).Set(node.Number(1)) || energy.Get().Number != 0 {
			t.Errorf("after the reset: got %d, want 0", energy.Get().Number)
		}
	})
	t.Run("frient's settings under the numbers of unit, multiplier and divisor", func(t *testing.T) {
		d, q := build("EMIZB-141")
		reading := attribute(t, d, 2, 0x0702, frientCode, 0x0301)
		if reading.Get != nil || !reading.Set(node.Number(570)) || q.Get("energy") != 0.57 || reading.Set(node.Number(-1)) {
			t.Errorf("current summation: got %v kWh, want 0.57", q.Get("energy"))
		}
		pulses := attribute(t, d, 2, 0x0702, frientCode, 0x0300)
		if !pulses.Set(node.Number(500)) || pulses.Set(node.Number(49)) || pulses.Get().Number != 500 {
			t.Errorf("pulses: got %d, want 500", pulses.Get().Number)
		}
	})
	t.Run("ZHEMI101 has an empty node descriptor and frient's attributes all the same", func(t *testing.T) {
		d, q := build("ZHEMI101")
		mode := attribute(t, d, 2, 0x0702, frientCode, 0x0302)
		if d.Manufacturer != frientCode || d.Node[3] != 0 || !mode.Set(node.Number(1)) || q.Get("interface_mode") != 1 {
			t.Errorf("got manufacturer %04x, node descriptor %x, mode %v", d.Manufacturer, d.Node, q.Get("interface_mode"))
		}
	})
	t.Run("settings are kept", func(t *testing.T) {
		d, q := build("TS011F")
		a := attribute(t, d, 1, 0x0006, 0, 0x8002)
		if a.Get().Number != 2 || !a.Set(node.Number(1)) || a.Set(node.Number(3)) || a.Get().Number != 1 || len(q.Memory().Settings) != 1 {
			t.Errorf("got %d, %v", a.Get().Number, q.Memory().Settings)
		}
	})
}

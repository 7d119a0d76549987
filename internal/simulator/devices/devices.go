// Package devices is the catalogue of the devices that the simulator plays:
// each is one table of what it says about itself, what it measures, and in
// which way it is known to be peculiar. It knows descriptors, attributes and
// scales, and must never know how frames travel, nor anything of the
// coordinator.
package devices

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/quantity"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Model is a device as it comes out of its box.
type Model struct {
	Name      string // by which it is asked for
	Also      []string
	Maker     string // Basic 0x0004, exactly
	Model     string // Basic 0x0005, exactly
	OUI       uint32 // the first three bytes of its addresses
	Node      string // node descriptor after status and address, in hexadecimal
	Code      uint16 // manufacturer code of its attributes; 0: that of the node descriptor
	Power     uint16 // power descriptor
	Basic     Basic
	Poll      time.Duration // of a sleeping device, see node.Description
	CheckIn   time.Duration // poll control's interval; 0: the hour of the ZCL
	Bindings  int           // entries of the binding table for each endpoint; 0: see node.Description
	Alone     bool          // each report in a frame of its own
	Mute      bool          // takes reporting configurations and never reports
	Forgets   bool          // loses reporting configurations without power
	ViaRouter bool          // prefers a router as its parent
	Image     Image         // of its OTA client
	Measures  []quantity.Quantity
	Endpoints []Endpoint
	Restart   Restart
}

// Basic is what the Basic cluster says beside maker and model. A number of None
// means that the attribute is not there.
type Basic struct {
	ZCL, App, Stack, HW int
	Date, Build         string // "" : the attribute is not there
	Source              uint8  // power source
}

// None marks an attribute that a device does not have.
const None = -1

// Image is the firmware as an OTA client tells it.
type Image struct {
	Type    uint16
	Version uint32
}

// Restart is what a power cut does to the counters.
type Restart struct {
	Zero time.Duration // they read zero for so long
	Lost int64         // watt-seconds that were not yet written down
}

// Endpoint is a simple descriptor and what is behind it. The clusters that all
// devices share (basic, identify, groups, scenes, poll control, and on/off,
// level, IAS zone and Tuya's for those that name them) need no attributes here.
type Endpoint struct {
	ID              uint8
	Profile, Device uint16
	Version         uint8
	In, Out         []uint16
	Attributes      []Attribute
	Switch          *Switch
	Dimmer          string // quantity of the level cluster, 1 to 254
	Zone            *Zone
	Tuya            *Tuya
	Commands        []Command
}

// Attribute is an attribute of a server cluster: constant, kept, or made of a
// quantity.
type Attribute struct {
	Cluster, ID  uint16
	Manufacturer uint16
	Type         uint8
	Number       int64
	Text         string
	Of           string  // quantity; the attribute is its value times Scale
	Scale        float64 // 0 means 1
	And          string  // quantity that is bit 1, above Of in bit 0
	By           string  // quantity that multiplies Scale: a divisor that changes
	Min, Max     int64   // what may be written; both 0: read only
	Any          bool    // any value may be written
	WriteOnly    bool
	Zero         string // counter that writing 1 sets to zero
	Report       bool   // reporting can be configured
	Own          [3]int // reports by itself: minimum and maximum interval in s, change
	Unknown      int    // every so many reads the value is the unknown one
}

// Switch is the on/off cluster.
type Switch struct {
	Of      string // the quantity that is 1 or 0
	Seconds bool   // On With Timed Off counts seconds, as Tuya has it
	StartUp bool   // 0x4003 is there
	Timed   bool   // 0x4000 to 0x4002 are there
	More    []Attribute
	// Vendor are manufacturer commands that are taken.
	Vendor []uint8
	// Zero is a counter that the command "on" sets to zero.
	Zero string
}

// Zone is an IAS zone. Bits name the quantities by bit of the zone status.
type Zone struct {
	Type  uint16
	Bits  map[uint8]string
	Short bool
}

// Tuya is Tuya's own cluster.
type Tuya struct {
	Points        []Point
	Burst, Seldom []uint8
	Every         string // quantity: seconds between bursts
	Version       uint8
	Clock         bool
}

// Point is a datapoint made of a quantity.
type Point struct {
	ID, Type uint8
	Of       string
	Scale    float64
	Set      bool     // a client may set it
	Sign     bool     // the point is 1 while the quantity is negative
	Absolute bool     // the quantity's sign is left out
	With     string   // left out of bursts while this quantity is 0
	Blob     []string // of a raw point: voltage, current and power
}

// Command is a cluster command that does something to a counter: it sets it to
// zero.
type Command struct {
	Cluster, Manufacturer uint16
	ID                    uint8
	Zero                  []string
}

// catalogue is every device there is, in the order of their files.
var catalogue []Model

func add(models ...Model) struct{} {
	catalogue = append(catalogue, models...)
	return struct{}{}
}

// Models returns the names of all devices.
func Models() []string {
	var names []string
	for _, m := range catalogue {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}

// Find returns a device by a name of it; upper and lower case count alike.
func Find(name string) (Model, error) {
	for _, m := range catalogue {
		if strings.EqualFold(m.Name, name) || slices.ContainsFunc(m.Also, func(n string) bool { return strings.EqualFold(n, name) }) {
			return m, nil
		}
	}
	return Model{}, fmt.Errorf("no device is called %q: choose among %s", name, strings.Join(Models(), ", "))
}

// Address returns the extended address of a device in a house: always the same
// for a model at a position.
func (m Model) Address(position int) radio.EUI64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", m.Name, position)
	return radio.EUI64(uint64(m.OUI)<<40 | h.Sum64()&(1<<40-1))
}

// Senses says whether a quantity is what an IAS zone of the device watches.
func (m Model) Senses(quantity string) bool {
	for _, e := range m.Endpoints {
		if e.Zone == nil {
			continue
		}
		for _, name := range e.Zone.Bits {
			if name == quantity {
				return true
			}
		}
	}
	return false
}

// node returns the node descriptor.
func (m Model) node() (d [13]byte) {
	b, err := hex.DecodeString(strings.ReplaceAll(m.Node, " ", ""))
	if err != nil || len(b) != len(d) {
		panic(fmt.Sprintf("device %s: its node descriptor is %q", m.Name, m.Node))
	}
	copy(d[:], b)
	return d
}

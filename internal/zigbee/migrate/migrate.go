// Package migrate takes a Zigbee network over from another program, with its
// devices, their names, groups and options, so that nothing has to be paired
// again: what was read of the other program (Import), the document that carries
// it to an appliance (Document), and how that becomes the appliance's state
// (Apply).
//
// It knows how a coordinator's state is put together. It must never know how
// other programs keep theirs (its subpackages do), a dongle, or MQTT's topics.
package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Error says why nothing is imported: in which file what is wrong, and what to
// do. It never has a key in it.
type Error struct {
	File    string // base name; empty: no file of its own
	Message string // a lower-case sentence
	Advice  string
}

func (e *Error) Error() string {
	if e.File == "" {
		return e.Message
	}
	return e.File + ": " + e.Message
}

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

// Import is what was read of another program.
type Import struct {
	Source  string // "Zigbee2MQTT", "ZHA"
	Backup  *coordbackup.Backup
	Devices []network.ImportedDevice
	Names   map[zcl.EUI64]string
	Groups  map[uint16]bridge.ImportedGroup
	Options map[zcl.EUI64]map[string]any
	Blocked []zcl.EUI64
	States  map[zcl.EUI64]State
	// Settings of hems.yaml that make the appliance do as the program did, by path:
	// "zigbee.last_seen": "ISO_8601". They are said, and set only when asked for.
	Settings map[string]any
	// Left is what is not taken over, and why. Notes are for the person to know.
	Left  []Left
	Notes []string
}

// State is what a device last said.
type State struct {
	At     int64          `json:"at"` // milliseconds since 1970
	Values map[string]any `json:"values"`
}

// Left is something that is left behind.
type Left struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Leave notes that something is left behind.
func (i *Import) Leave(what, format string, a ...any) {
	i.Left = append(i.Left, Left{what, fmt.Sprintf(format, a...)})
}

// Name gives a device its name, or says why it cannot have it.
func (i *Import) Name(e zcl.EUI64, name string) {
	if name == "" || strings.EqualFold(name, e.String()) {
		return
	}
	if err := bridge.CheckName(name); err != nil {
		i.Leave(fmt.Sprintf("the name %q of %v", name, e), "%v; it is called by its address", err)
		return
	}
	for other, taken := range i.Names {
		if bridge.EntityID(taken) == bridge.EntityID(name) {
			i.Leave(fmt.Sprintf("the name %q of %v", name, e), "Home Assistant could not tell it from %q of %v; it is called by its address", taken, other)
			return
		}
	}
	if i.Names == nil {
		i.Names = make(map[zcl.EUI64]string)
	}
	i.Names[e] = name
}

// Summary is an Import as a person may see it: no keys.
type Summary struct {
	Source  string `json:"source"`
	Network struct {
		PANID         string    `json:"pan_id"`
		ExtendedPANID string    `json:"extended_pan_id"`
		Channel       uint8     `json:"channel"`
		Coordinator   zcl.EUI64 `json:"coordinator"`
	} `json:"network"`
	Devices  []SummaryDevice `json:"devices"`
	Groups   []SummaryGroup  `json:"groups"`
	Options  int             `json:"devices_with_options"`
	Settings map[string]any  `json:"settings,omitempty"`
	Left     []Left          `json:"left_behind"`
	Notes    []string        `json:"notes"`
}

// SummaryDevice is a device in a Summary.
type SummaryDevice struct {
	EUI64 zcl.EUI64 `json:"ieee_address"`
	Name  string    `json:"friendly_name"`
	Model string    `json:"model,omitempty"`
}

// SummaryGroup is a group in a Summary.
type SummaryGroup struct {
	ID      uint16   `json:"id"`
	Name    string   `json:"friendly_name"`
	Members []string `json:"members"`
}

// Summary tells what is taken over and what is not.
func (i *Import) Summary() Summary {
	s := Summary{Source: i.Source, Options: len(i.Options), Settings: i.Settings,
		Devices: []SummaryDevice{}, Groups: []SummaryGroup{}, Left: []Left{}, Notes: []string{}}
	s.Network.PANID = fmt.Sprintf("0x%04x", i.Backup.PANID)
	s.Network.ExtendedPANID = fmt.Sprintf("0x%016x", i.Backup.ExtendedPANID)
	s.Network.Channel, s.Network.Coordinator = i.Backup.Channel, i.Backup.Coordinator
	name := func(e zcl.EUI64) string { return cmp.Or(i.Names[e], e.String()) }
	for _, d := range i.Devices {
		model := strings.TrimSpace(d.ManufacturerName + " " + d.ModelID)
		s.Devices = append(s.Devices, SummaryDevice{d.EUI64, name(d.EUI64), model})
	}
	slices.SortFunc(s.Devices, func(a, b SummaryDevice) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.EUI64, b.EUI64))
	})
	for _, id := range slices.Sorted(maps.Keys(i.Groups)) {
		g := SummaryGroup{ID: id, Name: i.Groups[id].Name, Members: []string{}}
		for _, m := range i.Groups[id].Members {
			g.Members = append(g.Members, fmt.Sprintf("%s/%d", name(m.EUI64), m.Endpoint))
		}
		s.Groups = append(s.Groups, g)
	}
	s.Left = append(s.Left, i.Left...)
	s.Notes = append(s.Notes, i.Notes...)
	return s
}

package live

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/discovery"
)

// role is what an entity means to the page.
type role int

const (
	roleOther role = iota
	rolePower
	roleEnergy
	roleBattery
	roleLink
)

// entity is one discovered entity and its last value.
type entity struct {
	discovery.Entity
	role  role
	scale float64 // to W, kWh, %

	value float64
	known bool
	at    time.Time // of arrival; zero: a replay, or never
}

func newEntity(e discovery.Entity) *entity {
	n := &entity{Entity: e}
	n.role, n.scale = classify(e)
	return n
}

// device is the key of the device the entity belongs to.
func (e *entity) device() string {
	if d := e.Device; d != nil {
		if len(d.Identifiers) > 0 {
			return d.Identifiers[0]
		}
		if d.Name != "" {
			return d.Name
		}
	}
	return e.StateTopic
}

// topics are those that the entity's value and availability come from.
func (e *entity) topics() []string {
	var t []string
	if e.StateTopic != "" {
		t = append(t, e.StateTopic)
	}
	for _, a := range e.Available {
		t = append(t, a.Topic)
	}
	return t
}

// update reads the value out of a state. A message without it (a device may
// report its battery alone) leaves the last value as it is.
func (e *entity) update(s *discovery.State, at time.Time) {
	v, err := e.Template.Number(s)
	if err != nil {
		return
	}
	e.value, e.known, e.at = v*e.scale, true, at
}

// availability is "online", "offline", or empty when nothing was heard; by the
// last messages on its topics.
func (e *entity) availability(heard map[string]*state) string {
	var online, offline int
	for _, a := range e.Available {
		s := heard[a.Topic]
		if s == nil {
			continue
		}
		switch text, _ := a.Template.Text(s.read()); text {
		case a.Available:
			online++
		case a.NotAvail:
			offline++
		}
	}
	switch {
	case online > 0 && (offline == 0 || e.AvailabilityMode == "any"):
		return "online"
	case offline > 0:
		return "offline"
	}
	return ""
}

// classify gives an entity its role and the factor to the page's unit.
func classify(doc discovery.Entity) (role, float64) {
	if doc.Component != "sensor" {
		return roleOther, 1
	}
	switch doc.DeviceClass {
	case "power":
		switch doc.UnitOfMeasurement {
		case "W":
			return rolePower, 1
		case "kW":
			return rolePower, 1e3
		case "MW":
			return rolePower, 1e6
		case "mW":
			return rolePower, 1e-3
		}
	case "energy":
		if doc.StateClass != "total_increasing" && doc.StateClass != "total" {
			break
		}
		switch doc.UnitOfMeasurement {
		case "kWh":
			return roleEnergy, 1
		case "Wh":
			return roleEnergy, 1e-3
		case "MWh":
			return roleEnergy, 1e3
		}
	case "battery":
		if doc.UnitOfMeasurement == "%" {
			return roleBattery, 1
		}
	}
	if doc.Key == "linkquality" {
		return roleLink, 1
	}
	return roleOther, 1
}

// bridgeDevice is one element of Zigbee2MQTT's bridge/devices.
type bridgeDevice struct {
	IEEE           string `json:"ieee_address"`
	FriendlyName   string `json:"friendly_name"`
	Type           string `json:"type"`
	Model          string `json:"model"`
	ModelID        string `json:"model_id"`
	Manufacturer   string `json:"manufacturer"`
	Supported      bool   `json:"supported"`
	Interviewing   bool   `json:"interviewing"`
	InterviewState string `json:"interview_state"`
	Definition     *struct {
		Model       string `json:"model"`
		Vendor      string `json:"vendor"`
		Description string `json:"description"`
	} `json:"definition"`
}

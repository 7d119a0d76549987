package simulator

import (
	"context"

	"github.com/smartcore-ireland/hems/internal/simulator/ash"
	"github.com/smartcore-ireland/hems/internal/simulator/ncp"
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// View is what a person who walks through the house would see.
type View struct {
	Plugged    bool          `json:"plugged"`
	Hung       bool          `json:"hung"`
	Connected  bool          `json:"connected"` // a host has reset the line
	NetworkUp  bool          `json:"network_up"`
	PermitOpen bool          `json:"permit_open"` // newcomers get in now
	PAN        uint16        `json:"pan,omitempty"`
	Channel    uint8         `json:"channel,omitempty"`
	Devices    []DeviceView  `json:"devices"`
	Line       *ash.Counters `json:"line,omitempty"`
	NCP        ncp.Stats     `json:"ncp"`
}

// DeviceView is a device in the house.
type DeviceView struct {
	EUI64       radio.EUI64        `json:"eui64"`
	Model       string             `json:"model"`
	Role        string             `json:"role"`
	InstallCode string             `json:"install_code,omitempty"` // as printed on the device, hexadecimal
	Joined      bool               `json:"joined"`                 // part of the network that is up, or last was
	NodeID      uint16             `json:"node_id,omitempty"`
	Parent      *uint16            `json:"parent,omitempty"` // short address
	Silent      bool               `json:"silent"`
	WakesMS     int64              `json:"wakes_ms,omitempty"` // until a sleeping device asks its parent next
	PowerW      int64              `json:"power_w"`
	EnergyWh    int64              `json:"energy_wh"`
	FixedW      *int64             `json:"fixed_w,omitempty"` // the load a person set
	Values      map[string]float64 `json:"values"`            // what it measures, in W, kWh, V, A, °C, %, ...
	Held        []string           `json:"held,omitempty"`    // values that a person set
	Reporting   int                `json:"reporting"`         // attributes with a configuration
	Reports     []node.Reporting   `json:"reports,omitempty"`
	Bindings    []node.Binding     `json:"bindings,omitempty"`
	Groups      []node.Group       `json:"groups,omitempty"`
	Scenes      int                `json:"scenes,omitempty"`
	Zones       []node.Enrolment   `json:"zones,omitempty"`
}

// State returns what is to be seen now.
func (s *Simulator) State() View {
	v := View{}
	s.mu.Lock()
	v.Plugged, v.Hung = s.pull != nil, s.hung
	if s.link != nil {
		c := s.link.Counters()
		v.Line, v.Connected = &c, s.link.Connected()
	}
	s.mu.Unlock()
	s.air.Do(func() {
		var net radio.Network
		net, v.NetworkUp = s.ncp.Up()
		v.PAN, v.Channel = net.PAN, net.Channel
		_, v.PermitOpen = s.ncp.Open()
		v.NCP = s.ncp.Stats()
		for _, d := range s.devices {
			v.Devices = append(v.Devices, d.view(v.NetworkUp, net))
		}
	})
	return v
}

// SetFaults changes what the line does to bytes.
func (s *Simulator) SetFaults(f ash.Faults) error { return s.noise.Set(f) }

// Hang makes the dongle deaf and mute until Reset or Unplug.
func (s *Simulator) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hung = true
	if s.link != nil {
		s.link.Hang()
	}
}

// Reset restarts the dongle as its watchdog would.
func (s *Simulator) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pull == nil {
		return ErrUnplugged
	}
	s.restart(ash.ResetWatchdog)
	if s.link != nil {
		s.link.Reboot(ash.ResetWatchdog)
	}
	return nil
}

// restart begins a new life of the co-processor. s.mu is held.
func (s *Simulator) restart(reason uint8) {
	s.hung, s.boot = false, reason
	s.ncp.Reset()
}

// Unplug pulls the dongle out: its line goes away and the network is silent.
func (s *Simulator) Unplug() error {
	s.mu.Lock()
	pull := s.pull
	s.pull = nil
	s.mu.Unlock()
	if pull == nil {
		return ErrUnplugged
	}
	pull()
	s.lines.Wait()
	s.ncp.Reset()
	s.log.Info("dongle unplugged")
	return nil
}

// Plug puts the dongle in. It is nothing new when it is in already.
func (s *Simulator) Plug() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pull != nil {
		return nil
	}
	ctx, pull := context.WithCancel(s.ctx)
	if err := s.openLines(ctx); err != nil {
		pull()
		s.lines.Wait()
		return err
	}
	s.plugged, s.pull = ctx, pull
	s.restart(ash.ResetPowerOn)
	s.log.Info("dongle plugged in")
	return nil
}

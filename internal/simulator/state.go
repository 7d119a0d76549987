package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/simulator/household"
	"github.com/smartcore-ireland/hems/internal/simulator/ncp"
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/quantity"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// state is everything that outlives the simulator's process.
type state struct {
	Dongle  ncp.Memory                   `json:"dongle"`
	Devices map[radio.EUI64]deviceMemory `json:"devices,omitempty"`

	// A house used to have its meter alone.
	Meter    *node.Memory `json:"meter,omitempty"`
	Register *oldRegister `json:"register,omitempty"`
}

// deviceMemory is what one device does not forget.
type deviceMemory struct {
	Model  string          `json:"model"`
	Node   node.Memory     `json:"node"`
	Values quantity.Memory `json:"values"`
}

// oldRegister is the meter's register as it used to be kept: energies in Wh and
// Ws beside what the house used.
type oldRegister struct {
	Offset     int64     `json:"offset_wh"`
	Fixed      *int64    `json:"fixed_w"`
	Since      time.Time `json:"since"`
	EnergyThen int64     `json:"energy_then_ws"`
	Shift      int64     `json:"shift_ws"`
	Pulses     uint16    `json:"pulses"`
	Ticks      int64     `json:"ticks"`
}

// takeOver turns an old state's meter into a device.
func (s *state) takeOver(eui radio.EUI64, seed uint64, now time.Time) {
	if s.Meter == nil && s.Register == nil {
		return
	}
	m := deviceMemory{Model: DefaultModel}
	if s.Meter != nil {
		m.Node = *s.Meter
	}
	if r := s.Register; r != nil {
		used := household.New(seed).Energy(now) + r.Shift
		m.Values.Fixed = map[string]float64{}
		if r.Fixed != nil {
			used = r.EnergyThen + *r.Fixed*int64(max(now.Sub(r.Since), 0)/time.Second)
			m.Values.Fixed["power"] = float64(*r.Fixed)
		}
		m.Values.Counters = map[string]quantity.Counter{"energy": {WattSeconds: r.Offset*3600 + used, Since: now}}
		m.Values.Kept = map[string]float64{"pulse_configuration": float64(r.Pulses)}
		m.Values.Ticks = r.Ticks
	}
	if s.Devices == nil {
		s.Devices = map[radio.EUI64]deviceMemory{}
	}
	if _, ok := s.Devices[eui]; !ok {
		s.Devices[eui] = m
	}
	s.Meter, s.Register = nil, nil
}

// keeper holds the state file and writes it in the background, the newest
// state only. With no path it keeps nothing.
type keeper struct {
	path  string
	state state // as it was read
	log   *slog.Logger
	due   chan struct{}
}

func openState(path string, log *slog.Logger) (*keeper, error) {
	k := &keeper{path: path, log: log, due: make(chan struct{}, 1)}
	if path == "" {
		return k, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the state file's directory: %w", err)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &k.state)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the simulator's state: %w; remove %s to begin with a dongle and devices fresh from their boxes", err, path)
	}
	return k, nil
}

// recall returns what a device remembers.
func (k *keeper) recall(eui radio.EUI64) deviceMemory { return k.state.Devices[eui] }

// changed has the state written soon.
func (k *keeper) changed() {
	if k.path == "" {
		return
	}
	select {
	case k.due <- struct{}{}:
	default: // it is going to be written anyway
	}
}

// write keeps the state durably. A failure is logged: a dongle whose flash is
// worn out goes on working too.
func (k *keeper) write(s state) {
	if k.path == "" {
		return
	}
	b, err := json.MarshalIndent(s, "", "\t")
	if err == nil {
		err = atomicfile.Write(k.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		k.log.Error("keeping the simulator's state", "problem", err)
	}
}

// snapshot is the state now. Devices that are not in this house are kept for
// when they are again.
func (s *Simulator) snapshot() (now state) {
	s.air.Do(func() {
		now = state{Dongle: s.ncp.Memory(), Devices: map[radio.EUI64]deviceMemory{}}
		for eui, m := range s.keep.state.Devices {
			now.Devices[eui] = m
		}
		for _, d := range s.devices {
			now.Devices[d.node.EUI64()] = deviceMemory{d.model.Name, d.node.Memory(), d.values.Memory()}
		}
	})
	return now
}

// keepState writes the state whenever it changed, until the end.
func (s *Simulator) keepState() {
	defer s.tasks.Done()
	for {
		select {
		case <-s.keep.due:
			s.keep.write(s.snapshot())
		case <-s.ctx.Done():
			s.keep.write(s.snapshot())
			return
		}
	}
}

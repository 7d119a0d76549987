// Package simulator is a Zigbee dongle with a house behind it, for working
// without hardware: an EmberZNet co-processor on a pseudo-terminal, a TCP port
// or an in-process pipe, and devices in its radio's reach that join, are
// interviewed and report what the house does: a frient EMIZB-141 meter alone,
// or those of the catalogue that are asked for. It puts the packages beneath it
// together and must never import anything of the coordinator.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/ash"
	"github.com/smartcore-ireland/hems/internal/simulator/ncp"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Addresses of the simulated dongle and meter unless Options say otherwise.
const (
	DefaultEUI64      = 0x00124b0012345678
	DefaultMeterEUI64 = 0x0015bc001b0211a5
)

// Options say what to simulate. The zero value is a dongle with its meter,
// without a line (see Serve and Dial) and without a memory.
type Options struct {
	Pty     string // path of a symbolic link to the pseudo-terminal; "" for none
	Listen  string // TCP address, like 127.0.0.1:6638; "" for none
	State   string // file that keeps network and devices; "" to forget
	Control string // path of a Unix socket for Control requests; "" for none
	Trace   string // file that gets a JSON line for each report; "" for none

	// Devices are the models of the house's devices, as devices.Find knows
	// them, with +code for one that joins with its install code; nil means the
	// meter alone. The first EMIZB-141 has MeterEUI64, the
	// others have addresses that their model and position decide.
	Devices []string

	EUI64       radio.EUI64      // of the dongle; 0 means DefaultEUI64
	MeterEUI64  radio.EUI64      // 0 means DefaultMeterEUI64
	EZSP        uint8            // protocol version; 0 means 13
	Seed        uint64           // of the house, the radio and the line's noise
	Latency     time.Duration    // of the radio, one way; 0 means 10 ms, negative none
	Window      int              // ASH frames in flight towards the host, 1 to 7; 0 means 5
	Faults      ash.Faults       // of the line from the beginning
	ReportEvery time.Duration    // see node.Options.Every; 0 to obey the configuration
	Now         func() time.Time // clock of the house; nil means time.Now
	Log         *slog.Logger
}

// Errors of the person's hand.
var (
	// ErrUnplugged: the dongle is not in its socket.
	ErrUnplugged = errors.New("the dongle is unplugged: plug it in first")
	// ErrBusy: another host has the line.
	ErrBusy = errors.New("the dongle's line is in use by another host")
)

// Simulator is a running dongle and its house. Its methods may be called
// concurrently.
type Simulator struct {
	o       Options
	log     *slog.Logger
	air     *radio.Air
	ncp     *ncp.NCP
	devices []*device
	keep    *keeper
	trace   *tracer
	noise   *ash.Noise
	ctx     context.Context
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	addr    net.Addr

	mu      sync.Mutex
	plugged context.Context    // ends when the dongle is pulled out
	pull    context.CancelFunc // pulls it out; nil while it is out
	lines   sync.WaitGroup     // what runs while it is in
	link    *ash.Link          // the line of the host that is connected
	hung    bool
	boot    uint8
}

// Start powers the dongle and the devices, and opens what Options name. They run
// until ctx ends or Close.
func Start(ctx context.Context, o Options) (*Simulator, error) {
	if o.EUI64 == 0 {
		o.EUI64 = DefaultEUI64
	}
	if o.MeterEUI64 == 0 {
		o.MeterEUI64 = DefaultMeterEUI64
	}
	if o.Latency == 0 {
		o.Latency = 10 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Simulator{o: o, log: o.Log, noise: ash.NewNoise(o.Seed), boot: ash.ResetPowerOn}
	if err := s.noise.Set(o.Faults); err != nil {
		return nil, err
	}
	var err error
	if s.keep, err = openState(o.State, o.Log); err != nil {
		return nil, err
	}
	if s.trace, err = openTrace(o.Trace); err != nil {
		return nil, err
	}
	s.ctx, s.stop = context.WithCancel(ctx)
	if err := s.build(); err != nil {
		s.stop()
		return nil, errors.Join(err, s.trace.close())
	}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	context.AfterFunc(s.ctx, func() { s.air.Close() })
	return s, nil
}

// build puts the world together.
func (s *Simulator) build() error {
	o := s.o
	s.keep.state.takeOver(o.MeterEUI64, o.Seed, o.Now())
	s.air = radio.New(o.Seed, max(o.Latency, 0))
	s.ncp = ncp.New(ncp.Options{EUI64: o.EUI64, Version: o.EZSP, Air: s.air, Memory: s.keep.state.Dongle, Changed: s.save, Log: o.Log})
	if err := s.furnish(); err != nil {
		return err
	}
	s.air.Do(func() {
		for _, d := range s.devices {
			d.node.Start()
		}
	})
	s.tasks.Add(1)
	go s.keepState()
	return nil
}

// save has the memories kept.
func (s *Simulator) save() { s.keep.changed() }

// open makes the dongle and the control socket reachable.
func (s *Simulator) open() error {
	if err := s.Plug(); err != nil {
		return err
	}
	if s.o.Control == "" {
		return nil
	}
	return s.serveControl(s.o.Control)
}

// Addr returns the TCP address that Options.Listen opened, nil without one.
func (s *Simulator) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Pty returns the path of the pseudo-terminal's symbolic link, "" without one.
func (s *Simulator) Pty() string { return s.o.Pty }

// Close pulls the dongle out, stops everything and waits for it.
func (s *Simulator) Close() error {
	err := s.Unplug()
	if errors.Is(err, ErrUnplugged) {
		err = nil
	}
	s.stop()
	s.tasks.Wait()
	s.air.Close()
	return errors.Join(err, s.trace.close())
}

// Wait returns when everything has stopped, which the end of Start's context
// brings about.
func (s *Simulator) Wait() error {
	<-s.ctx.Done()
	return s.Close()
}

// Serve connects a host over line and returns when either end closes it.
// ErrBusy and ErrUnplugged refuse it; line is closed in any case.
func (s *Simulator) Serve(ctx context.Context, line io.ReadWriteCloser) error {
	return s.serve(ctx, line, nil)
}

func (s *Simulator) serve(ctx context.Context, line io.ReadWriteCloser, flush func()) error {
	link, plugged, err := s.connect(flush)
	if err != nil {
		line.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(plugged, cancel)()
	s.log.Debug("line served")
	err = link.Run(ctx, line)
	s.ncp.Detach(link)
	s.mu.Lock()
	s.link = nil
	s.mu.Unlock()
	s.log.Info("line closed", "problem", err, "line", fmt.Sprintf("%+v", link.Counters()))
	return err
}

// connect makes a link for a host, if the dongle is in and nobody has it. The
// context ends when the dongle is pulled out.
func (s *Simulator) connect(flush func()) (*ash.Link, context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.pull == nil:
		return nil, nil, ErrUnplugged
	case s.link != nil:
		return nil, nil, ErrBusy
	}
	link := ash.New(ash.Options{Handler: s.ncp, Window: s.o.Window, Boot: s.boot, Noise: s.noise, Log: s.log, Flush: flush})
	if s.hung {
		link.Hang()
	}
	s.link = link
	s.ncp.Attach(link)
	return link, s.plugged, nil
}

// Dial connects a host through an in-process pipe and returns the host's end.
func (s *Simulator) Dial(context.Context) (io.ReadWriteCloser, error) {
	s.mu.Lock()
	plugged, busy := s.pull != nil, s.link != nil
	s.mu.Unlock()
	if !plugged {
		return nil, ErrUnplugged
	}
	if busy {
		return nil, ErrBusy
	}
	host, dongle := net.Pipe()
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		s.Serve(s.ctx, dongle)
	}()
	return host, nil
}

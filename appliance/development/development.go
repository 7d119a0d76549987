// Package development runs the whole appliance on a workstation: the real
// programs, supervised as gokrazy would, on a data directory of their own,
// with a simulated dongle and home unless a real stick is named. It knows the
// programs' names, the data directory and the householder's first steps
// (permit joining, name the meter) and must never know what the programs do
// inside.
package development

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/supervise"
)

// MeterName is the friendly name the demonstration gives the simulated meter.
const MeterName = "frient_blink_counter"

// Options is what to run and where.
type Options struct {
	Env appliance.Env
	// Bin is the directory of the programs.
	Bin string
	// Stdout takes what is for the person, Log what the programs say.
	Stdout, Log io.Writer
	Color       bool
	// SimulatorArgs are further arguments for the simulator.
	SimulatorArgs []string
	Environ       []string // the programs' environment beside HEMS_*
}

// Run starts everything and returns when ctx has ended and all of it is down.
// The error is for what kept it from starting at all: another appliance on the
// same data directory, a directory that cannot be written, programs that are
// not built.
func Run(ctx context.Context, o Options) error {
	d := &run{Options: o, began: time.Now(), log: slog.New(slog.NewTextHandler(o.Log, nil))}
	if err := os.MkdirAll(o.Env.Data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	unlock, err := lock(o.Env)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.applyRestore(); err != nil {
		return err
	}
	if err := d.prepare(); err != nil {
		return err
	}
	if d.taken = d.answers(ctx, &http.Client{Timeout: time.Second}); d.taken {
		fmt.Fprintf(o.Stdout, "error: another appliance answers at %s\nhint: stop it, or give this one HEMS_PORT_BASE of its own\n", d.person.URL)
	}
	processes, err := d.processes()
	if err != nil {
		return err
	}
	guide := make(chan struct{})
	go func() {
		defer close(guide)
		if err := d.guide(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the demonstration stopped; the appliance goes on", "err", err)
		}
	}()
	prefixer := &supervise.Prefixer{W: o.Log, Width: len("hems-simulator"), Color: o.Color}
	(&supervise.Supervisor{Output: prefixer.Writer, Log: d.log}).Run(ctx, processes)
	<-guide
	return nil
}

type run struct {
	Options
	began  time.Time
	log    *slog.Logger
	person credentials
	taken  bool // somebody answered at the dashboard's address before we began
}

// lock keeps a second appliance off the same data directory. The lock goes
// with the process, however it ends.
func lock(env appliance.Env) (unlock func(), err error) {
	f, err := os.OpenFile(env.Path(".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another appliance runs on %s: stop it, or give this one HEMS_DATA and HEMS_PORT_BASE of its own", env.Data)
	}
	return func() { f.Close() }, nil
}

// simulated says whether the dongle is the simulator's.
func (d *run) simulated() bool { return d.Env.Dongle == "" }

// dongle is the simulated dongle's path: a link to its pty.
func (d *run) dongle() string { return d.Env.Path("dongle") }

// processes is the table of the appliance as programs to supervise.
func (d *run) processes() ([]supervise.Process, error) {
	environ := append(d.Environ,
		"HEMS_DATA="+d.Env.Data,
		"HEMS_RUNTIME="+d.Env.Runtime,
		"HEMS_LISTEN="+d.Env.Listen,
		"HEMS_PORT_BASE="+portBase(d.Env),
	)
	var out []supervise.Process
	add := func(name string, args []string, env ...string) error {
		path := filepath.Join(d.Bin, name)
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("finding the program %s: %w: build it with \"make build\"", name, err)
		}
		out = append(out, supervise.Process{Name: name, Path: path, Args: args, Env: append(environ[:len(environ):len(environ)], env...)})
		return nil
	}
	dongle := d.Env.Dongle
	if d.simulated() {
		dongle = d.dongle()
		args := append([]string{
			"--pty", dongle,
			"--state", d.Env.Path("simulator", "state.json"),
			"--control", d.Env.Path("simulator", "control.sock"),
		}, d.SimulatorArgs...)
		if err := os.MkdirAll(d.Env.Path("simulator"), 0o700); err != nil {
			return nil, fmt.Errorf("making the simulator's directory: %w", err)
		}
		if err := add("hems-simulator", args); err != nil {
			return nil, err
		}
	}
	for _, p := range appliance.Processes {
		if err := add(p.Name, nil, "HEMS_DONGLE="+dongle); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func portBase(e appliance.Env) string {
	if e.PortBase == 0 {
		return ""
	}
	return strconv.Itoa(e.PortBase)
}

// guide tells the person where to look once the dashboard answers, and takes
// the simulated home through its first minute.
func (d *run) guide(ctx context.Context) error {
	if err := d.awaitDashboard(ctx); err != nil {
		return err
	}
	d.greet()
	if d.simulated() {
		return d.demonstrate(ctx)
	}
	return nil
}

// awaitDashboard waits for an answer that is ours: another program on the port
// answers differently, another appliance was there before, and the gateway says
// in the log that the port is taken.
func (d *run) awaitDashboard(ctx context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second}
	for ours := !d.taken; ; {
		switch answers := d.answers(ctx, client); {
		case answers && ours:
			return nil
		case !answers:
			ours = true // who was there before has gone
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers says whether a dashboard does, whoever's it is.
func (d *run) answers(ctx context.Context, client *http.Client) bool {
	host := d.Env.Listen
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(d.Env.Number(appliance.PortDashboard))) + "/healthz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusServiceUnavailable
}

func (d *run) greet() {
	p := d.person
	dongle := "simulated, with a simulated home"
	if !d.simulated() {
		dongle = d.Env.Dongle
	}
	fmt.Fprintf(d.Stdout, `
  SmartCORE HEMS is up after %.1f s

  Dashboard   %s
  Sign in     %s  /  %s
  Dongle      %s
  MQTT        . %s
              mosquitto_sub -h $MQTT_HOST -p $MQTT_PORT -u $MQTT_USER -P $MQTT_PASSWORD -t 'zigbee2mqtt/#' -v
  Data        %s
  Stop        Ctrl-C

`, time.Since(d.began).Seconds(), p.URL, p.User, p.Password, dongle, relative(d.Env.Path(envFile)), relative(d.Env.Data))
}

// relative is path as the person would type it.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || len(rel) > len(path) {
		return path
	}
	return rel
}

var errNoBroker = errors.New("the broker has not made the password of the MQTT user " + appliance.PersonUser)

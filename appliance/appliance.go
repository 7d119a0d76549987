// Package appliance is the plan of the whole: the data directory, the ports,
// hems.yaml, the table of processes, and how each process is put together from
// the rooms under internal. It must never know a wire format.
package appliance

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Version is the version of this build, set by the linker.
var Version = "development"

// Env is where this appliance runs: its data directory, its ports, its dongle.
type Env struct {
	Data     string // the data directory, absolute
	PortBase int    // 0: the default ports
	Listen   string // address the servers listen on; "" is every address
	Dongle   string // replaces zigbee.serial.port of hems.yaml when not empty
	Log      *slog.Logger
}

// EnvFromOS reads HEMS_DATA (default /perm/hems), HEMS_PORT_BASE (1024 to
// 65000, default none), HEMS_LISTEN (default every address) and HEMS_DONGLE.
func EnvFromOS(getenv func(string) string) (Env, error) {
	e := Env{
		Data:   getenv("HEMS_DATA"),
		Listen: getenv("HEMS_LISTEN"),
		Dongle: getenv("HEMS_DONGLE"),
		Log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if e.Data == "" {
		e.Data = "/perm/hems"
	}
	var err error
	if e.Data, err = filepath.Abs(e.Data); err != nil {
		return Env{}, fmt.Errorf("finding the data directory: %w", err)
	}
	if s := getenv("HEMS_PORT_BASE"); s != "" {
		if e.PortBase, err = strconv.Atoi(s); err != nil || e.PortBase < 1024 || e.PortBase > 65000 {
			return Env{}, fmt.Errorf("HEMS_PORT_BASE is %q: give a number from 1024 to 65000", s)
		}
	}
	return e, nil
}

// A Port is one of the appliance's TCP ports, by what answers there.
type Port int

// The ports; the comment gives the default. With a port base they follow one
// another from it in this order.
const (
	PortDashboard Port = iota // 8080
)

// PortMQTT is MQTT over TCP: 1883, or the port base plus four (the three
// between are kept for HTTPS and Home Assistant's front).
const PortMQTT Port = 4

// Number is the TCP port number of p.
func (e Env) Number(p Port) int {
	if e.PortBase != 0 {
		return e.PortBase + int(p)
	}
	if p == PortMQTT {
		return 1883
	}
	return 8080
}

// Address is the address to listen on for p.
func (e Env) Address(p Port) string {
	return net.JoinHostPort(e.Listen, strconv.Itoa(e.Number(p)))
}

// Path is a file or directory under the data directory.
func (e Env) Path(elem ...string) string {
	return filepath.Join(append([]string{e.Data}, elem...)...)
}

// MQTTSocket is the unix socket of the broker, for the appliance's own
// processes.
func (e Env) MQTTSocket() string { return e.Path("broker", "mqtt.sock") }

// Secret is the path of a secret.
func (e Env) Secret(name string) string { return e.Path("secrets", name) }

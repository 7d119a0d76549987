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

// Where the data directory and the runtime directory are on a card.
const (
	CardData    = "/perm/hems"
	CardRuntime = "/run/hems"
)

// Env is where this appliance runs: its data directory, its ports, its dongle.
type Env struct {
	Data string // the data directory, absolute
	// Runtime is the directory of what does not outlive a boot: sockets, and
	// files such as boot.json. It is absolute.
	Runtime string
	// Card says that this is the appliance itself and not a workstation: no
	// data directory was named.
	Card     bool
	PortBase int    // 0: the default ports
	Listen   string // address the servers listen on; "" is every address
	Dongle   string // replaces zigbee.serial.port of hems.yaml when not empty
	// ClaimHere lets programs on this machine claim an appliance without an
	// owner, as if they came from the home's network: for development.
	ClaimHere bool
	Log       *slog.Logger
	LogLevel  *slog.LevelVar // of Log; nil: it is as it is

	// What a process on a card has read and opened while it was root.
	passwordOf, password string
	socket               *os.File
}

// EnvFromOS reads HEMS_DATA (default CardData, on a card), HEMS_RUNTIME
// (default CardRuntime on a card, else the directory runtime under the data
// directory), HEMS_PORT_BASE (1024 to 65000, default none), HEMS_LISTEN
// (default every address), HEMS_DONGLE and HEMS_CLAIM_HERE ("1": yes).
func EnvFromOS(getenv func(string) string) (Env, error) {
	level := new(slog.LevelVar)
	e := Env{
		Data:    getenv("HEMS_DATA"),
		Runtime: getenv("HEMS_RUNTIME"),
		Listen:  getenv("HEMS_LISTEN"),
		Dongle:  getenv("HEMS_DONGLE"),

		ClaimHere: getenv("HEMS_CLAIM_HERE") == "1",
		Log:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
		LogLevel:  level,
	}
	if e.Data == "" {
		e.Data, e.Card = CardData, true
	}
	var err error
	if e.Data, err = filepath.Abs(e.Data); err != nil {
		return Env{}, fmt.Errorf("finding the data directory: %w", err)
	}
	switch {
	case e.Runtime != "":
	case e.Card:
		e.Runtime = CardRuntime
	default:
		e.Runtime = e.Path("runtime")
	}
	if e.Runtime, err = filepath.Abs(e.Runtime); err != nil {
		return Env{}, fmt.Errorf("finding the runtime directory: %w", err)
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

// The ports; with a port base they are that many above it. On a card the first
// four depend on Home Assistant: see Web.
const (
	PortDashboard     Port = 0 // 80 on a card, else 8080
	PortDashboardTLS  Port = 1 // 443 on a card, else 8443
	PortHome          Port = 2 // Home Assistant's front: 80 on a card, else 8081
	PortHomeTLS       Port = 3 // 443 on a card, else 8444
	PortMQTT          Port = 4 // 1883, MQTT over TCP
	PortMQTTTLS       Port = 5 // 8883, MQTT over TLS
	PortMQTTWebSocket Port = 6 // 9001, MQTT over WebSocket
	PortUpdate        Port = 7 // 9080, gok's update protocol
)

// Number is the TCP port number of p.
func (e Env) Number(p Port) int {
	switch {
	case e.PortBase != 0:
		return e.PortBase + int(p)
	case p == PortMQTT:
		return 1883
	case p == PortMQTTTLS:
		return 8883
	case p == PortMQTTWebSocket:
		return 9001
	case p == PortUpdate:
		return 9080
	case p == PortDashboardTLS || p == PortHomeTLS:
		if e.Card {
			return 443
		}
		return 8443 + int(p)/2
	case e.Card:
		return 80
	}
	return 8080 + int(p)/2
}

// Address is the address to listen on for p.
func (e Env) Address(p Port) string {
	return net.JoinHostPort(e.Listen, strconv.Itoa(e.Number(p)))
}

// Path is a file or directory under the data directory.
func (e Env) Path(elem ...string) string {
	return filepath.Join(append([]string{e.Data}, elem...)...)
}

// Run is a file under the runtime directory.
func (e Env) Run(elem ...string) string {
	return filepath.Join(append([]string{e.Runtime}, elem...)...)
}

// MQTTSocket is the unix socket of the broker, for the appliance's own
// processes.
func (e Env) MQTTSocket() string { return e.Path("broker", "mqtt.sock") }

// MQTTPasswords is the password file of the broker's users beside the
// appliance's own.
func (e Env) MQTTPasswords() string { return e.Path("mqtt", "passwd") }

// MQTTAccess is the access list of the same.
func (e Env) MQTTAccess() string { return e.Path("mqtt", "acl") }

// Secret is the path of a secret.
func (e Env) Secret(name string) string { return e.Path("secrets", name) }

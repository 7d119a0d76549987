// Package serialport opens the line to a dongle: a serial port of this
// machine, or a TCP connection to one elsewhere. It knows what can be wrong with
// either and says what to do about it. It must never know what travels on the
// line.
package serialport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Flow is how the two ends of a serial port tell each other to wait.
type Flow string

// The kinds of flow control. An empty Flow is FlowNone for Open, and FlowAuto for
// a Finder.
const (
	FlowAuto     Flow = "auto" // as the dongle wants; of a Finder alone
	FlowNone     Flow = "none"
	FlowSoftware Flow = "software" // XON and XOFF, by the kernel
	FlowHardware Flow = "hardware" // RTS and CTS
)

// Auto as a port of a Finder is the dongle that is there when the line is opened:
// the one that worked last; a USB stick of a known kind; any other USB device
// with a serial port; a coordinator that announces itself on the network.
const Auto = "auto"

// Options say which line, and how.
type Options struct {
	// Port is a path such as "/dev/ttyACM0" or "/dev/serial/by-id/…" (symbolic
	// links are followed), or "tcp://host:port". For a Finder also Auto, and
	// "mdns://kind" with a kind of network coordinator such as slzb-06.
	Port string
	// Baud is in bits per second; 0 means 115200, or what a Finder knows of the
	// dongle. It means nothing for TCP.
	Baud int
	// Flow means nothing for TCP.
	Flow Flow
	// DialTimeout bounds the opening of a TCP connection; 0 means 5 s.
	DialTimeout time.Duration
	// Memory is the file in which a Finder remembers the dongle; "" is none.
	Memory string
	// Root is where a Finder looks for dev and sys; "/" when empty.
	Root string
	// Log receives what a Finder finds; nil discards it.
	Log *slog.Logger
}

// Error is what is wrong with a line, in words for a person.
type Error struct {
	Message string // lower case, names the port
	Advice  string
	Plain   Plain // the same for somebody who knows no ports; may be empty
	Err     error // what the system said
}

// Plain is what is wrong and what to do, in a householder's words.
type Plain struct{ Message, Advice string }

var (
	unplugged   = Plain{"the dongle is unplugged", "plug it back in; readings resume by themselves"}
	unreachable = Plain{"the dongle cannot be reached over the network", "check that it is switched on and connected; readings resume by themselves"}
)

func (e *Error) Error() string { return e.Message }

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

// Householder says both without ports and addresses, or "".
func (e *Error) Householder() (message, advice string) { return e.Plain.Message, e.Plain.Advice }

func (e *Error) Unwrap() error { return e.Err }

// Open opens the line. Reads and writes on it return when it is closed, from
// any goroutine. Errors of Open, and of reads and writes after the line has
// gone, are *Error.
func Open(ctx context.Context, o Options) (io.ReadWriteCloser, error) {
	if o.Baud == 0 {
		o.Baud = 115200
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 5 * time.Second
	}
	switch o.Flow {
	case "":
		o.Flow = FlowNone
	case FlowNone, FlowSoftware, FlowHardware:
	default:
		return nil, &Error{
			Message: fmt.Sprintf("%q is no kind of flow control", string(o.Flow)),
			Advice:  "use none, software or hardware",
		}
	}
	scheme, _, isURL := strings.Cut(o.Port, "://")
	switch {
	case o.Port == "":
		return nil, &Error{Message: "no serial port is given", Advice: "give a device such as /dev/ttyACM0, tcp://host:port, or auto"}
	case isURL && scheme == "tcp":
		return openTCP(ctx, o)
	case isURL:
		return nil, &Error{
			Message: fmt.Sprintf("%s:// is no kind of port (in %q)", scheme, o.Port),
			Advice:  "give a device such as /dev/ttyACM0, tcp://host:port, mdns:// with a kind, or auto",
		}
	}
	return openSerial(o)
}

func openTCP(ctx context.Context, o Options) (io.ReadWriteCloser, error) {
	u, err := url.Parse(o.Port)
	if err != nil || u.Hostname() == "" || u.Port() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, &Error{
			Message: fmt.Sprintf("%q is no address of a dongle", o.Port),
			Advice:  "write it as tcp://host:port, for example tcp://192.168.1.20:6638",
			Err:     err,
		}
	}
	d := net.Dialer{
		Timeout: o.DialTimeout,
		// A coordinator that loses its power says nothing; this finds out.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	c, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, explainDial(o.Port, err)
	}
	if err := c.(*net.TCPConn).SetNoDelay(true); err != nil {
		c.Close()
		return nil, &Error{Message: o.Port + " cannot be set up", Advice: "check the network", Err: err}
	}
	return &tcpLine{TCPConn: c.(*net.TCPConn), port: o.Port}, nil
}

func explainDial(port string, err error) error {
	e := &Error{Plain: unreachable, Err: err}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		e.Message = fmt.Sprintf("the name in %s is not known", port)
		e.Advice = "check the name, or use the dongle's address in numbers"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message = fmt.Sprintf("nothing takes connections at %s", port)
		e.Advice = "check the port number, and that the dongle is switched on and in coordinator mode"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		e.Message = fmt.Sprintf("there is no way to %s", port)
		e.Advice = "check that the dongle is on the network, and its address"
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Message = fmt.Sprintf("%s does not answer", port)
		e.Advice = "check that the dongle is switched on and on the network, and its address"
	case errors.Is(err, context.Canceled):
		return err
	default:
		e.Message = fmt.Sprintf("%s cannot be reached: %v", port, err)
		e.Advice = "check the dongle's address and the network"
	}
	return e
}

// tcpLine explains why it has ended.
type tcpLine struct {
	*net.TCPConn
	port string
}

func (l *tcpLine) Read(p []byte) (int, error) {
	n, err := l.TCPConn.Read(p)
	return n, l.explain(err)
}

func (l *tcpLine) Write(p []byte) (int, error) {
	n, err := l.TCPConn.Write(p)
	return n, l.explain(err)
}

func (l *tcpLine) explain(err error) error {
	if err == nil || errors.Is(err, net.ErrClosed) {
		return err
	}
	return &Error{
		Message: fmt.Sprintf("the connection to %s was lost", l.port),
		Advice:  "check that the dongle is switched on and that no other program uses it; it is connected again by itself",
		Plain:   unreachable,
		Err:     err,
	}
}

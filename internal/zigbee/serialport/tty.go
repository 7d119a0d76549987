package serialport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/nonblock"
)

// tty is a serial port, or the host's end of a pseudo-terminal.
type tty struct {
	name string
	// port has set the terminal up and keeps other programs out. Bytes do not
	// pass through it: its Write cannot be interrupted.
	port serial.Port
	// line is a second, non-blocking handle of the same terminal, on which a
	// reader and a writer return when it is closed. It holds the lock against
	// other processes of ours, and reaches settings that port does not.
	line   *nonblock.File
	closed atomic.Bool
}

func openSerial(o Options) (io.ReadWriteCloser, error) {
	info, err := os.Stat(o.Port)
	if err != nil {
		return nil, explainOpen(o.Port, err)
	}
	if info.Mode()&fs.ModeCharDevice == 0 {
		return nil, notSerial(o.Port, nil)
	}
	// Without O_NONBLOCK the opening may wait for a modem.
	fd, err := unix.Open(o.Port, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, explainOpen(o.Port, err)
	}
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		unix.Close(fd)
		return nil, notSerial(o.Port, err)
	}
	t := &tty{name: o.Port}
	if t.line, err = nonblock.NewFile(fd, o.Port); err != nil {
		return nil, explainOpen(o.Port, err)
	}
	if err := t.open(o, fd); err != nil {
		t.line.Close()
		return nil, err
	}
	return t, nil
}

func (t *tty) open(o Options, fd int) error {
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return busy(o.Port, err)
	}
	// TIOCEXCL, which serial.Open sets, keeps everyone but root out; the lock
	// above also keeps out a second process of ours that runs as root.
	p, err := serial.Open(o.Port, &serial.Mode{BaudRate: o.Baud, DataBits: 8, Parity: serial.NoParity, StopBits: serial.OneStopBit})
	if err != nil {
		return explainOpen(o.Port, err)
	}
	if err := setFlow(fd, o.Flow); err != nil {
		p.Close()
		return &Error{
			Message: fmt.Sprintf("%s does not take %s flow control", o.Port, o.Flow),
			Advice:  "set the serial port's flow control to none, or to what the dongle's firmware uses",
			Err:     err,
		}
	}
	p.ResetInputBuffer() // what an earlier host was sent; a port that cannot is none the worse
	t.port = p
	return nil
}

// setFlow sets what serial.Port leaves off. Settings belong to the terminal,
// not to a handle, so either handle will do.
func setFlow(fd int, f Flow) error {
	s, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	s.Iflag &^= unix.IXON | unix.IXOFF | unix.IXANY
	s.Cflag &^= unix.CRTSCTS
	switch f {
	case FlowSoftware:
		s.Iflag |= unix.IXON | unix.IXOFF
	case FlowHardware:
		s.Cflag |= unix.CRTSCTS
	}
	return unix.IoctlSetTermios(fd, unix.TCSETS, s)
}

func (t *tty) Read(p []byte) (int, error) {
	n, err := t.line.Read(p)
	return n, t.explain(err)
}

func (t *tty) Write(p []byte) (int, error) {
	n, err := t.line.Write(p)
	return n, t.explain(err)
}

// TryWrite writes what the port takes at once. No Write may be under way.
func (t *tty) TryWrite(p []byte) (int, error) {
	n, err := t.line.TryWrite(p)
	return n, t.explain(err)
}

// Close ends reads and writes that are under way. What was not sent yet is
// thrown away, or closing would wait for a dongle that takes nothing.
func (t *tty) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	t.port.ResetOutputBuffer()
	return errors.Join(t.line.Close(), t.port.Close())
}

// explain says what an error of an open port means: almost always that it is
// gone.
func (t *tty) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case t.closed.Load():
		return os.ErrClosed
	}
	return &Error{
		Message: fmt.Sprintf("the dongle at %s was unplugged", t.name),
		Advice:  unplugged.Advice,
		Plain:   unplugged,
		Err:     err,
	}
}

// explainOpen says why a port cannot be opened.
func explainOpen(port string, err error) error {
	var code serial.PortErrorCode = -1
	var pe *serial.PortError
	if errors.As(err, &pe) {
		code = pe.Code()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV), code == serial.PortNotFound:
		return &Error{Message: fmt.Sprintf("there is no dongle at %s", port), Advice: otherPorts(port), Plain: unplugged, Err: err}
	case errors.Is(err, fs.ErrPermission), code == serial.PermissionDenied:
		return &Error{
			Message: fmt.Sprintf("this user may not use %s", port),
			Advice:  "add the user to the group that owns the port (on Debian: sudo adduser $USER dialout) and sign in again",
			Err:     err,
		}
	case errors.Is(err, unix.EBUSY), code == serial.PortBusy:
		return busy(port, err)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, syscall.ENOTDIR), code == serial.InvalidSerialPort, code == serial.InvalidSpeed:
		return notSerial(port, err)
	case errors.Is(err, unix.EIO):
		return &Error{Message: fmt.Sprintf("the dongle at %s does not react", port), Advice: "unplug it and plug it in again", Err: err}
	}
	return &Error{Message: fmt.Sprintf("%s cannot be opened: %v", port, err), Advice: "check the port, and unplug the dongle and plug it in again", Err: err}
}

func busy(port string, err error) error {
	return &Error{
		Message: fmt.Sprintf("another program uses %s", port),
		Advice:  "stop the other program (Zigbee2MQTT, ZHA, ModemManager or another hems)",
		Err:     err,
	}
}

func notSerial(port string, err error) error {
	return &Error{
		Message: fmt.Sprintf("%s is not a serial port", port),
		Advice:  "give the dongle's port, such as /dev/ttyACM0 or /dev/ttyUSB0; ls -l /dev/serial/by-id shows them by name",
		Err:     err,
	}
}

// usbPatterns are the names the kernel gives to the serial ports of USB devices:
// a CDC device such as the Sonoff ZBDongle-E, then CP210x, CH34x and FTDI.
var usbPatterns = []string{"dev/ttyACM*", "dev/ttyUSB*"}

// portPatterns are where dongles turn up.
var portPatterns = []string{"/dev/serial/by-id/*", "/dev/ttyACM*", "/dev/ttyUSB*"}

// otherPorts advises on a port that is not there: on what is there instead, if
// anything.
func otherPorts(port string) string {
	for _, pattern := range portPatterns {
		found, _ := filepath.Glob(pattern)
		if len(found) > 0 {
			return fmt.Sprintf("plug the dongle in, or set serial.port to the one that is there: %s", strings.Join(found[:min(len(found), 3)], ", "))
		}
	}
	return fmt.Sprintf("plug the dongle in; it is used as soon as it is at %s", port)
}

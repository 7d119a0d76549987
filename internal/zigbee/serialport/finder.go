package serialport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// Finder opens the line to one dongle, again and again, wherever the dongle is
// by then. It knows it by what it is (USB vendor, product and serial number):
// a dongle that was pulled out may come back under another name, and with two
// of them plugged in their names may be exchanged after a start.
//
// Its methods may be called from any goroutine.
type Finder struct {
	o    Options
	log  *slog.Logger
	mdns string        // where questions go; a test asks its own responder
	wait time.Duration // for answers

	mu     sync.Mutex
	known  *remembered // the dongle that worked last
	tried  []string    // ports of unknown kind that did not work, the last one last
	asked  time.Time   // when the network was last asked
	told   string      // the port that was last logged
	answer []coordinator
}

// remembered is the file of Options.Memory: which dongle worked last, and under
// which setting of the port.
type remembered struct {
	Version   int    `json:"version"`
	Port      string `json:"port"` // the setting
	VendorID  string `json:"vendor_id,omitempty"`
	ProductID string `json:"product_id,omitempty"`
	Serial    string `json:"serial,omitempty"`
	Interface uint8  `json:"interface,omitempty"`
	Name      string `json:"name,omitempty"` // for people
	Address   string `json:"address,omitempty"`
}

const memoryVersion = 1

func (r *remembered) is(u usb) bool {
	return r.VendorID == hex4(u.VendorID) && r.ProductID == hex4(u.ProductID) && r.Serial == u.Serial && r.Interface == u.Interface
}

func hex4(v uint16) string { return fmt.Sprintf("%04x", v) }

// NewFinder makes a Finder. A memory that cannot be read is as none.
func NewFinder(o Options) *Finder {
	if o.Root == "" {
		o.Root = "/"
	}
	f := &Finder{o: o, log: o.Log, mdns: mdnsGroup, wait: mdnsWait}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if o.Memory == "" {
		return f
	}
	var r remembered
	b, err := os.ReadFile(o.Memory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f
	case err == nil && len(b) > 4096:
		err = errors.New("it is too long")
	case err == nil:
		err = json.Unmarshal(b, &r)
	}
	switch {
	case err != nil:
		f.log.Warn("which dongle was used last cannot be read; it is looked for as a new one", "file", o.Memory, "err", err)
	case r.Version == memoryVersion && r.Port == o.Port:
		f.known = &r
	}
	return f
}

// Line is a line that Finder has opened.
type Line struct {
	io.ReadWriteCloser
	// Name is the port or address it is open on.
	Name string
	// Model is the kind of dongle, "" when it is not known.
	Model string
	works func()
}

// Works tells the Finder that the dongle on this line is the right one. It is
// looked for first from then on.
func (l *Line) Works() { l.works() }

// TryWrite writes what the line takes at once: nothing, where it cannot tell. No
// Write may be under way.
func (l *Line) TryWrite(p []byte) (int, error) {
	if t, ok := l.ReadWriteCloser.(interface{ TryWrite([]byte) (int, error) }); ok {
		return t.TryWrite(p)
	}
	return 0, nil
}

// Open looks for the dongle and opens its line. Errors are as of the function
// Open.
func (f *Finder) Open(ctx context.Context) (*Line, error) {
	place, err := f.find(ctx)
	if err != nil {
		return nil, err
	}
	o := f.o
	o.Port = place.port
	if o.Baud == 0 {
		o.Baud = place.model.baud
	}
	if o.Flow == "" || o.Flow == FlowAuto {
		if o.Flow = place.model.flow; o.Flow == "" {
			o.Flow = FlowSoftware
		}
	}
	f.tell(place)
	line, err := Open(ctx, o)
	if err != nil {
		f.failed(place)
		return nil, err
	}
	if place.guess {
		f.failed(place) // until Works says otherwise
	}
	return &Line{ReadWriteCloser: line, Name: place.port, Model: place.model.name, works: func() { f.worked(place) }}, nil
}

// place is where the dongle is thought to be.
type place struct {
	port  string // a path or tcp://host:port
	usb   *usb
	model model
	guess bool // nothing says that it is a dongle at all
}

func (f *Finder) find(ctx context.Context) (place, error) {
	scheme, kind, isURL := strings.Cut(f.o.Port, "://")
	switch {
	case isURL && scheme == "mdns":
		c, err := f.ask(ctx, kind)
		if err != nil {
			return place{}, err
		}
		return place{port: c.address(), model: model{name: c.name}}, nil
	case isURL, f.o.Port == "":
		return place{port: f.o.Port}, nil
	case f.o.Port == Auto:
		return f.auto(ctx)
	}
	return f.byPath(), nil
}

// byPath is the dongle that a person has named by its path: the one that worked
// there, when it is plugged in under another name now.
func (f *Finder) byPath() place {
	ports := usbPorts(f.o.Root)
	here := slices.IndexFunc(ports, func(u usb) bool { return samePath(u.Path, f.o.Port) })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known != nil && (here < 0 || !f.known.is(ports[here])) {
		if i := slices.IndexFunc(ports, f.known.is); i >= 0 {
			return at(ports[i])
		}
	}
	if here < 0 {
		return place{port: f.o.Port}
	}
	p := at(ports[here])
	p.port = f.o.Port // as the person wrote it
	return p
}

func samePath(a, b string) bool {
	if a == b {
		return true
	}
	ra, errA := filepath.EvalSymlinks(a)
	rb, errB := filepath.EvalSymlinks(b)
	return errA == nil && errB == nil && ra == rb
}

func at(u usb) place {
	m, _ := recognise(u)
	return place{port: u.Path, usb: &u, model: m}
}

// auto is the dongle that worked last; else the first of a kind that is known to
// be one; else whatever else is plugged in and is not known to be something
// else, one after the other; else the one that announces itself on the network.
func (f *Finder) auto(ctx context.Context) (place, error) {
	ports := usbPorts(f.o.Root)
	f.mu.Lock()
	if f.known != nil {
		if i := slices.IndexFunc(ports, f.known.is); i >= 0 {
			f.mu.Unlock()
			return at(ports[i]), nil
		}
	}
	var unknown, others []usb
	for _, u := range ports {
		m, ok := recognise(u)
		switch {
		case !ok:
			unknown = append(unknown, u)
		case m.firmware != emberZNet || m.intf != u.Interface:
			others = append(others, u)
		default:
			f.mu.Unlock()
			return at(u), nil
		}
	}
	if len(unknown) > 0 {
		p := at(f.next(unknown))
		p.guess = true
		f.mu.Unlock()
		return p, nil
	}
	f.mu.Unlock()
	c, err := f.ask(ctx, "")
	if err == nil {
		return place{port: c.address(), model: model{name: c.name}}, nil
	}
	if len(others) > 0 {
		return place{}, notOurs(others[0])
	}
	return place{}, err
}

// next is the port of unknown kind whose turn it is: one that was not tried
// yet, or else the one whose trial is longest ago. f.mu is held.
func (f *Finder) next(ports []usb) usb {
	return slices.MinFunc(ports, func(a, b usb) int {
		return slices.Index(f.tried, a.Path) - slices.Index(f.tried, b.Path)
	})
}

// notOurs says why the stick that is there is not used.
func notOurs(u usb) error {
	m, _ := recognise(u)
	runs := map[firmware]string{
		emberZNet:  "has its Zigbee radio on another of its ports",
		zStack:     "has a radio of Texas Instruments, which speaks another protocol",
		deCONZ:     "speaks deCONZ's protocol",
		otherRadio: "is no Zigbee stick that can be used",
	}[m.firmware]
	return &Error{
		Message: fmt.Sprintf("the stick at %s (%s) %s", u.Path, m.name, runs),
		Advice:  "use a stick with a Silicon Labs radio (EmberZNet), such as the Sonoff ZBDongle-E; if this one has such firmware, set zigbee.serial.port to its path",
		Plain:   Plain{"the stick that is plugged in cannot be used here", "plug in a stick with a Silicon Labs radio, such as the Sonoff ZBDongle-E"},
	}
}

// failed puts a place at the end of the queue.
func (f *Finder) failed(p place) {
	if p.usb == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried = slices.DeleteFunc(f.tried, func(s string) bool { return s == p.port })
	f.tried = append(f.tried, p.port)
	f.tried = f.tried[max(0, len(f.tried)-64):]
}

// worked remembers a place. It is written down when it is news.
func (f *Finder) worked(p place) {
	r := remembered{Version: memoryVersion, Port: f.o.Port}
	switch {
	case p.usb != nil:
		r.VendorID, r.ProductID, r.Serial, r.Interface = hex4(p.usb.VendorID), hex4(p.usb.ProductID), p.usb.Serial, p.usb.Interface
		r.Name = strings.TrimSpace(p.usb.Manufacturer + " " + p.usb.Product)
		if p.usb.VendorID == 0 { // sysfs says nothing: it cannot be told from others
			return
		}
	case f.o.Port == Auto:
		r.Address, r.Name = p.port, p.model.name
	default:
		return // the setting says all
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known != nil && *f.known == r {
		return
	}
	f.known = &r
	if f.o.Memory == "" {
		return
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = atomicfile.Write(f.o.Memory, append(b, '\n'), 0o600)
	}
	if err != nil {
		f.log.Warn("which dongle is used was not written down", "file", f.o.Memory, "err", err)
	}
}

// tell logs where the dongle is, when that is news.
func (f *Finder) tell(p place) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.port == f.o.Port || p.port == f.told {
		return
	}
	f.told = p.port
	f.log.Info("the dongle is looked for", "at", p.port, "kind", p.model.name)
}

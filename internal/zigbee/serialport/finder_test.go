package serialport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// machine is a file system with /dev and /sys as Linux shows USB sticks. The
// ports are real terminals.
type machine struct {
	t    *testing.T
	root string
	next int // of the USB devices
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, root: t.TempDir()}
	m.mkdir("dev")
	m.mkdir("sys/class/tty")
	return m
}

func (m *machine) mkdir(name string) string {
	m.t.Helper()
	dir := filepath.Join(m.root, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	return dir
}

func (m *machine) finder(o Options) *Finder {
	o.Root = m.root
	f := NewFinder(o)
	f.mdns, f.wait = "127.0.0.1:9", 300*time.Millisecond // nobody answers
	return f
}

// plug puts a stick in under a name, with the files that Linux makes for it,
// and gives what pulls it out.
func (m *machine) plug(name string, u usb) (pull func()) {
	m.t.Helper()
	m.next++
	_, path := pty(m.t)
	device := m.mkdir(fmt.Sprintf("sys/devices/usb1/1-%d", m.next))
	intf := m.mkdir(fmt.Sprintf("sys/devices/usb1/1-%d/1-%d:1.%d", m.next, m.next, u.Interface))
	link := intf
	if strings.HasPrefix(name, "ttyUSB") { // one level more: the port of the usb-serial driver
		link = m.mkdir(fmt.Sprintf("sys/devices/usb1/1-%d/1-%d:1.%d/%s", m.next, m.next, u.Interface, name))
	}
	write := func(dir, file, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o644); err != nil {
			m.t.Fatal(err)
		}
	}
	write(intf, "bInterfaceNumber", fmt.Sprintf("%02x", u.Interface))
	write(device, "idVendor", hex4(u.VendorID))
	write(device, "idProduct", hex4(u.ProductID))
	write(device, "serial", u.Serial)
	write(device, "manufacturer", u.Manufacturer)
	write(device, "product", u.Product)
	class := m.mkdir("sys/class/tty/" + name)
	dev := filepath.Join(m.root, "dev", name)
	for from, to := range map[string]string{filepath.Join(class, "device"): link, dev: path} {
		if err := os.Symlink(to, from); err != nil {
			m.t.Fatal(err)
		}
	}
	return func() {
		os.Remove(dev)
		os.RemoveAll(class)
		os.RemoveAll(device)
	}
}

// open opens the line, says that the dongle works, and gives its name.
func (m *machine) open(f *Finder) string {
	m.t.Helper()
	l, err := f.Open(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	defer l.Close()
	l.Works()
	return filepath.Base(l.Name)
}

// Sticks, as they name themselves.
var (
	dongleE  = usb{VendorID: 0x1a86, ProductID: 0x55d4, Serial: "20240122184111", Manufacturer: "ITEAD", Product: "SONOFF Zigbee 3.0 USB Dongle Plus V2"}
	another  = usb{VendorID: 0x1a86, ProductID: 0x55d4, Serial: "20230101000000", Manufacturer: "ITEAD", Product: "SONOFF Zigbee 3.0 USB Dongle Plus V2"}
	dongleP  = usb{VendorID: 0x10c4, ProductID: 0xea60, Serial: "0111", Manufacturer: "Silicon Labs", Product: "Sonoff Zigbee 3.0 USB Dongle Plus"}
	zbt2     = usb{VendorID: 0x303a, ProductID: 0x831a, Serial: "1CDBD45EF998", Manufacturer: "Nabu Casa", Product: "ZBT-2"}
	arduino  = usb{VendorID: 0x2341, ProductID: 0x0043, Serial: "7563", Manufacturer: "Arduino (www.arduino.cc)"}
	p1Cable  = usb{VendorID: 0x0403, ProductID: 0x6001, Serial: "A50285BI", Manufacturer: "FTDI", Product: "FT232R USB UART"}
	nortekZW = usb{VendorID: 0x10c4, ProductID: 0x8a2a, Serial: "C1300", Interface: 0, Product: "HubZ Smart Home Controller"}
	nortekZB = usb{VendorID: 0x10c4, ProductID: 0x8a2a, Serial: "C1300", Interface: 1, Product: "HubZ Smart Home Controller"}
)

func TestRecognise(t *testing.T) {
	for _, tt := range []struct {
		u    usb
		want string // name, firmware, flow, baud
	}{
		{dongleE, "Sonoff ZBDongle-E 0  0"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Product: "Itead_Sonoff_Zigbee_3.0_USB_Dongle_Plus_V2"}, "Sonoff ZBDongle-E 0  0"},
		{dongleP, "Sonoff ZBDongle-P 1  0"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Manufacturer: "SONOFF", Product: "SONOFF Dongle Max MG24"}, "Sonoff Dongle Max MG24 0  0"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Manufacturer: "Nabu Casa", Product: "SkyConnect v1.0"}, "Home Assistant Connect ZBT-1 0 hardware 0"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Manufacturer: "Nabu Casa", Product: "Home Assistant Connect ZBT-1"}, "Home Assistant Connect ZBT-1 0 hardware 0"},
		{zbt2, "Home Assistant Connect ZBT-2 0 hardware 460800"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Manufacturer: "SMLIGHT", Product: "SMLIGHT SLZB-07"}, "SMLIGHT SLZB-07 0  0"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Manufacturer: "SMLIGHT", Product: "SMLIGHT SLZB-07mg24"}, "SMLIGHT SLZB-07 0  0"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Manufacturer: "SMLIGHT", Product: "SMLIGHT SLZB-07p7"}, "SMLIGHT SLZB with a Texas Instruments radio 1  0"},
		{usb{VendorID: 0x1cf1, ProductID: 0x0030, Product: "ConBee II"}, "ConBee II 2  0"},
		{usb{VendorID: 0x10c4, ProductID: 0xea60, Manufacturer: "Silicon Labs", Product: "CP2102 USB to UART Bridge Controller"}, ""},
		{arduino, ""},
		{usb{}, ""},
	} {
		got := ""
		if m, ok := recognise(tt.u); ok {
			got = fmt.Sprintf("%s %d %s %d", m.name, m.firmware, m.flow, m.baud)
		}
		if got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.u, got, tt.want)
		}
	}
}

func TestAutoTakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		plug map[string]usb
		want string // or the error
	}{
		{"TheStickThatIsKnown", map[string]usb{"ttyACM0": arduino, "ttyACM1": dongleE, "ttyUSB0": p1Cable}, "ttyACM1"},
		{"OneOfAnotherFirmwareNever", map[string]usb{"ttyUSB0": dongleP, "ttyUSB1": p1Cable}, "ttyUSB1"},
		{"TheFirstOfTwo", map[string]usb{"ttyACM10": another, "ttyACM9": dongleE}, "ttyACM9"},
		{"TheZigbeeSideOfADoubleStick", map[string]usb{"ttyUSB0": nortekZW, "ttyUSB1": nortekZB}, "ttyUSB1"},
		{"WhateverElseThereIs", map[string]usb{"ttyUSB0": p1Cable}, "ttyUSB0"},
		{"NothingOfAStickWithOtherFirmware", map[string]usb{"ttyUSB0": dongleP}, "Sonoff ZBDongle-P) has a radio of Texas Instruments"},
		{"NothingWhereNothingIs", nil, "no dongle is plugged in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			for name, u := range tt.plug {
				m.plug(name, u)
			}
			l, err := m.finder(Options{Port: Auto}).Open(t.Context())
			if err != nil {
				wantError(t, err, tt.want, "")
				return
			}
			defer l.Close()
			if got := filepath.Base(l.Name); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Devices of unknown kind are tried one after the other, and the one that works
// is kept.
func TestAutoTriesUnknownDevicesInTurn(t *testing.T) {
	m := newMachine(t)
	m.plug("ttyACM0", arduino)
	m.plug("ttyUSB0", p1Cable)
	f := m.finder(Options{Port: Auto})
	var got []string
	for range 3 { // none of them works
		l, err := f.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, filepath.Base(l.Name))
		l.Close()
	}
	for range 2 { // the next one does
		got = append(got, m.open(f))
	}
	if diff := cmp.Diff([]string{"ttyACM0", "ttyUSB0", "ttyACM0", "ttyUSB0", "ttyUSB0"}, got); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}

// The dongle comes back under another name, and its old name is another
// device's.
func TestADongleIsFoundUnderAnotherName(t *testing.T) {
	for _, tt := range []struct{ name, port string }{{"Auto", Auto}, {"ByPath", "ttyACM0"}} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			o := Options{Port: tt.port, Memory: filepath.Join(t.TempDir(), "dongle.json")}
			if o.Port != Auto {
				o.Port = filepath.Join(m.root, "dev", tt.port)
			}
			pull := m.plug("ttyACM0", dongleE)
			f := m.finder(o)
			if got := m.open(f); got != "ttyACM0" {
				t.Fatalf("at first: got %s", got)
			}
			pull()
			if _, err := f.Open(t.Context()); !errors.Is(err, fs.ErrNotExist) && err != errNoDongle {
				t.Errorf("while it is out: %v", err)
			}
			pull = m.plug("ttyACM1", dongleE)
			if got := m.open(f); got != "ttyACM1" {
				t.Errorf("under another name: got %s", got)
			}
			pull()
			m.plug("ttyACM0", another)
			m.plug("ttyACM1", arduino)
			m.plug("ttyACM2", dongleE)
			if got := m.open(f); got != "ttyACM2" {
				t.Errorf("beside another of its kind at its old name: got %s", got)
			}
			if got := m.open(m.finder(o)); got != "ttyACM2" {
				t.Errorf("after a start of the process: got %s", got)
			}
		})
	}
}

func TestANewDongleTakesThePlaceOfTheOldOne(t *testing.T) {
	m := newMachine(t)
	o := Options{Port: filepath.Join(m.root, "dev/ttyACM0"), Memory: filepath.Join(t.TempDir(), "dongle.json")}
	pull := m.plug("ttyACM0", dongleE)
	m.open(m.finder(o))
	pull()
	m.plug("ttyACM0", another)
	if got := m.open(m.finder(o)); got != "ttyACM0" {
		t.Errorf("got %s", got)
	}
}

func TestTheMemoryIsOfOneSettingAndMayBeDamaged(t *testing.T) {
	m := newMachine(t)
	m.plug("ttyACM0", dongleE)
	m.plug("ttyACM1", another)
	memory := filepath.Join(t.TempDir(), "dongle.json")
	byPath := Options{Port: filepath.Join(m.root, "dev/ttyACM1"), Memory: memory}
	if got := m.open(m.finder(byPath)); got != "ttyACM1" {
		t.Fatalf("by its path: got %s", got)
	}
	if info, err := os.Stat(memory); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the memory: %v, %v", info, err)
	}
	if got := m.open(m.finder(Options{Port: Auto, Memory: memory})); got != "ttyACM0" {
		t.Errorf("another setting: got %s, want the first of the machine", got)
	}
	for _, damaged := range []string{"", "{", `{"version":9}`, strings.Repeat("x", 5000)} {
		if err := os.WriteFile(memory, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := m.open(m.finder(byPath)); got != "ttyACM1" {
			t.Errorf("with a memory of %.10q: got %s", damaged, got)
		}
	}
}

func TestADeviceMaySayAnything(t *testing.T) {
	m := newMachine(t)
	odd := usb{VendorID: 0x1a86, ProductID: 0x55d4, Serial: "\x1b[2J\xff", Manufacturer: strings.Repeat("long", 1000), Product: "Sonoff\x00 plus"}
	m.plug("ttyACM0", odd)
	ports := usbPorts(m.root)
	want := []usb{{Path: filepath.Join(m.root, "dev/ttyACM0"), VendorID: 0x1a86, ProductID: 0x55d4, Serial: "[2J", Product: "Sonoff plus"}}
	if diff := cmp.Diff(want, ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if got := m.open(m.finder(Options{Port: Auto})); got != "ttyACM0" {
		t.Errorf("got %s", got)
	}
}

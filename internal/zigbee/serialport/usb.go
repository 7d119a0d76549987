package serialport

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// usb is a serial port of a USB device, and what the device says of itself.
type usb struct {
	Path                  string // "/dev/ttyACM0"
	VendorID, ProductID   uint16
	Serial                string
	Interface             uint8
	Manufacturer, Product string
}

// String names the port for a person.
func (u usb) String() string {
	name := strings.TrimSpace(u.Manufacturer + " " + u.Product)
	if name == "" {
		return u.Path
	}
	return fmt.Sprintf("%s (%s)", u.Path, name)
}

// usbPorts lists the serial ports of USB devices that are plugged in, by name.
// Source: Linux, Documentation/ABI/stable/sysfs-bus-usb.
func usbPorts(root string) []usb {
	var list []usb
	for _, pattern := range usbPatterns {
		found, _ := filepath.Glob(filepath.Join(root, pattern)) // the patterns are well formed
		for _, path := range found {
			u := describe(root, filepath.Base(path))
			u.Path = path
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b usb) int { return compareNames(a.Path, b.Path) })
	return list
}

// compareNames sorts ttyACM before ttyUSB, and ttyACM2 before ttyACM10.
func compareNames(a, b string) int {
	digits := func(s string) int { return len(s) - len(strings.TrimRight(s, "0123456789")) }
	da, db := digits(a), digits(b)
	na, _ := strconv.Atoi(a[len(a)-da:])
	nb, _ := strconv.Atoi(b[len(b)-db:])
	return cmp.Or(cmp.Compare(a[:len(a)-da], b[:len(b)-db]), cmp.Compare(na, nb))
}

// describe reads what sysfs says of the device behind a tty. What it does not
// say stays empty.
func describe(root, tty string) (u usb) {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "sys/class/tty", tty, "device"))
	if err != nil {
		return u
	}
	intf := false
	for range 8 { // the tty, the interface, the device: a few levels up
		if n, ok := readHex(dir, "bInterfaceNumber", 8); ok && !intf {
			u.Interface, intf = uint8(n), true
		}
		if vendor, ok := readHex(dir, "idVendor", 16); ok {
			product, _ := readHex(dir, "idProduct", 16)
			u.VendorID, u.ProductID = uint16(vendor), uint16(product)
			u.Serial = readText(dir, "serial")
			u.Manufacturer, u.Product = readText(dir, "manufacturer"), readText(dir, "product")
			return u
		}
		dir = filepath.Dir(dir)
	}
	return usb{}
}

func readHex(dir, name string, bits int) (uint64, bool) {
	v, err := strconv.ParseUint(readText(dir, name), 16, bits)
	return v, err == nil
}

// maxText bounds what a device may say of itself: a USB string has at most 126
// characters.
const maxText = 512

// readText is an attribute of sysfs as one line of text. A device says what it
// likes there, so what cannot be printed goes.
func readText(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || len(b) > maxText {
		return ""
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(string(b), "")))
}

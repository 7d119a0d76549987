package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/smartcore-ireland/hems/image/firmware"
)

// VM is a Raspberry Pi that boots a card: a model of the board's firmware chooses
// kernel and command line from the boot partition, as it would at each reset, and
// QEMU's "virt" board runs the Pi's own kernel with them. What it does not have of
// a Pi: its own devices and its memory's and processors' speed. It is emulated
// throughout, so it is slow: a boot takes half a minute or more.
//
// The fields are set before Run and left alone afterwards.
type VM struct {
	Disk string // a copy of an image, made by NewDisk; written to
	// Console is the file that gets the serial console, added to at each boot.
	// The end of what grew beyond a bound is in Console with ".old" added.
	Console string
	// Dongle is the TCP address ("host:port") of what talks on the USB serial
	// port, which the machine sees as an FTDI adapter at /dev/ttyUSB0.
	Dongle  string
	Forward []Forward
	// Board is the board whose firmware chooses; the zero value is a Pi 4.
	Board firmware.Board
	// Words are added to the kernel's command line.
	Words []string
	// Try: the tryboot flag is set at the first boot, as after a restart that asked
	// for it.
	Try bool
	// Resets is the most resets Run lives through, so that a card that resets for
	// ever ends a test; 0: no limit.
	Resets int
	// Events, if not nil, is told what the board does, one after the other.
	Events func(Event)

	mu      sync.Mutex
	process *os.Process // of the machine that runs
	cut     bool
}

// Forward is a TCP port of the machine that this host answers on.
type Forward struct {
	Host  string // address and port on this host, "127.0.0.1:8080"
	Guest int
}

// Memory and processors of the machine, as of the smallest board.
const (
	memory     = "1024" // MiB
	processors = "2"
)

// NewDisk copies an image to a disk of size bytes, or of the image's size if that
// is more, whole or not at all. prepare, if not nil, has the copy before it gets
// its name.
func NewDisk(ctx context.Context, image, disk string, size int64, prepare func(part string) error) error {
	part := disk + ".part"
	defer os.Remove(part) // gone already when all went well
	if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", "--reflink=auto", image, part).CombinedOutput(); err != nil {
		return fmt.Errorf("copying the image: %w: %s", err, bytes.TrimSpace(out))
	}
	info, err := os.Stat(part)
	if err == nil && info.Size() < size {
		err = os.Truncate(part, size)
	}
	if err != nil {
		return fmt.Errorf("copying the image: %w", err)
	}
	if prepare != nil {
		if err := prepare(part); err != nil {
			return err
		}
	}
	if err := os.Rename(part, disk); err != nil {
		return fmt.Errorf("copying the image: %w", err)
	}
	return nil
}

func (v *VM) args(kernel, cmdline string) []string {
	network := "user,id=lan"
	for _, f := range v.Forward {
		network += fmt.Sprintf(",hostfwd=tcp:%s-:%d", f.Host, f.Guest)
	}
	args := []string{
		"-name", "hems",
		"-M", "virt", "-cpu", "cortex-a72", "-smp", processors, "-m", memory, "-accel", "tcg,thread=multi",
		"-kernel", kernel, "-append", cmdline,
		"-drive", "if=none,id=card,format=raw,file=" + escape(v.Disk), "-device", "virtio-blk-pci,drive=card",
		"-netdev", network, "-device", "virtio-net-pci,netdev=lan,romfile=",
		// A reset, by the system or by the watchdog, ends the machine: the firmware
		// chooses anew.
		"-device", "i6300esb,addr=" + watchdogSlot, "-action", "watchdog=reset", "-no-reboot",
		"-display", "none", "-serial", "stdio",
		"-chardev", "socket,id=control,fd=3", "-mon", "chardev=control,mode=control", "-S",
	}
	if host, port, ok := strings.Cut(v.Dongle, ":"); ok {
		args = append(args,
			"-chardev", fmt.Sprintf("socket,id=dongle,host=%s,port=%s,nodelay=on,reconnect=1", host, port),
			"-device", "qemu-xhci", "-device", "usb-serial,chardev=dongle")
	}
	return args
}

// escape is a file's name as a value among QEMU's options.
func escape(file string) string {
	return strings.ReplaceAll(filepath.Clean(file), ",", ",,")
}

// onSerial is a kernel command line with its consoles, which are the Pi's,
// replaced by the machine's.
func onSerial(cmdline string) string {
	words := []string{"console=ttyAMA0"}
	for w := range strings.FieldsSeq(strings.TrimRight(cmdline, "\x00\n ")) {
		if !strings.HasPrefix(w, "console=") {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

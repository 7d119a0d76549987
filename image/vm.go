package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// VM is a machine that boots a card's image in QEMU: the Pi's own kernel and
// command line, taken from the boot partition, on QEMU's "virt" board. What it
// does not have of a Pi: its firmware, its own devices, its watchdog. It is
// emulated throughout, so it is slow: a boot takes half a minute or more.
type VM struct {
	Disk    string // a copy of an image, made by NewDisk; written to
	Console string // file that gets the serial console, added to at each boot
	// Dongle is the TCP address ("host:port") of what talks on the USB serial
	// port, which the machine sees as an FTDI adapter at /dev/ttyUSB0.
	Dongle  string
	Forward []Forward
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

// NewDisk copies an image to disk, whole or not at all. prepare, if not nil, has
// the copy before it gets its name.
func NewDisk(ctx context.Context, image, disk string, prepare func(part string) error) error {
	part := disk + ".part"
	defer os.Remove(part) // gone already when all went well
	if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", "--reflink=auto", image, part).CombinedOutput(); err != nil {
		return fmt.Errorf("copying the image: %w: %s", err, bytes.TrimSpace(out))
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

// Run boots the machine and returns when ctx has ended, nil, or when the machine
// ends by itself, with an error. Its end is a power cut to what runs inside.
func (v VM) Run(ctx context.Context) error {
	kernel := v.Disk + ".vmlinuz"
	b, err := bootFile(ctx, v.Disk, "vmlinuz")
	if err != nil {
		return err
	}
	if err := os.WriteFile(kernel, b, 0o600); err != nil {
		return fmt.Errorf("taking the kernel out of the image: %w", err)
	}
	cmdline, err := bootFile(ctx, v.Disk, "cmdline.txt")
	if err != nil {
		return err
	}
	qemu, err := tool("qemu-system-aarch64")
	if err != nil {
		return err
	}
	console, err := os.OpenFile(v.Console, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the console's file: %w", err)
	}
	defer console.Close()

	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, qemu, v.args(kernel, onSerial(string(cmdline)))...)
	cmd.Stdout, cmd.Stderr = console, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// Out of the terminal's group, so that Ctrl-C is ours; and gone with us. The
	// kernel counts the thread that started it as its parent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return fmt.Errorf("running the virtual machine: %w: %s (its console is in %s)", err, strings.TrimSpace(stderr.String()), v.Console)
}

func (v VM) args(kernel, cmdline string) []string {
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
		"-display", "none", "-monitor", "none", "-serial", "stdio",
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

// onSerial is the image's kernel command line with its consoles, which are the
// Pi's, replaced by the machine's.
func onSerial(cmdline string) string {
	words := []string{"console=ttyAMA0"}
	for w := range strings.FieldsSeq(strings.TrimRight(cmdline, "\x00\n ")) {
		if !strings.HasPrefix(w, "console=") {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// Package firmware is a model of the Raspberry Pi's boot: from the boot
// partition's files and the one-shot tryboot flag to the kernel, its command line
// and its watchdog, or to a board that stands still. Each rule names its source
// in the Raspberry Pi documentation (raspberrypi.com/documentation/computers:
// "config.txt" and "Raspberry Pi hardware"); where that is silent, the model
// takes the worst case and says so.
//
// It knows files' names and what they say to the firmware. It must never know
// how the files came there, what a kernel does, or what the appliance is. Nothing
// in it was compared with a real board.
package firmware

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// A Boot is what the firmware hands the processor over to.
type Boot struct {
	// Config is the file it followed: config.txt or tryboot.txt.
	Config string
	// Prefix is the os_prefix in effect, "a/"; "" when there is none or it was
	// ignored.
	Prefix string
	// KernelFile, DeviceTree and Overlays are paths in the boot partition.
	KernelFile, DeviceTree, Overlays string
	// Kernel is the kernel's file as it is: gzip or not, see Image.
	Kernel []byte
	// CommandLine is the kernel's, with what the firmware adds.
	CommandLine string
	// Watchdog is how long the hardware watchdog that was started lets the
	// system run until one of its programs takes it over; 0: none was started.
	Watchdog time.Duration
	// Notes are what a person who wrote these files may not have meant.
	Notes []string
}

// An ErrorPattern is a board that stands still and blinks, until its power is
// cut: Raspberry Pi documentation, "LED warning flash codes".
type ErrorPattern struct {
	Long, Short int // flashes
	Reason      string
}

func (e *ErrorPattern) Error() string {
	return fmt.Sprintf("the board stands still (%d long and %d short flashes): %s", e.Long, e.Short, e.Reason)
}

// The patterns of "LED warning flash codes" that the model needs.
func generic(format string, args ...any) error {
	return &ErrorPattern{0, 3, fmt.Sprintf(format, args...)}
}
func noStart(format string, args ...any) error {
	return &ErrorPattern{0, 4, fmt.Sprintf(format, args...)}
}
func noKernel(format string, args ...any) error {
	return &ErrorPattern{0, 7, fmt.Sprintf(format, args...)}
}

// Load is one boot of the board from the files of its boot partition. tryboot is
// the one-shot flag, which the caller clears with this call: "Fail-safe OS
// updates (tryboot)": "a one-shot flag which, if set, is cleared but causes
// tryboot.txt to be loaded instead of config.txt. … Since the flag is cleared
// before starting the firmware, a crash or reset will cause the original
// config.txt file to be loaded on the next reboot." The error is an
// *ErrorPattern.
func Load(boot fs.FS, board Board, tryboot bool) (Boot, error) {
	l := loader{boot: boot, board: board, tryboot: tryboot}
	return l.load()
}

type loader struct {
	boot    fs.FS
	board   Board
	tryboot bool
	out     Boot
}

func (l *loader) load() (Boot, error) {
	if err := l.bootable(); err != nil {
		return Boot{}, err
	}
	text, err := l.config()
	if err != nil {
		return Boot{}, err
	}
	// The loader reads the file for the firmware it is to start, then that
	// firmware reads it for the rest.
	first := reader{board: l.board, tryboot: l.tryboot}
	s := first.read(text)
	if l.board.Whole {
		l.out.Notes = append(l.out.Notes, first.notes...)
	} else {
		if err := l.start(s); err != nil {
			return Boot{}, err
		}
		second := reader{board: l.board, tryboot: l.tryboot, include: func(name string) (string, error) {
			return readText(l.boot, name, maxConfig)
		}}
		s = second.read(text)
		l.out.Notes = append(l.out.Notes, second.notes...)
	}
	if err := l.system(s); err != nil {
		return Boot{}, err
	}
	l.commandLine(s)
	return l.out, nil
}

// bootable looks whether the board would boot from this partition at all.
func (l *loader) bootable() error {
	// "Boot sequence" (BCM2837): "the boot ROM checks each of the boot sources
	// for a file called bootcode.bin".
	if !l.board.EEPROM && !l.exists("bootcode.bin") {
		return generic("bootcode.bin is missing")
	}
	// "boot_partition": bootable partitions "contain a start.elf file (or
	// config.txt file on Raspberry Pi 5) in order to be classed as bootable".
	if l.board.Whole && !l.exists("config.txt") {
		return noStart("the partition has no config.txt, so it is not bootable")
	}
	if l.board.EEPROM && (l.exists("recovery.bin") || l.exists("pieeprom.upd")) {
		// "EEPROM boot flow": both make the board write its EEPROM, for which
		// there is no second try.
		l.note("recovery.bin or pieeprom.upd would update the EEPROM")
	}
	return nil
}

// config is the text of the file that is followed.
func (l *loader) config() (string, error) {
	l.out.Config = "config.txt"
	partition, ab := l.autoboot()
	if partition > 1 {
		return "", generic("autoboot.txt wants partition %d: the model has the first one only", partition)
	}
	// "tryboot_a_b": "Set this property to 1 to load the normal config.txt …
	// instead of tryboot.txt … when the tryboot flag is set."
	if l.tryboot && !ab {
		if l.exists("tryboot.txt") {
			l.out.Config = "tryboot.txt"
		} else {
			l.note("the tryboot flag was set and there is no tryboot.txt: what then is not documented, config.txt is taken")
		}
	}
	text, err := readText(l.boot, l.out.Config, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// "What is config.txt?": it is an "optional text file".
		l.note("there is no config.txt: everything has its default")
	case err != nil:
		return "", generic("reading %s: %v", l.out.Config, err)
	}
	return text, nil
}

// autoboot is what autoboot.txt says: "It supports the [all], [none] and
// [tryboot] conditional filters."
func (l *loader) autoboot() (partition int, ab bool) {
	text, err := readText(l.boot, "autoboot.txt", maxAutoboot)
	if err != nil {
		return 0, false
	}
	r := reader{tryboot: l.tryboot} // of no model, so that no model's filter holds
	s := r.read(text)
	return s.number("boot_partition"), s.number("tryboot_a_b") == 1
}

// start looks for the firmware: "start_file, fixup_file", "start_x,
// start_debug".
func (l *loader) start(s settings) error {
	variant := ""
	switch {
	case s.number("start_x") == 1:
		variant = "x"
	case s.number("start_debug") == 1:
		variant = "db"
	}
	n := l.board.Start
	if n == "" && variant != "" {
		n = "_" // start_x.elf, and start4x.elf on a Raspberry Pi 4
	}
	start, fixup := "start"+n+variant+".elf", "fixup"+n+variant+".dat"
	if f := s["start_file"]; f != "" {
		start = f
	}
	if f := s["fixup_file"]; f != "" {
		fixup = f
	}
	if !l.exists(start) {
		return noStart("%s is missing", start)
	}
	// "the start_file and the fixup_file are a matched pair - using unmatched
	// files will stop the board from booting".
	if !l.exists(fixup) {
		return noStart("%s, which belongs to %s, is missing", fixup, start)
	}
	return nil
}

// system finds kernel, device tree and overlays.
func (l *loader) system(s settings) error {
	if !l.wide(s) {
		return generic("the 64-bit kernel would be started in 32-bit mode: arm_64bit=1 is missing")
	}
	prefix := s["os_prefix"]
	if prefix == "" && s.number("upstream_kernel") == 1 {
		prefix = "upstream/" // "upstream_kernel": it sets os_prefix "unless it has been explicitly set"
	}
	// "os_prefix": "unless the expected kernel and .dtb can be found at the new
	// location/name, the prefix is ignored (set to "")".
	if prefix != "" && (l.kernel(s, prefix) == "" || l.deviceTree(s, prefix) == "") {
		l.note("os_prefix=%s is ignored: kernel or device tree is missing there", prefix)
		prefix = ""
	}
	l.out.Prefix = prefix
	l.out.KernelFile = l.kernel(s, prefix)
	if l.out.KernelFile == "" {
		return noKernel("no kernel is found (kernel=%s, os_prefix=%s)", s["kernel"], s["os_prefix"])
	}
	l.out.DeviceTree = l.deviceTree(s, prefix)
	if l.out.DeviceTree == "" {
		// Not documented: the firmware goes on, but a 64-bit kernel has nothing
		// to find its hardware by. QEMU brings a device tree of its own, so the
		// model must not.
		return generic("no device tree is found for the %s", l.board.Name)
	}
	// "overlay_prefix": "Unless ${os_prefix}${overlay_prefix}README exists,
	// overlays are shared with the main OS (i.e. os_prefix is ignored)."
	overlays := s["overlay_prefix"]
	if overlays == "" {
		overlays = "overlays/"
	}
	l.out.Overlays = overlays
	if prefix != "" {
		if l.exists(prefix + overlays + "README") {
			l.out.Overlays = prefix + overlays
		} else {
			l.note("%s%sREADME is missing: overlays are the shared ones", prefix, overlays)
		}
	}
	kernel, err := fs.ReadFile(l.boot, l.out.KernelFile)
	if err != nil {
		return noKernel("reading %s: %v", l.out.KernelFile, err)
	}
	l.out.Kernel = kernel
	return nil
}

// wide says whether the kernel is started in 64-bit mode: "arm_64bit", and
// "arm_control", its deprecated form.
func (l *loader) wide(s settings) bool {
	if _, ok := s["arm_64bit"]; ok {
		return s.number("arm_64bit") != 0
	}
	return l.board.Wide || s.number("arm_control")&0x200 != 0
}

// kernel is the path of the kernel under a prefix, "" if there is none.
func (l *loader) kernel(s settings, prefix string) string {
	names := []string{l.board.Kernel, "kernel8.img"}
	if k := s["kernel"]; k != "" {
		names = []string{k} // "kernel": "the alternative filename"
	}
	return l.first(prefix, names...)
}

// deviceTree is the path of the device tree under a prefix, "" if there is none:
// "device_tree" names another one.
func (l *loader) deviceTree(s settings, prefix string) string {
	names := l.board.DeviceTrees
	if d := s["device_tree"]; d != "" {
		names = []string{d}
	}
	return l.first(prefix, names...)
}

// first is the path of the first of names that is there. "os_prefix": "Any
// user-specified OS file can bypass all prefixes by using an absolute path".
func (l *loader) first(prefix string, names ...string) string {
	for _, name := range names {
		if absolute, ok := strings.CutPrefix(name, "/"); ok {
			name = absolute
		} else if name != "" {
			name = prefix + name
		}
		if name != "" && l.exists(name) {
			return path.Clean(name)
		}
	}
	return ""
}

// commandLine reads the kernel's words and adds the watchdog's.
func (l *loader) commandLine(s settings) {
	// "cmdline": "the alternative filename … the default value is cmdline.txt";
	// "os_prefix": cmdline.txt is among the files it is put before.
	name := s["cmdline"]
	if name == "" {
		name = "cmdline.txt"
	}
	file := l.first(l.out.Prefix, name)
	text, err := readText(l.boot, file, maxConfig)
	if file == "" || err != nil {
		l.note("%s%s cannot be read: the kernel gets no command line", l.out.Prefix, name)
	}
	// "Kernel command line": "all parameters must be on the same line".
	line, rest, _ := strings.Cut(strings.TrimRight(text, " \t\r\n\x00"), "\n")
	if rest != "" {
		l.note("%s has more than one line", file)
	}
	l.out.CommandLine = strings.TrimRight(line, " \t\r\x00")
	// "kernel_watchdog_timeout": "enables a hardware watchdog timer that is
	// handed over to the operating system (OS) at boot. … This property sets the
	// … watchdog.open_timeout parameter …. The value is passed to the OS via the
	// kernel command line."
	if n := s.number("kernel_watchdog_timeout"); n > 0 {
		l.out.Watchdog = time.Duration(n) * time.Second
		l.out.CommandLine = strings.TrimSpace(fmt.Sprintf("%s watchdog.open_timeout=%d", l.out.CommandLine, n))
	}
}

func (l *loader) note(format string, args ...any) {
	l.out.Notes = append(l.out.Notes, fmt.Sprintf(format, args...))
}

func (l *loader) exists(name string) bool {
	name = path.Clean(name)
	if !fs.ValidPath(name) {
		return false
	}
	info, err := fs.Stat(l.boot, name)
	return err == nil && info.Mode().IsRegular()
}

// maxKernel is the most a compressed kernel may unpack to, in bytes.
const maxKernel = 256 << 20

// Image is the kernel unpacked: "arm_64bit": "64-bit kernels may be uncompressed
// image files or a gzip archive of an image …; the bootloader will recognize the
// archive from the signature bytes at the beginning". What a board does with an
// archive that is damaged is not documented; the model lets it stand still, with
// an *ErrorPattern. What is in the image is the processor's business.
func (b Boot) Image() ([]byte, error) {
	if !bytes.HasPrefix(b.Kernel, []byte{0x1f, 0x8b}) {
		return b.Kernel, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b.Kernel))
	if err != nil {
		return nil, generic("%s: %v", b.KernelFile, err)
	}
	image, err := io.ReadAll(io.LimitReader(z, maxKernel+1))
	if err == nil && len(image) > maxKernel {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, generic("unpacking %s: %v", b.KernelFile, err)
	}
	return image, nil
}

// Tryboot says whether the argument of reboot(2) sets the tryboot flag:
// "Fail-safe OS updates (tryboot)": "To set the tryboot flag, add tryboot after
// the partition number in the reboot command … reboot '0 tryboot'".
func Tryboot(argument string) bool {
	words := strings.Fields(argument)
	if len(words) != 2 || words[1] != "tryboot" {
		return false
	}
	for _, c := range words[0] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

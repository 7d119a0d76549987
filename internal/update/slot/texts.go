package slot

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// The names of a slot's files that somebody asks for by name.
const (
	KernelFile      = "vmlinuz.gz"
	CommandLineFile = "cmdline.txt"
	OverlaysReadme  = "overlays/README" // without it the firmware takes no overlays from the slot
	ManifestFile    = "slot.json"
)

// configText is config.txt, and tryboot.txt, which replaces it as a whole. No line
// may have more than 98 characters, and nothing may be included: the loaders do
// not follow it.
const configText = `# Written by the appliance: a change does not last.
arm_64bit=1
enable_uart=1
kernel=vmlinuz.gz
kernel_watchdog_timeout=60
os_prefix=%s/
`

// sector pads a text to one sector: blanks, then an end of line.
func sector(text string) []byte {
	return fmt.Appendf(nil, "%-*s\n", bootpart.SectorBytes-1, text)
}

// ConfigText is the sector that has the firmware boot a slot.
func ConfigText(s Slot) []byte { return sector(fmt.Sprintf(configText, s)) }

// ParseConfig is the slot that a config.txt or tryboot.txt of ConfigText's names;
// none for any other text.
func ParseConfig(text []byte) Slot {
	for _, s := range bootpart.Slots {
		if bytes.Equal(text, ConfigText(s)) {
			return s
		}
	}
	// One of another version of the appliance: the last os_prefix counts.
	var found Slot
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "os_prefix="); ok {
			found, _ = bootpart.ParseSlot(strings.TrimSuffix(value, "/"))
		}
	}
	return found
}

// Sectors are the three sectors of a new card on which a slot boots and the other
// one is empty, for bootpart.Format.
func Sectors(s Slot) map[string][]byte {
	return map[string][]byte{
		bootpart.ConfigFile: ConfigText(s),
		bootpart.TryFile:    ConfigText(s),
		bootpart.LedgerFile: Ledger{}.Text(),
	}
}

// What goes on the kernel's command line must be one word of it.
var (
	versionForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}$`)
	partUUIDForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{2,12}){1,4}$`)
)

// CommandLine is a slot's kernel command line: its own root partition, the n-th
// after the boot partition, which alone the device tells by its number. "gpt" has
// the kernel look for the partition table's backup when the first one is torn.
func CommandLine(s Slot, partUUID, version string) (string, error) {
	if !versionForm.MatchString(version) {
		return "", fmt.Errorf("the version %q is not up to 64 letters, digits, dots, dashes or plus signs", version)
	}
	if !partUUIDForm.MatchString(partUUID) {
		return "", fmt.Errorf("%q is not the number of the boot partition", partUUID)
	}
	return fmt.Sprintf("console=tty1 console=serial0,115200 root=PARTUUID=%s/PARTNROFF=%d init=/user/hems-boot rootwait gpt panic=10 oops=panic hems_slot=%s hems_id=%s\n",
		partUUID, rootOffset(s), s, version), nil
}

// rootOffset is how many partitions after the boot partition the slot's root is.
func rootOffset(s Slot) int {
	if s == A {
		return 1
	}
	return 2
}

// word is the value of a word of a kernel command line.
func word(line, name string) string {
	for _, w := range strings.Fields(line) {
		if value, ok := strings.CutPrefix(w, name+"="); ok {
			return value
		}
	}
	return ""
}

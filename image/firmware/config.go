package firmware

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is read of a configuration file.
const (
	// maxLine: Raspberry Pi documentation, config.txt, "File format": "There is a
	// 98-character line length limit (previously 78) for entries - any characters
	// past this limit will be ignored."
	maxLine = 98
	// maxConfig is beyond any file a person writes, in bytes.
	maxConfig = 64 << 10
	// maxAutoboot: "autoboot.txt": it "is limited to 512 bytes".
	maxAutoboot = 512
)

// settings are a file's properties; a later line replaces an earlier one.
type settings map[string]string

// number is a property as an integer, decimal or 0x hexadecimal; 0 when it is
// missing or no number.
func (s settings) number(name string) int {
	n, err := strconv.ParseInt(s[name], 0, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

// reader reads a configuration file as one stage of the boot does.
type reader struct {
	board   Board
	tryboot bool
	// include brings the file an include line names; nil: this stage knows no
	// include.
	include func(name string) (string, error)
	notes   []string
}

func (r *reader) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// kinds of filter: Raspberry Pi documentation, config.txt, "Combining
// conditional filters": "Filters of the same type replace each other …. Filters
// of different types can be combined simply by listing them one after the
// other."
const (
	filterNone    = "none"
	filterModel   = "model"
	filterTryboot = "tryboot"
	filterSerial  = "serial"
	filterOther   = "other"
)

// read is what the properties of text are on this board.
func (r *reader) read(text string) settings {
	s := settings{}
	filters := map[string]bool{} // whether the last of each kind holds
	r.into(s, filters, text)
	return s
}

func (r *reader) into(s settings, filters map[string]bool, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > maxLine {
			if strings.TrimSpace(line[maxLine:]) != "" {
				r.note("a line is cut after %d characters: %q", maxLine, line[:maxLine])
			}
			line = line[:maxLine]
		}
		line = strings.Trim(line, " \t\r\x00")
		// "File format": "Comments may be added … by starting a line with the #
		// character." Within a line it is part of the value.
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			r.filter(filters, strings.TrimSpace(line))
			continue
		}
		if slices.ContainsFunc([]string{filterNone, filterModel, filterTryboot, filterSerial, filterOther}, func(kind string) bool {
			holds, set := filters[kind]
			return set && !holds
		}) {
			continue
		}
		if name, ok := strings.CutPrefix(line, "include "); ok {
			r.insert(s, filters, strings.TrimSpace(name))
			continue
		}
		// "File format": "The format is a single property=value statement on each
		// line". What is no such statement (initramfs has a form of its own) is
		// nothing the appliance's kernel needs.
		if name, value, ok := strings.Cut(line, "="); ok {
			s[name] = value
		} else {
			r.note("not a statement: %q", line)
		}
	}
}

// insert follows an include line: "include": "Include directives are not
// supported by bootcode.bin or the EEPROM bootloader."
func (r *reader) insert(s settings, filters map[string]bool, name string) {
	if r.include == nil {
		r.note("include %s is not supported by this stage", name)
		return
	}
	text, err := r.include(name)
	if err != nil {
		r.note("include %s: %v", name, err)
		return
	}
	follow := r.include
	r.include = nil // whether it may be nested is not documented: taken as no
	r.into(s, filters, text)
	r.include = follow
}

// filter is a line in brackets: Raspberry Pi documentation, config.txt,
// "Conditional filters".
func (r *reader) filter(filters map[string]bool, line string) {
	name, ok := strings.CutSuffix(line[1:], "]")
	if !ok {
		r.note("not a filter: %q", line)
		return
	}
	switch {
	case name == "all":
		// "It resets all previously set filters and allows any settings listed
		// below it to be applied to all hardware."
		clear(filters)
	case name == "none":
		// "prevents any settings that follow from being applied to any hardware"
		filters[filterNone] = false
	case name == "tryboot":
		// "This filter succeeds if the tryboot reboot flag was set."
		filters[filterTryboot] = r.tryboot
	case strings.HasPrefix(name, "board-type="):
		// "Filter by Type number"
		n, err := strconv.ParseUint(strings.TrimPrefix(name, "board-type="), 0, 8)
		filters[filterModel] = err == nil && uint8(n) == r.board.Type
	case isModel(name):
		filters[filterModel] = slices.Contains(r.board.Filters, name)
	case strings.HasPrefix(name, "0x"):
		// "The serial number filter": no board in the model has that number.
		filters[filterSerial] = false
	default:
		// Of monitors, GPIO pins and HDMI ports the model has none.
		r.note("the filter [%s] is taken as one that does not hold", name)
		filters[filterOther] = false
	}
}

func isModel(name string) bool {
	return slices.Contains([]string{"pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "pi4", "pi400",
		"pi5", "pi500", "cm0", "cm1", "cm3", "cm3+", "cm4", "cm4s", "cm5"}, name)
}

// readText reads a file of the boot partition up to limit bytes.
func readText(boot fs.FS, name string, limit int) (string, error) {
	b, err := fs.ReadFile(boot, name)
	if err != nil {
		return "", err
	}
	return string(b[:min(len(b), limit)]), nil
}

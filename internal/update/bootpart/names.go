package bootpart

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// Kinds of directory entries.
const (
	attrLabel   = 0x08
	attrDir     = 0x10
	attrArchive = 0x20
	attrLong    = 0x0F
)

const (
	entryBytes  = 32
	longUnits   = 13   // UTF-16 units of a long name in one entry
	longLast    = 0x40 // marks the entry of a long name's end, which comes first
	maxLongName = 255
)

// shortChars are the letters of a short name besides capitals and digits.
const shortChars = "$%'-_@~`!(){}^#&"

// checkName says what is wrong with a name for a file that is to be written.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > maxLongName {
		return fmt.Errorf("%q cannot be a file's name", name)
	}
	for _, c := range []byte(name) {
		if c < 0x20 || c > 0x7E || strings.IndexByte(`"*/:<>?\|`, c) >= 0 {
			return fmt.Errorf("%q has a character that FAT does not take", name)
		}
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' || name[0] == ' ' {
		return fmt.Errorf("%q begins with a blank or ends with a dot or a blank", name)
	}
	return nil
}

// exactShort is the short name that is the name itself, but for the case.
func exactShort(name string) (short [11]byte, ok bool) {
	copy(short[:], "           ")
	base, ext, dot := strings.Cut(strings.ToUpper(name), ".")
	if base == "" || len(base) > 8 || len(ext) > 3 || dot && ext == "" {
		return short, false
	}
	for _, c := range []byte(base + ext) {
		if strings.IndexByte(shortChars+capitals, c) < 0 {
			return short, false
		}
	}
	copy(short[:8], base)
	copy(short[8:], ext)
	return short, true
}

const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// tailShort is the short name of one that does not fit: its beginning, a tilde and
// the first number that nobody has (FAT specification, "basis-name" and
// "numeric-tail").
func tailShort(name string, used map[[11]byte]bool) [11]byte {
	base, ext := strings.ToUpper(name), ""
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		base, ext = base[:i], base[i+1:]
	}
	base, ext = shortLetters(base), shortLetters(ext)
	for n := 1; ; n++ {
		tail := fmt.Sprintf("~%d", n)
		var short [11]byte
		copy(short[:], "           ")
		copy(short[:8], base[:min(len(base), 8-len(tail))]+tail)
		copy(short[8:], ext[:min(len(ext), 3)])
		if !used[short] {
			return short
		}
	}
}

func shortLetters(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == ' ' || c == '.':
		case strings.IndexByte(shortChars+capitals, c) >= 0:
			out.WriteByte(c)
		default:
			out.WriteByte('_')
		}
	}
	return out.String()
}

// needsLong says whether a name is lost in its short form. Lower case is: that
// some systems keep it in two spare bits is nothing a firmware must know.
func needsLong(name string, short [11]byte) bool { return name != shortString(short, 0) }

// shortString is a short name as a person writes it. Of the two spare bits 0x08 is
// a base and 0x10 an extension in lower case. Letters beyond ASCII become "_".
func shortString(short [11]byte, lower byte) string {
	if short[0] == 0x05 {
		short[0] = 0xE5 // 0xE5 itself marks a removed entry
	}
	for i, c := range short {
		if c > 0x7E || c < 0x20 {
			short[i] = '_'
		}
	}
	base := strings.TrimRight(string(short[:8]), " ")
	ext := strings.TrimRight(string(short[8:]), " ")
	if lower&0x08 != 0 {
		base = strings.ToLower(base)
	}
	if lower&0x10 != 0 {
		ext = strings.ToLower(ext)
	}
	if ext == "" {
		return base
	}
	return base + "." + ext
}

// shortSum ties the entries of a long name to the short one that follows them.
func shortSum(short [11]byte) byte {
	var sum byte
	for _, c := range short {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}

// longEntries are the entries of a long name in the order in which they are
// written.
func longEntries(name string, short [11]byte) [][entryBytes]byte {
	units := utf16.Encode([]rune(name))
	n := (len(units) + longUnits - 1) / longUnits
	if len(units) < n*longUnits {
		units = append(units, 0)
	}
	for len(units) < n*longUnits {
		units = append(units, 0xFFFF)
	}
	entries := make([][entryBytes]byte, n)
	for i := range n {
		e := &entries[n-1-i]
		e[0] = byte(i + 1)
		if i == n-1 {
			e[0] |= longLast
		}
		e[11] = attrLong
		e[13] = shortSum(short)
		for j, u := range units[i*longUnits:][:longUnits] {
			at := longAt(j)
			e[at], e[at+1] = byte(u), byte(u>>8)
		}
	}
	return entries
}

// longAt is where the j-th unit of a long name is in its entry.
func longAt(j int) int {
	switch {
	case j < 5:
		return 1 + 2*j
	case j < 11:
		return 14 + 2*(j-5)
	}
	return 28 + 2*(j-11)
}

package bootpart

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An item is an entry of a directory that was read.
type item struct {
	name  string
	short string
	dir   bool
	first uint32
	size  uint32
	path  string // from the root, once it has been looked up
}

// rootNode is the root directory.
func (f *FS) rootNode() item { return item{name: ".", dir: true, first: f.v.root} }

func (f *FS) dirBytes(d item) ([]byte, error) {
	if f.v.fat16 && d.name == "." {
		b := make([]byte, f.v.rootBytes)
		if n, err := f.v.dev.ReadAt(b, f.v.rootAt); err != nil && n < len(b) {
			return nil, fmt.Errorf("reading the root directory: %w", err)
		}
		return b, nil
	}
	runs, err := f.v.chainRuns(d.first, 0, uint32(maxDirectory/f.v.clusterBytes))
	if err != nil {
		return nil, err
	}
	var clusters int64
	for _, r := range runs {
		clusters += int64(r.count)
	}
	b := make([]byte, clusters*f.v.clusterBytes)
	return b, f.v.readRuns(runs, b, 0)
}

// parseDir reads the entries of a directory. One whose long name does not belong
// to it goes by its short name.
func parseDir(b []byte, fat16 bool) ([]item, error) {
	var items []item
	var long longName
	for ; len(b) >= entryBytes; b = b[entryBytes:] {
		e := b[:entryBytes]
		switch {
		case e[0] == 0:
			return items, nil
		case e[0] == 0xE5:
			long = longName{}
			continue
		case e[11]&0x3F == attrLong:
			long.add(e)
			continue
		case e[11]&attrLabel != 0:
			long = longName{}
			continue
		}
		short := [11]byte(e[:11])
		name := shortString(short, e[12])
		it := item{name: name, short: name, dir: e[11]&attrDir != 0,
			first: uint32(binary.LittleEndian.Uint16(e[26:])), size: binary.LittleEndian.Uint32(e[28:])}
		if !fat16 {
			it.first |= uint32(binary.LittleEndian.Uint16(e[20:])) << 16
		}
		if s, ok := long.of(short); ok {
			it.name = s
		}
		long = longName{}
		if it.dir && (name == "." || name == "..") {
			continue
		}
		if it.name == "" || it.name == "." || it.name == ".." || strings.ContainsAny(it.name, "/\x00") || !utf8.ValidString(it.name) {
			return nil, fmt.Errorf("there is an entry with the name %q", it.name)
		}
		items = append(items, it)
	}
	if len(b) > 0 {
		return nil, errors.New("an entry is cut short")
	}
	return items, nil
}

// longName collects the entries of a long name, which come before the short one,
// the last part first.
type longName struct {
	units []uint16
	next  byte // the number the next part must have; 0 when all are there
	sum   byte
	ok    bool
}

func (l *longName) add(e []byte) {
	number := e[0] &^ longLast
	switch {
	case e[0]&longLast != 0 && number >= 1 && number <= (maxLongName+longUnits-1)/longUnits:
		*l = longName{next: number, sum: e[13], ok: true, units: make([]uint16, int(number)*longUnits)}
	case !l.ok || number != l.next || e[13] != l.sum || number == 0:
		*l = longName{}
		return
	}
	for j := range longUnits {
		l.units[int(number-1)*longUnits+j] = binary.LittleEndian.Uint16(e[longAt(j):])
	}
	l.next--
}

// of is the long name, if it is whole and belongs to the short one.
func (l *longName) of(short [11]byte) (string, bool) {
	if !l.ok || l.next != 0 || l.sum != shortSum(short) {
		return "", false
	}
	units := l.units
	for i, u := range units {
		if u == 0 {
			units = units[:i]
			break
		}
	}
	return string(utf16.Decode(units)), true
}

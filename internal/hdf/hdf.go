// Package hdf reads and writes the meter data files that ESB Networks gives its
// customers ("HDF"), in all four forms: half hours in kWh and in kW, daily
// day/night/peak registers and daily 24-hour registers. It knows their columns,
// their local end stamps and what a clock change does to them, and how the
// registers prove the half hours. It is pure: it must never know where a file
// comes from or where slots are kept.
//
// A file names the connection by its MPRN, which is private: it leaves this
// package only as a keyed hash and its last three digits.
package hdf

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Limits of a file. Two years of both directions are 3.5 MB and 70,000 rows.
const (
	MaxSize = 32 << 20 // bytes
	maxRows = 600_000
	// maxFaults is how many rows that cannot be used are told with their line;
	// more are counted. maxTypes is how many unknown read types are.
	maxFaults = 100
	maxTypes  = 20
)

// Options are what a file does not say of itself.
type Options struct {
	// Zone is where the meter is: the stamps are its civil time.
	Zone *time.Location
	// Key is the secret that the MPRN is hashed with: without one, an MPRN of
	// eleven digits would be found by trying.
	Key []byte
}

// Kind is what a row of a file reads.
type Kind uint8

// The kinds. Their numbers are in the store.
const (
	ImportInterval Kind = iota + 1
	ExportInterval
	NightRegister
	PeakRegister
	OffPeakRegister // day without peak
	ImportRegister  // 24 hours
	ExportRegister
)

// kinds are the read types without their unit, in small letters.
var kinds = map[string]Kind{
	"active import interval":       ImportInterval,
	"active export interval":       ExportInterval,
	"night import register":        NightRegister,
	"day peak import register":     PeakRegister,
	"day off-peak import register": OffPeakRegister,
	"24 hr active import register": ImportRegister,
	"24 hr active export register": ExportRegister,
}

func (k Kind) String() string {
	for name, kind := range kinds {
		if kind == k {
			return name
		}
	}
	return fmt.Sprint("kind ", uint8(k))
}

// Register is a cumulative register at a moment, most often a local midnight.
type Register struct {
	Kind  Kind
	At    int64 // unix seconds
	Value ledger.Energy
	// Serial is a keyed hash of the meter's serial number: registers of two
	// meters have nothing to do with each other.
	Serial uint32
}

// A Fault is a row that cannot be used.
type Fault struct {
	Line int    `json:"line"` // 1 and up
	Text string `json:"text"`
}

// File is what a file says.
type File struct {
	Form  string // "calckWh", "kW", "DailyDNP", "Daily", or several with a plus between
	Meter string // "hdf_" and a hash of the MPRN
	Last3 string // the last three digits of the MPRN

	Rows int // with data, whether they could be used or not
	// Import and Export are half hours in ascending time, each once.
	Import, Export []ledger.Slot
	// Registers are in the order of kind, serial and time.
	Registers []Register

	Serials    int            // how many meters: more than one is a meter that was exchanged
	Unknown    map[string]int // rows by read types that are not known here
	Faults     []Fault        // up to maxFaults
	FaultCount int
	Duplicates int // rows that say again what another said
	Outliers   int // register readings that no meter can have had
	Guessed    int // half hours of the hour that comes twice whose pass the file does not tell
	NewestLast bool
}

// meterName is the name of an MPRN.
func meterName(mprn string, key []byte) string {
	return "hdf_" + hex.EncodeToString(keyed(key, "mprn "+mprn)[:8])
}

func keyed(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// An Error is why a file cannot be used at all.
type Error struct {
	Line int    // 0: none in particular
	Text string // lower case
	Hint string
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("reading the ESB Networks file: line %d: %s", e.Line, e.Text)
	}
	return "reading the ESB Networks file: " + e.Text
}

// download is what to do about most of what is wrong with a file.
const download = "download the file again from ESB Networks and give it here as it came, not saved by a spreadsheet program"

package slot

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// A Ledger is what hems.txt remembers about the committed slot. The zero value is
// that of a new card.
type Ledger struct {
	// Boots is how often the committed slot has started since it was last found
	// healthy.
	Boots int
	// Good is the other slot as long as it is whole and was healthy once; none
	// from the moment an update begins to overwrite it.
	Good Slot
	// Probation: the committed slot has not yet been healthy for long.
	Probation bool
	// Returned is a slot that was given up because it did not get healthy.
	Returned Slot
}

// maxBoots is where the counter stops.
const maxBoots = 999

const ledgerText = `# Written by the appliance at each start: a change makes it void.
boots=%d
good=%s
probation=%s
returned=%s
`

// Text is the sector.
func (l Ledger) Text() []byte {
	probation := "no"
	if l.Probation {
		probation = "yes"
	}
	text := fmt.Sprintf(ledgerText, min(l.Boots, maxBoots), l.Good, probation, l.Returned)
	return sector(fmt.Sprintf("%ssum=%08x\n", text, crc32.ChecksumIEEE([]byte(text))))
}

// ParseLedger reads the sector. A damaged one is an error and an empty ledger: it
// is never a reason not to boot.
func ParseLedger(b []byte) (Ledger, error) {
	text, rest, ok := strings.Cut(string(b), "sum=")
	sum, _, _ := strings.Cut(rest, "\n")
	if !ok || len(b) != bootpart.SectorBytes || sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) {
		return Ledger{}, errors.New("reading the boot ledger: it is damaged: it counts as empty")
	}
	var l Ledger
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		switch key {
		case "boots":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 || n > maxBoots {
				return Ledger{}, fmt.Errorf("reading the boot ledger: boots=%q", value)
			}
			l.Boots = n
		case "good":
			l.Good, _ = bootpart.ParseSlot(value)
		case "probation":
			l.Probation = value == "yes"
		case "returned":
			l.Returned, _ = bootpart.ParseSlot(value)
		}
	}
	return l, nil
}

package hdf

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Unnamed is the MPRN of a file that does not say whose it is.
const Unnamed = "00000000000"

// Write writes half hours, in ascending time, in the columns of a calckWh file:
// newest first, with local end stamps, both passes of an hour that comes twice,
// and CR LF at each end. Energy has four decimals, and more where it takes more
// to be exact. The name of the connection is Unnamed unless given.
func Write(w io.Writer, mprn, serial string, imported, exported []ledger.Slot, zone *time.Location) error {
	if mprn == "" {
		mprn = Unnamed
	}
	if serial == "" {
		serial = "000000000000000000"
	}
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\r\n")
	line := func(s ledger.Slot, kind string) {
		fmt.Fprintf(b, "%s,%s,%s,Active %s Interval (kWh),%s\r\n", mprn, serial, s.Energy.Decimal(4), kind,
			time.Unix(s.End(), 0).In(zone).Format("02-01-2006 15:04"))
	}
	for i, e := len(imported)-1, len(exported)-1; i >= 0 || e >= 0; {
		if e < 0 || i >= 0 && imported[i].Start >= exported[e].Start {
			line(imported[i], "Import")
			i--
		} else {
			line(exported[e], "Export")
			e--
		}
	}
	return b.Flush() // which has the first error
}

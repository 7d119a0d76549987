package metrics

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

const (
	// tellOfLoss is how long health says that readings were lost.
	tellOfLoss = 30 * 24 * time.Hour
	// tellRanges is how many ranges of time it names.
	tellRanges = 3
)

// serveSoundness answers what is known about the store without looking at it.
func (w *Writer) serveSoundness(rw http.ResponseWriter, r *http.Request) {
	s, err := w.openedStore()
	if err != nil {
		storeAway(rw, err)
		return
	}
	answer(rw, s.Check())
}

// soundness is what a householder is told of damage to the store; empty when
// there is nothing to tell.
func soundness(c store.Check, now time.Time, zone *time.Location) (message, hint string) {
	var all []string
	if s := c.Salvage; s != nil {
		switch {
		case s.Ended.IsZero() && s.Waits != "":
			all = append(all, "the store of readings was damaged; new readings are stored, older ones wait to be taken over: "+s.Waits)
			hint = "make room on the disk; it goes on by itself"
		case s.Ended.IsZero():
			all = append(all, "the store of readings was damaged; older readings are being taken over")
		case s.Saved == 0 && now.Sub(s.Ended) < tellOfLoss:
			all = append(all, "the store of readings was lost and a new one begun")
		case len(s.Lost) > 0 && now.Sub(s.Ended) < tellOfLoss:
			all = append(all, "readings of "+ranges(s.Lost, zone)+" were lost, because the store was damaged")
		}
	}
	if len(c.Bad) > 0 {
		all = append(all, "readings of "+ranges(c.Bad, zone)+" cannot be read any more")
	}
	if len(all) > 0 && hint == "" {
		hint = "if this comes again, the card is wearing out: replace it"
	}
	return strings.Join(all, "; "), hint
}

// ranges names ranges of time: "3 Nov 2026 04:00–05:00".
func ranges(all []store.Lost, zone *time.Location) string {
	var said []string
	for _, l := range all[:min(len(all), tellRanges)] {
		l.From, l.To = l.From.In(zone), l.To.In(zone)
		said = append(said, l.String())
	}
	if more := len(all) - tellRanges; more > 0 {
		said = append(said, fmt.Sprintf("%d more", more))
	}
	return strings.Join(said, ", ")
}

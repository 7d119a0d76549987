package updates

import (
	"strings"
	"time"
)

// House is how it is with the house: for each thing what is wrong with it, empty
// when nothing is.
type House struct {
	// Broken is what is wrong with the parts without which the appliance is
	// nothing: messages, stored readings, dashboard.
	Broken []string
	// Looping are the parts that keep ending and are held back.
	Looping []string
	Clock   string
	Perm    string
	Radio   string
	Reading time.Time // when the last reading came; zero: none since the start
}

// Expect is what was true before an update and must be afterwards.
type Expect struct {
	Perm     bool      `json:"perm"`
	Radio    bool      `json:"radio"`
	Readings bool      `json:"readings"`
	Last     time.Time `json:"last,omitzero"` // the last reading, for the record
}

// lately is how long ago the last reading may have come for readings to be
// expected.
const lately = 15 * time.Minute

// expect is what to expect of a version that follows.
func (h House) expect(now time.Time) Expect {
	return Expect{
		Perm:     h.Perm == "",
		Radio:    h.Radio == "",
		Readings: !h.Reading.IsZero() && now.Sub(h.Reading) < lately,
		Last:     h.Reading,
	}
}

// missing is all that keeps a house from being as whole as expected.
func (h House) missing(e Expect) (why []string) {
	why = append(why, h.Broken...)
	for _, l := range h.Looping {
		why = append(why, l+" keeps stopping")
	}
	if h.Clock != "" {
		why = append(why, h.Clock)
	}
	if e.Perm && h.Perm != "" {
		why = append(why, h.Perm)
	}
	if e.Radio && h.Radio != "" {
		why = append(why, h.Radio)
	}
	if e.Readings && h.Reading.IsZero() {
		why = append(why, "no reading has come, and readings came before")
	}
	return why
}

// able tells whether the house can be lived in: what counts for a system that is
// installed already, which is not to be given up for a clock or a full card.
func (h House) able() bool { return len(h.Broken) == 0 && len(h.Looping) == 0 }

// health adds up how long the house was well.
type health struct {
	last   time.Time
	was    bool
	total  time.Duration // since the beginning
	unison time.Duration // without a break
}

// note takes a look at now.
func (h *health) note(now time.Time, well bool) {
	if well && h.was {
		d := now.Sub(h.last)
		h.total += d
		h.unison += d
	}
	if !well {
		h.unison = 0
	}
	h.was, h.last = well, now
}

func list(why []string) string { return strings.Join(why, "; ") }

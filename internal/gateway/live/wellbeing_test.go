package live

import (
	"regexp"
	"testing"
	"time"
)

// TestAHouseholderReadsNoJargon looks at every sentence the page may show above
// the fold; programs and protocols are named in the detail alone.
func TestAHouseholderReadsNoJargon(t *testing.T) {
	jargon := regexp.MustCompile(`(?i)broker|mqtt|bridge|entity|hems-|/dev/|service|process`)
	check := func(t *testing.T, h Health, detail bool) {
		t.Helper()
		if h.OK || h.Message == "" || h.Hint == "" {
			t.Fatalf("got %+v, want what is wrong and what to do", h)
		}
		if found := jargon.FindString(h.Message + " " + h.Hint); found != "" {
			t.Errorf("%q is no word for a householder: %q %q", found, h.Message, h.Hint)
		}
		if (h.Detail != "") != detail {
			t.Errorf("the detail: got %q, want one: %t", h.Detail, detail)
		}
	}
	t.Run("Broker", func(t *testing.T) {
		b := newBench(t)
		b.up = false
		b.pass(grace)
		b.pass(brokerPause)
		check(t, b.Health(), true)
	})
	t.Run("ProcessesGone", func(t *testing.T) {
		b := newBench(t)
		b.pass(grace)
		check(t, b.Health(), true)
		b.hear("hems/zigbee/health", `{"state":"ok"}`, false)
		check(t, b.Health(), true)
	})
	t.Run("Unplugged", func(t *testing.T) {
		b := newBench(t)
		b.well()
		b.hear("hems/zigbee/health", `{"state":"failing","message":"the dongle is unplugged","hint":"plug it back in; readings resume by themselves",
			"detail":"there is no dongle at /dev/ttyACM0"}`, false)
		h := b.Health()
		check(t, h, true)
		if got, want := h.Detail, "There is no dongle at /dev/ttyACM0."; got != want {
			t.Errorf("the detail: got %q, want %q", got, want)
		}
	})
	t.Run("Card", func(t *testing.T) {
		b := newBench(t)
		b.well()
		b.hear("hems/manager/health", `{"state":"failing","message":"the card is nearly full","hint":"use a larger one","detail":"1 %"}`, false)
		check(t, b.Health(), true)
		if got := b.Failing(); got != "manager" {
			t.Errorf("failing: %q, want the manager's own", got)
		}
		b.hear("hems/manager/health", `{"state":"offline"}`, false)
		if h := b.Health(); h.Part == "manager" {
			t.Errorf("a manager that is started again is told: %+v", h)
		}
	})
	t.Run("Meter", func(t *testing.T) {
		b := newBench(t)
		b.announce("meter", "0x1")
		b.hear("zigbee2mqtt/meter", `{"power":1,"energy":1}`, false)
		b.well()
		b.pass(goneAfter + 3*time.Hour)
		b.well()
		check(t, b.Health(), false)
	})
}

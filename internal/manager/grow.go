package manager

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
)

// Limits of what is well.
const (
	readingsLately = 15 * time.Minute // three times what a quiet meter waits between two reports
	fullAt         = 5                // percent free below which the card is as good as full
	lowAt          = 10               // percent free below which it is worth knowing
	hot            = 80.0             // degrees Celsius at which a Raspberry Pi begins to slow down
)

// mends is what to do about a program that is away: it is supervised.
const mends = "it is started again by itself; if this stays, restart the appliance"

// grow makes the tree of the facts, in the order in which a reading passes the
// parts, then the ground they stand on.
func (f facts) grow() *tree.Node {
	root := &tree.Node{Name: "appliance", Title: "Appliance", Children: []*tree.Node{
		f.messages(),
		noteOn(f.part("zigbee", "Radio", f.zigbee), f.zigbeeNote),
		f.recorder(),
		noteOn(f.part("gateway", "Dashboard", f.gateway), f.gatewayNote),
		f.readings(),
		f.perm(),
		f.clockNode(),
		f.programsNode(),
		f.slots(),
		f.updateNode(),
		f.watchdog(),
		f.boardNode(),
		f.developerNode(),
	}}
	return root.Settle()
}

// part is a node for what is looked at again and again.
func (f facts) part(name, title string, l look) *tree.Node {
	n := &tree.Node{Name: name, Title: title}
	switch l.condition {
	case well, wavering:
		n.State = tree.OK
	case unknown:
		n.State, n.Message = tree.Starting, "starting"
	case failed:
		n.State, n.Message, n.Hint, n.Detail = tree.Failing, l.report.Message, l.report.Hint, l.report.Detail
	}
	return n
}

// noteOn puts what a process says of itself beside being well on its node, and
// returns it.
func noteOn(n *tree.Node, r health.Report) *tree.Node {
	if n.State == tree.OK && r.State == health.OK && r.Message != "" {
		n.State, n.Message, n.Hint, n.Detail = tree.Note, r.Message, r.Hint, r.Detail
	}
	return n
}

func (f facts) messages() *tree.Node {
	n := noteOn(f.part("broker", "Messages", f.broker), f.brokerNote)
	return n
}

func (f facts) recorder() *tree.Node {
	n := noteOn(f.part("metrics", "Recorder", f.metrics), f.metricsNote)
	n.Children = []*tree.Node{f.part("store", "Stored readings", f.store)}
	return n
}

func (f facts) readings() *tree.Node {
	n := &tree.Node{Name: "readings", Title: "Readings"}
	switch {
	case f.reading.IsZero():
		n.State, n.Message = tree.Note, "no reading has come since the start"
	case f.now.Sub(f.reading) > readingsLately:
		n.State, n.Message = tree.Failing, fmt.Sprintf("no reading has come for %s", span(f.now.Sub(f.reading)))
		n.Hint = "check the meter's batteries, then move it or the dongle closer"
	}
	return n
}

func (f facts) perm() *tree.Node {
	n := &tree.Node{Name: "perm", Title: "Data on the card"}
	if !f.card {
		n.Message = "the data directory of this computer: there is no card"
	}
	if f.booted {
		p := f.boot.Perm
		switch p.State {
		case report.OK:
		case report.Repaired:
			n.State = tree.Note
		default: // it is not kept, or will not be
			n.State = tree.Failing
		}
		if n.State != "" {
			n.Message, n.Detail = p.Message, p.Detail
		}
		if n.State == tree.Failing {
			n.Hint = "make a backup now if you can, and replace the card"
			return n
		}
	}
	if f.spaceErr != nil {
		n.State, n.Message, n.Detail = tree.Failing, "the data directory cannot be read", f.spaceErr.Error()
		n.Hint = "restart the appliance; if this stays, replace the card"
		return n
	}
	percent := 100.0
	if f.space.Total > 0 {
		percent = 100 * float64(f.space.Free) / float64(f.space.Total)
	}
	if percent >= lowAt {
		return n
	}
	n.State = tree.Worse(n.State, tree.Note)
	n.Message = fmt.Sprintf("%.0f %% of the card is free (%d MB)", percent, f.space.Free/1e6)
	n.Hint = "keep readings for fewer days (metrics.keep_days), or use a larger card"
	if percent < fullAt && f.card {
		n.State = tree.Failing
		n.Message = fmt.Sprintf("the card is nearly full: %.0f %% is free (%d MB)", percent, f.space.Free/1e6)
	}
	return n
}

func (f facts) clockNode() *tree.Node {
	n := &tree.Node{Name: "clock", Title: "Clock"}
	switch {
	case f.now.Before(f.built):
		n.State, n.Message = tree.Failing, "the clock is not set"
		n.Hint = "connect the appliance to the internet, or set time.servers"
		n.Detail = fmt.Sprintf("It says %s, before this version was built (%s).", f.now.UTC().Format(time.RFC3339), f.built.UTC().Format(time.RFC3339))
	case !f.card:
		n.Message = "this computer's own"
	case !f.clock.Synchronised:
		n.State, n.Message = tree.Note, "the time has not been confirmed by a time server since the start"
		n.Hint = "connect the appliance to the internet; readings get the right time afterwards"
	}
	return n
}

// programsNode is how the programs fare with init. Only what init is asked
// about is known, and nothing in development.
func (f facts) programsNode() *tree.Node {
	n := &tree.Node{Name: "programs", Title: "Programs"}
	if !f.card {
		n.Message = "started again by what started them"
		return n
	}
	if f.initErr != nil {
		n.State, n.Message, n.Detail = tree.Note, "how the programs fare is not known", f.initErr.Error()
		return n
	}
	for _, p := range f.programs {
		if !p.Looping {
			continue
		}
		c := &tree.Node{Name: "program-" + p.Name, Title: strings.ToUpper(called(p.Name)[:1]) + called(p.Name)[1:], State: tree.Note,
			Message: called(p.Name) + " kept stopping and is watched",
			Detail:  fmt.Sprintf("%s ended %d times since the start.", p.Name, p.Restarts)}
		if !p.Held.IsZero() {
			c.State, c.Message = tree.Failing, called(p.Name)+" keeps stopping and is held back for a while"
			c.Hint = "look at its last lines in the logs; if this stays, go back to the version before"
			c.Detail += fmt.Sprintf(" It is started again at %s.", p.Held.UTC().Format(time.RFC3339))
		}
		n.Children = append(n.Children, c)
	}
	return n
}

// called is a program in a householder's words.
func called(program string) string {
	switch program {
	case "hems-broker":
		return "what carries the messages"
	case "hems-zigbee":
		return "the radio"
	case "hems-metrics":
		return "the recorder"
	case "hems-gateway":
		return "the dashboard"
	}
	return "a part of the system"
}

func (f facts) slots() *tree.Node {
	n := &tree.Node{Name: "card", Title: "System on the card"}
	switch {
	case !f.card:
		n.Message = "there is no card"
	case !f.booted:
		n.State, n.Message = tree.Note, "how the appliance started is not known"
	case f.update.trial:
		n.State, n.Message = tree.Note, "this version is on trial"
	case f.update.probation:
		n.State, n.Message = tree.Note, "this version was installed just now and is watched for a while"
	case f.boot.Boots > 1 && !f.update.cleared:
		n.State, n.Message = tree.Note, fmt.Sprintf("this is start number %d without two healthy minutes", f.boot.Boots)
	}
	if f.booted {
		n.Detail = strings.TrimSpace(fmt.Sprintf("Slot %s runs, slot %s is started by itself.", f.boot.Slot, cmp.Or(f.update.committed, f.boot.Committed)))
	}
	return n
}

func (f facts) updateNode() *tree.Node {
	n := &tree.Node{Name: "update", Title: "Last update"}
	if f.update.verdict == "" {
		return n
	}
	n.Message, n.Hint = f.update.verdict, "read the verdict on the update page; the version before goes on"
	n.State = tree.Note
	if f.update.failed {
		n.State = tree.Failing
	}
	return n
}

func (f facts) watchdog() *tree.Node {
	n := &tree.Node{Name: "watchdog", Title: "Watchdog"}
	switch {
	case !f.card:
		n.Message = "there is none on this computer"
	case f.booted && f.boot.Watchdog.Identity == "":
		n.State, n.Message = tree.Note, "this board has no watchdog: if it hangs, somebody must pull the plug"
	case f.kickErr != nil:
		n.State, n.Message, n.Detail = tree.Note, "the watchdog's keeper does not hear", f.kickErr.Error()
	}
	return n
}

func (f facts) boardNode() *tree.Node {
	n := &tree.Node{Name: "board", Title: "Board"}
	switch s := f.sensors; {
	case s.Powered && s.UnderVoltage:
		n.State, n.Message = tree.Note, "the power supply is too weak, or was since the start"
		n.Hint = "use the supply that is made for this board: a weak one damages cards"
	case s.Measured && s.Celsius >= hot:
		n.State, n.Message = tree.Note, fmt.Sprintf("the board is hot: %.0f °C", s.Celsius)
		n.Hint = "give it air, or a cooler place"
	}
	return n
}

func (f facts) developerNode() *tree.Node {
	n := &tree.Node{Name: "developer", Title: "Developer setting"}
	if f.developer {
		n.State, n.Message = tree.Note, "systems that nobody signed are let in"
		n.Hint = "switch update.developer off when you are done"
	}
	return n
}

// own is what of the tree the manager says of itself on MQTT: what no other
// process says.
func own(root *tree.Node) health.Report {
	for _, name := range []string{"perm", "programs", "update"} {
		if n := root.Find(name).First(); n != nil {
			return health.Report{State: health.Failing, Message: n.Message, Hint: n.Hint, Detail: n.Detail}
		}
	}
	return health.Report{State: health.OK}
}

// span is a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

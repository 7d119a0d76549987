package manager

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/manager/board"
	"github.com/smartcore-ireland/hems/internal/manager/services"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// wellFacts is a card on which all is well.
func wellFacts() facts {
	f := facts{now: noon, card: true, booted: true, reading: noon.Add(-time.Minute),
		space: board.Space{Total: 100e9, Free: 50e9}, clock: clock{Synchronised: true}, built: noon.Add(-24 * time.Hour)}
	f.boot.Slot, f.boot.Committed, f.boot.Boots, f.boot.Perm.State, f.boot.Watchdog.Identity = "a", "a", 1, "ok", "bcm2835"
	return f
}

func bad(message string) look {
	return look{failed, health.Report{Message: message, Hint: "do something", Detail: "port 1883"}}
}

// jargon is for the detail alone.
var jargon = regexp.MustCompile(`(?i)broker|mqtt|bridge|entity|hems-|/dev/|service|gokrazy`)

func TestTheTree(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*facts)
		node    string
		state   tree.State // of the node
		message string
		whole   tree.State // of the root
		own     bool       // the manager says it on MQTT
	}{
		{"AllWell", func(*facts) {}, "appliance", tree.OK, "", tree.OK, false},
		{"BrokerAway", func(f *facts) { f.broker = bad("no messages") }, "broker", tree.Failing, "no messages", tree.Failing, false},
		{"ABridgeAway", func(f *facts) {
			f.brokerNote = health.Report{State: health.OK, Message: "messages wait for the other side: fleet cannot be reached"}
		}, "broker", tree.Note, "messages wait for the other side: fleet cannot be reached", tree.Note, false},
		{"BrokerWavering", func(f *facts) { f.broker = bad("x"); f.broker.condition = wavering }, "broker", tree.OK, "", tree.OK, false},
		{"BrokerStarting", func(f *facts) { f.broker = bad("x"); f.broker.condition = unknown }, "broker", tree.Starting, "starting", tree.Starting, false},
		{"StoreBroken", func(f *facts) { f.store = bad("no room") }, "store", tree.Failing, "no room", tree.Failing, false},
		{"ADestinationAway", func(f *facts) {
			f.metricsNote = health.Report{State: health.OK, Message: "40 readings wait for influx"}
		}, "metrics", tree.Note, "40 readings wait for influx", tree.Note, false},
		{"HomeAssistantAway", func(f *facts) {
			f.gatewayNote = health.Report{State: health.OK, Message: "Home Assistant does not answer"}
		}, "gateway", tree.Note, "Home Assistant does not answer", tree.Note, false},
		{"AnImportRefused", func(f *facts) {
			f.zigbeeNote = health.Report{State: health.OK, Message: "an import was refused"}
		}, "zigbee", tree.Note, "an import was refused", tree.Note, false},
		{"AFaultOfAMomentIsNoNote", func(f *facts) {
			f.zigbeeNote = health.Report{State: health.Failing, Message: "the radio is starting"}
		}, "zigbee", tree.OK, "", tree.OK, false},
		{"NoReadingYet", func(f *facts) { f.reading = time.Time{} }, "readings", tree.Note, "no reading has come since the start", tree.Note, false},
		{"NoReadingAnyMore", func(f *facts) { f.reading = noon.Add(-20 * time.Minute) }, "readings", tree.Failing, "no reading has come for 20 minutes", tree.Failing, false},
		{"CardLow", func(f *facts) { f.space.Free = 8e9 }, "perm", tree.Note, "8 % of the card is free (8000 MB)", tree.Note, false},
		{"CardFull", func(f *facts) { f.space.Free = 4e9 }, "perm", tree.Failing, "the card is nearly full: 4 % is free (4000 MB)", tree.Failing, true},
		{"ComputerFull", func(f *facts) { f.space.Free = 4e9; f.card = false; f.booted = false }, "perm", tree.Note, "4 % of the card is free (4000 MB)", tree.Note, false},
		{"CardUnreadable", func(f *facts) { f.spaceErr = errors.New("EIO") }, "perm", tree.Failing, "the data directory cannot be read", tree.Failing, true},
		{"CardRepaired", func(f *facts) { f.boot.Perm.State, f.boot.Perm.Message = "repaired", "the card was repaired" }, "perm", tree.Note, "the card was repaired", tree.Note, false},
		{"CardNotThere", func(f *facts) { f.boot.Perm.State, f.boot.Perm.Message = "memory", "nothing is kept" }, "perm", tree.Failing, "nothing is kept", tree.Failing, true},
		{"CardInAStateOfLaterVersions", func(f *facts) { f.boot.Perm.State = "melted" }, "perm", tree.Failing, "", tree.Failing, true},
		{"ClockNotSet", func(f *facts) { f.built = noon.Add(time.Second) }, "clock", tree.Failing, "the clock is not set", tree.Failing, false},
		{"ClockNotConfirmed", func(f *facts) { f.clock = clock{} }, "clock", tree.Note, "the time has not been confirmed by a time server since the start", tree.Note, false},
		{"ProgramHeld", func(f *facts) {
			f.programs = []services.Program{{Name: "hems-x", Looping: true, Restarts: 6, Held: noon}}
		}, "program-hems-x", tree.Failing, "a part of the system keeps stopping and is held back for a while", tree.Failing, true},
		{"ProgramWatched", func(f *facts) {
			f.programs = []services.Program{{Name: "hems-x", Looping: true, Restarts: 6}, {Name: "hems-y"}}
		}, "programs", tree.Note, "", tree.Note, false},
		{"InitSilent", func(f *facts) { f.initErr = errors.New("refused") }, "programs", tree.Note, "how the programs fare is not known", tree.Note, false},
		{"OnTrial", func(f *facts) { f.update.trial = true }, "card", tree.Note, "this version is on trial", tree.Note, false},
		{"OnProbation", func(f *facts) { f.update.probation = true }, "card", tree.Note, "this version was installed just now and is watched for a while", tree.Note, false},
		{"ManyStarts", func(f *facts) { f.boot.Boots = 3 }, "card", tree.Note, "this is start number 3 without two healthy minutes", tree.Note, false},
		{"AHealthyStartAfterMany", func(f *facts) { f.boot.Boots, f.update.cleared = 3, true }, "card", tree.OK, "", tree.OK, false},
		{"StartUnknown", func(f *facts) { f.booted = false }, "card", tree.Note, "how the appliance started is not known", tree.Note, false},
		{"UpdateReturned", func(f *facts) { f.update = updateFacts{verdict: "version 2 was not well", failed: true} }, "update", tree.Failing, "version 2 was not well", tree.Failing, true},
		{"UpdateRefused", func(f *facts) { f.update = updateFacts{verdict: "it is not signed"} }, "update", tree.Note, "it is not signed", tree.Note, false},
		{"NoWatchdog", func(f *facts) { f.boot.Watchdog.Identity = "" }, "watchdog", tree.Note, "this board has no watchdog: if it hangs, somebody must pull the plug", tree.Note, false},
		{"DeafKeeper", func(f *facts) { f.kickErr = errors.New("refused") }, "watchdog", tree.Note, "the watchdog's keeper does not hear", tree.Note, false},
		{"WeakSupply", func(f *facts) { f.sensors = board.Sensors{Powered: true, UnderVoltage: true} }, "board", tree.Note, "the power supply is too weak, or was since the start", tree.Note, false},
		{"Hot", func(f *facts) { f.sensors = board.Sensors{Measured: true, Celsius: 81.4} }, "board", tree.Note, "the board is hot: 81 °C", tree.Note, false},
		{"DeveloperSettingOn", func(f *facts) { f.developer = true }, "developer", tree.Note, "systems that nobody signed are let in", tree.Note, false},
		{"Development", func(f *facts) { *f = facts{now: noon, reading: noon, space: f.space} }, "watchdog", tree.OK, "there is none on this computer", tree.OK, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := wellFacts()
			tt.change(&f)
			root := f.grow()
			n := root.Find(tt.node)
			if n == nil {
				t.Fatalf("there is no node %s", tt.node)
			}
			want := []string{string(tt.state), tt.message, string(tt.whole)}
			if diff := cmp.Diff(want, []string{string(n.State), n.Message, string(root.State)}); diff != "" {
				t.Errorf("state, message, the whole's state (-want +got):\n%s", diff)
			}
			for n := range root.All {
				if found := jargon.FindString(n.Message + " " + n.Hint + " " + n.Title); found != "" {
					t.Errorf("%q is no word for a householder: %q, %q", found, n.Message, n.Hint)
				}
			}
			said := own(root)
			if got := said.State == health.Failing; got != tt.own {
				t.Errorf("said on MQTT: %+v, want it said: %v", said, tt.own)
			}
		})
	}
}

func TestNamesAreUnique(t *testing.T) {
	f := wellFacts()
	f.programs = []services.Program{{Name: "hems-x", Looping: true}, {Name: "hems-y", Looping: true}}
	seen := map[string]bool{}
	for n := range f.grow().All {
		if seen[n.Name] || n.Name == "" || n.Title == "" {
			t.Errorf("node %q (%q) is there twice, or has no name", n.Name, n.Title)
		}
		seen[n.Name] = true
	}
}

func TestSteady(t *testing.T) {
	away := errors.New("away")
	s := steady{grace: time.Minute, patience: 10 * time.Second, began: noon}
	for _, step := range []struct {
		after time.Duration
		note  bool
		err   error
		want  condition
	}{
		{0, false, nil, unknown},
		{time.Second, true, away, unknown},
		{59 * time.Second, false, nil, unknown},
		{60 * time.Second, false, nil, failed},
		{70 * time.Second, true, nil, well},
		{80 * time.Second, true, away, wavering},
		{89 * time.Second, true, away, wavering},
		{90 * time.Second, false, nil, failed},
		{91 * time.Second, true, nil, well},
	} {
		if step.note {
			s.note(noon.Add(step.after), step.err)
		}
		if got := s.at(noon.Add(step.after)); got != step.want {
			t.Errorf("after %v: %v, want %v", step.after, got, step.want)
		}
	}
}

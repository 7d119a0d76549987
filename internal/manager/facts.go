package manager

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/manager/board"
	"github.com/smartcore-ireland/hems/internal/manager/services"
)

// facts is all that the health tree is grown of, at one moment.
type facts struct {
	now  time.Time
	card bool // false: a workstation

	broker, gateway, store look
	zigbee, metrics        look
	brokerNote             health.Report // what hems-broker says beside being well
	zigbeeNote             health.Report // what hems-zigbee says beside being well
	gatewayNote            health.Report // what hems-gateway says of Home Assistant behind it
	metricsNote            health.Report // what hems-metrics says beside being well
	reading                time.Time     // the last one; zero: none yet

	boot      report.Boot
	booted    bool // boot.json is there
	space     board.Space
	spaceErr  error
	clock     clock
	built     time.Time // zero: not known
	sensors   board.Sensors
	developer bool

	programs []services.Program
	initErr  error // gokrazy does not answer since a while
	kickErr  error // the watchdog's keeper does not hear us

	update updateFacts
}

// look is one thing that is looked at again and again.
type look struct {
	condition condition
	report    health.Report // what is wrong; State is of no use
}

// updateFacts is what the tree tells about updates.
type updateFacts struct {
	trial     bool // this start is one, and it is not decided yet
	cleared   bool // this start does not count against the system any more
	probation bool
	committed string // the slot that starts by itself now; "" when the card was not looked at yet
	verdict   string // why the last update is not installed, and the person has not read it yet
	failed    bool   // verdict is of an update that failed, and not merely was refused
}

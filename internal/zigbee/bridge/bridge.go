// Package bridge keeps the Zigbee2MQTT contract: it says on MQTT what the
// Zigbee network's devices measure, describes them to Home Assistant, and
// answers requests. It knows topics, payloads and the names people give to
// devices.
//
// It must never know serial lines, the dongle or the broker's inside.
//
// One goroutine (Run) owns all that changes: events of the network, messages
// from MQTT and the ends of long requests come to it one by one. Retained
// messages of QoS 1 are kept as a desired state and brought to the broker
// whenever it is there (retained.go); readings go straight out.
package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Network is what the bridge needs of the coordinator; *network.Network is it.
type Network interface {
	Events() <-chan network.Event
	Info() network.Info
	Devices() []network.Device
	PermitJoin(ctx context.Context, d time.Duration) error
	Remove(ctx context.Context, e zcl.EUI64, force bool) error
	Interview(ctx context.Context, e zcl.EUI64) error
	Configure(ctx context.Context, e zcl.EUI64) error
	PermitJoinVia(ctx context.Context, d time.Duration, via zcl.EUI64) error
	AddInstallCode(ctx context.Context, e zcl.EUI64, code []byte) error
	Command(ctx context.Context, e zcl.EUI64, c network.Command) (zcl.Frame, error)
	Bind(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster uint16, to network.Target) error
	Unbind(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster uint16, to network.Target) error
	ConfigureReporting(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, list []zcl.ReportConfig) error
	ReadReporting(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids ...uint16) ([]zcl.ReportingState, error)
	GroupAdd(ctx context.Context, e zcl.EUI64, endpoint uint8, group uint16) error
	GroupRemove(ctx context.Context, e zcl.EUI64, endpoint uint8, group uint16) error
	GroupRemoveAll(ctx context.Context, e zcl.EUI64, endpoint uint8) error
	GroupCommand(ctx context.Context, group uint16, c network.Command) error
	Map(ctx context.Context, routes bool) (network.Map, error)
	CoordinatorCheck(ctx context.Context) (missing []zcl.EUI64, err error)
	EnergyScan(ctx context.Context) ([]network.ChannelEnergy, error)
	ChangeChannel(ctx context.Context, channel uint8) error
	Restart(ctx context.Context) error
	SetOptions(e zcl.EUI64, options map[string]any)
	Backup(ctx context.Context) (*coordbackup.Backup, error)
	SetAvailability(e zcl.EUI64, o network.AvailabilityOptions)
	SetAvailabilityDefaults(o network.AvailabilityDefaults)
	Do(ctx context.Context, e zcl.EUI64, actions []model.Action) error
	Read(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids ...uint16) ([]zcl.Attribute, error)
}

var _ Network = (*network.Network)(nil)

// Options configure a Bridge.
type Options struct {
	Network Network
	// MQTT is the broker and who we are to it. The bridge sets Will and OnUp,
	// and the client id "zigbee2mqtt" when there is none.
	MQTT mqttclient.Options
	// BaseTopic is "zigbee2mqtt" when empty, DiscoveryPrefix "homeassistant".
	BaseTopic, DiscoveryPrefix string
	// State holds the names people gave, the groups and the options, in sections
	// of their own. nil: zigbee.json in Dir, which nobody else may have open then.
	State *statefile.File
	// Dir holds states.json (the last readings). It is made when it does not
	// exist.
	Dir string
	// Version and Commit are the program's, for bridge/info.
	Version, Commit string
	Log             *slog.Logger
	// LogLevel is that of Log, which the option advanced.log_level changes; nil:
	// that option is only about bridge/logging.
	LogLevel *slog.LevelVar
	// Now is time.Now when nil.
	Now func() time.Time
	// Payloads is the form of the messages, Reference when empty; LastSeen how
	// states say when their device was heard, LastSeenDisable when empty; Output
	// what a state is published as, OutputJSON when empty.
	Payloads Payloads
	LastSeen LastSeen
	Output   Output
	// RenamePause is the time between taking a device's old entities from Home
	// Assistant and giving it the new ones: 2 s when 0. Earlier, it would
	// refuse the new ones, as they have the same unique ids.
	RenamePause time.Duration
	// Note is told beside being well, as its Message, Hint and Detail.
	Note health.Report
}

// Bridge is the Zigbee2MQTT contract over one network and one broker.
type Bridge struct {
	opts     Options
	net      Network
	log      *slog.Logger
	now      func() time.Time
	topics   topics
	names    *names
	groups   *groups
	options  *options
	states   *states
	retained *retained
	client   *mqttclient.Client

	do      chan func()            // what the goroutine of Run is to do
	slots   chan struct{}          // long requests under way
	devices map[zcl.EUI64]*device  // devices in the network, as last heard of
	pairing map[zcl.EUI64]*pairing // joined lately, first reading outstanding
	health  health.Report          // as last published
	permit  *time.Timer            // the end of joining, to publish bridge/info
	dropped map[string]*limiter    // log lines a stranger can cause
	mapping bool                   // a network map is being made

	started      time.Time
	configured   Options // as given to New; options of the state file come before them
	logLevel     slog.Level
	logLevelName string
	counts       requestCounts
	traffic      trafficCounts
	counted      map[zcl.EUI64]*deviceCounts
	healthTick   *time.Ticker
	own          map[string]bool        // topics of the bridge's own entities
	shown        map[uint16]*shownGroup // groups that are described
	starting     bool                   // all is being described for the first time
	buf          []byte                 // the state that is being published

	queues         map[string][]queued // commands, by device or group
	unacknowledged chan struct{}       // states the broker has not acknowledged
}

// Limits on what others can ask for.
const (
	maxPayload  = 64 << 10
	maxRequests = 8                // long requests at a time
	maxWaiting  = 256              // messages and ends of requests that wait for Run
	longRequest = 90 * time.Second // a sleeping device may answer late
	maxUnacked  = 64               // states of QoS 1 or 2 under way
)

// New loads the names and last readings. It connects to nothing. An
// error means a state file that makes no sense; nothing is changed then.
func New(o Options) (*Bridge, error) {
	if o.Network == nil {
		return nil, errors.New("bridge: no network given")
	}
	if o.BaseTopic == "" {
		o.BaseTopic = "zigbee2mqtt"
	}
	if o.DiscoveryPrefix == "" {
		o.DiscoveryPrefix = "homeassistant"
	}
	if o.MQTT.ClientID == "" {
		o.MQTT.ClientID = "zigbee2mqtt"
	}
	o.Payloads = cmp.Or(o.Payloads, Reference)
	o.LastSeen = cmp.Or(o.LastSeen, LastSeenDisable)
	o.Output = cmp.Or(o.Output, OutputJSON)
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.RenamePause == 0 {
		o.RenamePause = 2 * time.Second
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("bridge: making the state directory: %w", err)
	}
	if o.State == nil {
		state, err := statefile.Open(filepath.Join(o.Dir, statefile.Name))
		if err != nil {
			return nil, err
		}
		o.State = state
	}
	names, err := loadNames(o.State)
	if err != nil {
		return nil, err
	}
	options, err := loadOptions(o.State)
	if err != nil {
		return nil, err
	}
	groups, err := loadGroups(o.State)
	if err != nil {
		return nil, err
	}
	b := &Bridge{
		opts:       o,
		configured: o,
		groups:     groups,
		options:    options,
		started:    o.Now(),
		counted:    make(map[zcl.EUI64]*deviceCounts),
		net:        o.Network,
		log:        o.Log,
		now:        o.Now,
		topics:     topics{base: o.BaseTopic, prefix: o.DiscoveryPrefix},
		names:      names,
		do:         make(chan func(), maxWaiting),
		slots:      make(chan struct{}, maxRequests),
		devices:    make(map[zcl.EUI64]*device),
		pairing:    make(map[zcl.EUI64]*pairing),
		dropped:    make(map[string]*limiter),

		shown:          make(map[uint16]*shownGroup),
		queues:         make(map[string][]queued),
		unacknowledged: make(chan struct{}, maxUnacked),
	}
	// A lost cache costs nothing but keys that come with the next reports.
	b.states = loadStates(filepath.Join(o.Dir, "states.json"), o.Log)
	b.retained = newRetained(o.Log)
	b.applyOptions()
	return b, nil
}

// Run serves until ctx ends. Then it says on MQTT that it is gone, saves the
// last readings and returns nil. It returns an error at once when the options
// for MQTT make no sense. It must be called once.
func (b *Bridge) Run(ctx context.Context) error {
	if err := b.open(ctx); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	syncing := make(chan struct{})
	syncCtx, stopSync := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(syncing)
		b.retained.run(syncCtx, b.client.Publish)
	}()

	for _, d := range b.net.Devices() {
		b.devices[d.EUI64] = b.newDevice(d)
	}
	b.setAll()
	b.setHealth(b.net.Info())
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	b.healthTick = time.NewTicker(b.healthInterval())
	defer b.healthTick.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for running := true; running; {
		select {
		case e := <-b.net.Events():
			b.count(e)
			b.event(ctx, e)
		case f := <-b.do:
			f()
		case <-save.C:
			b.states.remember(b.devices)
			b.states.save()
		case <-b.healthTick.C:
			b.publishHealth()
		case now := <-tick.C:
			b.tick(ctx, now)
		case <-ctx.Done():
			running = false
		}
	}
	return b.close(ctx, func() { stopSync(); <-syncing })
}

// open makes the MQTT client and its subscriptions, which it keeps. They are of
// QoS 0: a request has an answer to wait for, and the session is new at each
// connection anyway.
func (b *Bridge) open(ctx context.Context) error {
	o := b.opts.MQTT
	o.Will = &mqttclient.Message{Topic: b.topics.bridge("state"), Payload: b.opts.Payloads.presence(false), QoS: 1, Retain: true}
	if o.Log == nil {
		o.Log = b.log
	}
	o.OnUp = func(ctx context.Context, _ *mqttclient.Client) { b.post(ctx, b.connected) }
	client, err := mqttclient.Open(ctx, o)
	if err != nil {
		return err
	}
	b.client = client
	for _, filter := range b.topics.filters() {
		err := client.Subscribe(ctx, filter, 0, func(m mqttclient.Message) {
			b.post(ctx, func() { b.message(ctx, m) })
		})
		if err != nil && ctx.Err() == nil {
			return errors.Join(err, client.Close(ctx))
		}
	}
	return nil
}

// close says that we are gone and saves what is worth saving, within 1 s.
func (b *Bridge) close(ctx context.Context, stopSync func()) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if b.permit != nil {
		b.permit.Stop()
	}
	b.states.remember(b.devices)
	b.states.save()
	stopSync()
	for _, m := range []mqttclient.Message{
		{Topic: b.topics.bridge("state"), Payload: b.opts.Payloads.presence(false), QoS: 1, Retain: true},
		{Topic: health.Topic("zigbee"), Payload: health.Report{State: health.Offline}.Payload(), QoS: 1, Retain: true},
	} {
		if err := b.client.Publish(ctx, m); err != nil {
			b.log.Warn("the broker was not told that the bridge stops", "topic", m.Topic, "error", err)
		}
	}
	if err := b.client.Close(ctx); err != nil {
		b.log.Warn("the connection to the broker was not closed cleanly", "error", err)
	}
	return nil
}

// post gives f to the goroutine of Run, or forgets it when ctx ends first.
func (b *Bridge) post(ctx context.Context, f func()) {
	select {
	case b.do <- f:
	case <-ctx.Done():
	}
}

// connected is after each connection: what is retained may be lost or changed.
func (b *Bridge) connected() {
	b.retained.connected()
	for _, d := range b.devices {
		b.republishState(d)
	}
	b.tell(slog.LevelInfo, "connected to the MQTT broker")
}

// setAll wants every retained topic as the network is now.
func (b *Bridge) setAll() {
	b.starting = true
	defer func() { b.starting = false }()
	b.retained.set(b.topics.bridge("state"), b.opts.Payloads.presence(true), 1)
	b.setInfo(b.net.Info())
	b.setDevices()
	b.setGroups()
	b.setOutside()
	b.setBridge()
	for _, d := range b.devices {
		b.setDevice(d)
	}
}

// z2m2 reports whether the forms are those of Zigbee2MQTT 2.
func (b *Bridge) z2m2() bool { return b.opts.Payloads.z2m() }

// send publishes a message that is worth nothing later. A broker that is away
// is no news: the client logs it.
func (b *Bridge) send(topic string, payload []byte, retain bool) {
	b.sendMessage(mqttclient.Message{Topic: topic, Payload: payload, Retain: retain})
}

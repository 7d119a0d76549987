// Package manager looks after the whole: it knows which parts there are and how
// to ask each how it is, keeps the hardware watchdog fed while the house is
// whole enough to run, holds back what keeps ending, keeps the logs, and answers
// on a unix socket for the pages and commands of the appliance. It must never
// know pages, Zigbee, or what a reading means.
package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/manager/board"
	"github.com/smartcore-ireland/hems/internal/manager/gokrazy"
	"github.com/smartcore-ireland/hems/internal/manager/house"
	"github.com/smartcore-ireland/hems/internal/manager/journal"
	"github.com/smartcore-ireland/hems/internal/manager/services"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
	"github.com/smartcore-ireland/hems/internal/manager/updates"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/update/sign"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// Self is the name of the manager's program, Broker that of the one that is
// stopped last.
const (
	Self   = "hems-manager"
	Broker = "hems-broker"
)

// Options is where a Manager runs and whom it may ask.
type Options struct {
	Card    bool   // false: a workstation, without slots, watchdog and gokrazy
	Version string // of this build
	Built   time.Time
	Data    string // the data directory
	Dir     string // the manager's own, under it
	Runtime string // the runtime directory
	// MQTT is how to reach the broker; the will and the callbacks are set here.
	MQTT mqttclient.Options
	// Metrics is the unix socket of hems-metrics.
	Metrics string
	// Programs are the names of the appliance's programs; they must run.
	Programs []string
	// Settings is what hems.yaml says at this moment.
	Settings func() Settings
	Updates  Updates
	// GatewayUID is the user that may use the socket beside root and our own; 0:
	// nobody else.
	GatewayUID int
	// ZigbeeUID is the user that serial devices are given to; 0: nobody.
	ZigbeeUID int
	// Handlers are further routes of the socket, by their pattern for
	// http.ServeMux ("POST /v1/backup").
	Handlers map[string]http.Handler
	// Tell sends a word to the watchdog's keeper: "alive", "confirmed".
	Tell func(word string) error
	Log  *slog.Logger

	// What tests replace. The zero values are the real ones.
	Init    string                      // gokrazy's socket; default gokrazy.Socket
	Root    string                      // of /sys and /dev; default "/"
	Restart func(argument string) error // default board.Reboot
	Mount   string                      // what is made read-only before that; default /perm
}

// Settings is what of hems.yaml concerns the manager.
type Settings struct {
	HostName  string
	Developer bool
	Feed      string
	Automatic bool
	Zone      *time.Location // of the house
	// Dashboard is the address of the dashboard's GET /healthz.
	Dashboard string
}

// Updates is what is needed to update a card.
type Updates struct {
	Card     *slot.Card // nil: it has no slots
	PartUUID string     // of its boot partition
	MaxRoot  int64      // bytes that a root partition has
	Board    string     // what a release must be made for
	Trust    sign.Trust
	Listen   string // TCP address of gok's protocol; "" for none
	Password string // the file of its password
	// ClaimCode is the file of the code by which the appliance is claimed; "" for
	// none.
	ClaimCode string
}

// Manager is one running manager.
type Manager struct {
	o       Options
	log     *slog.Logger
	began   time.Time
	every   time.Duration   // between two looks at everything
	watch   *services.Watch // nil in development
	init    *gokrazy.Client // nil in development
	journal *journal.Journal
	resort  lastResort
	updates *updates.Machine
	keeper  error // of the last word told to the keeper

	house  *house.House
	client *mqttclient.Client

	now     atomic.Pointer[current]
	probes  probes
	ending  atomic.Bool // the machine is about to start again
	restart chan error  // the process is to end, with this error
}

// current is the latest tree with what it was grown of.
type current struct {
	facts facts
	root  *tree.Node
}

// New is a manager that has not looked at anything yet.
func New(o Options) (*Manager, error) {
	if o.Init == "" {
		o.Init = gokrazy.Socket
	}
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Restart == nil {
		o.Restart = board.Reboot
	}
	if o.Mount == "" {
		o.Mount = "/perm"
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the manager's directory: %w", err)
	}
	m := &Manager{o: o, log: o.Log, began: time.Now(), every: checkEvery, restart: make(chan error, 1)}
	m.resort.path = filepath.Join(o.Dir, "reboots.json")
	m.probes.init(m.began)
	if o.Card {
		m.init = gokrazy.New(o.Init)
		m.watch = m.newWatch()
		j, err := journal.Open(filepath.Join(o.Dir, "logs"), o.Log)
		if err != nil { // the rest matters more
			o.Log.Error("the logs are not kept", "err", err)
		}
		m.journal = j
	}
	m.setUpUpdates()
	return m, nil
}

func (m *Manager) newWatch() *services.Watch {
	return services.New(services.Options{Init: m.init, Alive: m.init.Alive, Self: Self, Keep: m.o.Programs, Log: m.log})
}

// Run manages until ctx ends. The error is for a socket that cannot be had, and
// for a restart of the manager itself that was asked for.
func (m *Manager) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := m.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := m.connect(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	if m.o.Card {
		wg.Go(func() { m.watch.Run(ctx) })
		wg.Go(func() { m.keepSerial(ctx) })
		wg.Go(func() { m.keepHostName(ctx) })
		wg.Go(func() { m.updates.Follow(ctx) })
		wg.Go(func() { m.serveGok(ctx) })
	}
	if m.journal != nil {
		wg.Go(func() { m.journal.Run(ctx.Done()) })
		wg.Go(func() { m.keepLogs(ctx) })
	}
	wg.Go(func() { m.probes.run(ctx, m) })
	wg.Go(func() { m.serve(ctx, listener) })
	wg.Go(func() { m.check(ctx) })
	wg.Go(func() { m.keepUpdates(ctx) })
	select {
	case <-ctx.Done():
	case err = <-m.restart:
	}
	cancel()
	wg.Wait()
	m.disconnect()
	return err
}

// will is what the broker says of us when we are gone.
var will = mqttclient.Message{Topic: health.Topic("manager"), Payload: health.Report{State: health.Offline}.Payload(), QoS: 1, Retain: true}

func (m *Manager) connect(ctx context.Context) (err error) {
	o := m.o.MQTT
	o.Will = &will
	o.OnUp = func(context.Context, *mqttclient.Client) { m.probes.reported.Store(nil) } // the broker may have forgotten
	if m.client, err = mqttclient.Open(ctx, o); err != nil {
		return err
	}
	m.house, err = house.Listen(ctx, m.client)
	return err
}

func (m *Manager) disconnect() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := m.client.Publish(ctx, will); err != nil && !errors.Is(err, mqttclient.ErrDown) {
		m.log.Debug("the broker was not told that the manager stops", "err", err)
	}
	if err := m.client.Close(ctx); err != nil {
		m.log.Debug("the connection to the broker was not closed cleanly", "err", err)
	}
}

// keepHostName gives the kernel the name of hems.yaml, whenever that changes.
func (m *Manager) keepHostName(ctx context.Context) {
	said := ""
	for {
		if name := m.o.Settings().HostName; name != "" && name != board.HostName() {
			if err := board.SetHostName(name); err != nil && err.Error() != said {
				said = err.Error()
				m.log.Error("the host name is not set", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
}

// keepSerial gives the radio its device, whenever it is plugged in: hems-zigbee
// is not root.
func (m *Manager) keepSerial(ctx context.Context) {
	if m.o.ZigbeeUID == 0 {
		return
	}
	said := ""
	for {
		given, err := board.GiveSerial(filepath.Join(m.o.Root, "dev"), m.o.ZigbeeUID, m.o.ZigbeeUID)
		for _, name := range given {
			m.log.Info("a serial device was given to the radio", "device", name)
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			m.log.Error("the radio may not open its device", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

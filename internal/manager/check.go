package manager

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/manager/board"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

const (
	checkEvery = 2 * time.Second
	initSilent = 30 * time.Second // until it is told that gokrazy does not answer
	endWithin  = 3 * time.Minute  // an orderly end of the machine; then the watchdog ends it
)

// check looks at everything, tells it and feeds the watchdog, until ctx ends.
// The sign of life is given by this loop itself: when it hangs, none is.
func (m *Manager) check(ctx context.Context) {
	tick := time.NewTicker(m.every)
	defer tick.Stop()
	var ending time.Time
	for {
		now := time.Now()
		f := m.look(now)
		root := f.grow()
		m.now.Store(&current{f, root})
		m.tell(ctx, root)
		if m.ending.Load() {
			if ending.IsZero() {
				ending = now
			}
		} else if m.lastResort(now, f) {
			m.End("", "the broker and the dashboard have been failing for ten minutes")
		}
		if ending.IsZero() || now.Sub(ending) < endWithin {
			m.feed()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look gathers the facts.
func (m *Manager) look(now time.Time) facts {
	m.probes.hear(m, now)
	f := facts{now: now, card: m.o.Card, developer: m.o.Settings().Developer, reading: m.house.Reading(), built: m.o.Built, kickErr: m.keeper, update: m.updateFacts()}
	p := &m.probes
	p.mu.Lock()
	f.broker = p.broker.look(now, health.Report{Message: "the parts of the appliance cannot reach each other", Hint: mends})
	f.gateway = p.gateway.look(now, health.Report{Message: "the dashboard does not answer", Hint: mends})
	f.store = p.store.look(now, health.Report{Message: "readings cannot be stored", Hint: "look for a full or read-only card; restart the appliance if this stays"})
	r, known := m.report("zigbee")
	f.zigbee = p.zigbee.look(now, say(r, known, health.Report{Message: "the radio is not running, so nothing new is heard", Hint: mends}))
	if known {
		f.zigbeeNote = r
	}
	r, known = m.report("metrics")
	f.metrics = p.metrics.look(now, say(r, known, health.Report{Message: "the recorder is not running, so readings are not kept", Hint: mends}))
	p.mu.Unlock()
	if known {
		f.metricsNote = r
	}
	f.brokerNote, _ = m.report("broker")
	f.gatewayNote, _ = m.report("gateway")
	var err error
	f.boot, err = report.Read(m.o.Runtime)
	f.booted = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.log.Debug("boot.json", "err", err)
	}
	if f.clock, err = readClock(m.o.Runtime); err != nil {
		m.log.Debug("clock.json", "err", err)
	}
	f.space, f.spaceErr = board.SpaceOf(m.o.Data)
	f.sensors = board.Sense(m.o.Root)
	if m.watch != nil {
		f.programs = m.watch.Programs()
		looked, err := m.watch.Looked()
		if looked.IsZero() {
			looked = m.began
		}
		if err != nil && now.Sub(looked) > initSilent {
			f.initErr = err
		}
	}
	return f
}

// tell says on MQTT what is the manager's own to say, when it has changed or the
// connection is new. It waits for no answer: the loop must go on.
func (m *Manager) tell(ctx context.Context, root *tree.Node) {
	r := own(root)
	if last := m.probes.reported.Load(); last != nil && *last == r || !m.client.Connected() {
		return
	}
	m.probes.reported.Store(&r)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		err := m.client.Publish(ctx, mqttclient.Message{Topic: health.Topic("manager"), Payload: r.Payload(), QoS: 1, Retain: true})
		if err != nil {
			m.probes.reported.CompareAndSwap(&r, nil)
		}
	}()
}

// feed gives the watchdog's keeper a sign of life.
func (m *Manager) feed() {
	if !m.o.Card || m.o.Tell == nil {
		return
	}
	err := m.o.Tell(m.updates.Word())
	if err != nil && m.keeper == nil {
		m.log.Warn("the watchdog's keeper does not hear", "err", err)
	}
	m.keeper = err
}

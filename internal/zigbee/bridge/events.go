package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// event is one thing that happened in the network.
func (b *Bridge) event(ctx context.Context, e network.Event) {
	if _, known := b.devices[e.EUI64]; !known && b.options.blocked(e.EUI64) {
		if e.Kind == network.Joined {
			b.turnAway(ctx, e)
		}
		return
	}
	switch e.Kind {
	case network.MessageReceived:
		b.received(ctx, e)
		return
	case network.StateChanged:
		b.setInfo(e.Info)
		b.setHealth(e.Info)
		b.setDevices() // the coordinator's own address
		b.setBridge()
		return
	case network.PermitJoinChanged:
		b.setInfo(e.Info)
		if e.Info.PermitUntil.IsZero() {
			b.tell(slog.LevelInfo, "new devices may no longer join")
		} else {
			b.tell(slog.LevelInfo, "new devices may join")
		}
		return
	case network.Left:
		b.left(e)
		return
	}
	d := b.device(e)
	name := b.names.name(d.EUI64)
	switch e.Kind {
	case network.Joined:
		b.tell(slog.LevelInfo, fmt.Sprintf("device '%s' joined", name))
		b.bridgeEvent("device_joined", d, nil)
		b.setInfo(b.net.Info()) // its configuration
		b.pairingJoined(e)
	case network.Announced:
		b.bridgeEvent("device_announce", d, nil)
	case network.InterviewStarted:
		b.tell(slog.LevelInfo, fmt.Sprintf("interview of '%s' started", name))
		b.bridgeEvent("device_interview", d, map[string]any{"status": "started"})
	case network.InterviewStep:
		if step := stepOf(e.Step); step != "" {
			b.pairingStep(e, step, b.stepText(d, e.Step))
		} else if e.Err != nil {
			b.tell(slog.LevelWarn, fmt.Sprintf("'%s' was not set up in full: %v", name, e.Err))
		}
	case network.InterviewSucceeded:
		b.interviewed(d, name)
		b.rejoin(ctx, d)
	case network.InterviewFailed:
		b.tell(slog.LevelError, fmt.Sprintf("interview of '%s' failed: %v", name, e.Err))
		b.bridgeEvent("device_interview", d, map[string]any{"status": "failed"})
		b.pairingStep(e, stepFailed, "the device did not say what it is")
	case network.Configured:
		b.tell(slog.LevelInfo, fmt.Sprintf("'%s' is configured", name))
	case network.ConfigureFailed:
		b.tell(slog.LevelError, fmt.Sprintf("configuring '%s' failed: %v", name, e.Err))
		b.pairingStep(e, stepFailed, "the device could not be set up to report")
	}
	b.pairingProgress(e, false)
	b.setDevice(d)
	b.setDevices()
}

// turnAway lets a device that a person has blocked leave again.
func (b *Bridge) turnAway(ctx context.Context, e network.Event) {
	name := b.names.name(e.EUI64)
	err := b.long(ctx, func(ctx context.Context) error { return b.net.Remove(ctx, e.EUI64, true) }, func(err error) {
		if err != nil {
			b.log.Warn("a blocked device was not removed", "device", e.EUI64, "error", err)
		}
	})
	if err != nil {
		b.log.Warn("a blocked device was not removed", "device", e.EUI64, "error", err)
	}
	b.warnLimited("blocked", fmt.Sprintf("device '%s' is blocked and was not let in; take it off the blocklist to let it join", name))
}

// device is the device of an event, new ones included, as it is now.
func (b *Bridge) device(e network.Event) *device {
	d, ok := b.devices[e.EUI64]
	if !ok {
		d = b.newDevice(e.Device)
		b.devices[e.EUI64] = d
		return d
	}
	d.update(e.Device)
	return d
}

// interviewed is after a device has said all about itself.
func (b *Bridge) interviewed(d *device, name string) {
	data := map[string]any{"status": "successful", "supported": d.known(), "definition": b.newDefinition(d)}
	if def := d.model.Info(); def.Supported {
		b.tell(slog.LevelInfo, fmt.Sprintf("interview of '%s' succeeded: it is a %s %s (%s)", name, def.Vendor, def.Description, def.Model))
	} else {
		b.tell(slog.LevelWarn, fmt.Sprintf("interview of '%s' succeeded, but nothing is known about its model '%s' of '%s'",
			name, clean(d.ModelID), clean(d.ManufacturerName)))
	}
	b.bridgeEvent("device_interview", d, data)
}

// left is after a device has gone, by itself or because it was removed. Its
// name stays for the day it returns, unless a person removed it.
func (b *Bridge) left(e network.Event) {
	d, ok := b.devices[e.EUI64]
	if !ok {
		return // removed at a person's request, who has had the answer
	}
	if !d.removing { // who asked for it is answered
		b.tell(slog.LevelWarn, fmt.Sprintf("device '%s' left the network", b.names.name(e.EUI64)))
		b.bridgeEvent("device_leave", d, nil)
	}
	b.forget(d)
}

// forget clears all that is retained about a device that is no more.
func (b *Bridge) forget(d *device) {
	b.clearDevice(d)
	b.states.remove(d.EUI64)
	delete(b.devices, d.EUI64)
	delete(b.pairing, d.EUI64)
	b.setDevices()
	b.setInfo(b.net.Info())
}

// bridgeEvent publishes what happened to a device.
func (b *Bridge) bridgeEvent(kind string, d *device, more map[string]any) {
	data := map[string]any{"friendly_name": b.names.name(d.EUI64), "ieee_address": d.EUI64}
	for k, v := range more {
		data[k] = v
	}
	b.sendJSON(b.topics.bridge("event"), map[string]any{"data": data, "type": kind})
}

// logging writes to the log and publishes what is notable for people.
func (b *Bridge) logging(level slog.Level, message string) {
	b.log.Log(context.Background(), level, message)
	b.tell(level, message)
}

// tell publishes what is notable for people; the network has logged it.
func (b *Bridge) tell(level slog.Level, message string) {
	name := "info"
	switch {
	case level >= slog.LevelError:
		name = "error"
	case level >= slog.LevelWarn:
		name = "warning"
	}
	if level >= b.logLevel {
		b.sendJSON(b.topics.bridge("logging"), map[string]string{"level": name, "message": message})
	}
}

func (b *Bridge) sendJSON(topic string, v any) {
	payload, err := json.Marshal(v)
	if err != nil { // only an error of ours: what devices say is decoded before
		b.log.Error("a message could not be written as JSON", "topic", topic, "error", err)
		return
	}
	b.send(topic, payload, false)
}

// setHealth says how the network is, in a sentence for a person.
func (b *Bridge) setHealth(n network.Info) {
	var r health.Report
	switch n.State {
	case network.Up:
		r = b.opts.Note
		r.State = health.OK
	case network.Down:
		if n.Err == nil { // before the first attempt
			r = starting
			break
		}
		r = failing(n.Err)
	default: // between two failures there is nothing better to say
		if r = b.health; r.State != health.Failing {
			r = starting
		}
	}
	b.health = r
	b.retained.set(health.Topic("zigbee"), r.Payload(), 1)
}

var starting = health.Report{State: health.Failing, Message: "the radio is starting", Hint: "this takes a few seconds"}

// failing is what a householder reads of err; what only a technician can use is
// the detail.
func failing(err error) health.Report {
	r := health.Report{State: health.Failing, Message: message(err), Hint: network.Hint(err)}
	if m, advice := network.Householder(err); m != "" {
		r.Message, r.Hint, r.Detail = m, advice, r.Message+"; "+r.Hint
	}
	return r
}

// message is an error for a person: the sentence of a network.Error without
// what was behind it, which is for the log.
func message(err error) string {
	var ne *network.Error
	if errors.As(err, &ne) {
		return ne.Message
	}
	return err.Error()
}

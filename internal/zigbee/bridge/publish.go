package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// received is a message of a device: what it says goes out at once, unless the
// device's options want it less often.
func (b *Bridge) received(ctx context.Context, e network.Event) {
	m := e.Message
	if m == nil {
		return
	}
	d, known := b.devices[e.EUI64]
	if !known || d.Interview != e.Device.Interview || d.ModelID != e.Device.ModelID {
		d = b.device(e)
		b.setDevice(d)
		b.setDevices()
	} else {
		d.Device = e.Device
	}
	if !d.known() && !d.interviewed() {
		return // it is being asked what it is
	}
	readings, notes := d.decoder.Decode(model.Input{
		Time:       e.Time,
		Endpoint:   m.Endpoint,
		Cluster:    m.Cluster,
		Frame:      m.Frame,
		Attributes: m.Attributes,
	})
	b.noted(ctx, d, notes)
	b.lookAtModel(d)
	// Of a device of which nothing else is known, that it lives is news.
	if len(readings) == 0 && (b.opts.LastSeen == LastSeenDisable) && len(d.exposes()) > 1 {
		return
	}
	b.take(ctx, d, readings, e.Time, int(m.LQI))
	b.pairingProgress(e, len(readings) > 0)
}

// lookAtModel is after a device may have shown itself as something else.
func (b *Bridge) lookAtModel(d *device) {
	if now := d.decoder.Model(); now != d.model {
		d.model = now
		b.setDevice(d)
		b.setDevices()
	}
}

// tick gives what is due of devices that say nothing just now.
func (b *Bridge) tick(ctx context.Context, now time.Time) {
	for _, d := range b.devices {
		next := d.decoder.Next()
		if next.IsZero() || next.After(now) {
			continue
		}
		readings, notes := d.decoder.Tick(now)
		b.noted(ctx, d, notes)
		b.lookAtModel(d)
		if len(readings) > 0 {
			b.take(ctx, d, readings, time.Time{}, -1)
		}
	}
}

// noted logs what a device said that is not published, and why, at a limited
// rate, and asks the device for what is needed to understand it.
func (b *Bridge) noted(ctx context.Context, d *device, notes []model.Note) {
	for _, n := range notes {
		if len(n.Ask) > 0 {
			e := d.EUI64 // read here: the device belongs to this goroutine
			b.queue(ctx, e.String(), b.names.name(e), longRequest, func(ctx context.Context) error {
				return b.net.Do(ctx, e, n.Ask)
			}, func(err error) {
				if err != nil {
					b.logLimited("ask "+d.EUI64.String(), slog.LevelInfo, "a device did not say how its readings are to be understood", "device", d.EUI64, "error", err)
				}
			})
		}
		if n.Kind == model.Learnt { // nothing is lost
			b.logLimited("learnt "+d.EUI64.String(), slog.LevelInfo, n.Text, "device", d.EUI64)
			continue
		}
		b.warnLimited("note "+d.EUI64.String()+" "+n.Key, fmt.Sprintf("'%s': %s", b.names.name(d.EUI64), n.Text))
	}
}

// take brings readings into the device's state and publishes it. At and lqi are
// of the message they came in; zero and -1 when there was none.
func (b *Bridge) take(ctx context.Context, d *device, readings []model.Reading, at time.Time, lqi int) {
	st := b.states.get(d.EUI64)
	if d.debounce != nil && d.settings.conflict(st, readings, d.held) {
		b.publishHeld(d)
	}
	update := make(map[string]any, len(readings))
	var momentary []field
	for _, r := range readings {
		update[r.Key] = r.Value
		if d.settings.passing(r.Key) {
			momentary = append(momentary, newField(r.Key, r.Value))
			continue
		}
		st.merge(r.Key, r.Value)
	}
	if lqi >= 0 {
		st.Values["linkquality"] = uint8(lqi)
	}
	if !at.IsZero() {
		st.At = at.UnixMilli()
	}
	b.states.dirty = true
	if len(momentary) > 1 {
		momentary = sortFields(momentary)
	}
	switch {
	case d.settings.debounce > 0:
		b.debounce(ctx, d, momentary, readings)
	case d.settings.throttle > 0:
		b.throttle(ctx, d, momentary)
	default:
		b.publish(d, st, momentary)
	}
	b.groupsFollow(d, update)
}

// merge takes a value over; of an object only the parts that are there.
func (st *state) merge(key string, v any) {
	parts, ok := v.(map[string]any)
	if ok {
		old, _ := st.Values[key].(map[string]any)
		parts = overlay(old, parts)
		if key == "color" { // Home Assistant's names
			alias(parts, "hue", "h")
			alias(parts, "saturation", "s")
		}
		v = parts
	}
	if _, known := st.Values[key]; known || len(st.Values) < maxStateKeys {
		st.Values[key] = v
	}
}

func alias(parts map[string]any, key, other string) {
	if v, ok := parts[key]; ok {
		parts[other] = v
	}
}

// conflict reports whether a value that is being held back, and that a person
// does not want to miss, would be overwritten.
func (s settings) conflict(st *state, readings []model.Reading, held map[string]bool) bool {
	for _, r := range readings {
		if s.debounceIgnore[r.Key] && held[r.Key] && !same(st.Values[r.Key], r.Value) {
			return true
		}
	}
	return false
}

// debounce publishes when the device has been silent for a while.
func (b *Bridge) debounce(ctx context.Context, d *device, momentary []field, readings []model.Reading) {
	if d.held == nil {
		d.held = make(map[string]bool)
	}
	for _, r := range readings {
		d.held[r.Key] = true
	}
	d.moment = sortFields(append(momentary, d.moment...))
	if d.debounce != nil {
		d.debounce.Stop()
	}
	d.debounce = b.later(ctx, d, d.settings.debounce)
}

// throttle publishes at once, but not more often than the device's option says.
func (b *Bridge) throttle(ctx context.Context, d *device, momentary []field) {
	d.moment = sortFields(append(momentary, d.moment...))
	if d.debounce != nil {
		return // it is on its way
	}
	if wait := d.settings.throttle - b.now().Sub(d.published); wait > 0 && wait <= d.settings.throttle {
		d.debounce = b.later(ctx, d, wait)
		return
	}
	b.publishHeld(d)
}

// later publishes what is held back of a device after a while.
func (b *Bridge) later(ctx context.Context, d *device, wait time.Duration) *time.Timer {
	var t *time.Timer
	t = time.AfterFunc(wait, func() {
		b.post(ctx, func() {
			if d.debounce == t && b.devices[d.EUI64] == d {
				b.publishHeld(d)
			}
		})
	})
	return t
}

// publishHeld publishes what was held back of a device.
func (b *Bridge) publishHeld(d *device) {
	momentary := d.moment
	if d.debounce != nil {
		d.debounce.Stop()
	}
	d.debounce, d.held, d.moment = nil, nil, nil
	d.published = b.now()
	b.publish(d, b.states.get(d.EUI64), momentary)
}

// publishState publishes the last known value of every key of the device.
func (b *Bridge) publishState(d *device, st *state) { b.publish(d, st, nil) }

// publish publishes the device's state, with what has happened at this moment.
func (b *Bridge) publish(d *device, st *state, momentary []field) {
	name := b.names.name(d.EUI64)
	if topic := d.topic; topic == "" || topic[len(b.topics.base)+1:] != name {
		d.topic = b.topics.state(name)
		if d.settings.retain { // a name that was free until now may be to be cleared
			b.retained.forget(d.topic)
		}
	}
	if b.opts.LastSeen != LastSeenDisable && st.At > 0 {
		text := b.opts.LastSeen.append([]byte(`"last_seen":`), time.UnixMilli(st.At))
		momentary = sortFields(append(momentary, field{key: "last_seen", text: text}))
	}
	var hide func(string) bool
	if d.settings.hidden.pattern != nil {
		hide = d.settings.hidden.has
	}
	fields := st.fields()
	if b.opts.Output != OutputAttribute {
		b.buf = appendObject(b.buf[:0], hide, momentary, fields, d.nulls)
		if len(b.buf) > len("{}") {
			b.sendState(d, d.topic, b.buf)
		}
	}
	if b.opts.Output != OutputJSON {
		b.publishAttributes(d, hide, momentary, fields, d.nulls)
	}
	for _, endpoint := range d.splits {
		b.publishEndpoint(d, endpoint, momentary, fields, d.nulls)
	}
	for _, f := range momentary {
		if f.key == "action" {
			b.acted(d, f.value)
		}
	}
}

// sendState publishes a device's state in the way its options say.
func (b *Bridge) sendState(d *device, topic string, payload []byte) {
	b.sendMessage(mqttclient.Message{
		Topic: topic, Payload: payload, QoS: d.settings.qos, Retain: d.settings.retain, Expiry: d.settings.retention,
	})
}

// sendMessage publishes a message that is worth nothing later. One that wants
// an acknowledgement gets it in its own time.
func (b *Bridge) sendMessage(m mqttclient.Message) {
	b.traffic.published++
	publish := func() {
		err := b.client.Publish(context.Background(), m)
		if err != nil && !errors.Is(err, mqttclient.ErrDown) {
			b.log.Warn("a message was not published", "topic", m.Topic, "error", err)
		}
	}
	if m.QoS == 0 {
		publish()
		return
	}
	m.Payload = slices.Clone(m.Payload)
	select {
	case b.unacknowledged <- struct{}{}:
		go func() { publish(); <-b.unacknowledged }()
	default:
		b.warnLimited("acknowledgements", "a state was not published: the broker acknowledges too slowly")
	}
}

// publishAttributes publishes each key on a topic of its own.
func (b *Bridge) publishAttributes(d *device, hide func(string) bool, lists ...[]field) {
	seen := make(map[string]bool)
	for _, list := range lists {
		for _, f := range list {
			if seen[f.key] || hide != nil && hide(f.key) {
				continue
			}
			seen[f.key] = true
			b.publishAttribute(d, d.topic+"/"+f.key, f)
		}
	}
}

func (b *Bridge) publishAttribute(d *device, topic string, f field) {
	switch v := f.value.(type) {
	case string:
		b.sendState(d, topic, []byte(v))
	case map[string]any:
		for key, part := range v {
			b.publishAttribute(d, topic+"-"+key, newField(key, part))
		}
	case []any:
		words := make([]string, len(v))
		for i, x := range v {
			words[i] = fmt.Sprint(x)
		}
		b.sendState(d, topic, []byte(strings.Join(words, ",")))
	default:
		text := strings.Trim(string(f.text[len(f.key)+len(`"":`):]), `"`)
		if text == "null" {
			text = ""
		}
		b.sendState(d, topic, []byte(text))
	}
}

// publishEndpoint publishes the keys of one endpoint without its name: Home
// Assistant's lights and covers cannot be told which keys are theirs.
func (b *Bridge) publishEndpoint(d *device, endpoint string, lists ...[]field) {
	var own []field
	for _, list := range lists {
		for _, f := range list {
			if key, ok := strings.CutSuffix(f.key, "_"+endpoint); ok {
				own = append(own, newField(key, f.value))
			}
		}
	}
	b.sendMessage(mqttclient.Message{Topic: d.topic + "/" + endpoint, Payload: appendObject(nil, nil, sortFields(own))})
}

// acted is after a device told of something that happens at a moment, a button
// being pressed: on a topic of its own, for automations.
func (b *Bridge) acted(d *device, action any) {
	value := fmt.Sprint(action)
	if value == "" || action == nil || !d.known() && !d.interviewed() {
		return
	}
	if !d.triggers[value] && len(d.triggers) < maxTriggers && nodeID(value) == value {
		if d.triggers == nil {
			d.triggers = make(map[string]bool)
		}
		d.triggers[value] = true
		b.setDevice(d)
	}
	if b.opts.Output == OutputJSON {
		b.sendMessage(mqttclient.Message{Topic: d.topic + "/action", Payload: []byte(value)})
	}
}

// homeAssistantUp gives Home Assistant, which has just started, what it does not
// keep over a restart. Zigbee2MQTT 2 gives the states alone, and the bridge's
// own first, as what is retained is there anyway.
func (b *Bridge) homeAssistantUp() {
	b.retained.publishMatching(func(topic string) bool {
		return topic == b.topics.bridge("state") ||
			!b.z2m2() && (strings.HasPrefix(topic, b.topics.prefix+"/") || strings.HasSuffix(topic, "/availability"))
	})
	for _, d := range b.sorted() {
		b.republishState(d)
	}
	for _, g := range b.groups.sorted() {
		if len(g.state) > 0 {
			b.publishGroup(g, nil)
		}
	}
}

// republishState publishes the state once more. One that is too old to be taken
// for one of now is left out where the broker holds it anyway, and else where
// the device is out of reach.
func (b *Bridge) republishState(d *device) {
	st, ok := b.states.of[d.EUI64]
	if !ok || len(st.Values) == 0 {
		return
	}
	age := b.now().UnixMilli() - st.At
	fresh := age < staleAfter.Milliseconds() && age > -staleAfter.Milliseconds()
	if fresh || !d.settings.retain && d.Available {
		b.publishState(d, st)
	}
}

package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// command is a message on <name>/get or <name>/set, with the attribute in the
// topic or the payload. It has no answer but the state that follows; what fails
// is told on bridge/logging.
func (b *Bridge) command(ctx context.Context, name, verb, attribute string, payload []byte) {
	d, g, endpoint, ok := b.commanded(name)
	if !ok {
		b.warnLimited("entity", fmt.Sprintf("the device '%.100s' is not known", name))
		return
	}
	message, raw, err := parseCommand(attribute, payload)
	if err != nil {
		b.warnLimited(verb, fmt.Sprintf("'%s' to '%s' makes no sense: %v", verb, name, err))
		return
	}
	switch {
	case verb == "get" && g != nil:
		for _, m := range g.Members {
			if d, ok := b.devices[m.EUI64]; ok {
				b.get(ctx, d, d.endpointName(m.Endpoint), slices.Sorted(maps.Keys(message)))
			}
		}
	case verb == "get":
		b.get(ctx, d, endpoint, slices.Sorted(maps.Keys(message)))
	case g != nil:
		b.setScenes(ctx, sceneTarget{group: g}, message, raw)
		b.setGroupTo(ctx, g, message)
	default:
		if ep, ok := d.endpoint(endpoint); ok {
			b.setScenes(ctx, sceneTarget{device: d, endpoint: ep.ID}, message, raw)
		}
		b.set(ctx, d, endpoint, message)
	}
}

// commanded is what a command's topic means: a device, one of its endpoints, or
// a group.
func (b *Bridge) commanded(name string) (d *device, g *group, endpoint string, ok bool) {
	if d, ok = b.find(name); ok {
		return d, nil, "", true
	}
	if g, ok = b.groups.find(name); ok {
		return nil, g, "", true
	}
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return nil, nil, "", false
	}
	if d, ok = b.find(name[:i]); !ok {
		return nil, nil, "", false
	}
	endpoint = name[i+1:]
	ep, ok := d.endpoint(endpoint)
	if ok && strings.Trim(endpoint, "0123456789") == "" { // by its number
		if named := d.endpointName(ep.ID); named != "" {
			endpoint = named
		}
	}
	return d, nil, endpoint, ok
}

// words are what a message that is no JSON may say.
var words = map[string]bool{"on": true, "off": true, "toggle": true, "open": true, "close": true, "stop": true, "lock": true, "unlock": true}

// maxCommandKeys is how many things a message can tell at once.
const maxCommandKeys = 100

// parseCommand reads a message: a JSON object, a word ("ON"), or any value for
// the attribute in the topic. Raw has the values as they came.
func parseCommand(attribute string, payload []byte) (message map[string]any, raw map[string]json.RawMessage, err error) {
	if len(payload) > maxPayload {
		return nil, nil, fmt.Errorf("it has more than %d bytes", maxPayload)
	}
	valid := json.Valid(payload)
	var text string
	isText := !valid
	if text = strings.ToValidUTF8(string(payload), "\uFFFD"); valid {
		isText = json.Unmarshal(payload, &text) == nil && strings.HasPrefix(strings.TrimSpace(string(payload)), `"`)
	}
	switch {
	case attribute != "" && valid:
		raw = map[string]json.RawMessage{attribute: payload}
	case attribute != "":
		raw = map[string]json.RawMessage{attribute: marshal(text)}
	case isText && words[strings.ToLower(strings.TrimSpace(text))]:
		raw = map[string]json.RawMessage{"state": marshal(strings.TrimSpace(text))}
	case !valid:
		return nil, nil, errors.New(`it is no JSON; publish {"state": "ON"}`)
	default:
		if err := json.Unmarshal(payload, &raw); err != nil || raw == nil {
			return nil, nil, errors.New(`it is no object; publish {"state": "ON"}`)
		}
	}
	if len(raw) == 0 || len(raw) > maxCommandKeys {
		return nil, nil, fmt.Errorf("it has %d keys; 1 to %d are allowed", len(raw), maxCommandKeys)
	}
	message = make(map[string]any, len(raw))
	for key, text := range raw {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, nil, fmt.Errorf("'%.100s' is not readable: %w", key, err)
		}
		message[key] = v
	}
	return message, raw, nil
}

// setScenes gives what a message says about scenes to those who know them, and
// takes it out of the message.
func (b *Bridge) setScenes(ctx context.Context, t sceneTarget, message map[string]any, raw map[string]json.RawMessage) {
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if isSceneKey(key) {
			b.setScene(ctx, t, key, raw[key])
			delete(message, key)
		}
	}
}

// get asks a device for keys. What it answers comes as a message of the device.
func (b *Bridge) get(ctx context.Context, d *device, endpoint string, keys []string) {
	reads, errs := d.model.Get(keys, endpoint)
	name := b.names.name(d.EUI64)
	for _, err := range errs {
		b.warnLimited("get", fmt.Sprintf("'%s' %v", name, err))
	}
	if len(reads) == 0 {
		return
	}
	e := d.EUI64 // read here: the device belongs to this goroutine
	b.queue(ctx, e.String(), name, waitFor(d), func(ctx context.Context) error {
		return b.net.Do(ctx, e, reads)
	}, func(err error) {
		if err != nil {
			b.logging(slog.LevelError, fmt.Sprintf("'%s' was not read: %v", b.names.name(d.EUI64), err))
		}
	})
}

// set makes a device do what a message says. That it has done so is published
// at once, as its report may take a while, unless the device's options say that
// this is not wanted.
func (b *Bridge) set(ctx context.Context, d *device, endpoint string, message map[string]any) {
	st := b.states.get(d.EUI64)
	withoutNeed(message, st.Values)
	if len(message) == 0 {
		return
	}
	name := b.names.name(d.EUI64)
	actions, now, errs := d.model.SetWith(message, endpoint, st.Values, b.options.device(d.EUI64))
	for _, err := range errs {
		b.warnLimited("set", fmt.Sprintf("'%s' %v", name, err))
	}
	if len(actions) == 0 && len(now) == 0 {
		return
	}
	e := d.EUI64 // read here: the device belongs to this goroutine
	b.queue(ctx, e.String(), name, waitFor(d), func(ctx context.Context) error {
		return b.net.Do(ctx, e, actions)
	}, func(err error) {
		if err != nil {
			b.logging(slog.LevelError, fmt.Sprintf("'%s' was not set: %v", b.names.name(d.EUI64), err))
			return
		}
		if b.devices[d.EUI64] == d {
			b.told(d, now)
		}
	})
}

// withoutNeed takes a state out of a message that Home Assistant adds to every
// change of colour: it would be a second command for nothing.
func withoutNeed(message, state map[string]any) {
	_, temp := message["color_temp"]
	_, color := message["color"]
	_, brightness := message["brightness"]
	if state["state"] == "ON" && (temp || color) && !brightness {
		delete(message, "state")
	}
}

// told publishes what a device was told to be, and the groups it is in.
func (b *Bridge) told(d *device, now map[string]any) {
	if d.settings.pessimist {
		return
	}
	st := b.states.get(d.EUI64)
	update := make(map[string]any, len(now))
	for key, v := range now {
		if !d.settings.unclaimed.has(key) {
			update[key] = v
			st.merge(key, v)
		}
	}
	if len(update) == 0 {
		return
	}
	b.states.dirty = true
	b.publishState(d, st)
	b.groupsFollow(d, update)
}

// setGroupTo makes a group do what a message says, by one command to all of it
// where there is one. What can only be done device by device is.
func (b *Bridge) setGroupTo(ctx context.Context, g *group, message map[string]any) {
	withoutNeed(message, g.state)
	if len(message) == 0 {
		return
	}
	actions, now, errs, found := b.groupActions(g, message)
	if !found {
		b.warnLimited("set", fmt.Sprintf("the group '%s' has no members that can be told anything", g.Name))
		return
	}
	for _, err := range errs {
		b.warnLimited("set", fmt.Sprintf("a member of the group '%s' %v", g.Name, err))
	}
	if len(actions) == 0 {
		return
	}
	id, members := g.id, slices.Clone(g.Members)
	b.queue(ctx, fmt.Sprintf("group %d", id), g.Name, longRequest, func(ctx context.Context) error {
		for _, a := range actions {
			var err error
			if a.Kind == model.Command {
				err = b.net.GroupCommand(ctx, id, network.Command{Cluster: a.Cluster, Manufacturer: a.Manufacturer, ID: a.Command, Payload: a.Payload})
			} else {
				for _, m := range members {
					one := a
					one.Endpoint = m.Endpoint
					err = errors.Join(err, b.net.Do(ctx, m.EUI64, []model.Action{one}))
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, func(err error) {
		if err != nil {
			b.logging(slog.LevelError, fmt.Sprintf("the group '%s' was not set: %v", g.Name, err))
			return
		}
		if b.groups.of[id] == g && g.Options.flag("optimistic", true) {
			b.groupChanged(g, now)
		}
	})
}

// groupActions is what to do on a group: what the member would do that
// understands most of the message.
func (b *Bridge) groupActions(g *group, message map[string]any) (actions []model.Action, now map[string]any, errs []error, found bool) {
	for _, m := range g.Members {
		d, ok := b.devices[m.EUI64]
		if !ok {
			continue
		}
		name := d.endpointName(m.Endpoint)
		list, after, wrong := d.model.SetWith(message, name, g.state, g.Options)
		if found && len(wrong) >= len(errs) {
			continue
		}
		bare := make(map[string]any, len(after))
		for key, v := range after {
			if name != "" {
				key = strings.TrimSuffix(key, "_"+name)
			}
			bare[key] = v
		}
		actions, now, errs, found = list, bare, wrong, true
	}
	return actions, now, errs, found
}

// limiter holds back log lines that strangers can cause.
type limiter struct {
	last    time.Time
	skipped int
}

// warnEvery is the least time between two warnings of one kind.
const warnEvery = 2 * time.Second

// warnLimited is logging of a warning, at most one of a kind in warnEvery. The
// next tells how many were left out.
func (b *Bridge) warnLimited(kind, message string) {
	if skipped, ok := b.mayLog(kind); ok {
		if skipped > 0 {
			message += fmt.Sprintf(" (%d more like it before)", skipped)
		}
		b.logging(slog.LevelWarn, strings.ToValidUTF8(message, "\uFFFD"))
	}
}

// logLimited writes to the log alone, at most once of a kind in warnEvery.
func (b *Bridge) logLimited(kind string, level slog.Level, message string, args ...any) {
	if skipped, ok := b.mayLog(kind); ok {
		if skipped > 0 {
			args = append(args, "more_before", skipped)
		}
		b.log.Log(context.Background(), level, message, args...)
	}
}

// mayLog reports whether a line of a kind may be logged now, and how many were
// left out before it.
func (b *Bridge) mayLog(kind string) (skipped int, ok bool) {
	l, known := b.dropped[kind]
	if !known {
		l = &limiter{}
		b.dropped[kind] = l
	}
	now := b.now()
	if known && now.Sub(l.last) < warnEvery && !now.Before(l.last) {
		l.skipped++
		return 0, false
	}
	skipped = l.skipped
	l.last, l.skipped = now, 0
	return skipped, true
}

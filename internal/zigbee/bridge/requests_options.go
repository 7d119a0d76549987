package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// object reads a field that must be an object.
func (r request) object(field string) (map[string]any, error) {
	var v map[string]any
	if raw, ok := r.fields[field]; !ok || json.Unmarshal(raw, &v) != nil || v == nil {
		return nil, invalid("'%s' must be an object", field)
	}
	return v, nil
}

// change reads what options a request changes; names are not among them.
func (r request) change() (map[string]any, error) {
	change, err := r.object("options")
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"friendly_name", "friendlyName", "ID", "type", "devices"} {
		delete(change, key)
	}
	return change, nil
}

func (b *Bridge) requestDeviceOptions(_ context.Context, r request) {
	if r.fields["id"] == nil || r.fields["options"] == nil {
		b.fail(r, invalid("'id' and 'options' are needed"))
		return
	}
	d, _, ok := b.target(r)
	if !ok {
		return
	}
	change, err := r.change()
	if err != nil {
		b.fail(r, err)
		return
	}
	from := b.options.device(d.EUI64)
	to, err := changeOptions(from, change, deviceRules, modelRules(d.exposes(), d.options()))
	if err == nil {
		err = b.options.setDevice(d.EUI64, to)
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	b.optionsChanged(d)
	b.logging(slog.LevelInfo, fmt.Sprintf("the options of '%s' were changed", b.names.name(d.EUI64)))
	b.answer(r, map[string]any{"from": shownOptions(from), "id": r.echo("id"), "restart_required": false, "to": shownOptions(to)})
}

// optionsChanged lets the options of a device take effect.
func (b *Bridge) optionsChanged(d *device) {
	b.tellDeviceOptions(d.EUI64)
	b.setInfo(b.net.Info())
	b.setDevices()
	b.setDevice(d)
}

// shownOptions are options as JSON has them: an object, never null.
func shownOptions(o entityOptions) entityOptions {
	if o == nil {
		return entityOptions{}
	}
	return o
}

// exposeRule is which values the option of a model takes.
func exposeRule(e model.Expose) rule {
	switch e.Type {
	case model.Numeric:
		low, high := math.Inf(-1), math.Inf(1)
		if e.ValueMin != nil {
			low = *e.ValueMin
		}
		if e.ValueMax != nil {
			high = *e.ValueMax
		}
		return isNumber(low, high)
	case model.Enum:
		return isOneOf(e.Values...)
	case model.Binary:
		return rule{func(v any) error {
			if v != e.ValueOn && v != e.ValueOff {
				return fmt.Errorf("must be %v or %v", e.ValueOn, e.ValueOff)
			}
			return nil
		}, map[string]any{"enum": []any{e.ValueOn, e.ValueOff}}}
	case model.Text:
		return isText
	case model.Composite:
		return isObject
	}
	return rule{func(v any) error { return nil }, map[string]any{}} // the size of all is bounded
}

// bridgeRules are the options of the bridge that a request can change, by their
// path in Zigbee2MQTT's configuration. They take effect at once. All others are
// in hems.yaml, or not there at all, and are refused by name.
var bridgeRules = map[string]rule{
	"advanced.log_level":                      isOneOf("error", "warning", "info", "debug"),
	"advanced.last_seen":                      isOneOf("disable", "ISO_8601", "ISO_8601_local", "epoch"),
	"advanced.output":                         isOneOf("json", "attribute", "attribute_and_json"),
	"availability.enabled":                    isFlag,
	"availability.active.timeout":             isNumber(0.1, 1e5),
	"availability.active.max_jitter":          isNumber(1000, 1e7),
	"availability.active.pause_on_backoff_gt": isNumber(0, 1e6),
	"availability.active.backoff":             isFlag,
	"availability.passive.timeout":            isNumber(0.1, 1e6),
	"health.interval":                         isNumber(1, 1e5),
	"health.reset_on_check":                   isFlag,
	"blocklist":                               isList,
}

// requestOptions changes options of the bridge. The channel is changed at once,
// which takes some seconds; who asks is answered when it is done.
func (b *Bridge) requestOptions(ctx context.Context, r request) {
	change, err := r.object("options")
	if err != nil {
		b.fail(r, err)
		return
	}
	channel, moved, err := takeChannel(change)
	if err != nil {
		b.fail(r, err)
		return
	}
	if err := checkBridgeOptions("", change); err != nil {
		b.fail(r, err)
		return
	}
	if !moved {
		b.changeBridge(r, change)
		return
	}
	b.start(ctx, r, func(ctx context.Context) error { return b.net.ChangeChannel(ctx, channel) },
		func() { b.changeBridge(r, change) }, fmt.Sprintf("change to channel %d", channel))
}

// takeChannel takes advanced.channel out of the options.
func takeChannel(change map[string]any) (channel uint8, ok bool, err error) {
	advanced, _ := change["advanced"].(map[string]any)
	v, there := advanced["channel"]
	if !there {
		return 0, false, nil
	}
	n, isNumber := v.(float64)
	if !isNumber || n != math.Trunc(n) || n < 11 || n > 26 {
		return 0, false, invalid("'advanced.channel' must be a whole number from 11 to 26")
	}
	if delete(advanced, "channel"); len(advanced) == 0 {
		delete(change, "advanced")
	}
	return uint8(n), true, nil
}

// checkBridgeOptions is why options cannot be set, or nil.
func checkBridgeOptions(path string, change map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(change)) {
		v := change[key]
		at := path + key
		if r, ok := bridgeRules[at]; ok {
			if v == nil { // back to what is configured
				continue
			}
			if why := r.why(v); why != nil {
				return invalid("'%s' %v", at, why)
			}
			if at == "blocklist" {
				if _, err := parseBlocklist(v); err != nil {
					return err
				}
			}
			continue
		}
		inner, isMap := v.(map[string]any)
		if !isMap || !leadsToRule(at+".") {
			return refusal(fmt.Sprintf("the option '%.100s' cannot be changed by a request; what the appliance lets you choose is in hems.yaml", at))
		}
		if err := checkBridgeOptions(at+".", inner); err != nil {
			return err
		}
	}
	return nil
}

func leadsToRule(path string) bool {
	for at := range bridgeRules {
		if strings.HasPrefix(at, path) {
			return true
		}
	}
	return false
}

func parseBlocklist(v any) ([]zcl.EUI64, error) {
	var list []zcl.EUI64
	all, _ := v.([]any)
	for _, x := range all {
		s, _ := x.(string)
		e, err := zcl.ParseEUI64(strings.ToLower(s))
		if err != nil {
			return nil, invalid("'blocklist' must be a list of addresses")
		}
		list = append(list, e)
	}
	return list, nil
}

// changeBridge keeps changed options of the bridge and answers.
func (b *Bridge) changeBridge(r request, change map[string]any) {
	oldBridge, oldList := b.options.Bridge, b.options.Blocklist
	if v, ok := change["blocklist"]; ok {
		list, err := parseBlocklist(v)
		if err != nil {
			b.fail(r, err)
			return
		}
		b.options.Blocklist = list
		delete(change, "blocklist")
	}
	b.options.Bridge = merge(oldBridge, change)
	if text, err := json.Marshal(b.options.Bridge); err != nil || len(text) > maxOptionsBytes {
		b.options.Bridge, b.options.Blocklist = oldBridge, oldList
		b.fail(r, invalid("the options have more than %d bytes", maxOptionsBytes))
		return
	}
	if err := b.options.save(); err != nil {
		b.options.Bridge, b.options.Blocklist = oldBridge, oldList
		b.fail(r, err)
		return
	}
	b.applyOptions()
	b.resetHealth()
	for _, d := range b.sorted() { // last_seen is one of its entities
		b.setDevice(d)
	}
	b.logging(slog.LevelInfo, "the options of the bridge were changed")
	b.setInfo(b.net.Info())
	b.answer(r, map[string]any{"restart_required": false})
}

// option is a changed option of the bridge by its path, nil when nobody has
// changed it.
func (o *options) option(path ...string) any {
	var v any = o.Bridge
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// applyOptions lets the options of the bridge take effect, those that nobody
// has changed as they are configured.
func (b *Bridge) applyOptions() {
	o := b.options
	name, _ := o.option("advanced", "log_level").(string)
	level, ok := logLevels[name]
	if !ok {
		name, level = "info", slog.LevelInfo
	}
	b.logLevel, b.logLevelName = level, name
	if b.opts.LogLevel != nil {
		b.opts.LogLevel.Set(level)
	}
	b.opts.LastSeen, b.opts.Output = b.configured.LastSeen, b.configured.Output
	if v, ok := o.option("advanced", "last_seen").(string); ok {
		b.opts.LastSeen = LastSeen(v)
	}
	if v, ok := o.option("advanced", "output").(string); ok {
		b.opts.Output = Output(v)
	}
	if err := b.opts.check(); err != nil { // the state file was edited
		b.log.Error("an option in the state file makes no sense and is as configured", "error", err)
		b.opts.LastSeen, b.opts.Output = b.configured.LastSeen, b.configured.Output
	}
	b.tellOptions()
}

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError,
}

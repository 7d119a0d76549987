package bridge

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestChangeOptions(t *testing.T) {
	low, high := 0.0, 10.0
	own := modelRules([]model.Expose{{Property: "power", Type: model.Numeric}}, []model.Expose{
		{Property: "interval", Type: model.Numeric, ValueMin: &low, ValueMax: &high},
		{Property: "mode", Type: model.Enum, Values: []string{"a", "b"}},
		{Property: "invert", Type: model.Binary, ValueOn: true, ValueOff: false},
	})
	old := entityOptions{"retain": true, "homeassistant": map[string]any{"name": "x", "icon": "y"}}
	for name, tt := range map[string]struct {
		change map[string]any
		want   entityOptions
		wrong  string
	}{
		"Nothing":          {nil, old, ""},
		"Replaced":         {map[string]any{"retain": false}, entityOptions{"retain": false, "homeassistant": old["homeassistant"]}, ""},
		"NullIsToldHA":     {map[string]any{"homeassistant": map[string]any{"name": nil}}, entityOptions{"retain": true, "homeassistant": map[string]any{"icon": "y", "name": nil}}, ""},
		"NullTakesAway":    {map[string]any{"retain": nil, "homeassistant": nil}, entityOptions{}, ""},
		"OfTheModel":       {map[string]any{"interval": 5.0, "mode": "a", "invert": true, "power_precision": 1.0, "power_calibration": -2.5}, nil, ""},
		"Availability":     {map[string]any{"availability": map[string]any{"timeout": 5.0}}, nil, ""},
		"ErrAvailability":  {map[string]any{"availability": map[string]any{"timeouts": 5.0}}, nil, "has no 'timeouts'"},
		"ErrAvailabilityN": {map[string]any{"availability": 5.0}, nil, "must be true or false, or must be an object"},
		"ErrUnknown":       {map[string]any{"colour": 1.0}, nil, "'colour' is not known"},
		"ErrType":          {map[string]any{"debounce": "1"}, nil, "'debounce' must be a number from 0 to 86400"},
		"ErrList":          {map[string]any{"filtered_attributes": []any{1.0}}, nil, "must be a list"},
		"ErrRange":         {map[string]any{"interval": 11.0}, nil, "'interval' must be a number from 0 to 10"},
		"ErrChoice":        {map[string]any{"mode": "c"}, nil, "'mode' must be one of a, b"},
		"ErrBinary":        {map[string]any{"invert": "on"}, nil, "'invert' must be true or false"},
		"ErrLong":          {map[string]any{"description": strings.Repeat("x", maxText+1)}, nil, "at most 1000 bytes"},
		"ErrAllTooLarge":   {map[string]any{"homeassistant": map[string]any{"a": strings.Repeat("x", maxOptionsBytes)}}, nil, "more than 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := changeOptions(old, tt.change, deviceRules, own)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) || !strings.HasPrefix(err.Error(), "Invalid payload") {
					t.Errorf("got %v, %v, want an error with %q", got, err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); tt.want != nil && diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(entityOptions{"retain": true, "homeassistant": map[string]any{"name": "x", "icon": "y"}}, old); diff != "" {
		t.Errorf("the old options were changed (-want +got):\n%s", diff)
	}
}

func TestOptionsOutliveTheProcess(t *testing.T) {
	f := start(t, func(f *fixture) {
		f.options.State = stateOf(t, map[string]any{statefile.Names: map[zcl.EUI64]string{meterEUI: "frient_blink_counter"}})
	})
	f.ask("options", `{"options":{"advanced":{"log_level":"debug","last_seen":"epoch"}}}`)
	f.ask("device/options", `{"id":"frient_blink_counter","options":{"retain":false,"description":"d"}}`)
	f.stop()
	f.again()
	f.inside(func(b *Bridge) {
		if b.logLevel != slog.LevelDebug || b.opts.LastSeen != LastSeenEpoch {
			t.Errorf("the options of the bridge are %v and %v", b.logLevel, b.opts.LastSeen)
		}
		if diff := cmp.Diff(entityOptions{"retain": false, "description": "d"}, b.options.device(meterEUI)); diff != "" {
			t.Errorf("options (-want +got):\n%s", diff)
		}
	})
	f.awaitHolds("zigbee2mqtt/bridge/devices", func(s string) bool { return strings.Contains(s, `"description":"d","disabled":false`) })
	f.ask("options", `{"options":{"advanced":{"log_level":null,"last_seen":null}}}`)
	f.inside(func(b *Bridge) {
		if b.logLevel != slog.LevelInfo || b.opts.LastSeen != LastSeenDisable {
			t.Errorf("back to what is configured: got %v and %v", b.logLevel, b.opts.LastSeen)
		}
	})
}

func TestLogLevelIsOfBridgeLoggingToo(t *testing.T) {
	var level slog.LevelVar
	f := start(t, func(f *fixture) { f.options.LogLevel = &level })
	f.ask("options", `{"options":{"advanced":{"log_level":"error"}}}`)
	if level.Level() != slog.LevelError {
		t.Errorf("the log's level is %v", level.Level())
	}
	before := f.count()
	f.ask("group/add", `x`)
	f.ask("group/rename", `{"from":"x","to":"y"}`) // told at level info
	f.ask("health_check", ``)
	for _, p := range f.messages()[before:] {
		if p.Topic == "zigbee2mqtt/bridge/logging" {
			t.Errorf("got %s", p.Payload)
		}
	}
}

// TestConfigSchemaKnowsEveryOption: what a request may change is in the schema.
func TestConfigSchemaKnowsEveryOption(t *testing.T) {
	root := configSchema()
	for path := range bridgeRules {
		var at any = root
		for _, key := range strings.Split(path, ".") {
			m, _ := at.(map[string]any)
			members, _ := m["properties"].(map[string]any)
			if at = members[key]; at == nil {
				t.Errorf("the schema has no %s", path)
				break
			}
		}
	}
}

package discovery

import (
	"errors"
	"strings"
	"testing"
)

// TestValue: what an entity's state is, of every kind that is read.
func TestValue(t *testing.T) {
	const none, refused = "\x00no value", "\x00refused"
	for _, tc := range []struct {
		name, component, document, state string
		number                           float64
		text                             string
	}{
		{"Sensor", "sensor", `"unit_of_measurement":"W"`, "342", 342, ""},
		{"SensorOfWords", "sensor", ``, "heating", 0, "heating"},
		{"SensorOfWordsWithANumber", "sensor", ``, "3", 3, ""},
		{"NumberThatIsNone", "sensor", `"unit_of_measurement":"W"`, "much", 0, refused},
		{"ClassThatIsNone", "sensor", `"device_class":"power"`, "much", 0, refused},
		{"PrecisionThatIsNone", "sensor", `"sug_dsp_prc":0`, "much", 0, refused},
		{"Timestamp", "sensor", `"device_class":"timestamp"`, "2026-12-01T03:00:00+00:00", 0, "2026-12-01T03:00:00+00:00"},
		{"Enum", "sensor", `"dev_cla":"enum","ops":["on","off"]`, "on", 0, "on"},
		{"EnumWithoutTheOption", "sensor", `"dev_cla":"enum","ops":["on","off"]`, "up", 0, refused},
		{"EnumWithoutOptions", "sensor", `"device_class":"enum"`, "up", 0, "up"},
		{"Unknown", "sensor", ``, "unknown", 0, none},
		{"Unavailable", "sensor", ``, "unavailable", 0, none},
		{"Empty", "sensor", ``, "", 0, none},
		{"None", "sensor", `"val_tpl":"{{ value_json.x }}"`, `{"x":null}`, 0, none},
		{"NaN", "sensor", ``, "NaN", 0, refused},
		{"Infinite", "sensor", ``, "-inf", 0, refused},
		{"TooLarge", "sensor", ``, "1e999", 0, refused},
		{"LongestText", "sensor", ``, strings.Repeat("é", MaxText), 0, strings.Repeat("é", MaxText)},
		{"TooLongAText", "sensor", ``, strings.Repeat("é", MaxText+1), 0, refused},
		{"NotUTF8", "sensor", ``, "\xff\xfe", 0, refused},
		{"DisabledText", "sensor", `"en":false`, "heating", 0, none},
		{"DisabledNumber", "sensor", `"en":false`, "3", 3, ""},
		{"BinaryOn", "binary_sensor", ``, "ON", 1, ""},
		{"BinaryOff", "binary_sensor", `"pl_on":"open","pl_off":"closed"`, "closed", 0, ""},
		{"BinaryOther", "binary_sensor", ``, "half", 0, refused},
		{"Switch", "switch", `"stat_on":"1","stat_off":"0"`, "1", 1, ""},
		{"Number", "number", ``, "21.5", 21.5, ""},
		{"NumberOfWords", "number", ``, "warm", 0, refused},
		{"Select", "select", `"options":["eco","comfort"]`, "eco", 0, "eco"},
		{"SelectOfNumbers", "select", `"options":["1","2"]`, "2", 0, "2"},
		{"SelectOther", "select", `"options":["eco","comfort"]`, "boost", 0, refused},
		{"Text", "text", ``, "17", 0, "17"},
		{"Light", "light", `"stat_val_tpl":"{{ value_json.s }}"`, `{"s":"ON"}`, 1, ""},
		{"LightOfJSON", "light", `"schema":"json"`, `{"state":"OFF","brightness":3}`, 0, ""},
		{"LightOfTemplates", "light", `"schema":"template","stat_tpl":"{{ value.split(',')[0] }}"`, `on,255`, 1, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			document := `{"state_topic":"t"`
			if tc.document != "" {
				document += "," + tc.document
			}
			c, err := Parse(DefaultPrefix, "homeassistant/"+tc.component+"/x/config", []byte(document+"}"))
			if err != nil || len(c.Entities) != 1 {
				t.Fatalf("%v, %d entities", err, len(c.Entities))
			}
			number, text, err := c.Entities[0].Value(NewState([]byte(tc.state)))
			switch {
			case errors.Is(err, ErrNoValue):
				text = none
			case err != nil:
				text = refused
			}
			if number != tc.number || text != tc.text {
				t.Errorf("got %v, %q (%v); want %v, %q", number, text, err, tc.number, tc.text)
			}
		})
	}
}

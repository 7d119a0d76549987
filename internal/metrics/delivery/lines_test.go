package delivery

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/smartcore-ireland/hems/internal/store"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 123_000_000, time.UTC)

// a reading, for tables
func reading(entity, unit string, at time.Time, value float64) (store.Series, store.Item) {
	return store.Series{ID: 1, Entity: entity, Unit: unit}, store.Item{Series: 1, Time: at, Value: value}
}

// lineCase is a reading and the line that it becomes. What each line says to the
// server is in read: measurement, tags, fields and time as InfluxDB's own parser
// reads them, which interop's tests check against that parser.
type lineCase struct {
	name string
	d    store.Series
	i    store.Item
	want string // empty: an error
}

func number(name, entity, unit string, at time.Time, value float64, want string) lineCase {
	d, i := reading(entity, unit, at, value)
	return lineCase{name, d, i, want}
}

func text(name, domain, state, want string) lineCase {
	return lineCase{name, store.Series{ID: 1, Entity: "a", Domain: domain}, store.Item{Series: 1, Time: noon, Text: state}, want}
}

const stamp = " 1795176000123000000\n"

var lineCases = []lineCase{
	number("Reference", "frient_blink_counter_power", "W", time.Unix(1708789012, 0), 342.0, "sensor,entity_id=frient_blink_counter_power,unit_of_measurement=W value=342 1708789012000000000\n"),
	number("NoUnit", "a", "", noon, 1, "sensor,entity_id=a value=1"+stamp),
	number("Fraction", "a", "kWh", noon, 1234.567, "sensor,entity_id=a,unit_of_measurement=kWh value=1234.567"+stamp),
	number("Million", "a", "Wh", noon, 12345678, "sensor,entity_id=a,unit_of_measurement=Wh value=12345678"+stamp),
	number("Negative", "a", "W", noon, -0.5, "sensor,entity_id=a,unit_of_measurement=W value=-0.5"+stamp),
	number("Zero", "a", "W", noon, 0, "sensor,entity_id=a,unit_of_measurement=W value=0"+stamp),
	number("Large", "a", "W", noon, 1e21, "sensor,entity_id=a,unit_of_measurement=W value=1e+21"+stamp),
	number("Largest", "a", "W", noon, math.MaxFloat64, "sensor,entity_id=a,unit_of_measurement=W value=1.7976931348623157e+308"+stamp),
	number("Tiny", "a", "W", noon, 5e-324, "sensor,entity_id=a,unit_of_measurement=W value=5e-324"+stamp),
	number("DegreesAndCubicMetres", "a", "°C m³", noon, 1, `sensor,entity_id=a,unit_of_measurement=°C\ m³ value=1`+stamp),
	number("UnitWithSyntax", "a", "k,W=h", noon, 1, `sensor,entity_id=a,unit_of_measurement=k\,W\=h value=1`+stamp),
	number("UnitWithNewline", "a", "k\nW\r", noon, 1, "sensor,entity_id=a,unit_of_measurement=kW value=1"+stamp),
	number("UnitOfControlCharacters", "a", "\x01\x7f", noon, 1, "sensor,entity_id=a value=1"+stamp),
	number("UnitWithBackslash", "a", `W\`, noon, 1, "sensor,entity_id=a,unit_of_measurement=W value=1"+stamp),
	number("UnitBrokenUTF8", "a", "W\xff", noon, 1, "sensor,entity_id=a,unit_of_measurement=W value=1"+stamp),
	number("EntityLikeAComment", "#a", "W", noon, 1, "sensor,entity_id=#a,unit_of_measurement=W value=1"+stamp),
	number("BeforeSubSeconds", "a", "", time.Unix(0, 1), 1, "sensor,entity_id=a value=1 1\n"),
	number("NaN", "a", "W", noon, math.NaN(), ""),
	number("Infinite", "a", "W", noon, math.Inf(1), ""),
	number("NoTime", "a", "W", time.Time{}, 1, ""),
	number("TimeOfAnotherAge", "a", "W", time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), 1, ""),
	number("NoEntity", "", "W", noon, 1, ""),
	number("EntityWithNewline", "a\nb", "W", noon, 1, ""),
	number("EntityWithBackslashAtItsEnd", `a\`, "W", noon, 1, ""),
	text("Text", "sensor", "heat", `sensor,entity_id=a state="heat"`+stamp),
	text("On", "binary_sensor", "on", `sensor,entity_id=a state="on",value=1`+stamp),
	text("Off", "binary_sensor", "off", `sensor,entity_id=a state="off",value=0`+stamp),
	text("Unlocked", "lock", "unlocked", `sensor,entity_id=a state="unlocked",value=0`+stamp),
	text("TextWithSyntax", "sensor", `a "b", \c=d #`, `sensor,entity_id=a state="a \"b\", \\c=d #"`+stamp),
	text("TextWithNewline", "sensor", "a\nb\r", "sensor,entity_id=a state=\"a\nb\r\""+stamp),
	text("TextWithBackslashAndN", "sensor", `a\nb`, `sensor,entity_id=a state="a\\nb"`+stamp),
	text("TextEndsInABackslash", "sensor", `a\`, `sensor,entity_id=a state="a\\"`+stamp),
	text("TextBrokenUTF8", "sensor", "a\xff", "sensor,entity_id=a state=\"a\ufffd\""+stamp),
	{"SwitchedOn", store.Series{ID: 1, Entity: "a", Domain: "binary_sensor"}, store.Item{Series: 1, Time: noon, Value: 1}, `sensor,entity_id=a state="on",value=1` + stamp},
	{"SwitchedOff", store.Series{ID: 1, Entity: "a", Domain: "switch"}, store.Item{Series: 1, Time: noon}, `sensor,entity_id=a state="off",value=0` + stamp},
	{"NeitherOnNorOff", store.Series{ID: 1, Entity: "a", Domain: "binary_sensor"}, store.Item{Series: 1, Time: noon, Value: 2}, `sensor,entity_id=a value=2` + stamp},
}

func TestLines(t *testing.T) {
	for _, tc := range lineCases {
		t.Run(tc.name, func(t *testing.T) {
			l := lines{measurement: "sensor", texts: true}
			const before = "x value=1 1\n"
			got, err := l.append([]byte(before), point{tc.i, l.head(tc.d)})
			if (err != nil) != (tc.want == "") {
				t.Fatalf("got error %v", err)
			}
			if want := before + tc.want; string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// VictoriaMetrics makes 0 of a string, and says nothing.
func TestLinesWithoutTexts(t *testing.T) {
	l := lines{measurement: "sensor"}
	for _, tc := range []lineCase{
		text("NothingIsLeft", "sensor", "heat", ""),
		text("TheNumberIsLeft", "binary_sensor", "on", "sensor,entity_id=a value=1"+stamp),
		{"TheNumberOfASwitch", store.Series{ID: 1, Entity: "a", Domain: "switch"}, store.Item{Series: 1, Time: noon, Value: 1}, "sensor,entity_id=a value=1" + stamp},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := l.append(nil, point{tc.i, l.head(tc.d)})
			if string(got) != tc.want || (err == errNothing) != (tc.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

// A line's beginning is kept for the series; one that changes has another.
func TestLinesFollowASeries(t *testing.T) {
	l := lines{measurement: "sensor"}
	for _, unit := range []string{"W", "kW", "W"} {
		d, i := reading("a", unit, noon, 1)
		got, err := l.append(nil, point{i, l.head(d)})
		if want := "sensor,entity_id=a,unit_of_measurement=" + unit + " value=1" + stamp; err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

// FuzzLines checks that whatever is written is one line that says the same
// when it is read.
func FuzzLines(f *testing.F) {
	f.Add("frient_blink_counter_power", "W", int64(1708789012000000000), 342.0, "")
	f.Add("a b", "k,W=h\\\n\"#", int64(1), -1e-300, "")
	f.Add("a", "", int64(1), 0.0, `"\ ,=`)
	f.Fuzz(func(t *testing.T, entity, unit string, ns int64, value float64, state string) {
		l := lines{measurement: "sensor", texts: true}
		// The module's decoder reads a backslash and n as a newline, which
		// InfluxDB does not.
		state = strings.Map(func(r rune) rune {
			if r < ' ' || r == '\ufffd' || r == '\\' {
				return '.'
			}
			return r
		}, state)
		d, i := reading(entity, unit, time.Unix(0, ns), value)
		i.Text = state
		line, err := l.append(nil, point{i, l.head(d)})
		if err != nil {
			return
		}
		if n := strings.Count(string(line), "\n"); n != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("%q has %d newlines", line, n)
		}
		dec := lineprotocol.NewDecoderWithBytes(line)
		if !dec.Next() {
			t.Fatalf("%q cannot be read", line)
		}
		if m, err := dec.Measurement(); err != nil || string(m) != "sensor" {
			t.Fatalf("%q: measurement %q, %v", line, m, err)
		}
		k, v, err := dec.NextTag()
		if err != nil || string(k) != "entity_id" || string(v) != entity {
			t.Fatalf("%q: tag %q=%q, %v; want %q", line, k, v, err, entity)
		}
		for k != nil {
			if k, _, err = dec.NextTag(); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		k, got, err := dec.NextField()
		switch {
		case err != nil:
			t.Fatalf("%q: %v", line, err)
		case state != "" && (string(k) != "state" || got.StringV() != state):
			t.Fatalf("%q: %s=%v, want the state %q", line, k, got, state)
		case state == "" && got.FloatV() != value:
			t.Fatalf("%q: value %v, want %v", line, got, value)
		}
		if got, err := dec.Time(lineprotocol.Nanosecond, time.Time{}); err != nil || got.UnixNano() != ns {
			t.Fatalf("%q: time %v, %v; want %v", line, got.UnixNano(), err, ns)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	l := lines{measurement: "sensor", texts: true}
	buf := make([]byte, 0, 1<<20)
	d, i := reading("frient_blink_counter_power", "W", noon, 342.5)
	p := point{i, l.head(d)}
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = l.append(buf[:0], p); err != nil {
			b.Fatal(err)
		}
	}
}

package metrics

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 123_000_000, time.UTC)

func TestLines(t *testing.T) {
	const stamp = " 1795176000123000000\n"
	for _, tc := range []struct {
		name string
		p    point
		want string // empty: an error
	}{
		{"Reference", point{"frient_blink_counter_power", "W", time.Unix(1708789012, 0), 342.0}, "sensor,entity_id=frient_blink_counter_power,unit_of_measurement=W value=342 1708789012000000000\n"},
		{"NoUnit", point{"a", "", noon, 1}, "sensor,entity_id=a value=1" + stamp},
		{"Fraction", point{"a", "kWh", noon, 1234.567}, "sensor,entity_id=a,unit_of_measurement=kWh value=1234.567" + stamp},
		{"Negative", point{"a", "W", noon, -0.5}, "sensor,entity_id=a,unit_of_measurement=W value=-0.5" + stamp},
		{"Large", point{"a", "W", noon, 1e21}, "sensor,entity_id=a,unit_of_measurement=W value=1e+21" + stamp},
		{"DegreesAndCubicMetres", point{"a", "°C m³", noon, 1}, `sensor,entity_id=a,unit_of_measurement=°C\ m³ value=1` + stamp},
		{"UnitWithSyntax", point{"a", "k,W=h", noon, 1}, `sensor,entity_id=a,unit_of_measurement=k\,W\=h value=1` + stamp},
		{"UnitWithNewline", point{"a", "k\nW\r", noon, 1}, "sensor,entity_id=a,unit_of_measurement=kW value=1" + stamp},
		{"UnitOfControlCharacters", point{"a", "\x01\x7f", noon, 1}, "sensor,entity_id=a value=1" + stamp},
		{"UnitWithBackslash", point{"a", `W\`, noon, 1}, "sensor,entity_id=a,unit_of_measurement=W value=1" + stamp},
		{"UnitBrokenUTF8", point{"a", "W\xff", noon, 1}, "sensor,entity_id=a,unit_of_measurement=W value=1" + stamp},
		{"NaN", point{"a", "W", noon, math.NaN()}, ""},
		{"Infinite", point{"a", "W", noon, math.Inf(1)}, ""},
		{"NoTime", point{"a", "W", time.Time{}, 1}, ""},
		{"NoEntity", point{"", "W", noon, 1}, ""},
		{"EntityWithNewline", point{"a\nb", "W", noon, 1}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := lines{measurement: "sensor"}
			const before = "x value=1 1\n"
			got, err := l.append([]byte(before), tc.p)
			if (err != nil) != (tc.want == "") {
				t.Fatalf("got error %v", err)
			}
			if want := before + tc.want; string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// FuzzLines checks that whatever is written is one line that says the same
// when it is read.
func FuzzLines(f *testing.F) {
	f.Add("frient_blink_counter_power", "W", int64(1708789012000000000), 342.0)
	f.Add("a b", "k,W=h\\\n\"#", int64(1), -1e-300)
	f.Fuzz(func(t *testing.T, entity, unit string, ns int64, value float64) {
		l := lines{measurement: "sensor"}
		p := point{entity, unit, time.Unix(0, ns), value}
		line, err := l.append(nil, p)
		if err != nil {
			return
		}
		if n := strings.Count(string(line), "\n"); n != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("%q has %d newlines", line, n)
		}
		d := lineprotocol.NewDecoderWithBytes(line)
		if !d.Next() {
			t.Fatalf("%q cannot be read", line)
		}
		if m, err := d.Measurement(); err != nil || string(m) != "sensor" {
			t.Fatalf("%q: measurement %q, %v", line, m, err)
		}
		k, v, err := d.NextTag()
		if err != nil || string(k) != "entity_id" || string(v) != entity {
			t.Fatalf("%q: tag %q=%q, %v; want %q", line, k, v, err, entity)
		}
		for k != nil {
			if k, _, err = d.NextTag(); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		if _, got, err := d.NextField(); err != nil || got.FloatV() != value {
			t.Fatalf("%q: value %v, %v; want %v", line, got, err, value)
		}
		if got, err := d.Time(lineprotocol.Nanosecond, time.Time{}); err != nil || got.UnixNano() != ns {
			t.Fatalf("%q: time %v, %v; want %v", line, got.UnixNano(), err, ns)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	l := lines{measurement: "sensor"}
	buf := make([]byte, 0, 1<<20)
	p := point{"frient_blink_counter_power", "W", noon, 342.5}
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = l.append(buf[:0], p); err != nil {
			b.Fatal(err)
		}
	}
}

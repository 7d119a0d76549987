package metrics

import (
	"fmt"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// point is a reading as it is sent: its tags are final.
type point struct {
	entity, unit string
	time         time.Time
	value        float64
}

// lines encodes points as InfluxDB line protocol:
//
//	sensor,entity_id=frient_blink_counter_power,unit_of_measurement=W value=342 1708789012000000000
//
// with the tags in order, the time in nanoseconds, and no unit where it is
// empty.
type lines struct {
	measurement string
	enc         lineprotocol.Encoder
}

// checkMeasurement refuses names that servers take for something else: a line
// that begins with # is a comment to them, and is lost without an error.
func checkMeasurement(name string) error {
	var e lineprotocol.Encoder
	e.StartLine(name)
	if e.Err() != nil || strings.HasPrefix(name, "#") || strings.HasPrefix(name, "_") {
		return fmt.Errorf("%q cannot be the name of a measurement", name)
	}
	return nil
}

// append adds the line of one point to buf. When the point cannot be written
// it adds nothing and says why.
func (l *lines) append(buf []byte, p point) ([]byte, error) {
	value, ok := lineprotocol.FloatValue(p.value)
	if !ok {
		return buf, fmt.Errorf("%v is not a value that a server takes", p.value)
	}
	if p.time.IsZero() {
		return buf, fmt.Errorf("the reading has no time")
	}
	// The encoder keeps only its first error and goes on with the next line:
	// one at a time tells which it was.
	l.enc.SetBuffer(buf)
	l.enc.StartLine(l.measurement)
	l.enc.AddTag("entity_id", p.entity)
	if unit := tagValue(p.unit); unit != "" {
		l.enc.AddTag("unit_of_measurement", unit)
	}
	l.enc.AddField("value", value)
	l.enc.EndLine(p.time)
	if err := l.enc.Err(); err != nil {
		return buf, err
	}
	return l.enc.Bytes(), nil
}

// tagValue leaves out what a tag's value may not hold: control characters,
// broken UTF-8, and a backslash or space at the end. A reading with a strange unit is
// better than none.
func tagValue(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == '\\' || s[i] >= 0x7f {
			s = strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return -1
				}
				return r
			}, strings.ToValidUTF8(s, ""))
			break
		}
	}
	return strings.TrimRight(s, `\ `)
}

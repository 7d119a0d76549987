package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/smartcore-ireland/hems/internal/store"
)

// lines encodes readings as InfluxDB line protocol, as Home Assistant's
// integration writes them:
//
//	sensor,entity_id=frient_blink_counter_power,unit_of_measurement=W value=342 1708789012000000000
//	sensor,entity_id=boiler_mode state="heat" 1708789012000000000
//	sensor,entity_id=front_door state="on",value=1 1708789012000000000
//
// with the tags in order, the time in nanoseconds, and no unit where it is empty.
type lines struct {
	measurement string
	texts       bool // the server takes strings
	heads       map[int64]*head
	enc         lineprotocol.Encoder
}

// head is what all lines of a series begin with.
type head struct {
	of   store.Series
	text []byte // with the space at its end
	err  error  // why there can be none
}

// errNothing is a reading that has nothing for this server.
var errNothing = errors.New("the server keeps no texts")

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

// head returns what lines of the series begin with.
func (l *lines) head(d store.Series) *head {
	if h, ok := l.heads[d.ID]; ok && h.of == d {
		return h
	}
	h := &head{of: d}
	l.enc.ClearErr()
	l.enc.SetBuffer(nil)
	l.enc.StartLine(l.measurement)
	l.enc.AddTag("entity_id", d.Entity)
	if unit := tagValue(d.Unit); unit != "" {
		l.enc.AddTag("unit_of_measurement", unit)
	}
	const rest = "a=0i 1\n"
	l.enc.AddField("a", lineprotocol.IntValue(0))
	l.enc.EndLine(time.Unix(0, 1))
	if h.err = l.enc.Err(); h.err == nil {
		h.text = bytes.TrimSuffix(l.enc.Bytes(), []byte(rest))
	}
	if l.heads == nil {
		l.heads = map[int64]*head{}
	}
	l.heads[d.ID] = h
	return h
}

// points are the items with what their lines begin with.
func (l *lines) points(items []store.Item, series map[int64]store.Series) []point {
	points := make([]point, 0, len(items))
	heads := map[int64]*head{}
	for _, i := range items {
		h, ok := heads[i.Series]
		if !ok {
			if d, known := series[i.Series]; known {
				h = l.head(d)
			} // else its description was in a damaged part of the file
			heads[i.Series] = h
		}
		if h != nil {
			points = append(points, point{i, h})
		}
	}
	return points
}

// append adds the line of one reading to buf. When it cannot be written, append
// adds nothing and says why.
func (l *lines) append(buf []byte, p point) ([]byte, error) {
	at := p.Time.UnixNano()
	switch {
	case p.err != nil:
		return buf, p.err
	case p.Time.IsZero():
		return buf, errors.New("the reading has no time")
	case !time.Unix(0, at).Equal(p.Time):
		return buf, errors.New("the reading's time does not fit a line")
	}
	state, value, number := fields(p.of, p.Item)
	if number && (math.IsNaN(value) || math.IsInf(value, 0)) {
		return buf, fmt.Errorf("%v is not a value that a server takes", value)
	}
	if !number && !l.texts {
		return buf, errNothing
	}
	buf = append(buf, p.text...)
	if state != "" && l.texts {
		buf = appendString(append(buf, "state="...), state)
		if number {
			buf = append(buf, ',')
		}
	}
	if number {
		buf = appendFloat(append(buf, "value="...), value)
	}
	buf = strconv.AppendInt(append(buf, ' '), at, 10)
	return append(buf, '\n'), nil
}

// fields are what Home Assistant's integration makes of a state: a number is the
// field value; a text is the field state, beside a value where it stands for one.
func fields(d store.Series, i store.Item) (state string, value float64, number bool) {
	if i.Text == "" {
		return switched(d.Domain, i.Value), i.Value, true
	}
	value, number = stateAsNumber(i.Text)
	return i.Text, value, number
}

// switched is the text of a state that is kept as 0 or 1, of what is on or off;
// empty for everything else.
func switched(domain string, value float64) string {
	switch domain {
	case "binary_sensor", "switch", "light", "fan", "siren", "input_boolean":
	default:
		return ""
	}
	switch value {
	case 0:
		return "off"
	case 1:
		return "on"
	}
	return ""
}

// stateAsNumber is the number that Home Assistant has for a state that is a text
// (its function state_as_number).
func stateAsNumber(state string) (float64, bool) {
	switch state {
	case "on", "locked", "above_horizon", "open", "home":
		return 1, true
	case "off", "unlocked", "below_horizon", "closed", "not_home":
		return 0, true
	}
	return 0, false
}

// appendFloat writes a number as servers read it.
func appendFloat(buf []byte, v float64) []byte {
	if a := math.Abs(v); a == 0 || a >= 1e-6 && a < 1e15 {
		return strconv.AppendFloat(buf, v, 'f', -1, 64)
	}
	return strconv.AppendFloat(buf, v, 'g', -1, 64)
}

// appendString writes a string in quotes. Servers read a line break in it as
// itself, and the two characters \n as those two, which is what the encoder of the
// line-protocol module would write.
func appendString(buf []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\ufffd")
	buf = append(buf, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			buf = append(buf, '\\')
		}
		buf = append(buf, s[i])
	}
	return append(buf, '"')
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

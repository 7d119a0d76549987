//go:build bench

package readings

import (
	"fmt"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/load"
)

// fields are what a meter measures.
var fields = []struct{ key, unit, class string }{
	{"power", "W", "power"}, {"energy", "kWh", "energy"}, {"voltage", "V", "voltage"}, {"current", "A", "current"}, {"frequency", "Hz", "frequency"},
}

// meters are devices that publish the same readings in the form that each of the
// two takes: a JSON state, or lines of the line protocol. Each message has a
// reading of each of the first so many fields.
type meters struct {
	n, fields int
	lines     bool
	topics    string // what is before a meter's number
	next      []int
}

func newMeters(n, fields int, lines bool, topics string) *meters {
	return &meters{n: n, fields: fields, lines: lines, topics: topics, next: make([]int, n)}
}

// announce publishes the discovery documents.
func (m *meters) announce(t testing.TB, c *load.Client) {
	t.Helper()
	id := 0
	for i := range m.n {
		for _, f := range fields[:m.fields] {
			id++
			meter := fmt.Sprint(m.topics, i)
			document := fmt.Sprintf(`{"name":%q,"state_topic":%q,"value_template":"{{ value_json.%s }}","unique_id":"%s-%s",`+
				`"unit_of_measurement":%q,"device_class":%q,"state_class":"measurement","device":{"name":%q,"identifiers":[%q]}}`,
				f.key, meter, f.key, meter, f.key, f.unit, f.class, meter, meter)
			if err := c.Publish(fmt.Sprintf("homeassistant/sensor/m%d/%s/config", i, f.key), 1, true, uint16(id), []byte(document)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := c.Acknowledged(id); err != nil {
		t.Fatal(err)
	}
}

// state is the next message of a meter: readings that change a little.
func (m *meters) state(i int) []byte {
	m.next[i]++
	n := m.next[i]
	values := []float64{float64(300+(n*7+i)%900) / 1, 1000 + float64(n)/1000, 230 + float64((n*3)%50)/10, 1.3 + float64(n%90)/100, 49.9 + float64(n%20)/100}
	var b []byte
	if !m.lines {
		b = append(b, '{')
	}
	for k, f := range fields[:m.fields] {
		if m.lines {
			b = fmt.Appendf(b, "sensor,entity_id=meter_%d_%s,unit_of_measurement=%s value=%v\n", i, f.key, f.unit, values[k])
		} else {
			b = fmt.Appendf(b, "%q:%v,", f.key, values[k])
		}
	}
	if !m.lines {
		b = append(b, `"linkquality":120}`...)
	}
	return b
}

// publish publishes so many messages of QoS 1, of the meters in turn, at a rate
// (0: as fast as they are acknowledged), and returns when all are acknowledged.
func (m *meters) publish(t testing.TB, c *load.Client, messages int, perSecond float64) {
	t.Helper()
	const open = 2000
	room, failed := make(chan struct{}, open), make(chan error, 1)
	go func() {
		for range messages {
			if err := c.Acknowledged(1); err != nil {
				failed <- err
				return
			}
			<-room
		}
		failed <- nil
	}()
	begin := time.Now()
	for n := range messages {
		if perSecond > 0 {
			if wait := time.Duration(float64(n)/perSecond*float64(time.Second)) - time.Since(begin); wait > 0 {
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(wait)
			}
		}
		select {
		case room <- struct{}{}:
		default:
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			select {
			case room <- struct{}{}:
			case err := <-failed:
				t.Fatal(err)
			}
		}
		i := n % m.n
		if err := c.Publish(fmt.Sprintf("%s%d", m.topics, i), 1, false, uint16(n%60000+1), m.state(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

//go:build e2e || bench

package readings

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// greeting is a value that is said until it is heard, and is not counted.
const greeting = -1

// device publishes readings, each with a value that it never has again: their
// number.
type device struct {
	t    testing.TB
	name string
	qos  byte
	c    *mqttclient.Client

	mu    sync.Mutex
	next  int
	sent  []time.Time  // of each, from 1 on; the first is none
	acked map[int]bool // by the broker; of QoS 0: handed to the system
}

// add adds a device to the house.
func (h *house) add(name string, qos byte) *device {
	d := &device{t: h.t, name: name, qos: qos, c: h.client("device-" + name), acked: map[int]bool{}, sent: make([]time.Time, 1), next: 1}
	h.devices = append(h.devices, d)
	return d
}

func (d *device) topic() string  { return "devices/" + d.name }
func (d *device) entity() string { return d.name + "_power" }

// announce publishes the device's discovery document.
func (d *device) announce() {
	d.t.Helper()
	document := fmt.Sprintf(`{"name":"power","state_topic":%q,"value_template":"{{ value_json.power }}","unique_id":"%s-power",`+
		`"unit_of_measurement":"W","device_class":"power","state_class":"measurement","device":{"name":%q,"identifiers":[%q]}}`,
		d.topic(), d.name, d.name, d.name)
	eventually(d.t, d.name+" to be announced", func() bool {
		return d.c.Publish(context.Background(), mqttclient.Message{
			Topic: "homeassistant/sensor/" + d.name + "/power/config", Payload: []byte(document), QoS: 1, Retain: true,
		}) == nil
	})
}

// say publishes a value and tells whether the broker has acknowledged it.
func (d *device) say(value int, qos byte) bool {
	return d.c.Publish(context.Background(), mqttclient.Message{
		Topic: d.topic(), Payload: fmt.Appendf(nil, `{"power":%d,"linkquality":67}`, value), QoS: qos,
	}) == nil
}

// reading publishes the next reading and notes whether it is acknowledged. One
// that is not may be stored or not; it is not said again.
func (d *device) reading(qos byte) bool {
	d.mu.Lock()
	n := d.next
	d.next++
	d.sent = append(d.sent, time.Now())
	d.mu.Unlock()
	ok := d.say(n, qos)
	if ok {
		d.mu.Lock()
		d.acked[n] = true
		d.mu.Unlock()
	}
	return ok
}

// publish has every device publish readings, so many at a time and each so long
// after another, until wait is called.
func (h *house) publish(atATime int, every time.Duration) (wait func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, d := range h.devices {
		for range atATime {
			all.Go(func() {
				tick := time.NewTicker(every)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
						d.reading(d.qos)
					}
				}
			})
		}
	}
	return func() { close(stop); all.Wait() }
}

// count is how many readings were acknowledged.
func (h *house) count() (n int) {
	for _, d := range h.devices {
		d.mu.Lock()
		n += len(d.acked)
		d.mu.Unlock()
	}
	return n
}

// enough says that so many must have been for the test to say something.
func (h *house) enough(least int) {
	h.t.Helper()
	if n := h.count(); n < least {
		h.t.Errorf("only %d readings were acknowledged, want at least %d", n, least)
	}
}

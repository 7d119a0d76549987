// Package house is what can be heard on MQTT of how the house is: what the
// processes say of themselves, whether readings come, and whether the broker
// carries a message. It knows topics and must never know what is made of it.
package house

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// Topics.
const (
	probeTopic = "hems/manager/probe"
	devices    = "zigbee2mqtt/"
)

// Bounds on what a stranger on the broker can make a House keep.
const (
	maxReports = 32
	maxReport  = 16 << 10 // bytes of a health report
	maxTopics  = 1000     // that carry readings
)

// Report is what a process said of itself last.
type Report struct {
	health.Report
	At time.Time // of arrival
}

// House listens. Its methods may be called from any goroutine.
type House struct {
	client Client

	mu      sync.Mutex
	reports map[string]Report
	topics  map[string]*last
	reading time.Time // when the last reading came; zero: none yet
	probe   string    // the nonce that is out
	back    chan struct{}
	seed    maphash.Seed
}

// last is the payload that a topic carried last.
type last struct {
	sum  uint64
	live bool // it came just then, and was not retained
}

// Client is the part of *mqttclient.Client that a House needs.
type Client interface {
	Subscribe(ctx context.Context, filter string, qos byte, h func(mqttclient.Message)) error
	Publish(ctx context.Context, m mqttclient.Message) error
}

// Listen subscribes through client, which makes the subscriptions again after
// each reconnection.
func Listen(ctx context.Context, client Client) (*House, error) {
	h := &House{client: client, reports: map[string]Report{}, topics: map[string]*last{}, seed: maphash.MakeSeed()}
	for _, s := range []struct {
		filter string
		qos    byte
		handle func(mqttclient.Message)
	}{{health.Filter, 1, h.hearReport}, {devices + "#", 0, h.hearReading}, {probeTopic, 1, h.hearProbe}} {
		if err := client.Subscribe(ctx, s.filter, s.qos, s.handle); err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("listening to the house: %w", err)
		}
	}
	return h, nil
}

func (h *House) hearReport(m mqttclient.Message) {
	f := strings.Split(m.Topic, "/")
	var r health.Report
	if len(f) != 3 || len(m.Payload) > maxReport || json.Unmarshal(m.Payload, &r) != nil || r.State == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.reports[f[1]]; known || len(h.reports) < maxReports {
		h.reports[f[1]] = Report{r, time.Now()}
	}
}

// hearReading notes that a device's state came. One that is the same as the
// retained state before it is no reading yet: hems-zigbee publishes the states it
// remembers when it starts.
func (h *House) hearReading(m mqttclient.Message) {
	name := strings.TrimPrefix(m.Topic, devices)
	for _, end := range []string{"/availability", "/set", "/get"} {
		if strings.HasSuffix(name, end) {
			return
		}
	}
	if strings.HasPrefix(name, "bridge/") || name == "bridge" || !bytes.HasPrefix(m.Payload, []byte("{")) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := maphash.Bytes(h.seed, m.Payload)
	before := h.topics[name]
	if before == nil {
		if len(h.topics) >= maxTopics {
			return
		}
		before = &last{}
		h.topics[name] = before
		if !m.Retain {
			*before = last{sum, true}
			h.reading = time.Now() // nothing was retained: this is the first of all
			return
		}
	}
	if !m.Retain && (sum != before.sum || before.live) {
		h.reading = time.Now()
	}
	*before = last{sum, !m.Retain}
}

func (h *House) hearProbe(m mqttclient.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.back != nil && string(m.Payload) == h.probe && !m.Retain {
		close(h.back)
		h.back = nil
	}
}

// Report is what a process ("zigbee") said last, false when it has not yet.
func (h *House) Report(process string) (Report, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.reports[process]
	return r, ok
}

// Reading is when the last reading came, zero when none has.
func (h *House) Reading() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reading
}

// Probe publishes a random word and waits until it comes back. It must not be
// called twice at a time.
func (h *House) Probe(ctx context.Context) error {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("making a probe: %w", err)
	}
	back := make(chan struct{})
	h.mu.Lock()
	h.probe, h.back = hex.EncodeToString(b[:]), back
	word := h.probe
	h.mu.Unlock()
	if err := h.client.Publish(ctx, mqttclient.Message{Topic: probeTopic, Payload: []byte(word), QoS: 1}); err != nil {
		return err
	}
	select {
	case <-back:
		return nil
	case <-ctx.Done():
		return errors.New("the broker took a message and did not give it back")
	}
}

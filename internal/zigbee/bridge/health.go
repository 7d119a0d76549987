package bridge

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"encoding/json"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// healthEvery is how often bridge/health is published unless the option
// health.interval says otherwise.
const healthEvery = 10 * time.Minute

// deviceCounts are what was counted of a device since the start, or since the
// last bridge/health where the option health.reset_on_check wants that.
type deviceCounts struct {
	since                            time.Time // of the first message
	messages, leaves, addressChanges uint64
	node                             uint16
}

// trafficCounts are the messages to and from the broker.
type trafficCounts struct{ received, published uint64 }

// bridgeHealth is bridge/health.
type bridgeHealth struct {
	ResponseTime int64                      `json:"response_time"` // ms since 1970
	OS           healthOS                   `json:"os"`
	Process      healthProcess              `json:"process"`
	MQTT         healthMQTT                 `json:"mqtt"`
	Devices      map[zcl.EUI64]healthDevice `json:"devices"`
}

type healthOS struct {
	LoadAverage   [3]float64 `json:"load_average"`
	MemoryUsedMB  float64    `json:"memory_used_mb"`
	MemoryPercent float64    `json:"memory_percent"`
}

type healthProcess struct {
	UptimeSec     int64   `json:"uptime_sec"`
	MemoryUsedMB  float64 `json:"memory_used_mb"`
	MemoryPercent float64 `json:"memory_percent"`
}

type healthMQTT struct {
	Connected bool   `json:"connected"`
	Queued    int    `json:"queued"`
	Received  uint64 `json:"received"`
	Published uint64 `json:"published"`
}

type healthDevice struct {
	Messages              uint64  `json:"messages"`
	MessagesPerSec        float64 `json:"messages_per_sec"`
	LeaveCount            uint64  `json:"leave_count"`
	NetworkAddressChanges uint64  `json:"network_address_changes"`
}

// count notes what an event says of a device's health.
func (b *Bridge) count(e network.Event) {
	if e.EUI64 == 0 {
		return
	}
	c := b.counted[e.EUI64]
	if c == nil {
		if len(b.counted) >= maxCounted {
			return
		}
		c = &deviceCounts{node: e.Device.NodeID}
		b.counted[e.EUI64] = c
	}
	switch e.Kind {
	case network.MessageReceived:
		if c.messages == 0 {
			c.since = e.Time
		}
		c.messages++
	case network.Left:
		c.leaves++
	}
	if now := e.Device.NodeID; now != c.node && e.Kind != network.Left && now != unknownNode {
		if c.node != unknownNode && c.node != 0 {
			c.addressChanges++
		}
		c.node = now
	}
}

const (
	// maxCounted bounds the devices that are counted: those that left too.
	maxCounted = 2000
	// unknownNode is the network address of a device whose address is not known.
	unknownNode = 0xfffe
)

// healthInterval is how often bridge/health is published.
func (b *Bridge) healthInterval() time.Duration {
	if v, ok := b.options.option("health", "interval").(float64); ok {
		return time.Duration(v * float64(time.Minute))
	}
	return healthEvery
}

// resetHealth lets a changed interval take effect.
func (b *Bridge) resetHealth() {
	if b.healthTick != nil {
		b.healthTick.Reset(b.healthInterval())
	}
}

// publishHealth says how the process and its devices are.
func (b *Bridge) publishHealth() {
	now := b.now()
	total, used := systemMemory()
	own := residentMemory()
	h := bridgeHealth{
		ResponseTime: now.UnixMilli(),
		OS:           healthOS{LoadAverage: loadAverage(), MemoryUsedMB: megabytes(used), MemoryPercent: percent(used, total)},
		Process: healthProcess{
			UptimeSec: int64(now.Sub(b.started).Seconds()), MemoryUsedMB: megabytes(own), MemoryPercent: percent(own, total),
		},
		MQTT: healthMQTT{
			Connected: b.client.Connected(), Queued: b.retained.waiting(),
			Received: b.traffic.received, Published: b.traffic.published + b.retained.sent(),
		},
		Devices: make(map[zcl.EUI64]healthDevice),
	}
	for e, c := range b.counted {
		d := healthDevice{Messages: c.messages, LeaveCount: c.leaves, NetworkAddressChanges: c.addressChanges}
		if for_ := now.Sub(c.since).Seconds(); c.messages > 0 && for_ > 0 {
			d.MessagesPerSec = round(float64(c.messages)/for_, 4)
		}
		h.Devices[e] = d
	}
	if b.options.option("health", "reset_on_check") == true {
		clear(b.counted)
		b.traffic = trafficCounts{}
		b.retained.resetSent()
	}
	payload, err := json.Marshal(h)
	if err != nil { // numbers always marshal
		panic(err)
	}
	b.retained.set(b.topics.bridge("health"), payload, 1)
	b.log.Debug("requests so far", "requests", b.counts.requests, "failed", b.counts.failed,
		"malformed", b.counts.malformed, "unknown", b.counts.unknown)
}

func megabytes(bytes uint64) float64 { return round(float64(bytes)/(1<<20), 2) }

func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return round(float64(part)/float64(whole)*100, 4)
}

func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}

// systemMemory is the machine's memory in bytes, and what of it is in use; zero
// where the kernel does not say. Source: proc(5), /proc/meminfo.
func systemMemory() (total, used uint64) {
	free := uint64(0)
	for line := range strings.Lines(readProc("/proc/meminfo")) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			total = kb << 10
		case "MemAvailable:":
			free = kb << 10
		}
	}
	return total, total - min(free, total)
}

// residentMemory is the memory of this process in bytes. Source: proc(5),
// /proc/self/statm, in pages.
func residentMemory() uint64 {
	if f := strings.Fields(readProc("/proc/self/statm")); len(f) > 1 {
		if pages, err := strconv.ParseUint(f[1], 10, 64); err == nil {
			return pages * uint64(os.Getpagesize())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// loadAverage is the machine's load over 1, 5 and 15 minutes. Source: proc(5).
func loadAverage() (l [3]float64) {
	for i, s := range strings.Fields(readProc("/proc/loadavg")) {
		if i < len(l) {
			if v, err := strconv.ParseFloat(s, 64); err == nil {
				l[i] = v
			}
		}
	}
	return l
}

func readProc(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

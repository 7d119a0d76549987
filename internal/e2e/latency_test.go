//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

var reports = flag.Int("bench-reports", 100, "reports TestRadioToSubscriber follows")

// TestRadioToSubscriber follows each report of a meter that reports 20 times a
// second from the moment its bytes leave the radio to the moment a subscriber
// has it. Every one must arrive; how long they took is logged.
func TestRadioToSubscriber(t *testing.T) {
	dir := tempDir(t)
	trace := filepath.Join(dir, "trace.jsonl")
	u := run(t, dir, portBase(t), "-simulator", "--report-every 50ms --trace "+trace)

	type arrival struct {
		wh int64
		at time.Time
	}
	arrivals := make(chan arrival, 1<<16)
	c := u.client("latency")
	err := c.Subscribe(t.Context(), meter, 0, func(m mqttclient.Message) {
		var r struct{ Energy *float64 }
		if json.Unmarshal(m.Payload, &r) == nil && r.Energy != nil && !m.Retain {
			arrivals <- arrival{int64(math.Round(*r.Energy * 1000)), time.Now()}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	first := map[int64]time.Time{} // when each counter value was first seen
	timeout := time.After(patience + time.Duration(*reports)*200*time.Millisecond)
	for len(first) < *reports+1 {
		select {
		case a := <-arrivals:
			if _, ok := first[a.wh]; !ok {
				first[a.wh] = a.at
			}
		case <-timeout:
			t.Fatalf("%d of %d reports arrived in time", len(first), *reports)
		}
	}
	u.stop()

	sent := map[int64]time.Time{}
	for wh, at := range traced(t, trace) {
		sent[wh] = at
	}
	begin, end := int64(math.MaxInt64), int64(0)
	for wh := range first {
		begin, end = min(begin, wh), max(end, wh)
	}
	var took []time.Duration
	var missing []int64
	for wh := begin + 1; wh < end; wh++ { // the first may have come from a read, not a report
		at, reported := sent[wh]
		if !reported {
			continue
		}
		seen, ok := first[wh]
		if !ok {
			missing = append(missing, wh)
			continue
		}
		took = append(took, seen.Sub(at))
	}
	if len(took) == 0 {
		t.Fatal(errors.New("no report of the simulator's trace was found among the messages"))
	}
	if len(missing) > 0 {
		t.Errorf("%d reports never reached the subscriber: counters %v …", len(missing), missing[:min(5, len(missing))])
	}
	slices.Sort(took)
	quantile := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))] }
	t.Logf("radio to MQTT subscriber over %d reports: median %v, 99th percentile %v, max %v",
		len(took), quantile(0.5), quantile(0.99), took[len(took)-1])
}

// traced reads the simulator's trace: energy counter in Wh → moment of sending.
func traced(t *testing.T, path string) map[int64]time.Time {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[int64]time.Time{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e struct {
			NS        int64 `json:"ns"`
			Cluster   int   `json:"cluster"`
			Attribute int   `json:"attribute"`
			Value     int64 `json:"value"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(fmt.Errorf("the simulator's trace: %w", err))
		}
		if e.Cluster == 0x0702 && e.Attribute == 0x0000 {
			out[e.Value] = time.Unix(0, e.NS)
		}
	}
	return out
}

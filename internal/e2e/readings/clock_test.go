//go:build e2e

package readings

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/metrics"
	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// TestTheClockIsSetLate: at the start of a card the clock says a time long ago.
// Readings come, the writer ends before it has a time to give them, more come,
// and then the clock is set. All that was acknowledged is stored, once, at the
// time when it was said. The writer runs in the test's own process: no other can
// be given a clock.
func TestTheClockIsSetLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tempDir(t), influx1(t))
	for i := range 3 {
		h.add(fmt.Sprint("d", i), 1)
	}
	if err := os.Mkdir(filepath.Join(h.data, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	var right atomic.Bool
	start := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		w, err := metrics.New(h.writer(&right))
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- w.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the writer: %v", err)
			}
		}
	}
	h.startBroker()
	stop := start()
	for _, d := range h.devices {
		d.announce()
	}
	wait := h.publish(1, 50*time.Millisecond)
	h.slowly("the writer to have its session and readings", func() bool { return h.count() > 60 })
	stop()
	if kept := h.stored(); len(kept) > 0 {
		t.Errorf("readings are stored at a time that cannot be: %v", kept)
	}
	before := h.count()
	h.slowly("readings while the writer is away", func() bool { return h.count() > before+60 })
	stop = start()
	before = h.count()
	h.slowly("readings while the clock is wrong", func() bool { return h.count() > before+60 })
	right.Store(true)
	h.slowly("readings to be stored", func() bool { return len(h.stored()) == len(h.devices) })
	wait()
	kept := h.complete()
	stop()
	for _, d := range h.devices {
		for _, p := range kept[d.entity()] {
			said := d.sent[int(p.Value)]
			// What the machine takes where it is busy is nothing to 400 days.
			if off := time.UnixMilli(p.Milli).Sub(said); off < -time.Second || off > patience {
				t.Errorf("reading %v of %s was said at %v and is stored at %v", p.Value, d.name, said, time.UnixMilli(p.Milli))
			}
		}
	}
}

// writer is what hems-metrics is put together of on a card, with a clock that is
// 400 days behind until it is right.
func (h *house) writer(right *atomic.Bool) metrics.Options {
	secret := func(name string) func() (string, error) {
		return func() (string, error) {
			b, err := os.ReadFile(filepath.Join(h.data, "secrets", name))
			return strings.TrimSpace(string(b)), err
		}
	}
	return metrics.Options{
		MQTT: mqttclient.Options{Server: "unix://" + filepath.Join(h.data, "broker", "mqtt.sock"), User: "metrics", Password: secret("mqtt-metrics")},
		OpenStore: func() (*store.Store, error) {
			return store.Open(filepath.Join(h.data, "store", "hems.db"), store.Options{CommitInterval: commitEvery})
		},
		Destinations: []delivery.Destination{{
			Name: "one", Kind: delivery.InfluxDB1, URL: h.fronts[0].url, Database: bucket, User: "reader", Password: secret("database"), Every: time.Second,
		}},
		Clock: metrics.Clock{Right: right.Load, Grace: time.Hour, Built: time.Now().AddDate(0, 0, -1)},
		Now: func() time.Time {
			if right.Load() {
				return time.Now()
			}
			return time.Now().AddDate(0, 0, -400)
		},
		Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	}
}

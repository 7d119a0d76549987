//go:build bench

package readings

import (
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var wear = flag.Duration("wear", 5*time.Minute, "how long TestWrittenADay counts what is written")

// TestWrittenADay counts what the whole hems-metrics writes to the disk at 25
// samples a second, of 50 meters with five fields that publish every ten seconds,
// scaled to a day. What it rewrites once an hour is in the figures of the store,
// and here only where an hour ends in between.
func TestWrittenADay(t *testing.T) {
	const meters, perMessage, perSecond = 50, 5, 5
	b := newBench(t)
	c, err := b.mqtt.Dial("meters", true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := newMeters(meters, perMessage, false, "meters/")
	m.announce(t, c)
	p := b.ours().start()
	defer p.end(t, syscall.SIGTERM)
	m.publish(t, c, 90*perSecond, perSecond) // the first of each is stored at once, and the session is made
	file := filepath.Join(b.house.data, "store", "hems.db")
	size := func() float64 {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return float64(info.Size())
	}
	before, small, cpu, begin := p.written(t), size(), p.cpu(t), time.Now()
	m.publish(t, c, int(wear.Seconds()*perSecond), perSecond)
	took := time.Since(begin)
	day := (p.written(t) - before) / took.Seconds() * 86400 / 1e6
	t.Logf("%.0f MB written a day at %d samples/s, counted for %v; the file grew by %.0f kB; %.1f MB resident, %.1f at most; %.2f %% of a processor",
		day, perSecond*perMessage, took.Round(time.Second), (size()-small)/1e3, p.memory(t, "VmRSS"), p.memory(t, "VmHWM"), 100*(p.cpu(t)-cpu).Seconds()/took.Seconds())
	if day > 200 {
		t.Errorf("%.0f MB are written a day, at most 200 may be", day)
	}
}

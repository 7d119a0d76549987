//go:build interop && bench

package load

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 5, "rounds of TestAgainstMosquitto")
	only   = flag.String("figures", "", "measure only figures whose name holds this")
	hold   = flag.Duration("hold", 0, "how long to hold ours, idle, at the end, for a profiler")
)

// A figure is measured for both in each round, one after the other. What is
// demanded of ours is a ratio to theirs, or an absolute figure.
type figure struct {
	name     string
	measure  func(t *testing.T, c *contender) float64
	fresh    bool    // on a program that has just started
	atLeast  float64 // ratio ours/theirs; 0: not judged
	atMost   float64 // likewise
	absolute float64 // at most, of ours; 0: not judged
}

const (
	fewBytes = 100
	lossless = -1 // a rate when messages were lost
)

func fanIn(f FanIn) func(*testing.T, *contender) float64 {
	return func(t *testing.T, c *contender) float64 {
		r, err := f.Run(c.Broker)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if r.Lost() > 0 {
			t.Logf("%s lost %d of %d", c.name, r.Lost(), r.Sent)
			return lossless
		}
		return r.Rate
	}
}

// steadily is what one run at 1,000 messages a second shows.
type steadily struct{ median, p99, cpu float64 } // µs

func steady(qos byte, which func(steadily) float64) func(*testing.T, *contender) float64 {
	return func(t *testing.T, c *contender) float64 {
		before := c.cpu(t)
		l, err := Steady{PerSecond: 1000, For: 4 * time.Second, QoS: qos, Size: fewBytes}.Run(c.Broker)
		if err != nil || l.Arrived != l.Sent {
			t.Errorf("%s: %d of %d arrived: %v", c.name, l.Arrived, l.Sent, err)
		}
		used := c.cpu(t) - before
		us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
		return which(steadily{us(l.Median), us(l.P99), us(used) / float64(l.Sent)})
	}
}

var figures = []figure{
	{name: "fan-in 50 to 1, QoS 0, delivered/s", atLeast: 0.9, measure: fanIn(FanIn{Publishers: 50, Each: 4000, Size: fewBytes})},
	// As many as a client of Mosquitto's has open, by default of both.
	{name: "fan-in 50 to 1, QoS 1, 20 open each, delivered/s", atLeast: 1.0, measure: fanIn(FanIn{Publishers: 50, Each: 1500, QoS: 1, Size: fewBytes, Window: 20})},
	{name: "fan-in 50 to 1, QoS 1, all open, delivered/s", measure: fanIn(FanIn{Publishers: 50, Each: 1500, QoS: 1, Size: fewBytes})},
	{name: "fan-in 10 to 1 kept session, QoS 1, delivered/s", measure: fanIn(FanIn{Publishers: 10, Each: 2000, QoS: 1, Size: fewBytes, Kept: true})},
	{name: "fan-out 1 to 100, QoS 0, delivered/s", atLeast: 1.5, measure: func(t *testing.T, c *contender) float64 {
		r, err := FanOut{Subscribers: 100, Messages: 3000, Size: fewBytes}.Run(c.Broker)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if r.Lost() > 0 {
			t.Logf("%s lost %d of %d", c.name, r.Lost(), r.Sent)
			return lossless
		}
		return r.Rate
	}},
	{name: "median at 1,000/s, QoS 0, µs", atMost: 1.2, measure: steady(0, func(s steadily) float64 { return s.median })},
	{name: "99th percentile at 1,000/s, QoS 0, µs", measure: steady(0, func(s steadily) float64 { return s.p99 })},
	{name: "CPU per message at 1,000/s, QoS 0, µs", atMost: 1.5, measure: steady(0, func(s steadily) float64 { return s.cpu })},
	{name: "CPU per message at 1,000/s, QoS 1, µs", measure: steady(1, func(s steadily) float64 { return s.cpu })},
	{name: "resident, idle, MB", fresh: true, absolute: 25, measure: func(t *testing.T, c *contender) float64 {
		time.Sleep(time.Second)
		return c.rss(t)
	}},
	{name: "resident, 1,000 connections, MB", fresh: true, absolute: 45, measure: func(t *testing.T, c *contender) float64 {
		all, err := c.dialAll("idle", 1000)
		defer closeAll(all)
		if err != nil {
			t.Errorf("%s: after %d connections: %v", c.name, len(all), err)
		}
		for i, one := range all {
			if err := one.Subscribe(fmt.Sprintf("idle/%d/#", i), 0); err != nil {
				t.Errorf("%s: %v", c.name, err)
				break
			}
		}
		time.Sleep(time.Second)
		return c.rss(t)
	}},
	{name: "resident, 10,000 retained, MB", fresh: true, absolute: 35, measure: func(t *testing.T, c *contender) float64 {
		if err := Retain(c.Broker, 10000, 200); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		time.Sleep(time.Second)
		return c.rss(t)
	}},
	{name: "start with 10,000 retained, ms", fresh: true, absolute: 100, measure: func(t *testing.T, c *contender) float64 {
		if err := Retain(c.Broker, 10000, 200); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		c.stop(t)
		took := c.start(t)
		ears, err := c.Dial("ears", true)
		if err != nil {
			t.Fatal(err)
		}
		defer ears.Close()
		if err := ears.Subscribe("retained/#", 0); err != nil {
			t.Fatal(err)
		}
		n := 0
		if ears.Receive(quiet, func(_, _ []byte) bool { n++; return n < 10000 }); n != 10000 {
			t.Errorf("%s: %d retained messages after the start, want 10000", c.name, n)
		}
		return float64(took.Microseconds()) / 1000
	}},
}

// TestAgainstMosquitto measures our broker, as its program and durable as it is,
// and Mosquitto in turn, and holds the medians against what is demanded.
func TestAgainstMosquitto(t *testing.T) {
	both := []*contender{theirs(t), ours(t)}
	for _, c := range both {
		c.start(t)
	}
	values := map[string][2][]float64{}
	for round := range *rounds {
		for _, f := range figures {
			if !strings.Contains(f.name, *only) {
				continue
			}
			v := values[f.name]
			for i := range both {
				i = (i + round) % len(both) // each is first in turn
				c := both[i]
				if f.fresh {
					c.stop(t)
					c.fresh(t)
					c.start(t)
				}
				v[i] = append(v[i], f.measure(t, c))
				if f.fresh {
					c.stop(t)
					c.fresh(t)
					c.start(t)
				}
			}
			values[f.name] = v
			t.Logf("round %d: %s: %.1f, ours %.1f", round+1, f.name, v[0][round], v[1][round])
		}
	}
	report(t, values)
	if *hold > 0 {
		t.Logf("hems-broker is process %d, port %d", both[1].cmd.Process.Pid, both[1].port)
		time.Sleep(*hold)
	}
}

func report(t *testing.T, values map[string][2][]float64) {
	t.Helper()
	var out strings.Builder
	fmt.Fprintf(&out, "medians of %d\n%-52s %12s %12s %8s  %s\n", *rounds, "", "mosquitto", "ours", "ratio", "demanded")
	for _, f := range figures {
		v, ok := values[f.name]
		if !ok {
			continue
		}
		theirs, ours := median(v[0]), median(v[1])
		demanded, bad := "", false
		switch {
		case f.atLeast > 0:
			demanded, bad = fmt.Sprintf("at least %.1f", f.atLeast), ours/theirs < f.atLeast || ours < 0
		case f.atMost > 0:
			demanded, bad = fmt.Sprintf("at most %.1f", f.atMost), ours/theirs > f.atMost
		case f.absolute > 0:
			demanded, bad = fmt.Sprintf("ours at most %.0f", f.absolute), ours > f.absolute
		}
		if bad {
			demanded += ": NOT REACHED"
			t.Errorf("%s: ours %.1f, theirs %.1f: %s", f.name, ours, theirs, demanded)
		}
		if slices.Contains(v[1], lossless) {
			demanded += "; ours lost messages"
		}
		fmt.Fprintf(&out, "%-52s %12.1f %12.1f %8.2f  %s\n", f.name, theirs, ours, ours/theirs, demanded)
	}
	t.Log(out.String())
}

func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	return s[len(s)/2]
}

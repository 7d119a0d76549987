//go:build interop && bench

package load

import (
	"net"
	"testing"
	"time"
)

// TestOthersAreNotSlowedDown measures what others get through while one client
// stalls, reads slowly or floods the broker, against what they get alone, in
// turn; the ratio of the medians is at least 0.9.
func TestOthersAreNotSlowedDown(t *testing.T) {
	c := ours(t)
	c.start(t)
	everything := func(id string, qos byte) *Client {
		one, err := c.Dial(id, true)
		if err != nil {
			t.Fatal(err)
		}
		one.Conn.(*net.TCPConn).SetReadBuffer(4096)
		if err := one.Subscribe("#", qos); err != nil {
			t.Fatal(err)
		}
		return one
	}
	// Long enough that a quarter of a second is little: for so long publishers may
	// be held up, once, by a subscriber that has fallen behind.
	saturated := func() float64 {
		r, err := FanIn{Publishers: 5, Each: 200000, QoS: 1, Size: fewBytes, Window: 20}.Run(c.Broker)
		if err != nil || r.Lost() > 0 {
			t.Errorf("%d of %d messages were lost: %v", r.Lost(), r.Sent, err)
		}
		return r.Rate
	}
	offered := func() float64 {
		begin := time.Now()
		l, err := Steady{PerSecond: 2000, For: 2 * time.Second, QoS: 1, Size: fewBytes}.Run(c.Broker)
		if err != nil || l.Arrived != l.Sent {
			t.Errorf("%d of %d messages arrived: %v", l.Arrived, l.Sent, err)
		}
		return float64(l.Arrived) / time.Since(begin).Seconds()
	}
	for _, nuisance := range []struct {
		name    string
		others  func() float64
		disturb func() (stop func())
	}{
		{"stalled", saturated, func() func() { return everything("stalled", 1).Close }},
		{"slow", saturated, func() func() {
			one := everything("slow", 1)
			go one.Receive(Patience, func(_, _ []byte) bool { time.Sleep(time.Millisecond); return true })
			return one.Close
		}},
		// Whatever of the processors a flood takes is not there for others who want
		// all of them; those who want less get it.
		{"flooding", offered, func() func() {
			one, err := c.Dial("flood", true)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for one.Publish("flood", 0, false, 0, make([]byte, fewBytes)) == nil {
				}
			}()
			return one.Close
		}},
	} {
		var alone, disturbed []float64
		for range *rounds {
			alone = append(alone, nuisance.others())
			stop := nuisance.disturb()
			disturbed = append(disturbed, nuisance.others())
			stop()
		}
		ratio := median(disturbed) / median(alone)
		t.Logf("one client %s: others get %.0f/s instead of %.0f/s: %.2f", nuisance.name, median(disturbed), median(alone), ratio)
		if ratio < 0.9 {
			t.Errorf("one client %s: others get %.2f of what they get alone, want at least 0.9", nuisance.name, ratio)
		}
	}
}

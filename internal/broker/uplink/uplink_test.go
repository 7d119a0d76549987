package uplink

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMessagesGoBothWaysUnderTheirNames(t *testing.T) {
	home, cloud := newHouse(t), newHouse(t)
	c := cloud.to(t, "cloud", cloud.tcp(), `zigbee2mqtt/# out 2 "" homes/7/`, "# in 1 zigbee2mqtt/do/ homes/7/do/")
	here := home.listen(t, "zigbee2mqtt/do/#")
	there := cloud.listen(t, "homes/#")
	here.publish(t, "zigbee2mqtt/old", "kept", 1, true)
	u, stop := home.bridge(t, c)
	connected(t, u)
	for qos := range byte(3) {
		here.publish(t, "zigbee2mqtt/meter", fmt.Sprint("up", qos), qos, false)
		there.publish(t, "homes/7/do/plug/set", fmt.Sprint("down", qos), qos, false)
	}
	eventually(t, "all have come", func() bool { return len(there.all()) >= 7 && len(here.all()) >= 3 })
	got := slices.DeleteFunc(there.all(), func(s string) bool { return strings.Contains(s, "/do/") })
	if d := cmp.Diff([]string{
		"homes/7/zigbee2mqtt/old=kept", "homes/7/zigbee2mqtt/meter=up0", "homes/7/zigbee2mqtt/meter=up1", "homes/7/zigbee2mqtt/meter=up2",
	}, got); d != "" {
		t.Errorf("there (-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{"zigbee2mqtt/do/plug/set=down0", "zigbee2mqtt/do/plug/set=down1", "zigbee2mqtt/do/plug/set=down2"}, here.all()); d != "" {
		t.Errorf("here (-want +got)\n%s", d)
	}
	if state, _ := home.told.Load("$SYS/broker/connection/cloud/state"); state != "1" {
		t.Errorf("state %v", state)
	}
	late := cloud.listen(t)
	if err := late.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	again := cloud.listen(t, "homes/7/zigbee2mqtt/old")
	eventually(t, "it is retained there", func() bool {
		return slices.Equal(again.all(), []string{"homes/7/zigbee2mqtt/old=kept (retained)"})
	})
}

func TestWhatIsSaidWhileTheOtherSideIsAwayWaitsInOrder(t *testing.T) {
	home, cloud := newHouse(t), newHouse(t)
	wire := newLine(t, cloud.tcp())
	wire.cut(true)
	u, _ := home.bridge(t, cloud.to(t, "cloud", wire.address(), "m/# out 2", "c/# in 2"))
	here, there := home.listen(t, "c/#"), cloud.listen(t, "m/#")
	eventually(t, "trouble is told", func() bool { return u.Stats()[0].Trouble != "" })
	var wantThere, wantHere []string
	for i := range 100 {
		qos := byte(1 + i%2)
		here.publish(t, "m/x", fmt.Sprint(i), qos, false)
		wantThere = append(wantThere, fmt.Sprint("m/x=", i))
	}
	if u.Stats()[0].Connected {
		t.Fatal("connected over a line that is cut")
	}
	wire.cut(false)
	connected(t, u)
	eventually(t, "all are there", func() bool { return len(there.all()) >= 100 })
	if d := cmp.Diff(wantThere, there.all()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	// and the other way
	wire.cut(true)
	eventually(t, "the loss is seen", func() bool { return !u.Stats()[0].Connected })
	for i := range 100 {
		there.publish(t, "c/x", fmt.Sprint(i), byte(1+i%2), false)
		wantHere = append(wantHere, fmt.Sprint("c/x=", i))
	}
	wire.cut(false)
	eventually(t, "all are here", func() bool { return len(here.all()) >= 100 })
	if d := cmp.Diff(wantHere, here.all()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestExactlyOnceOverABadLine cuts the line in the middle of packets.
func TestExactlyOnceOverABadLine(t *testing.T) {
	home, cloud := newHouse(t), newHouse(t)
	wire := newLine(t, cloud.tcp())
	u, _ := home.bridge(t, cloud.to(t, "cloud", wire.address(), "m/# out 2", "c/# in 2"))
	here, there := home.listen(t, "c/#"), cloud.listen(t, "m/#")
	connected(t, u)
	const n = 300
	cuts := make(chan int)
	finished := make(chan struct{})
	go func() {
		count := 0
		defer func() { cuts <- count }()
		for {
			select {
			case <-finished:
				wire.cutAfter(0)
				return
			case <-time.After(time.Duration(10+rand.IntN(40)) * time.Millisecond):
				count++
				wire.cutAfter(1 + rand.IntN(400))
			}
		}
	}()
	var want []string
	for i := range n {
		here.publish(t, "m/x", fmt.Sprint(i), 2, false)
		there.publish(t, "c/x", fmt.Sprint(i), 2, false)
		want = append(want, fmt.Sprint("x=", i))
	}
	close(finished)
	t.Log("cuts:", <-cuts)
	eventually(t, "all have come", func() bool { return len(there.all()) >= n && len(here.all()) >= n })
	time.Sleep(100 * time.Millisecond) // for what comes twice
	for prefix, l := range map[string]*listener{"m/": there, "c/": here} {
		var got []string
		for _, s := range l.all() {
			got = append(got, strings.TrimPrefix(s, prefix))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", prefix, d)
		}
	}
}

func TestTwoBridgesBothWaysDoNotLoop(t *testing.T) {
	a, b := newHouse(t), newHouse(t)
	ab, _ := a.bridge(t, b.to(t, "b", b.tcp(), "# both 1"))
	ba, _ := b.bridge(t, a.to(t, "a", a.tcp(), "# both 1"))
	connected(t, ab, ba)
	quiet(t, []*house{a, b}, []*Uplink{ab, ba})
}

func TestATriangleDoesNotLoop(t *testing.T) {
	a, b, c := newHouse(t), newHouse(t), newHouse(t)
	ab, _ := a.bridge(t, b.to(t, "b", b.tcp(), "# both 1"))
	bc, _ := b.bridge(t, c.to(t, "c", c.tcp(), "# both 1"))
	ca, _ := c.bridge(t, a.to(t, "a", a.tcp(), "# both 1"))
	connected(t, ab, bc, ca)
	quiet(t, []*house{a, b, c}, []*Uplink{ab, bc, ca})
}

// quiet publishes in each house and sees that every other hears of it, and that
// it comes to an end.
func quiet(t *testing.T, houses []*house, bridges []*Uplink) {
	t.Helper()
	var all []*listener
	for _, h := range houses {
		all = append(all, h.listen(t, "#"))
	}
	for i, l := range all {
		l.publish(t, "x", fmt.Sprint("of", i), 1, false)
	}
	for _, l := range all {
		for i := range all {
			eventually(t, "everybody has heard", func() bool { return slices.Contains(l.all(), fmt.Sprint("x=of", i)) })
		}
	}
	total := func() (n int) {
		for _, l := range all {
			n += len(l.all())
		}
		return n
	}
	time.Sleep(300 * time.Millisecond)
	before := total()
	time.Sleep(300 * time.Millisecond)
	if after := total(); after != before {
		t.Errorf("messages go round: %d, and then %d", before, after)
	}
	if most := 3 * len(houses) * len(houses); before > most {
		t.Errorf("%d messages were heard of %d: more than %d", before, len(houses), most)
	}
	for _, u := range bridges {
		t.Logf("%+v", u.Stats())
	}
}

func TestAWayBackIsTakenOnceWithoutNoLocal(t *testing.T) {
	home, cloud := newHouse(t), newHouse(t)
	c := cloud.to(t, "cloud", cloud.tcp(), "# both 1")
	c.Version, c.TryPrivate = MQTT311, false
	u, _ := home.bridge(t, c)
	connected(t, u)
	here, there := home.listen(t, "#"), cloud.listen(t, "#")
	here.publish(t, "x", "ON", 1, false)
	eventually(t, "there", func() bool { return len(there.all()) == 1 })
	eventually(t, "the echo", func() bool { return u.Stats()[0].Loops == 1 })
	there.publish(t, "x", "OFF", 1, false)
	there.publish(t, "x", "ON", 1, false)
	eventually(t, "here", func() bool { return len(here.all()) == 3 })
	if d := cmp.Diff([]string{"x=ON", "x=OFF", "x=ON"}, here.all()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestSeveralAddresses(t *testing.T) {
	for _, roundRobin := range []bool{false, true} {
		t.Run(map[bool]string{false: "TheFirstIsPreferred", true: "AllAreEqual"}[roundRobin], func(t *testing.T) {
			home, cloud := newHouse(t), newHouse(t)
			one, two := newLine(t, cloud.tcp()), newLine(t, cloud.tcp())
			one.cut(true)
			one.ln.Close()
			c := cloud.to(t, "cloud", one.address(), "# out 1")
			c.Addresses, c.RoundRobin = append(c.Addresses, two.address()), roundRobin
			u, _ := home.bridge(t, c)
			eventually(t, "it goes to the second", func() bool { return u.Stats()[0].Address == two.address() })
			back := newLineAt(t, one.address(), cloud.tcp())
			if !roundRobin {
				eventually(t, "it returns to the first", func() bool { return u.Stats()[0].Address == back.address() })
				return
			}
			time.Sleep(200 * time.Millisecond)
			if got := u.Stats()[0].Address; got != two.address() {
				t.Errorf("it went to %s", got)
			}
			two.cut(true)
			eventually(t, "it goes to the first when the second is gone", func() bool { return u.Stats()[0].Address == back.address() })
		})
	}
}

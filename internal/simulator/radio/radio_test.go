package radio

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

func TestNamesSurviveJSON(t *testing.T) {
	want := struct {
		EUI EUI64
		Net Network
	}{0x0015bc001b0211a5, Network{PAN: 0x1A62, Extended: 1<<64 - 2, Channel: 11, Key: Key{0: 0xAB, 15: 0xCD}}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := want
	got.EUI, got.Net = 0, Network{}
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("got %+v %v from %s, want %+v", got, err, b, want)
	}
	for _, bad := range []string{`"abcd"`, `"zz000000000000000000000000000000"`, `12`} {
		if err := json.Unmarshal([]byte(bad), new(Key)); err == nil {
			t.Errorf("%s is a key", bad)
		}
	}
	for _, bad := range []string{`"0x"`, `"0x112233445566778899"`, `"meter"`} {
		if err := json.Unmarshal([]byte(bad), new(EUI64)); err == nil {
			t.Errorf("%s is an address", bad)
		}
	}
}

func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(1, 10*time.Millisecond)
		ran := map[string]time.Duration{}
		began := time.Now()
		a.Do(func() {
			note := func(what string) func() { return func() { ran[what] = time.Since(began) } }
			a.After(time.Second, note("second"))
			cancel := a.After(time.Second, note("cancelled"))
			cancel()
			a.After(time.Hour, note("after the end"))
		})
		time.Sleep(time.Minute)
		a.Close()
		time.Sleep(2 * time.Hour)
		a.Do(func() {
			if len(ran) != 1 || ran["second"] != time.Second {
				t.Errorf("got %v, want only second, after 1 s", ran)
			}
			if len(a.pending) != 0 {
				t.Errorf("%d timers are left", len(a.pending))
			}
		})
	})
}

func TestDelayAndQualityVaryALittle(t *testing.T) {
	a := New(1, 10*time.Millisecond)
	seen := map[uint8]bool{}
	for range 1000 {
		if d := a.Delay(); d < 5*time.Millisecond || d > 15*time.Millisecond {
			t.Fatalf("got a delay of %v, want 5 to 15 ms", d)
		}
		lqi, rssi := a.quality()
		if lqi < 180 || lqi > 220 || rssi < -60 || rssi > -40 {
			t.Fatalf("got %d and %d dBm", lqi, rssi)
		}
		seen[lqi] = true
	}
	if len(seen) < 5 {
		t.Errorf("the link quality takes only %d values", len(seen))
	}
	if d := New(1, 0).Delay(); d != 0 {
		t.Errorf("got %v without latency", d)
	}
}

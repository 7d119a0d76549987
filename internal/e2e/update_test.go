//go:build vm

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

var powerCuts = flag.Int("power-cuts", 2, "how often TestPowerCutsDuringUpdates cuts the power")

// trial is how long a machine under test may try an update, in seconds: less
// than on a real board, so that what never becomes healthy is not waited for.
const trial = "hems_trial=120"

// TestUpdates updates a card in a virtual machine: good releases, which stay, and
// releases that are broken in every layer, from which the card returns to the
// system before, with all its data.
func TestUpdates(t *testing.T) {
	card, r := cardImage(t), openReleases(t)
	dir, base := tempDir(t), portBase(t)
	u := boot(t, card, dir, base, "-words", trial)
	c := u.client("updates")
	w := u.watch(c, "zigbee2mqtt/#", "hems/#")
	u.eventually("the network to be up", func() error { return healthy(w) })
	u.pair(c, w)
	u.livelyMeter()
	kept := mqttclient.Message{Topic: "home/kept", Payload: []byte("before any update"), QoS: 1, Retain: true}
	if err := c.Publish(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	network := u.network(w)
	d := u.appliance()
	first := d.system()
	if first.Slot != "a" || first.Committed != "a" || first.Trial {
		t.Fatalf("a new card runs %+v, want slot a, committed", first)
	}

	running, slot := first.Version, "a"
	other := map[string]string{"a": "b", "b": "a"}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T) change
		good   bool
		why    string // among the words of the verdict
	}{
		{"Good", nil, true, ""},
		// Behind a superblock (96 bytes) that says what a good one does: anything else
		// is refused before it is tried.
		{"RootOfGarbage", func(t *testing.T) change { return change{"root.img": garbage(t, r.root, 96, math.MaxInt)} }, false, ""},
		{"KernelOfGarbage", func(t *testing.T) change { return change{"boot/vmlinuz.gz": garbage(t, r.root, 0, 8<<20)} }, false, ""},
		{"InitPanics", broken(r, "quit", "gokrazy/init"), false, ""},
		{"HangsUnderTheWatchdog", broken(r, "hang", "user/hems-boot"), false, ""},
		{"BrokerNeverHealthy", broken(r, "sleep", "user/hems-broker"), false, "cannot reach each other"},
		{"CrashLoop", broken(r, "quit", "user/hems-metrics"), false, "recorder"},
		{"ManagerDead", broken(r, "sleep", "user/hems-manager"), false, ""},
		{"GoodBackToTheFirstSlot", nil, true, ""},
	} {
		ok := t.Run(tt.name, func(t *testing.T) {
			u.t, d.t = t, t
			var c change
			if tt.change != nil {
				c = tt.change(t)
			}
			version := r.version()
			began := time.Now()
			d.install(r.release(version, c))
			v := d.verdict(version)
			t.Logf("%s: %s after %.0f s: %s", tt.name, v.Result, time.Since(began).Seconds(), v.Why)
			want := client.Returned
			if tt.good {
				want = client.Installed
				running, slot = version, other[slot]
			}
			if v.Result != want {
				t.Errorf("the verdict is %q (%s), want %q", v.Result, v.Why, want)
			}
			if !strings.Contains(strings.ToLower(v.Why), tt.why) {
				t.Errorf("the verdict says %q, want something of %q", v.Why, tt.why)
			}
			s := d.system()
			type where struct {
				Version, Slot, Committed string
				Trial                    bool
			}
			got := where{s.Version, s.Slot, s.Committed, s.Trial}
			if diff := cmp.Diff(where{running, slot, slot, false}, got); diff != "" {
				t.Errorf("what runs (-want +got):\n%s", diff)
			}
		})
		if !ok {
			t.FailNow()
		}
	}
	u.t, d.t = t, t

	w2 := u.watch(u.client("afterwards"), "zigbee2mqtt/#", kept.Topic)
	u.eventually("what was retained before the updates", func() error {
		if m, _ := w2.get(kept.Topic); string(m.Payload) != string(kept.Payload) {
			return fmt.Errorf("%q", m.Payload)
		}
		return nil
	})
	if diff := cmp.Diff(network, u.network(w2)); diff != "" {
		t.Errorf("network after the updates (-before +after):\n%s", diff)
	}
	if n := w.count(isJoin) + w2.count(isJoin); n != 1 {
		t.Errorf("%d joins, want the one before the updates", n)
	}
	u.stop()
	checkPerm(t, filepath.Join(dir, "card.img"))
}

// TestPowerCutsDuringUpdates kills the machine at random moments of updates:
// the card boots the old or the new system, whole, with all that was retained.
func TestPowerCutsDuringUpdates(t *testing.T) {
	card, r := cardImage(t), openReleases(t)
	dir, base := tempDir(t), portBase(t)
	u := boot(t, card, dir, base, "-words", trial)
	kept := mqttclient.Message{Topic: "home/kept", Payload: []byte("before any cut"), QoS: 1, Retain: true}
	if err := u.client("cuts").Publish(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // the broker may lose the last second
	slots := map[string]int{}
	for i := range *powerCuts {
		d := u.appliance()
		path := r.release(r.version(), nil)
		d.settled()
		go d.send(path) // it fails when the power does
		at := time.Duration(rand.Int64N(int64(45 * time.Second)))
		select {
		case <-time.After(at):
		case <-t.Context().Done():
		}
		phase := d.phase()
		u.cutPower()
		u = boot(t, card, dir, base, "-words", trial)
		d = u.appliance()
		d.settled()
		s := d.system()
		slots[s.Slot]++
		t.Logf("cut %d of %d, %.1f s after the start, in phase %q: slot %s runs", i+1, *powerCuts, at.Seconds(), phase, s.Slot)
		if s.Trial || s.Slot != s.Committed {
			t.Fatalf("after cut %d: %+v", i+1, s)
		}
		w := u.watch(u.client(fmt.Sprintf("cut-%d", i)), kept.Topic)
		u.eventually("what was retained before the cut", func() error {
			if m, _ := w.get(kept.Topic); string(m.Payload) != string(kept.Payload) {
				return fmt.Errorf("%q", m.Payload)
			}
			return nil
		})
	}
	u.stop()
	checkPerm(t, filepath.Join(dir, "card.img"))
	t.Logf("%d power cuts survived; slots that ran afterwards: %v", *powerCuts, slots)
}

func healthy(w *topics) error {
	var h struct{ State string }
	if err := w.json("hems/zigbee/health", &h); err != nil {
		return err
	}
	if h.State != "ok" {
		return fmt.Errorf("hems-zigbee is %q", h.State)
	}
	return nil
}

// broken is a root in which program stands in for another.
func broken(r *releases, program, inPlaceOf string) func(*testing.T) change {
	return func(t *testing.T) change {
		return change{"root.img": file(t, brokenRoot(t, r.root, program, inPlaceOf))}
	}
}

// livelyMeter changes the load of the house every few seconds until the test
// ends: a meter reports changes, and a trial waits for a reading.
func (u *under) livelyMeter() {
	ctx, cancel := context.WithCancel(u.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-time.After(4 * time.Second):
			}
			_, _ = u.tryHand("PUT", "/meter/power", fmt.Sprint(20+i%2*20)) // the home may just have gone
		}
	})
	u.t.Cleanup(func() { cancel(); wg.Wait() })
}

// appliance is the appliance as a program asks it.
type appliance struct {
	t *testing.T
	u *under
	c *client.Client
}

func (u *under) appliance() *appliance {
	u.t.Helper()
	c, err := client.Remote(u.env["HEMS_URL"], u.env["HEMS_USER"], u.env["HEMS_PASSWORD"])
	if err != nil {
		u.t.Fatal(err)
	}
	return &appliance{t: u.t, u: u, c: c}
}

func (d *appliance) system() (s client.System) {
	d.t.Helper()
	d.u.eventually("the system's answer", func() (err error) {
		s, err = d.c.System(d.t.Context())
		return err
	})
	return s
}

// settled waits until the appliance is well and no update is under way.
func (d *appliance) settled() {
	d.t.Helper()
	d.u.eventually("the appliance to settle", func() error {
		up, err := d.c.Update(d.t.Context())
		if err != nil {
			return err
		}
		if up.Busy() {
			return fmt.Errorf("an update is in phase %s", up.Phase)
		}
		s, err := d.c.System(d.t.Context())
		if err != nil {
			return err
		}
		if s.Trial {
			return errors.New("a trial")
		}
		return nil
	})
}

func (d *appliance) phase() string {
	up, err := d.c.Update(d.t.Context())
	if err != nil {
		return "not answering"
	}
	return up.Phase
}

func (d *appliance) send(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = d.c.SendUpdate(d.t.Context(), f, info.Size(), false)
	return err
}

func (d *appliance) install(path string) {
	d.t.Helper()
	d.settled()
	if err := d.send(path); err != nil {
		d.t.Fatalf("the update was not taken: %v", err)
	}
}

// verdict waits for the verdict on a version.
func (d *appliance) verdict(version string) (v client.Verdict) {
	d.t.Helper()
	d.u.eventually("the verdict on "+version, func() error {
		up, err := d.c.Update(d.t.Context())
		if err != nil {
			return err
		}
		if up.Busy() || up.Verdict == nil || up.Verdict.Version != version {
			return fmt.Errorf("phase %s, verdict %+v", up.Phase, up.Verdict)
		}
		v = *up.Verdict
		return nil
	})
	return v
}

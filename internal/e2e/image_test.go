//go:build vm

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/image"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// machine bounds every wait for the virtual machine, which is emulated and
// shares its processors with whatever else runs here.
const machine = 5 * time.Minute

// TestTheImageWalks boots the card's image in a virtual machine, pairs a meter,
// follows a reading to a subscriber and the page, cuts the power, and boots the
// same card again.
func TestTheImageWalks(t *testing.T) {
	card := cardImage(t)
	dir, base := tempDir(t), portBase(t)

	u := boot(t, card, dir, base)
	c := u.client("vm")
	w := u.watch(c, "zigbee2mqtt/#", "hems/#")
	u.eventually("the network to be up", func() error {
		var h struct{ State string }
		if err := w.json("hems/zigbee/health", &h); err != nil {
			return err
		}
		if h.State != "ok" {
			return fmt.Errorf("hems-zigbee is %q", h.State)
		}
		return nil
	})
	if n := w.count(isJoin); n != 0 {
		t.Fatalf("%d devices joined before anybody permitted it", n)
	}
	u.pair(c, w)
	u.hand("PUT", "/meter/power", "42")
	u.awaitPower(w, 42)
	u.awaitDashboard(42)
	network, energy := u.network(w), u.energy(w)
	kept := mqttclient.Message{Topic: "home/kept", Payload: []byte("before the power cut"), QoS: 1, Retain: true}
	if err := c.Publish(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // the broker may lose the last second

	u.cutPower()
	checkPerm(t, filepath.Join(dir, "card.img"))

	u = boot(t, card, dir, base)
	w2 := u.watch(u.client("vm-again"), "zigbee2mqtt/#", "homeassistant/#", kept.Topic)
	for topic, want := range map[string]string{
		kept.Topic:                 string(kept.Payload),
		"zigbee2mqtt/bridge/state": "online",
		meter + "/availability":    "online",
	} {
		u.eventually(topic, func() error {
			if m, _ := w2.get(topic); string(m.Payload) != want {
				return fmt.Errorf("%q, want %q", m.Payload, want)
			}
			return nil
		})
	}
	for _, topic := range []string{kept.Topic, meter, "homeassistant/sensor/frient_blink_counter/power/config"} {
		u.eventually(topic, func() error {
			if _, ok := w2.get(topic); !ok {
				return errors.New("nothing yet")
			}
			return nil
		})
		if !w2.first(topic).Retain {
			t.Errorf("%s was not retained for a client that came after the power cut", topic)
		}
	}
	u.hand("PUT", "/meter/power", "17")
	u.awaitPower(w2, 17)
	u.awaitDashboard(17)
	if diff := cmp.Diff(network, u.network(w2)); diff != "" {
		t.Errorf("network after the power cut (-before +after):\n%s", diff)
	}
	if got := u.energy(w2); got < energy {
		t.Errorf("energy %v kWh after the power cut, %v before", got, energy)
	}
	if n := w2.count(isJoin); n != 0 {
		t.Errorf("the meter was paired again: %d joins", n)
	}
	if took := u.stop(); took > 10*time.Second {
		t.Errorf("stopping the machine took %v, want no more than 10 s", took)
	}
	checkPerm(t, filepath.Join(dir, "card.img"))
}

// TestTheImageHasNoSecret looks for what must be made at the first boot: /perm
// of an image that was never booted is empty and sound.
func TestTheImageHasNoSecret(t *testing.T) {
	card := cardImage(t)
	perm := fmt.Sprintf("%s?offset=%d", card, permOffset(t, card))
	out := systemTool(t, "debugfs", "-R", "ls -p /", perm)
	for line := range strings.Lines(out) {
		f := strings.Split(line, "/") // "/inode/mode/uid/gid/name/size/"
		if len(f) > 5 && f[5] != "." && f[5] != ".." && f[5] != "lost+found" {
			t.Errorf("/perm of the image has %q", f[5])
		}
	}
	if !strings.Contains(out, "lost+found") {
		t.Errorf("/perm of the image cannot be read: %q", out)
	}
	systemTool(t, "e2fsck", "-fn", perm)
}

// cardImage is the image under test.
func cardImage(t *testing.T) string {
	t.Helper()
	path := os.Getenv("HEMS_IMAGE")
	if path == "" {
		path = filepath.Join("..", "..", "build", "hems.img")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("finding the image under test: %v: run \"make image\" first", err)
	}
	return path
}

// boot boots the card in dir, a copy of the image unless there is one, and waits
// for the dashboard.
func boot(t *testing.T, card, dir string, base int, args ...string) *under {
	t.Helper()
	began := time.Now()
	u := command(t, machine, dir, base, append([]string{"vm", "-image", card}, args...)...)
	t.Cleanup(func() {
		for _, name := range []string{"console.log", "programs.log"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); t.Failed() && err == nil {
				t.Logf("the machine's %s:\n%s", name, tail(string(b), 60))
			}
		}
	})
	await(u)
	t.Logf("from the start of the machine to the dashboard: %.1f s", time.Since(began).Seconds())
	return u
}

// pair lets the meter join and names it.
func (u *under) pair(c *mqttclient.Client, w *topics) {
	u.t.Helper()
	request := func(what string, payload map[string]any) {
		u.t.Helper()
		b, err := json.Marshal(payload)
		if err != nil {
			u.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(u.t.Context(), u.wait)
		defer cancel()
		if err := c.Publish(ctx, mqttclient.Message{Topic: "zigbee2mqtt/bridge/request/" + what, Payload: b, QoS: 1}); err != nil {
			u.t.Fatalf("asking for %s: %v", what, err)
		}
	}
	request("permit_join", map[string]any{"time": 254})
	var e struct {
		Type string
		Data struct {
			Address string `json:"ieee_address"`
		}
	}
	u.eventually("the meter to join", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, m := range w.all {
			if isJoin(m) {
				return json.Unmarshal(m.Payload, &e)
			}
		}
		return errors.New("not yet")
	})
	request("device/rename", map[string]any{"from": e.Data.Address, "to": strings.TrimPrefix(meter, "zigbee2mqtt/")})
	request("permit_join", map[string]any{"time": 0})
	u.eventually("the meter's first reading", func() error {
		var r struct{ Power, Energy *float64 }
		if err := w.json(meter, &r); err != nil {
			return err
		}
		if r.Power == nil || r.Energy == nil {
			return errors.New("without power or energy")
		}
		return nil
	})
}

func (u *under) energy(w *topics) float64 {
	u.t.Helper()
	var r struct{ Energy float64 }
	if err := w.json(meter, &r); err != nil {
		u.t.Fatal(err)
	}
	return r.Energy
}

// awaitDashboard waits until the dashboard tells a script that power.
func (u *under) awaitDashboard(watts float64) {
	u.t.Helper()
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	u.eventually(fmt.Sprintf("%v W on the dashboard", watts), func() error {
		req, err := http.NewRequestWithContext(u.t.Context(), http.MethodGet, u.env["HEMS_URL"]+"/api/v1/now", nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(u.env["HEMS_USER"], u.env["HEMS_PASSWORD"])
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var now struct {
			Power *float64 `json:"power_w"`
		}
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		if err := json.NewDecoder(resp.Body).Decode(&now); err != nil {
			return err
		}
		if now.Power == nil || *now.Power != watts {
			return errors.New("it tells another power, or none")
		}
		return nil
	})
}

// cutPower is kill -9 of the virtual machine.
func (u *under) cutPower() {
	u.t.Helper()
	pid := u.pid("qemu-system-aar") // the kernel keeps 15 characters
	if pid == 0 {
		u.t.Fatal("the virtual machine does not run")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		u.t.Fatal(err)
	}
	select {
	case <-u.done:
	case <-time.After(30 * time.Second):
		u.t.Fatal("hems vm goes on without its machine")
	}
	if got := u.cmd.ProcessState.ExitCode(); got != 1 || !strings.Contains(u.out.String(), "error: running the virtual machine: signal: killed") {
		u.t.Errorf("hems vm ended with status %d and said %q, want 1 and the machine's end", got, tail(u.out.String(), 3))
	}
}

// checkPerm checks the file system of /perm after a power cut, on a copy: once
// its journal is replayed, as each boot does, nothing may be wrong.
func checkPerm(t *testing.T, card string) {
	t.Helper()
	perm := filepath.Join(t.TempDir(), "perm.img") // by itself: e2fsck loses an offset when it has replayed the journal
	out, err := exec.Command("dd", "if="+card, "of="+perm, "bs=1M", "conv=sparse",
		"iflag=skip_bytes", fmt.Sprintf("skip=%d", permOffset(t, card))).CombinedOutput()
	if err != nil {
		t.Fatalf("copying /perm: %v: %s", err, out)
	}
	defer os.Remove(perm)
	replayed := systemTool(t, "e2fsck", "-y", "-E", "journal_only", perm)
	if !strings.Contains(replayed, "recovering journal") {
		t.Errorf("e2fsck had no journal to replay, so the power was not cut: %s", replayed)
	}
	systemTool(t, "e2fsck", "-fn", perm)
}

func permOffset(t *testing.T, card string) int64 {
	t.Helper()
	offset, err := image.PermOffset(card)
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

// systemTool runs a program of e2fsprogs, which must end well, and returns what
// it prints.
func systemTool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name // where an ordinary user's PATH does not lead
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

//go:build interop && bench

package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

var (
	rounds  = flag.Int("rounds", 3, "rounds of TestSideBySide")
	crowd   = flag.String("crowd", "", "models of the house with many devices; none leaves it out")
	profile = flag.Duration("hold", 0, "how long to hold the load of 3000 reports/s on ours, for a profiler")
)

// ticks is the kernel's unit of CPU time in /proc, in seconds (USER_HZ).
const ticks = 0.01

// contender is one of the two in a house with one meter.
type contender struct {
	*side
	run  func() *exec.Cmd // its program, its log thrown away
	cmd  *exec.Cmd
	sim  *exec.Cmd
	full []map[string]float64 // figures of each round
}

// load is what was measured while the meter reported.
type load struct {
	rate        float64 // reports a second that left the radio
	median, p99 float64 // ms from the radio to the subscriber
	cpu         float64 // ms of CPU per report
	lost        int     // reports no subscriber saw: replaced by a later one
	rss         float64 // MB
}

// TestSideBySide measures the real Zigbee2MQTT and ours on the same simulated
// dongle and the same kind of broker, one after the other in each round. It
// judges nothing: it prints medians and ratios.
func TestSideBySide(t *testing.T) {
	both := []*contender{contend(t, theirs(t, "")), contend(t, ours(t, ""))}
	for _, c := range both {
		c.prepare(t)
	}
	for round := range *rounds {
		for _, c := range both {
			figures := map[string]float64{}
			c.power(t, 0)
			figures["start to online, s"] = c.start(t).Seconds()
			time.Sleep(5 * time.Second)
			figures["resident, 1 device, MB"] = c.rss(t)
			c.stop(t)
			for _, rate := range []int{200, 3000} {
				l := c.load(t, rate, 8*time.Second)
				t.Logf("round %d, %s, %d/s: %+v", round+1, c.name, rate, l)
				if rate == 200 {
					figures["median at 200/s, ms"] = l.median
					figures["99th percentile at 200/s, ms"] = l.p99
				}
				figures[fmt.Sprintf("CPU per report at %d/s, ms", rate)] = l.cpu
			}
			c.full = append(c.full, figures)
		}
	}
	for _, c := range both {
		most := c.limit(t)
		c.full[0]["reports/s before the median passes 10 ms"] = most
	}
	if *crowd != "" {
		for name, enter := range map[string]func(*testing.T, string) *side{"zigbee2mqtt": theirs, "hems": ours} {
			t.Run(name, func(t *testing.T) {
				c := contend(t, enter(t, *crowd))
				c.prepare(t)
				c.power(t, 0)
				c.start(t)
				time.Sleep(20 * time.Second)
				for i := range both {
					if both[i].name == c.name {
						both[i].full[0][fmt.Sprintf("resident, %d devices, MB", len(c.devices))] = c.rss(t)
					}
				}
				c.stop(t)
			})
		}
	}
	table(t, both[0], both[1])
	if *profile > 0 {
		c := both[1]
		c.power(t, 3000)
		c.start(t)
		t.Logf("hems-zigbee is process %d", c.cmd.Process.Pid)
		time.Sleep(*profile)
		c.stop(t)
	}
}

// table prints the medians of both and their ratio.
func table(t *testing.T, a, b *contender) {
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-44s %12s %12s %10s\n", "", a.name, b.name, "ratio")
	names := map[string]bool{}
	for _, f := range slices.Concat(a.full, b.full) {
		for name := range f {
			names[name] = true
		}
	}
	for _, name := range sorted(names) {
		x, y := middle(a.full, name), middle(b.full, name)
		fmt.Fprintf(&out, "%-44s %12.3f %12.3f %10.2f\n", name, x, y, x/y)
	}
	t.Log(out.String())
}

func middle(rounds []map[string]float64, name string) float64 {
	var all []float64
	for _, r := range rounds {
		if v, ok := r[name]; ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// contend takes a side's program without its log.
func contend(t *testing.T, s *side) *contender {
	c := &contender{side: s}
	c.run = func() *exec.Cmd {
		if s.name == "hems" {
			cmd := exec.Command(filepath.Join(s.bin, "hems-zigbee"))
			cmd.Env = append(os.Environ(), "HEMS_DATA="+s.data, "HEMS_DONGLE="+s.pty, "HEMS_LISTEN=127.0.0.1", "HEMS_PORT_BASE="+strconv.Itoa(s.port-4))
			return cmd
		}
		cmd := exec.Command(node(t), zigbee2mqtt(t))
		cmd.Env = append(os.Environ(), "ZIGBEE2MQTT_DATA="+s.settings, "GIT_DIR="+filepath.Join(s.settings, "none"))
		return cmd
	}
	t.Cleanup(func() { c.stop(t) })
	return c
}

// prepare pairs everything and stops again.
func (c *contender) prepare(t *testing.T) {
	c.power(t, 0)
	c.start(t)
	for _, d := range c.home(t) {
		c.devices = append(c.devices, d["eui64"].(string))
	}
	time.Sleep(3 * time.Second)
	c.ask(t, "permit_join", `{"time":254}`)
	for _, e := range c.devices {
		got := c.until("zigbee2mqtt/bridge/event", 0, 2*time.Minute, func(p string) bool {
			return strings.Contains(p, e) && strings.Contains(p, `"device_interview"`) && !strings.Contains(p, `"started"`)
		})
		if got == "" {
			t.Logf("%s: %s was not interviewed", c.name, e)
		}
	}
	c.quiet(5*time.Second, time.Minute)
	c.ask(t, "permit_join", `{"time":0}`)
	c.stop(t)
}

// power starts the dongle with a meter that reports rate times a second, or as
// it was configured.
func (c *contender) power(t *testing.T, rate int) {
	t.Helper()
	flags := []string{"--pty", c.pty, "--state", filepath.Join(c.data, "simulator.json"), "--control", c.control}
	if c.house.devices != "" {
		flags = append(flags, "--devices", c.house.devices)
	}
	if rate > 0 {
		os.Remove(c.trace())
		flags = append(flags, "--trace", c.trace(), "--report-every", (time.Second / time.Duration(rate)).String())
	}
	c.sim = exec.Command(filepath.Join(c.bin, "hems-simulator"), flags...)
	if err := c.sim.Start(); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if _, err := c.try(t.Context(), "GET", "/state", ""); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the simulator's control socket does not answer")
}

func (c *contender) trace() string { return filepath.Join(c.data, "trace.jsonl") }

// start starts the coordinator and returns how long it took to be online.
func (c *contender) start(t *testing.T) time.Duration {
	t.Helper()
	skip := c.count("zigbee2mqtt/bridge/state")
	c.cmd = c.run()
	began := time.Now()
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.await(t, "zigbee2mqtt/bridge/state", skip, time.Minute, "online", func(p string) bool { return strings.Contains(p, "online") })
	return time.Since(began)
}

// stop stops the coordinator and its dongle.
func (c *contender) stop(t *testing.T) {
	for _, p := range []**exec.Cmd{&c.cmd, &c.sim} {
		if *p == nil {
			continue
		}
		(*p).Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(15*time.Second, func() { (*p).Process.Kill() })
		(*p).Wait()
		late.Stop()
		*p = nil
	}
}

// load measures while the meter reports rate times a second.
func (c *contender) load(t *testing.T, rate int, window time.Duration) load {
	t.Helper()
	c.power(t, rate)
	defer c.stop(t)
	type arrival struct {
		watts int64
		at    time.Time
	}
	var mu sync.Mutex
	var arrivals []arrival
	ears, err := mqttclient.Open(t.Context(), mqttclient.Options{
		Server:   "unix://" + filepath.Join(c.data, "broker", "mqtt.sock"),
		ClientID: "interop-ears", User: person, Password: c.password,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ears.Close(ctx)
	}()
	if err := ears.AwaitConnection(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = ears.Subscribe(t.Context(), meterTopic, 0, func(m mqttclient.Message) {
		now := time.Now()
		if w, ok := watts(m.Payload); ok && !m.Retain {
			mu.Lock()
			arrivals = append(arrivals, arrival{w, now})
			mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c.start(t)
	time.Sleep(4 * time.Second)
	from, cpu := time.Now(), c.cpu(t)
	time.Sleep(window)
	to, used := time.Now(), c.cpu(t)-cpu
	l := load{rss: c.rss(t)}
	time.Sleep(500 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	sent := c.sent(t)
	var took []float64
	next, inside := 0, 0
	for _, s := range sent {
		if s.at.After(from) && s.at.Before(to) {
			inside++
		}
	}
	for _, a := range arrivals {
		// The load repeats after 5,000 reports.
		for i := next; i < min(next+4000, len(sent)); i++ {
			if sent[i].watts != a.watts || sent[i].at.After(a.at) {
				continue
			}
			next = i + 1
			if sent[i].at.After(from) && sent[i].at.Before(to) {
				took = append(took, a.at.Sub(sent[i].at).Seconds()*1000)
			}
			break
		}
	}
	if len(took) == 0 {
		t.Logf("%s: no report of %d arrived at %d/s", c.name, inside, rate)
		l.median = math.Inf(1)
		return l
	}
	slices.Sort(took)
	l.rate = float64(inside) / to.Sub(from).Seconds()
	l.median, l.p99 = took[len(took)/2], took[len(took)*99/100]
	l.cpu = used * 1000 / float64(inside)
	l.lost = inside - len(took)
	return l
}

// limit raises the load until the median passes 10 ms and returns the highest
// rate before that, in reports a second that left the radio.
func (c *contender) limit(t *testing.T) (most float64) {
	t.Helper()
	for rate := 500; rate <= 50000; rate += max(rate/4, 250) {
		l := c.load(t, rate, 3*time.Second)
		t.Logf("%s asked for %d/s: %+v", c.name, rate, l)
		if l.median > 10 || l.rate < 1.05*most {
			break
		}
		most = max(most, l.rate)
	}
	return most
}

// watts reads the power out of a state.
func watts(payload []byte) (int64, bool) {
	_, rest, ok := bytes.Cut(payload, []byte(`"power":`))
	if !ok {
		return 0, false
	}
	end := bytes.IndexAny(rest, ",}")
	if end < 0 {
		return 0, false
	}
	w, err := strconv.ParseFloat(string(rest[:end]), 64)
	return int64(w), err == nil
}

type sent struct {
	watts int64
	at    time.Time
}

// sent reads which loads left the radio and when.
func (c *contender) sent(t *testing.T) (all []sent) {
	t.Helper()
	f, err := os.Open(c.trace())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e struct {
			NS        int64
			Cluster   int
			Attribute int
			Value     int64
		}
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Cluster == 0x0702 && e.Attribute == 0x0400 {
			all = append(all, sent{e.Value, time.Unix(0, e.NS)})
		}
	}
	return all
}

// cpu is the CPU time of the coordinator in seconds.
func (c *contender) cpu(t *testing.T) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		t.Fatalf("/proc/…/stat: %s", b)
	}
	return (user + system) * ticks
}

// rss is the coordinator's resident memory in MB.
func (c *contender) rss(t *testing.T) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb / 1024
}

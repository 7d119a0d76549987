//go:build bench

package readings

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/load"
	"github.com/smartcore-ireland/hems/internal/testservers"
)

var (
	rounds = flag.Int("rounds", 3, "rounds of TestAgainstTelegraf")
	only   = flag.String("only", "", "have TestAgainstTelegraf measure ours alone, with loads whose name holds this")
)

// A way is one of the two from MQTT to the database.
type way struct {
	name    string
	lines   bool // takes the line protocol; else JSON states, announced by discovery
	bucket  string
	start   func() *process
	process *process
}

// bench is a broker, a database, and the two ways between.
type bench struct {
	t     testing.TB
	house *house
	db    *database
	mqtt  load.Broker
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, db: influx1(t)}
	b.house = newHouse(t, tempDir(t), b.db)
	b.ours() // writes hems.yaml
	base := portBase(t)
	b.house.broker = b.house.program("hems-broker", base)
	b.mqtt = load.Broker{Address: fmt.Sprintf("127.0.0.1:%d", base+4), User: "home"}
	eventually(t, "the broker to take a client", func() bool {
		p, err := os.ReadFile(filepath.Join(b.house.data, "secrets", "mqtt-home"))
		if err != nil {
			return false
		}
		b.mqtt.Password = strings.TrimSpace(string(p))
		c, err := b.mqtt.Dial("probe", true)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return b
}

// ours is hems-metrics as it is shipped: a commit a minute.
func (b *bench) ours() *way {
	// Telegraf acknowledges what is at the database, and may have as much under way
	// as fills its requests.
	text := "mqtt:\n  max_inflight_messages: 20000\nmetrics:\n  destinations:\n" + b.db.yaml(b.house.fronts[0].url)
	text = strings.Replace(text, b.house.fronts[0].url, "http://"+b.db.address(), 1) // nothing in between
	if err := os.WriteFile(filepath.Join(b.house.data, "hems.yaml"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return &way{name: "hems-metrics", bucket: bucket, start: func() *process {
		os.RemoveAll(filepath.Join(b.house.data, "store"))
		return b.house.program("hems-metrics", portBase(b.t))
	}}
}

// theirs is telegraf with as many messages under way as it takes to fill its
// requests.
func (b *bench) theirs() *way {
	const name = "telegraf"
	config := fmt.Sprintf(`
[agent]
  interval = "10s"
  flush_interval = "10s"
  flush_jitter = "0s"
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://%s"]
  topics = ["telegraf/#"]
  topic_tag = ""
  qos = 1
  persistent_session = true
  client_id = "telegraf"
  max_undelivered_messages = 20000
  username = %q
  password = %q
  data_format = "influx"
[[outputs.influxdb_v2]]
  urls = ["http://%s"]
  token = "reader:%s"
  organization = ""
  bucket = %q
`, b.mqtt.Address, b.mqtt.User, b.mqtt.Password, b.db.address(), token, name)
	file := filepath.Join(tempDir(b.t), "telegraf.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.t.Fatal(err)
	}
	bin := testservers.Telegraf.Binary(b.t)
	return &way{name: name, lines: true, bucket: name, start: func() *process { return run(b.t, name, exec.Command(bin, "--config", file)) }}
}

// empty makes the database anew.
func (b *bench) empty(w *way) {
	b.t.Helper()
	for _, q := range []string{"DROP DATABASE ", "CREATE DATABASE "} {
		if status, answer := b.db.get(b.t, "/query", url.Values{"q": {q + w.bucket}}); status != http.StatusOK {
			b.t.Fatalf("%d %s", status, answer)
		}
	}
}

// count is how many lines are at the database.
func (b *bench) count(w *way) (n int) {
	b.t.Helper()
	status, answer := b.db.get(b.t, "/query?"+url.Values{"db": {w.bucket}, "q": {"SELECT count(value) FROM sensor"}}.Encode(), nil)
	var said struct {
		Results []struct {
			Series []struct{ Values [][2]any }
		}
	}
	if err := json.Unmarshal(answer, &said); err != nil || status != http.StatusOK {
		b.t.Fatalf("%d %s", status, answer)
	}
	for _, r := range said.Results {
		for _, s := range r.Series {
			n += int(s.Values[0][1].(float64))
		}
	}
	return n
}

// measured is what one load shows.
type measured struct{ cpu, rss, high, rate, written float64 } // µs a line, MB, MB, lines a second, bytes a line

// load has a program take so many lines, at a rate of lines or as fast as it
// goes, and measures it until the last of them is at the database.
func (b *bench) load(w *way, perMessage, lines int, perSecond float64) measured {
	b.t.Helper()
	b.empty(w)
	c, err := b.mqtt.Dial("meters-"+w.bucket, true)
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	const n = 50
	topics := "meters/"
	if w.lines {
		topics = "telegraf/"
	}
	m := newMeters(n, perMessage, w.lines, topics)
	if !w.lines {
		m.announce(b.t, c)
	}
	w.process = w.start()
	defer w.process.end(b.t, syscall.SIGTERM)
	// The first readings show that it listens; their CPU is the start's.
	had := 0
	eventually(b.t, w.name+" to bring the first readings", func() bool {
		m.publish(b.t, c, n, 0)
		time.Sleep(3 * time.Second)
		had = b.count(w)
		return had >= n*perMessage
	})
	eventually(b.t, w.name+" to bring all first readings", func() bool {
		before := had
		time.Sleep(12 * time.Second) // more than either waits between two requests
		had = b.count(w)
		return had == before
	})
	cpu, written, begin := w.process.cpu(b.t), w.process.written(b.t), time.Now()
	m.publish(b.t, c, lines/perMessage, perSecond/float64(perMessage))
	come := 0
	defer func() {
		if come < lines {
			b.t.Logf("%s brought %d of %d lines and said:\n%s", w.name, come, lines, tail(w.process.said.String()))
		}
	}()
	eventually(b.t, fmt.Sprintf("%s to bring %d lines", w.name, lines), func() bool {
		time.Sleep(100 * time.Millisecond)
		come = b.count(w) - had
		return come >= lines
	})
	took := time.Since(begin)
	used := w.process.cpu(b.t) - cpu
	return measured{
		cpu: float64(used.Microseconds()) / float64(lines), rss: w.process.memory(b.t, "VmRSS"), high: w.process.memory(b.t, "VmHWM"),
		rate: float64(lines) / took.Seconds(), written: (w.process.written(b.t) - written) / float64(lines),
	}
}

// cpu is the CPU time of a process so far.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	w := strings.Fields(rest)
	var ticks int64
	for _, s := range w[11:13] { // user, system
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // a hundred a second, whatever the kernel's own
}

// memory is a line of /proc/PID/status, in MB.
func (p *process) memory(t testing.TB, what string) float64 {
	return p.proc(t, "status", what+":") / 1024
}

// written is what a process had written to disks, in bytes.
func (p *process) written(t testing.TB) float64 { return p.proc(t, "io", "\nwrite_bytes:") }

func (p *process) proc(t testing.TB, file, what string) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), what)
	v, err := strconv.ParseFloat(strings.Fields(rest + " ?")[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAgainstTelegraf has hems-metrics and telegraf bring the same readings from
// the same broker to the same InfluxDB 1.8, in turn, and compares what that takes.
// Telegraf is given lines of the line protocol, the least work there is for it;
// ours reads the JSON states of devices that were announced by discovery, and
// keeps every reading in its store too.
func TestAgainstTelegraf(t *testing.T) {
	b := newBench(t)
	ways := []*way{b.theirs(), b.ours()}
	loads := []struct {
		name       string
		perMessage int
		lines      int
		perSecond  float64
	}{
		{"a line a message, 2,000 lines/s", 1, 60000, 2000},
		{"five lines a message, 2,000 lines/s", 5, 60000, 2000},
		{"five lines a message, as fast as it goes", 5, 250000, 0},
	}
	var out strings.Builder
	for _, l := range loads {
		if *only != "" {
			if strings.Contains(l.name, *only) {
				for range *rounds {
					t.Logf("%s: %+.1f", l.name, b.load(ways[1], l.perMessage, l.lines, l.perSecond))
				}
			}
			continue
		}
		got := make([][]measured, len(ways))
		for round := range *rounds {
			for i := range ways {
				i = (i + round) % len(ways) // each is first in turn
				got[i] = append(got[i], b.load(ways[i], l.perMessage, l.lines, l.perSecond))
				t.Logf("%s: %s: %+.1f", l.name, ways[i].name, got[i][round])
			}
		}
		theirs, ours := got[0], got[1]
		of := func(all []measured, f func(measured) float64) float64 {
			var v []float64
			for _, m := range all {
				v = append(v, f(m))
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		fmt.Fprintf(&out, "%s, medians of %d\n%-28s %10s %10s %8s\n", l.name, *rounds, "", "telegraf", "ours", "ratio")
		for _, f := range []struct {
			name string
			of   func(measured) float64
			most float64 // ours/theirs; 0: is only told
		}{
			{"CPU, µs a line", func(m measured) float64 { return m.cpu }, 0.25},
			{"resident at the end, MB", func(m measured) float64 { return m.rss }, 1},
			{"resident at most, MB", func(m measured) float64 { return m.high }, 0},
			{"lines a second", func(m measured) float64 { return m.rate }, 0},
			{"written to the disk, B a line", func(m measured) float64 { return m.written }, 0},
		} {
			a, b := of(theirs, f.of), of(ours, f.of)
			note := ""
			if f.most > 0 && b/a > f.most {
				note = fmt.Sprintf("  at most %.2f is wanted: NOT REACHED", f.most)
				t.Errorf("%s: %s: ours %.1f, telegraf %.1f", l.name, f.name, b, a)
			}
			fmt.Fprintf(&out, "%-28s %10.1f %10.1f %8.2f%s\n", f.name, a, b, b/a, note)
		}
	}
	t.Log("\n" + out.String())
}

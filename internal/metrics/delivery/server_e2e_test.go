//go:build e2e

package delivery

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/store"
	"github.com/smartcore-ireland/hems/internal/testservers"
)

// readPoint is a line as InfluxDB 2's own parser reads it.
type readPoint struct {
	Measurement string
	Tags        map[string]string
	Fields      map[string]any
	Time        int64
}

// parsed has lines read by InfluxDB 2's own parser.
func parsed(t *testing.T, requests ...string) (points [][]readPoint, errors []string) {
	t.Helper()
	var in bytes.Buffer
	for _, r := range requests {
		if err := json.NewEncoder(&in).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(testservers.LineParser.Binary(t))
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var a struct {
			Points []readPoint
			Error  string
		}
		if err := d.Decode(&a); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		points, errors = append(points, a.Points), append(errors, a.Error)
	}
	if len(points) != len(requests) {
		t.Fatalf("got %d answers, want %d", len(points), len(requests))
	}
	return points, errors
}

// Every line of the table says to the server what was meant.
func TestLinesAreReadByTheServersOwnParser(t *testing.T) {
	var requests []string
	var cases []lineCase
	for _, tc := range lineCases {
		if tc.want != "" {
			requests, cases = append(requests, tc.want), append(cases, tc)
		}
	}
	points, errors := parsed(t, requests...)
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			want := readPoint{Measurement: "sensor", Tags: map[string]string{"entity_id": tc.d.Entity}, Fields: map[string]any{}, Time: tc.i.Time.UnixNano()}
			if unit := tagValue(tc.d.Unit); unit != "" {
				want.Tags["unit_of_measurement"] = unit
			}
			state, value, number := fields(tc.d, tc.i)
			if state != "" {
				want.Fields["state"] = strings.ToValidUTF8(state, "\ufffd")
			}
			if number {
				want.Fields["value"] = value
			}
			if diff := cmp.Diff([]readPoint{want}, points[i]); diff != "" || errors[i] != "" {
				t.Errorf("%q: error %q (-want +got):\n%s", tc.want, errors[i], diff)
			}
		})
	}
}

// The traps that our lines go round are there: a server that no longer had them
// would let us write in a simpler way.
func TestTrapsOfTheServersParser(t *testing.T) {
	points, errors := parsed(t,
		"#sensor,entity_id=a value=1 1\n",        // a comment: lost without a word
		"sensor,time=a value=1 1\n",              // a reserved tag
		`sensor,entity_id=a state="x\ny" 1`+"\n", // not a line break
		"sensor,entity_id=a value=NaN 1\n",
		"sensor,entity_id=a value=1 1\nsensor,entity_id=b value= 1\nsensor,entity_id=c value=1 1\n",
	)
	if len(points[0]) != 0 || errors[0] != "" {
		t.Errorf("a measurement that begins with #: got %v, %q", points[0], errors[0])
	}
	if !strings.Contains(errors[1], "reserved tag key") {
		t.Errorf("a tag called time: got %v, %q", points[1], errors[1])
	}
	if len(points[2]) != 1 || points[2][0].Fields["state"] != `x\ny` {
		t.Errorf("a backslash and n: got %v, %q, want these two characters", points[2], errors[2])
	}
	if len(points[3]) != 0 || errors[3] == "" {
		t.Errorf("no number: got %v, %q", points[3], errors[3])
	}
	if len(points[4]) != 2 || !strings.Contains(errors[4], "unable to parse") {
		t.Errorf("a bad line among good ones: got %v, %q", points[4], errors[4])
	}
}

// process is a server that runs, on a port that it chose.
type process struct {
	cmd  *exec.Cmd
	addr string
}

// says matches the address in a server's log.
func start(t *testing.T, says string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...)}
	out, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = p.cmd.Wait(); w.Close(); close(ended) }() // killed, mostly
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-ended })
	addr := make(chan string, 1)
	go func() {
		re, found := regexp.MustCompile(says), false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := re.FindStringSubmatch(lines.Text()); m != nil && !found {
				found = true
				addr <- "127.0.0.1:" + m[1]
			}
		}
		_, _ = io.Copy(io.Discard, out)
		if !found {
			close(addr)
		}
	}()
	select {
	case a, ok := <-addr:
		if !ok {
			t.Fatalf("%s ended before it listened", name)
		}
		p.addr = a
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s does not listen", name)
	}
	return p
}

// eventually waits for something of other processes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for %s", what)
		}
	}
}

func ask(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %s, %v: %s", url, resp.Status, err, body)
	}
	return string(body)
}

// VictoriaMetrics answers before it has written: what it loses at kill -9 is there
// again soon after, each reading once.
func TestVictoriaMetricsIsKilledAndHasEverything(t *testing.T) {
	bin, data := testservers.VictoriaMetrics.Binary(t), t.TempDir()
	serve := func(addr string) *process {
		return start(t, `started server at http://127\.0\.0\.1:(\d+)`, bin, "-storageDataPath="+data, "-httpListenAddr="+addr,
			"-retentionPeriod=10y", "-memory.allowedBytes=64MiB", "-dedup.minScrapeInterval=1ms")
	}
	vm := serve("127.0.0.1:0")
	st, err := store.Open(filepath.Join(t.TempDir(), "hems.db"), store.Options{CommitInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Register(store.Series{Entity: "a"}); err != nil {
		t.Fatal(err)
	}
	s, err := New(Destination{Name: "vm", Kind: VictoriaMetrics, URL: "http://" + vm.addr, Every: 50 * time.Millisecond}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { s.Run(ctx, st) })
	defer group.Wait()
	defer cancel()
	began, n := time.Now().Add(-time.Hour).Truncate(time.Second), 0
	read := func(count int) {
		t.Helper()
		for range count {
			n++
			if err := st.Append(store.Reading{Entity: "a", Time: began.Add(time.Duration(n) * time.Second), Value: float64(n)}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the server to have answered for all", func() bool {
			left, err := st.Backlog(ctx, s.Cursor())
			return err == nil && left == 0 && st.Waiting() == 0
		})
	}
	values := func() map[float64]int {
		ask(t, "http://"+vm.addr+"/internal/force_flush")
		all := map[float64]int{}
		for line := range strings.Lines(ask(t, "http://"+vm.addr+"/api/v1/export?reduce_mem_usage=0&match[]=sensor_value")) {
			var block struct{ Values []float64 }
			if err := json.Unmarshal([]byte(line), &block); err != nil {
				t.Fatal(err)
			}
			for _, v := range block.Values {
				all[v]++
			}
		}
		return all
	}
	lost := 0
	for range 3 {
		read(50)
		if err := vm.cmd.Process.Kill(); err != nil { // right after its answer
			t.Fatal(err)
		}
		addr := vm.addr
		eventually(t, "the port to be free", func() bool {
			_, err := http.Get("http://" + addr + "/health")
			return err != nil
		})
		vm = serve(addr)
		lost = max(lost, n-len(values()))
		read(1)
		eventually(t, "everything at the server", func() bool { return len(values()) == n })
	}
	for v, times := range values() {
		if times != 1 {
			t.Errorf("the reading %v is there %d times", v, times)
		}
	}
	if lost == 0 {
		t.Error("it lost nothing, and so nothing was shown: the window is no longer needed")
	}
	t.Logf("of %d readings it had lost up to %d when it was killed", n, lost)
}

// A field of another type at the real servers: everything else arrives, and the
// reading is put aside until the cause is mended.
func TestATypeConflictAtRealServers(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "influxdb.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\n dir = %[1]q\n[data]\n dir = %[2]q\n wal-dir = %[3]q\n[http]\n bind-address = \"127.0.0.1:0\"\n",
		filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		serve func(t *testing.T) (*process, Destination)
	}{
		{"InfluxDB1", func(t *testing.T) (*process, Destination) {
			p := start(t, `service=httpd addr=127\.0\.0\.1:(\d+)`, testservers.InfluxDB1.Binary(t), "-config", conf)
			ask(t, "http://"+p.addr+"/query?q=CREATE+DATABASE+home")
			return p, Destination{Kind: InfluxDB1, Database: "home"}
		}},
		{"InfluxDB2", func(t *testing.T) (*process, Destination) {
			p := start(t, `transport=http addr=127\.0\.0\.1:0 port=(\d+)`, testservers.InfluxDB2.Binary(t), "--reporting-disabled", "--http-bind-address", "127.0.0.1:0",
				"--bolt-path", filepath.Join(dir, "bolt"), "--sqlite-path", filepath.Join(dir, "sqlite"), "--engine-path", filepath.Join(dir, "engine"), "--log-level", "info")
			eventually(t, "the server to be set up", func() bool {
				resp, err := http.Post("http://"+p.addr+"/api/v2/setup", "application/json", strings.NewReader(
					`{"username":"home","password":"not-a-secret","org":"hems","bucket":"home","token":"`+token+`","retentionPeriodSeconds":0}`))
				if err != nil {
					return false
				}
				resp.Body.Close()
				return resp.StatusCode == http.StatusCreated
			})
			return p, Destination{Org: "hems", Bucket: "home", Token: secret(token)}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, d := tc.serve(t)
			r := newRig(t, "http://"+p.addr, func(to *Destination) { *to = d; to.Name, to.URL = "x", "http://"+p.addr })
			// Somebody has written to a's measurement before, in whole numbers.
			if err := r.post(t.Context(), fmt.Appendf(nil, "sensor,entity_id=b,unit_of_measurement=W value=1i %d\n", r.from.Add(-time.Minute).UnixNano())); err != nil {
				t.Fatal(err)
			}
			r.readings(t, 5, "a")
			r.sendAll(t)
			if got := r.backlog(t); got != 0 || len(r.asideLines(t)) != 5 {
				t.Errorf("backlog %d and %d aside, want 0 and the 5 readings", got, len(r.asideLines(t)))
			}
			if what, _ := r.Trouble(); what != "" {
				t.Errorf("trouble: %s", what)
			}
			// Another measurement is another table.
			r.Sender.lines = lines{measurement: "reading", texts: true}
			if _, err := r.ResendAside(t.Context(), r.store); err != nil {
				t.Fatal(err)
			}
			if err := r.resendAside(t.Context(), r.store); err != nil {
				t.Fatal(err)
			}
			if got := len(r.asideLines(t)); got != 0 {
				t.Errorf("%d are still aside", got)
			}
			// What is wrong with the destination is told, and nothing is put aside.
			for _, wrong := range []struct {
				name string
				set  func(*Destination)
				want string
			}{
				{"Token", func(d *Destination) { d.Token = secret("wrong") }, "401"},
				{"Place", func(d *Destination) { d.Bucket, d.Database = "none", "none" }, "404"},
			} {
				if tc.name == "InfluxDB1" && wrong.name == "Token" {
					continue // it asks for none as it is set up here
				}
				d := r.Destination
				wrong.set(&d)
				s, err := New(d, Options{})
				if err != nil {
					t.Fatal(err)
				}
				s.pause = func(context.Context, time.Duration) bool { return false }
				w := rig{Sender: s, store: r.store, from: r.from.Add(time.Hour)}
				w.readings(t, 1, "c")
				if _, err := s.step(t.Context(), r.store); err != nil {
					t.Fatal(err)
				}
				if what, hint := s.Trouble(); !strings.Contains(what, wrong.want) || hint == "" {
					t.Errorf("%s: got %q, %q, want a %s with a hint", wrong.name, what, hint, wrong.want)
				}
				if n := r.backlog(t); n == 0 || len(r.asideLines(t)) != 0 {
					t.Errorf("%s: a backlog of %d and %d aside, want all kept", wrong.name, n, len(r.asideLines(t)))
				}
			}
		})
	}
}

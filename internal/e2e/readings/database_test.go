//go:build e2e || bench

package readings

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/smartcore-ireland/hems/internal/testservers"
)

// What a destination is asked for.
const (
	org, bucket = "hems", "home_assistant"
	token       = "not-a-secret"
)

// point is a reading as a database gives it back.
type point struct {
	Milli int64
	Value float64
}

// database is a real server that runs on a directory of its own, on whatever
// port it is given. It listens again somewhere else when it is started again.
type database struct {
	name  string
	as    string // in hems.yaml
	kind  string // likewise
	dir   string
	run   func() *exec.Cmd
	says  string // before the number of its port
	setUp func(t testing.TB, d *database)
	ask   func(t testing.TB, d *database) map[string][]point // all points, by entity
	p     *process

	mu   sync.Mutex
	addr string // host:port
}

// address is where it listens now, or listened last.
func (d *database) address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addr
}

// start starts the server and waits until it answers.
func (d *database) start(t testing.TB) {
	t.Helper()
	d.p = run(t, d.name, d.run())
	port := d.p.says(t, d.says)
	d.mu.Lock()
	d.addr = "127.0.0.1:" + port
	d.mu.Unlock()
	d.setUp(t, d)
}

// get asks the server; body nil: with GET.
func (d *database) get(t testing.TB, path string, body any) (int, []byte) {
	t.Helper()
	var answer []byte
	var status int
	eventually(t, d.name+" to answer", func() bool {
		method, r := http.MethodGet, io.Reader(nil)
		switch b := body.(type) {
		case url.Values:
			method, r = http.MethodPost, strings.NewReader(b.Encode())
		case map[string]any:
			j, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			method, r = http.MethodPost, bytes.NewReader(j)
		}
		req, err := http.NewRequest(method, "http://"+d.address()+path, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := body.(url.Values); ok {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if d.kind == "influxdb2" {
			req.Header.Set("Authorization", "Token "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		status = resp.StatusCode
		answer, err = io.ReadAll(resp.Body)
		return err == nil && status != http.StatusServiceUnavailable
	})
	return status, answer
}

// influx1 is InfluxDB 1.8.
func influx1(t testing.TB) *database {
	t.Helper()
	bin, dir := testservers.InfluxDB1.Binary(t), tempDir(t)
	conf := filepath.Join(dir, "influxdb.conf")
	text := fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "%[1]s/meta"
[data]
  dir = "%[1]s/data"
  wal-dir = "%[1]s/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:0"
  log-enabled = false
`, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &database{name: "InfluxDB 1.8", as: "one", kind: "influxdb1", dir: dir, says: "service=httpd addr=127.0.0.1:",
		run: func() *exec.Cmd { return exec.Command(bin, "-config", conf) },
		setUp: func(t testing.TB, d *database) {
			if status, answer := d.get(t, "/query", url.Values{"q": {"CREATE DATABASE " + bucket}}); status != http.StatusOK {
				t.Fatalf("%s: %d %s", d.name, status, answer)
			}
		},
		ask: askInfluxQL,
	}
}

// influx2 is InfluxDB 2.7.
func influx2(t testing.TB) *database {
	t.Helper()
	bin, dir := testservers.InfluxDB2.Binary(t), tempDir(t)
	return &database{name: "InfluxDB 2.7", as: "two", kind: "influxdb2", dir: dir, says: "transport=http addr=127.0.0.1:0 port=",
		run: func() *exec.Cmd {
			return exec.Command(bin, "--reporting-disabled", "--http-bind-address", "127.0.0.1:0", "--bolt-path", filepath.Join(dir, "bolt"),
				"--sqlite-path", filepath.Join(dir, "sqlite"), "--engine-path", filepath.Join(dir, "engine"), "--log-level", "info")
		},
		setUp: func(t testing.TB, d *database) {
			status, answer := d.get(t, "/api/v2/setup", map[string]any{
				"username": "home", "password": "not-a-secret", "org": org, "bucket": bucket, "token": token, "retentionPeriodSeconds": 0,
			})
			if status != http.StatusCreated && !strings.Contains(string(answer), "already been completed") {
				t.Fatalf("%s: %d %s", d.name, status, answer)
			}
		},
		ask: askInfluxQL,
	}
}

// askInfluxQL asks for all points in InfluxQL.
func askInfluxQL(t testing.TB, d *database) map[string][]point {
	t.Helper()
	q := url.Values{"db": {bucket}, "epoch": {"ms"}, "chunked": {"true"}, "chunk_size": {"10000"}, "q": {"SELECT value FROM sensor GROUP BY entity_id"}}
	status, answer := d.get(t, "/query?"+q.Encode(), nil)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", d.name, status, answer)
	}
	all := map[string][]point{}
	for dec := json.NewDecoder(bytes.NewReader(answer)); ; {
		var chunk struct {
			Error   string
			Results []struct {
				Error  string
				Series []struct {
					Tags   map[string]string
					Values [][2]*json.Number
				}
			}
		}
		if err := dec.Decode(&chunk); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		for _, r := range chunk.Results {
			if r.Error+chunk.Error != "" {
				t.Fatalf("%s: %s %s", d.name, chunk.Error, r.Error)
			}
			for _, s := range r.Series {
				for _, v := range s.Values {
					milli, err := v[0].Int64()
					if err != nil {
						t.Fatal(err)
					}
					value, err := v[1].Float64()
					if err != nil {
						t.Fatal(err)
					}
					all[s.Tags["entity_id"]] = append(all[s.Tags["entity_id"]], point{milli, value})
				}
			}
		}
	}
}

// victoria is VictoriaMetrics. It keeps what it is sent twice, at one time and of
// one series, twice, unless it is told otherwise as here.
func victoria(t testing.TB) *database {
	t.Helper()
	bin, dir := testservers.VictoriaMetrics.Binary(t), tempDir(t)
	return &database{name: "VictoriaMetrics", as: "three", kind: "victoriametrics", dir: dir, says: "started server at http://127.0.0.1:",
		run: func() *exec.Cmd {
			return exec.Command(bin, "-storageDataPath="+dir, "-httpListenAddr=127.0.0.1:0", "-retentionPeriod=10y", "-memory.allowedBytes=64MiB", "-dedup.minScrapeInterval=1ms")
		},
		setUp: func(t testing.TB, d *database) { d.get(t, "/health", nil) },
		ask: func(t testing.TB, d *database) map[string][]point {
			d.get(t, "/internal/force_flush", nil)
			status, answer := d.get(t, "/api/v1/export?reduce_mem_usage=0&match[]="+url.QueryEscape("sensor_value"), nil)
			if status != http.StatusOK {
				t.Fatalf("%s: %d %s", d.name, status, answer)
			}
			all := map[string][]point{}
			for r := bufio.NewReader(bytes.NewReader(answer)); ; {
				line, err := r.ReadBytes('\n')
				if err == io.EOF {
					return all
				}
				var block struct {
					Metric     map[string]string
					Values     []float64
					Timestamps []int64
				}
				if err := json.Unmarshal(line, &block); err != nil {
					t.Fatal(err)
				}
				for i := range block.Values {
					all[block.Metric["entity_id"]] = append(all[block.Metric["entity_id"]], point{block.Timestamps[i], block.Values[i]})
				}
			}
		},
	}
}

// yaml is the destination as hems.yaml has it, behind whatever is at the address.
func (d *database) yaml(address string) string {
	text := fmt.Sprintf("    - name: %s\n      kind: %s\n      url: %q\n", d.as, d.kind, address)
	switch d.kind {
	case "influxdb1":
		text += "      database: " + bucket + "\n      user: reader\n      password: database\n"
	case "influxdb2":
		text += "      org: " + org + "\n      bucket: " + bucket + "\n      token: database\n"
	}
	return text
}

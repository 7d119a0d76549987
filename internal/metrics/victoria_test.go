//go:build e2e

package metrics

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
	"github.com/smartcore-ireland/hems/internal/testservers"
)

// victoria is a VictoriaMetrics server on a port of its own, that can be
// stopped and started again on the same data.
type victoria struct {
	bin, dir, addr string
	cmd            *exec.Cmd
}

func newVictoria(t *testing.T) *victoria {
	t.Helper()
	bin := testservers.VictoriaMetrics.Binary(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &victoria{bin: bin, dir: t.TempDir(), addr: l.Addr().String()}
	l.Close()
	t.Cleanup(func() { v.stop(t) })
	v.start(t)
	return v
}

func (v *victoria) start(t *testing.T) {
	t.Helper()
	v.cmd = exec.Command(v.bin, "-storageDataPath="+v.dir, "-httpListenAddr="+v.addr, "-retentionPeriod=10y", "-memory.allowedBytes=64MiB")
	var out strings.Builder
	v.cmd.Stdout, v.cmd.Stderr = &out, &out
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the time-series server to start", func() bool {
		resp, err := http.Get("http://" + v.addr + "/health")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (v *victoria) stop(t *testing.T) {
	if v.cmd == nil {
		return
	}
	if err := v.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := v.cmd.Wait(); err != nil {
		t.Errorf("the time-series server ended: %v", err)
	}
	v.cmd = nil
}

// sent is a reading as the server gives it back.
type sent struct {
	Milli int64
	Value float64
}

// export asks all readings of an entity back.
func (v *victoria) export(t *testing.T, entity, unit string) []sent {
	t.Helper()
	for _, path := range []string{"/internal/force_flush", "/api/v1/export?match[]=" +
		url.QueryEscape(fmt.Sprintf("sensor_value{entity_id=%q,unit_of_measurement=%q}", entity, unit))} {
		resp, err := http.Get("http://" + v.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: got status %s", path, resp.Status)
		}
		if !strings.Contains(path, "export") {
			continue
		}
		var all []sent
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var block struct {
				Values     []float64
				Timestamps []int64
			}
			if err := json.Unmarshal(lines.Bytes(), &block); err != nil {
				t.Fatal(err)
			}
			for i := range block.Values {
				all = append(all, sent{block.Timestamps[i], block.Values[i]})
			}
		}
		return all
	}
	return nil
}

// guard is in front of the server, which knows no tokens, and checks what
// InfluxDB 2 would.
func guard(t *testing.T, v *victoria) *httptest.Server {
	t.Helper()
	target, err := url.Parse("http://" + v.addr)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Header.Get("Authorization") != "Token "+token:
			http.Error(w, `{"code":"unauthorized","message":"unauthorized access"}`, http.StatusUnauthorized)
		case r.Method != http.MethodPost || r.URL.Path != "/api/v2/write" || r.Header.Get("Content-Encoding") != "gzip":
			http.Error(w, `{"message":"no such path"}`, http.StatusMethodNotAllowed)
		case q.Get("org") != "hems" || q.Get("bucket") != "home_assistant":
			http.Error(w, `{"code":"not found","message":"bucket not found"}`, http.StatusNotFound)
		case q.Get("precision") != "ns":
			http.Error(w, `{"code":"invalid","message":"invalid precision"}`, http.StatusBadRequest)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// chain is MQTT broker, writer, guard and server.
type chain struct {
	broker *broker
	writer *Writer
	server *victoria
	front  *httptest.Server
	stop   func()
	path   string

	mu  sync.Mutex
	now time.Time
}

func newChain(t *testing.T) *chain {
	c := &chain{broker: newBroker(t), server: newVictoria(t), path: filepath.Join(t.TempDir(), "hems.db"),
		now: time.Now().Add(-24 * time.Hour).Truncate(time.Second)}
	c.front = guard(t, c.server)
	c.broker.publish(t, powerTopic, powerConfig, true)
	c.start(t)
	return c
}

// start starts the writer, the first time or again.
func (c *chain) start(t *testing.T) {
	t.Helper()
	c.writer, c.stop = start(t, Options{
		MQTT: mqttclient.Options{Server: c.broker.url},
		OpenStore: func() (*store.Store, error) {
			return store.Open(c.path, store.Options{CommitInterval: 100 * time.Millisecond})
		},
		Destinations: []delivery.Destination{{
			Name: "victoria", URL: c.front.URL, Org: "hems", Bucket: "home_assistant",
			Token: func() (string, error) { return token, nil }, Every: 50 * time.Millisecond,
		}},
		Now: c.clock,
	})
	// The broker may know the subscription from the session before.
	eventually(t, "the writer to listen", func() bool { return c.writer.listens(stateTopic) && c.writer.client.Connected() })
	c.broker.subscribed(t, stateTopic)
}

func (c *chain) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// publish sends readings ten seconds apart, each after the one before was
// taken, and returns what the server should have.
func (c *chain) publish(t *testing.T, values ...float64) (want []sent) {
	t.Helper()
	for _, v := range values {
		c.mu.Lock()
		c.now = c.now.Add(10 * time.Second)
		want = append(want, sent{c.now.UnixMilli(), v})
		c.mu.Unlock()
		taken := c.writer.Counts().Readings
		c.broker.publish(t, stateTopic, fmt.Sprintf(`{"power":%v,"energy":1234.567,"linkquality":67}`, v), true)
		eventually(t, "the reading to be taken", func() bool { return c.writer.Counts().Readings == taken+1 })
	}
	return want
}

// arrived waits until the server has as many readings as wanted, and then
// compares them: each once, with its value and time.
func (c *chain) arrived(t *testing.T, want []sent) {
	t.Helper()
	export := func() []sent { return c.server.export(t, "frient_blink_counter_power", "W") }
	eventually(t, fmt.Sprintf("%d readings at the server", len(want)), func() bool { return len(export()) >= len(want) })
	if diff := cmp.Diff(want, export()); diff != "" {
		t.Errorf("readings at the server (-want +got):\n%s", diff)
	}
}

func TestReadingIsAskedBackFromARealServer(t *testing.T) {
	c := newChain(t)
	c.arrived(t, c.publish(t, 342.0, 0, -17.25, 12345.6))
}

func TestReadingsOfAnOutageArriveOnce(t *testing.T) {
	c := newChain(t)
	want := c.publish(t, 1, 2, 3)
	c.arrived(t, want)
	c.server.stop(t)
	want = append(want, c.publish(t, 4, 5, 6)...)
	eventually(t, "a word about the server", func() bool {
		return strings.Contains(c.broker.lastHealth().Message, "wait for victoria")
	})
	// The writer is restarted during the outage, too.
	c.stop()
	c.start(t)
	want = append(want, c.publish(t, 7, 8)...)
	c.server.start(t)
	c.arrived(t, want)
	if n, err := c.writer.store.Backlog(context.Background(), "destination/victoria"); err != nil || n != 0 {
		t.Errorf("backlog: got %d, %v; want 0", n, err)
	}
}

//go:build bench

package front

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 4, "rounds of TestAgainstNginx")
	only   = flag.String("figures", "", "measure only figures whose name holds this")
)

// proxyAddr and proxyTo make this test binary the proxy, in a process of its own.
const proxyAddr, proxyTo = "HEMS_BENCH_FRONT", "HEMS_BENCH_TO"

func TestMain(m *testing.M) {
	if addr := os.Getenv(proxyAddr); addr != "" {
		to, err := url.Parse(os.Getenv(proxyTo))
		if err == nil {
			err = serveFor(addr, to)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveFor(addr string, to *url.URL) error {
	f, err := New(Options{To: to, DashboardPort: 8080, Cookies: []string{"hems_", "__Host-hems_"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return f.Serve(context.Background(), l, onLAN(nil))
}

// TestAgainstNginx measures, in each round one after the other, this proxy and
// Debian's nginx as the reference configures it, before the same server.
func TestAgainstNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatal("this needs nginx: apt-get install nginx-light")
	}
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		t.Fatal("this needs wrk: apt-get install wrk")
	}
	home := startHome(t)
	dir := t.TempDir()
	static := startNginx(t, nginx, filepath.Join(dir, "static"), staticConfig)
	proxied := startNginx(t, nginx, filepath.Join(dir, "proxy"), proxyConfig(static, home))
	front := startFront(t, static)
	frontHome := startFront(t, home)
	proxiedHome := proxied + 1

	type figure struct {
		name    string
		measure func(t *testing.T, ours bool) float64
		atLeast float64 // ratio ours to nginx's; 0: not judged
		atMost  float64
	}
	port := func(ours bool, a, b int) int {
		if ours {
			return a
		}
		return b
	}
	var medians = map[bool]float64{}
	figures := []figure{
		{"2 KiB requests/s, 32 connections", func(t *testing.T, ours bool) float64 {
			rate, median := runWrk(t, wrk, port(ours, front, proxied), 32)
			medians[ours] = median
			return rate
		}, 0.7, 0},
		{"the same, median in ms", func(_ *testing.T, ours bool) float64 { return medians[ours] }, 0, 2.0},
		{"2 KiB requests/s, 1 connection", func(t *testing.T, ours bool) float64 {
			rate, _ := runWrk(t, wrk, port(ours, front, proxied), 1)
			return rate
		}, 0, 0},
		{"WebSocket messages/s, 16 sockets, 300 bytes", func(t *testing.T, ours bool) float64 {
			return socketRate(t, port(ours, frontHome, proxiedHome), 16, 2*time.Second)
		}, 1.0, 0},
		{"300 MB upload, MB/s", func(t *testing.T, ours bool) float64 { return uploadRate(t, port(ours, frontHome, proxiedHome)) }, 2.0, 0},
	}
	if *only == "" {
		*only = " " // every name has one
	}
	figures = slices.DeleteFunc(figures, func(f figure) bool { return !strings.Contains(f.name, *only) })
	got := map[string]map[bool][]float64{}
	for range *rounds {
		for _, f := range figures {
			if got[f.name] == nil {
				got[f.name] = map[bool][]float64{}
			}
			for _, ours := range []bool{true, false} {
				got[f.name][ours] = append(got[f.name][ours], f.measure(t, ours))
			}
		}
	}
	for _, f := range figures {
		ours, theirs := got[f.name][true], got[f.name][false]
		ratio := median(ours) / median(theirs)
		verdict := ""
		if f.atLeast > 0 && ratio < f.atLeast {
			verdict = fmt.Sprintf("  MISSED: at least %.1f", f.atLeast)
		}
		if f.atMost > 0 && ratio > f.atMost {
			verdict = fmt.Sprintf("  MISSED: at most %.1f", f.atMost)
		}
		t.Logf("%-45s ours %8.5g  nginx %8.5g  ratio %.2f%s   (%.5g / %.5g)", f.name, median(ours), median(theirs), ratio, verdict, ours, theirs)
		if verdict != "" {
			t.Errorf("%s: ratio %.2f%s", f.name, ratio, verdict)
		}
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// startHome is what stands for Home Assistant's WebSocket and its uploads; it
// returns its port.
func startHome(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
			return
		}
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
		_, _ = io.Copy(c, rw) // frames, whatever is in them
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func startFront(t *testing.T, to int) int {
	t.Helper()
	port := freePorts(t, 1)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=127.0.0.1:%d", proxyAddr, port), fmt.Sprintf("%s=http://127.0.0.1:%d", proxyTo, to))
	cmd.Stderr = os.Stderr
	startAndAwait(t, cmd, port)
	return port
}

func startAndAwait(t *testing.T, cmd *exec.Cmd, port int) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never listened: %v", cmd.Path, err)
		}
	}
}

// freePorts is the first of n ports in a row that nobody has.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		free := true
		for i := 1; i < n; i++ {
			m, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
			if free = free && err == nil; err == nil {
				m.Close()
			}
		}
		l.Close()
		if free {
			return port
		}
	}
	t.Fatal("there are no free ports")
	return 0
}

func startNginx(t *testing.T, nginx, dir string, config func(dir string, port int) string) int {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "html"), 0o755); err != nil {
		t.Fatal(err)
	}
	port := freePorts(t, 2)
	for name, text := range map[string]string{"nginx.conf": config(dir, port), "html/2k": strings.Repeat("x", 2048)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(nginx, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-g", "daemon off; user "+whoami()+";", "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return port
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx never listened: %v\n%s", err, log)
		}
	}
}

func whoami() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

const common = `worker_processes 2;
pid %[1]s/pid;
events { worker_connections 1024; }
`

func staticConfig(dir string, port int) string {
	return fmt.Sprintf(common+`http { access_log off; keepalive_requests 1000000000; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
 server { listen 127.0.0.1:%[2]d; root %[1]s/html; } }`, dir, port)
}

func proxyConfig(static, home int) func(dir string, port int) string {
	return func(dir string, port int) string {
		proxy := func(to string) string {
			return `location / { proxy_pass http://` + to + `; proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
 proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; proxy_read_timeout 86400; }`
		}
		return fmt.Sprintf(common+`http { access_log off; keepalive_requests 1000000000; client_max_body_size 0; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
 map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
 upstream static { server 127.0.0.1:%[3]d; keepalive 64; keepalive_requests 1000000000; }
 upstream home { server 127.0.0.1:%[4]d; keepalive 64; }
 server { listen 127.0.0.1:%[2]d; %[6]s }
 server { listen 127.0.0.1:%[5]d; %[7]s } }`, dir, port, static, home, port+1, proxy("static"), proxy("home"))
	}
}

var (
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkMedian = regexp.MustCompile(`50%\s+([\d.]+)(us|ms|s)`)
	wrkBad    = regexp.MustCompile(`Non-2xx|Socket errors`)
)

// runWrk returns requests a second and the median in ms.
func runWrk(t *testing.T, wrk string, port, connections int) (rate, median float64) {
	t.Helper()
	out, err := exec.Command(wrk, "-t1", fmt.Sprintf("-c%d", connections), "-d3s", "--latency",
		"-H", "User-Agent: Mozilla/5.0 (Linux; Android 14) Home Assistant/2026.11", "-H", "Accept: */*", "-H", "Accept-Language: en-IE", "-H", "Authorization: Bearer x",
		fmt.Sprintf("http://127.0.0.1:%d/2k", port)).CombinedOutput()
	r, m := wrkRate.FindSubmatch(out), wrkMedian.FindSubmatch(out)
	if err != nil || r == nil || m == nil || wrkBad.Match(out) {
		t.Fatalf("wrk: %v\n%s", err, out)
	}
	rate, _ = strconv.ParseFloat(string(r[1]), 64)
	median, _ = strconv.ParseFloat(string(m[1]), 64)
	return rate, median * map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[string(m[2])]
}

// socketRate is how many messages come back a second, of n sockets that each
// wait for the echo before they say more.
func socketRate(t *testing.T, port, n int, long time.Duration) float64 {
	t.Helper()
	frame := make([]byte, 4+4+300) // masked, 300 bytes
	frame[0], frame[1] = 0x82, 0x80|126
	binary.BigEndian.PutUint16(frame[2:], 300)
	var count atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(long)
	for range n {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(c, "GET /api/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		in := bufio.NewReader(c)
		if err == nil {
			var res *http.Response
			if res, err = http.ReadResponse(in, nil); err == nil && res.StatusCode != 101 {
				err = fmt.Errorf("the handshake: %s", res.Status)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer c.Close()
			back := make([]byte, len(frame))
			for time.Now().Before(end) {
				if _, err := c.Write(frame); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(in, back); err != nil || !bytes.Equal(back, frame) {
					t.Errorf("the echo: %v", err)
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(count.Load()) / long.Seconds()
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func uploadRate(t *testing.T, port int) float64 {
	t.Helper()
	const size = 300e6
	r, err := http.NewRequest("POST", fmt.Sprintf("http://127.0.0.1:%d/api/backup/upload", port), io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	start := time.Now()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if took := time.Since(start); err == nil && string(body) == fmt.Sprint(int64(size), nil) {
		return size / 1e6 / took.Seconds()
	}
	t.Fatalf("the upload: got %q, %v", body, err)
	return 0
}

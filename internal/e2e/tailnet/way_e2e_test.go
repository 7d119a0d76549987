//go:build e2e

package tailnet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"

	"github.com/smartcore-ireland/hems/internal/remote/tailnet"
	"github.com/smartcore-ireland/hems/internal/remote/tailnet/tailnettest"
)

const patience = 2 * time.Minute

// house is a running "hems run" that joins a tailnet.
type house struct {
	t    *testing.T
	dir  string
	out  *log
	done chan struct{}
	cmd  *exec.Cmd
}

type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startHouse(t *testing.T, config string) *house {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(os.Getenv("HEMS_BIN"), "hems"))
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil || os.Getenv("HEMS_BIN") == "" {
		t.Fatalf("finding the program under test: %v: run \"make build\" and set HEMS_BIN", err)
	}
	dir, err := os.MkdirTemp("", "hems") // a unix socket's path may have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "hems.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir, out: &log{}, done: make(chan struct{})}
	h.cmd = exec.Command(bin, "run")
	h.cmd.Env = append(os.Environ(), "HEMS_DATA="+dir, "HEMS_PORT_BASE="+strconv.Itoa(portBase(t)), "HEMS_DONGLE=")
	h.cmd.Stdout, h.cmd.Stderr = h.out, h.out
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = h.cmd.Wait(); close(h.done) }()
	t.Cleanup(func() {
		_ = h.cmd.Process.Signal(os.Interrupt)
		select {
		case <-h.done:
		case <-time.After(time.Minute):
			_ = h.cmd.Process.Kill()
			<-h.done
		}
		if t.Failed() {
			all := strings.Split(h.out.String(), "\n")
			t.Logf("what the appliance printed:\n%s", strings.Join(all[max(0, len(all)-60):], "\n"))
		}
	})
	h.eventually("the address of the dashboard", func() error {
		if !strings.Contains(h.out.String(), "Sign in") {
			return fmt.Errorf("not printed yet")
		}
		return nil
	})
	return h
}

// portBase finds eight free ports in a row.
func portBase(t *testing.T) int {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		base, free := first.Addr().(*net.TCPAddr).Port, true
		for p := base + 1; free && p < base+8; p++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if free = err == nil; free {
				l.Close()
			}
		}
		first.Close()
		if free {
			return base
		}
	}
	t.Fatal("no eight free ports in a row")
	return 0
}

func (h *house) eventually(what string, check func() error) {
	h.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("waited %v for %s: %v", patience, what, err)
		}
		select {
		case <-h.done:
			h.t.Fatalf("the appliance ended while waiting for %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// power makes the simulated meter measure so much.
func (h *house) power(watts int) {
	h.t.Helper()
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(h.dir, "simulator", "control.sock"))
	}}}
	defer c.CloseIdleConnections()
	r, err := http.NewRequest("PUT", "http://simulator/meter/power", strings.NewReader(strconv.Itoa(watts)))
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode >= 300 {
		h.t.Fatalf("setting the meter's power: %s", res.Status)
	}
}

// resident is what the gateway has in memory, in bytes.
func (h *house) resident() int {
	h.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		h.t.Fatal(err)
	}
	child := fmt.Appendf(nil, "\nPPid:\t%d\n", h.cmd.Process.Pid)
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(b, []byte("Name:\thems-gateway\n")) || !bytes.Contains(b, child) {
			continue // another, or gone meanwhile
		}
		m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
		if m == nil {
			h.t.Fatalf("no VmRSS in\n%s", b)
		}
		kB, err := strconv.Atoi(string(m[1]))
		if err != nil {
			h.t.Fatal(err)
		}
		return kB << 10
	}
	h.t.Fatal("hems-gateway is not to be found")
	return 0
}

func member(n *tailnettest.Tailnet) {
	n.SetGlobalAppCaps(tailcfg.PeerCapMap{tailnet.Capability: {`{"role":"member"}`}})
}

// ask fetches something from the appliance as a phone does, for as long as it takes.
func (h *house) ask(phone *tsnet.Server, url string, want int) []byte {
	h.t.Helper()
	var body []byte
	h.eventually(url, func() error {
		c := phone.HTTPClient()
		defer c.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return err
		}
		res, err := c.Do(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if body, err = io.ReadAll(res.Body); err == nil && res.StatusCode != want {
			err = fmt.Errorf("%s: %.200s", res.Status, body)
		}
		return err
	})
	return body
}

// TestAPhoneSeesTheHouse: over the tailnet to the gateway and its page, signed in by
// the tailnet, and the figure moves when the house does.
func TestAPhoneSeesTheHouse(t *testing.T) {
	net := tailnettest.Start(t)
	member(net)
	h := startHouse(t, "tailnet:\n  enabled: true\n  control_url: "+net.URL+"\n")
	phone := net.Phone(t, "phone")
	var now struct {
		Power *float64 `json:"power"`
	}
	if err := json.Unmarshal(h.ask(phone, "http://hems/api/v1/now", http.StatusOK), &now); err != nil {
		t.Fatal(err)
	}
	h.ask(phone, "http://hems/people", http.StatusForbidden) // a member is no owner

	h.power(42)
	ctx := chromium(t, proxy(t, phone), "http://hems/")
	see := func(watts int) {
		t.Helper()
		h.eventually(fmt.Sprintf("%d W on the page", watts), func() error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			text, err := chromedp.Run(ctx, chromedp.TextContent(`#power`))
			if err == nil && strings.TrimSpace(text) != strconv.Itoa(watts) {
				err = fmt.Errorf("it shows %q", text)
			}
			return err
		})
	}
	see(42)
	h.power(31)
	see(31) // no reload: the page follows by itself
}

// proxy lets a browser use a phone's tailnet.
func proxy(t *testing.T, phone *tsnet.Server) string {
	t.Helper()
	pass := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme = "http" },
		Transport:     &http.Transport{DialContext: phone.Dial},
		FlushInterval: -1, // the page's event stream
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Hostname() != "hems" { // the browser's own questions
			http.Error(w, "there is no internet here", http.StatusBadGateway)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}

// chromium opens a page on a phone's screen through a proxy.
func chromium(t *testing.T, proxy, url string) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("the browser test needs Chromium: apt-get install chromium")
	}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.WindowSize(360, 740),
		chromedp.Flag("proxy-server", proxy), chromedp.Flag("proxy-bypass-list", "<-loopback>"),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancelPage := chromedp.NewContext(alloc)
	t.Cleanup(func() { cancelPage(); cancel() })
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as the context of the first call
		t.Fatalf("starting Chromium: %v", err)
	}
	bounded, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if err := chromedp.Do(bounded, chromedp.EmulateViewport(360, 740), chromedp.Navigate(url)); err != nil {
		t.Fatalf("opening %s: %v", url, err)
	}
	return ctx
}

// Bounds of the gateway's resident memory: with the tailnet up and nobody there,
// and after a large download through it.
const (
	idleBytes  = 60 << 20
	loadBytes  = 100e6
	downloaded = 512 << 20
)

// TestALargeDownloadThroughTheTailnet: the gateway's memory stays bounded. What is
// downloaded is what stands for Home Assistant, behind the gateway.
func TestALargeDownloadThroughTheTailnet(t *testing.T) {
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Header().Set("Content-Length", strconv.Itoa(downloaded))
			piece := make([]byte, 1<<20)
			for range downloaded / len(piece) {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}
	}))
	defer home.Close()
	control := tailnettest.Start(t)
	h := startHouse(t, "home_assistant:\n  url: "+home.URL+"\ntailnet:\n  enabled: true\n  control_url: "+control.URL+"\n")
	phone := control.Phone(t, "phone")
	h.ask(phone, "http://hems/", http.StatusOK)
	idle := h.resident()
	r, err := http.NewRequest("GET", "http://hems:8123/large", nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	res, err := phone.HTTPClient().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || n != downloaded {
		t.Fatalf("the download: %d bytes, %v; want %d", n, err, downloaded)
	}
	took, after := time.Since(began), h.resident()
	t.Logf("resident before %.1f MB, after %.1f MB; %.0f MB/s", float64(idle)/1e6, float64(after)/1e6, float64(n)/1e6/took.Seconds())
	if idle > idleBytes {
		t.Errorf("idle, %d bytes are resident, want at most %d", idle, idleBytes)
	}
	if float64(after) > loadBytes {
		t.Errorf("after the download %d bytes are resident, want less than %.0f", after, loadBytes)
	}
}

package cloudflare

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

const (
	maxTokenFile = 8 << 10
	lookEvery    = 2 * time.Second
	firstPause   = time.Second // after cloudflared ended
	mostPause    = time.Minute
	stopTime     = 5 * time.Second // from SIGTERM to SIGKILL
)

// told is the status as it is told.
type told struct {
	mu sync.Mutex
	s  remote.Status
}

func (t *told) set(now time.Time, state remote.State, detail, action string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.s.State != state {
		t.s.Since = now
	}
	t.s = remote.Status{Way: remote.Cloudflare, State: state, Since: t.s.Since, Detail: detail, Action: action, Links: t.s.Links}
	if state == remote.Off {
		t.s.Since = time.Time{}
	}
}

// Status is how the way in is.
func (t *Tunnel) Status() remote.Status {
	t.told.mu.Lock()
	defer t.told.mu.Unlock()
	s := t.told.s
	if s.State == remote.Up {
		for _, h := range t.o.Hosts {
			s.Links = append(s.Links, "https://"+h.Name+"/")
		}
	}
	return s
}

func (t *Tunnel) say(state remote.State, detail, action string) {
	t.told.set(t.o.Clock(), state, detail, action)
}

// Run keeps cloudflared running until ctx ends.
func (t *Tunnel) Run(ctx context.Context) {
	if !t.o.Enabled {
		return
	}
	pause := firstPause
	said := ""
	for ctx.Err() == nil {
		token, err := t.token()
		switch {
		case t.o.Program == "":
			t.say(remote.Down, "The program cloudflared is not on this appliance.", "Run cloudflared on another machine, or use another way in.")
		case err != nil:
			t.say(remote.Down, "The tunnel’s token cannot be read.", "Look at the logs.")
			if s := err.Error(); s != said {
				said = s
				t.o.Log.Error("the tunnel's token cannot be read", "err", err)
			}
		case token == "":
			t.say(remote.NeedsYou, "The tunnel has no token yet.", "Make a tunnel at Cloudflare and paste its token.")
		case len(t.o.Hosts) == 0:
			t.say(remote.NeedsYou, "No name of the tunnel has a rule yet.", "Say which name leads where, and who may use it.")
		default:
			began := time.Now()
			err := t.once(ctx, token)
			if ctx.Err() != nil {
				return
			}
			t.o.Log.Warn("cloudflared ended", "err", err, "again_in", pause)
			t.say(remote.Down, "The tunnel’s program ended.", "It is started again by itself. If this stays, look at the logs: is the token right?")
			if time.Since(began) > mostPause {
				pause = firstPause
			}
			if !wait(ctx, pause) {
				return
			}
			pause = min(2*pause, mostPause)
			continue
		}
		if !wait(ctx, lookEvery) { // a token may be given at any time
			return
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// token reads the tunnel's; empty: there is none.
func (t *Tunnel) token() (string, error) {
	for _, path := range t.o.Tokens {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
		f.Close()
		return strings.TrimSpace(string(b)), err
	}
	return "", nil
}

// metricsLine is where cloudflared says that it can be asked how it is.
var metricsLine = regexp.MustCompile(`metrics server on (127\.0\.0\.1:\d+)`)

// once runs cloudflared until it ends.
func (t *Tunnel) once(ctx context.Context, token string) error {
	if t.Status().State != remote.Down { // which it is until it is up
		t.say(remote.Starting, "The tunnel is being opened.", "")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	runtime.LockOSThread() // Pdeathsig is of the thread that started it
	defer runtime.UnlockOSThread()
	c := exec.CommandContext(ctx, t.o.Program, "tunnel", "--no-autoupdate", "--metrics", "127.0.0.1:0", "run")
	c.Env = []string{"TUNNEL_TOKEN=" + token, "HOME=/nonexistent", "NO_AUTOUPDATE=true", "GOMEMLIMIT=64MiB"}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = stopTime
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // it does not outlive the gateway
	out, in := io.Pipe()
	c.Stdout, c.Stderr = in, in
	var reading sync.WaitGroup
	last := "" // of what it said; read when reading has ended
	reading.Go(func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 64<<10)
		asked := false
		for lines.Scan() {
			line := strings.ReplaceAll(lines.Text(), token, "…") // it says it to nobody, but who knows
			t.o.Log.Debug("cloudflared", "says", line)
			last = line
			if m := metricsLine.FindStringSubmatch(line); m != nil && !asked {
				asked = true
				reading.Go(func() { t.watch(ctx, m[1]) })
			}
		}
		_, _ = io.Copy(io.Discard, out) // a line that is too long
	})
	err := c.Run()
	in.Close()
	cancel()
	reading.Wait()
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return fmt.Errorf("%w; its last word: %s", err, last)
}

// watch asks cloudflared how it is until ctx ends.
func (t *Tunnel) watch(ctx context.Context, address string) {
	client := &http.Client{Timeout: lookEvery, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		n, err := ready(ctx, client, address)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil || n == 0:
			t.say(remote.Down, "The tunnel has no connection to Cloudflare.", "It is tried again by itself: is the appliance in the internet?")
		default:
			t.say(remote.Up, fmt.Sprintf("The tunnel has %d connections to Cloudflare.", n), "")
		}
		if !wait(ctx, lookEvery) {
			return
		}
	}
}

// ready is how many connections to Cloudflare there are.
func ready(ctx context.Context, client *http.Client, address string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/ready", nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var v struct {
		Connections int `json:"readyConnections"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 4<<10)).Decode(&v)
	if err == nil && res.StatusCode != http.StatusOK {
		return 0, nil
	}
	return v.Connections, err
}

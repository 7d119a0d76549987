package manager

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/clock"
)

// timeServer is one on loopback; its address.
func timeServer(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1024)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			now := time.Now()
			stamp := uint64(now.Unix()+2208988800)<<32 | uint64(now.Nanosecond())<<32/1e9
			a := make([]byte, 48)
			a[0], a[1], a[3] = 4<<3|4, 1, 0xec
			copy(a[24:], b[40:48])
			for _, at := range []int{16, 32, 40} {
				binary.BigEndian.PutUint64(a[at:], stamp)
			}
			c.WriteTo(a, from)
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return c.LocalAddr().String()
}

// wrongClock is off until it is set.
type wrongClock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *wrongClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *wrongClock) Step(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
	return nil
}

func (c *wrongClock) Slew(d time.Duration) error { return c.Step(d) }
func (c *wrongClock) Battery() (time.Time, bool) { return time.Time{}, false }
func (c *wrongClock) SetBattery(time.Time) error { return nil }
func (c *wrongClock) isRight() bool              { return time.Until(c.Now()).Abs() < time.Minute }

// TestTheClockFollowsTheServersOfHemsYAML: those that are there at the start do
// not answer; those that somebody then writes are asked without a new start.
func TestTheClockFollowsTheServersOfHemsYAML(t *testing.T) {
	env := appliance.Env{Data: t.TempDir(), Runtime: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	write := func(server string) {
		t.Helper()
		if err := os.WriteFile(env.Path(appliance.ConfigFile), fmt.Appendf(nil, "time: {servers: [%q]}\n", server), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	write(silent.LocalAddr().String())
	c := &wrongClock{off: -time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); keepTime(ctx, env, newSettings(env), c) }()
	if _, _, err := silent.ReadFrom(make([]byte, 100)); err != nil { // it was asked
		t.Fatal(err)
	}
	server := timeServer(t)
	write(server)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s, ok, err := clock.Synchronised(env.Runtime)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			if s.Source != server || !c.isRight() {
				t.Errorf("followed %s, the clock says %v; want %s and now", s.Source, c.Now(), server)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal("the new server was not asked")
		}
	}
	cancel()
	<-done
	if b, err := os.ReadFile(env.Path("manager", "clock.json")); err != nil || !strings.Contains(string(b), time.Now().UTC().Format(time.DateOnly)) {
		t.Errorf("kept for the next start: %s, %v", b, err)
	}
}

package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/door"
)

func TestNobodySignsInWithoutCredentials(t *testing.T) {
	h := startHouse(t)
	good := h.hello(t, 4, "home", "x")
	zigbee, err := broker.ReadPassword(h.opt.Secrets, "zigbee")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*hello){
		"Anonymous":             func(c *hello) { c.user, c.password = "", "" },
		"NoPassword":            func(c *hello) { c.password = "" },
		"WrongPassword":         func(c *hello) { c.password = strings.Repeat("0", 32) },
		"AnothersPassword":      func(c *hello) { c.password = zigbee },
		"PrefixOfThePassword":   func(c *hello) { c.password = c.password[:31] },
		"PasswordWithNewline":   func(c *hello) { c.password += "\n" },
		"UnknownUser":           func(c *hello) { c.user = "admin" },
		"UserOutOfTheDirectory": func(c *hello) { c.user = "x/../mqtt-home" },
	} {
		for _, as := range []struct {
			version, code byte
			address       string
		}{{3, 5, h.tcp()}, {4, 5, h.opt.Unix}, {5, 0x86, h.tcp()}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := good
				c.version = as.version
				change(&c)
				w := dial(t, as.address)
				begin := time.Now()
				w.connect(c, as.code)
				if d := time.Since(begin); d < 200*time.Millisecond {
					t.Errorf("answered after %v; guessing must be slow", d)
				}
				w.closed(0)
			})
		}
	}
	t.Cleanup(func() {
		if got := h.Stats().FailedSignIns; got != 8*3 {
			t.Errorf("%d failed sign-ins counted, want %d", got, 8*3)
		}
		if n := strings.Count(h.log.String(), "sign-in was refused"); n == 0 || n > 3 {
			t.Errorf("the log says it %d times, want once in ten seconds", n)
		}
		for _, secret := range []string{good.password, zigbee, strings.Repeat("0", 32)} {
			if strings.Contains(h.log.String(), secret) {
				t.Error("a password is in the log")
			}
		}
	})
}

func TestSignsInOverEveryVersion(t *testing.T) {
	h := startHouse(t)
	for _, version := range []byte{3, 4, 5} {
		for _, address := range []string{h.tcp(), h.opt.Unix} {
			dial(t, address).connect(h.hello(t, version, "home", "x"), 0)
		}
	}
	w := dial(t, h.tcp())
	w.connect(h.hello(t, 6, "home", "x"), 1) // a version to come
	w.closed(0)
}

func TestAuthenticationMethodsAreRefused(t *testing.T) {
	h := startHouse(t)
	c := h.hello(t, 5, "home", "x")
	c.props = append([]byte{0x15}, text("SCRAM-SHA-1")...)
	w := dial(t, h.tcp())
	w.connect(c, 0x8c)
	w.closed(0)
}

func TestAClientIDBelongsToItsUser(t *testing.T) {
	h := startHouse(t)
	own := dial(t, h.opt.Unix)
	own.connect(h.hello(t, 5, "zigbee", "zigbee2mqtt"), 0)
	thief := dial(t, h.tcp())
	thief.connect(h.hello(t, 5, "home", "zigbee2mqtt"), 0x87)
	old := dial(t, h.tcp())
	old.connect(h.hello(t, 4, "home", "zigbee2mqtt"), 5)
	own.send([]byte{0xc0, 0})
	if p := own.packet(); len(p) == 0 || p[0] != 0xd0 {
		t.Errorf("the owner got %x, want PINGRESP", p)
	}
}

func TestConnectionsThatDoNotSignInAreLimited(t *testing.T) {
	h := newHouse(t)
	h.opt.Limits = door.Limits{ConnectTimeout: 300 * time.Millisecond}
	h.start(t)
	begin := time.Now()
	var idle []*wire
	for range 80 {
		idle = append(idle, dial(t, h.tcp()))
	}
	half := dial(t, h.opt.Unix) // the socket has its own limit
	half.send(h.hello(t, 4, "home", "half").bytes()[:20])
	for _, w := range idle {
		w.closed(0)
	}
	half.closed(0)
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("closing took %v, want about 300 ms", d)
	}
	if got := h.Stats().RefusedConnections; got != 80-64 {
		t.Errorf("%d connections turned away, want %d", got, 80-64)
	}
	h.ping(t)
}

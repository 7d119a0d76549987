//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// health is what a process says of itself.
func (u *under) awaitHealth(w *topics, process, state, message string) {
	u.t.Helper()
	u.eventually(process+" to say "+message, func() error {
		var r struct{ State, Message, Hint, Detail string }
		if err := w.json("hems/"+process+"/health", &r); err != nil {
			return err
		}
		if r.State != state || !strings.Contains(r.Message+" "+r.Detail, message) || (state == "failing") != (r.Hint != "") {
			return fmt.Errorf("it says %+v", r)
		}
		return nil
	})
}

// printed counts the lines of the log that match.
func (u *under) printed(pattern string) int {
	return len(regexp.MustCompile(pattern).FindAllString(u.out.String(), -1))
}

func TestADongleThatIsNotThere(t *testing.T) {
	dir := tempDir(t)
	port := filepath.Join(dir, "no-such-port")
	u := run(t, dir, portBase(t), "-dongle", port)
	w := u.watch(u.client("bad"), "hems/#", "zigbee2mqtt/#")
	u.awaitHealth(w, "zigbee", "failing", port)
	u.awaitHealth(w, "metrics", "ok", "")
	u.awaitHealthz(http.StatusServiceUnavailable, "zigbee")
	if got := u.printed(`level=ERROR.*no-such-port`); got > 1 {
		t.Errorf("the missing port was logged as an error %d times, want once", got)
	}
}

func TestADongleThatAnswersNothing(t *testing.T) {
	l := listen(t, "127.0.0.1:0", func(c net.Conn) { io.Copy(io.Discard, c) })
	u := run(t, tempDir(t), portBase(t), "-dongle", "tcp://"+l)
	w := u.watch(u.client("bad"), "hems/#")
	u.awaitHealth(w, "zigbee", "failing", "answer")
	u.awaitHealth(w, "metrics", "ok", "")
}

func TestGarbageOnTheLine(t *testing.T) {
	l := listen(t, "127.0.0.1:0", func(c net.Conn) {
		go io.Copy(io.Discard, c)
		for i := 0; ; i++ {
			b := make([]byte, 97)
			for j := range b {
				b[j] = byte(i*31 + j*j*7)
			}
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	u := run(t, tempDir(t), portBase(t), "-dongle", "tcp://"+l)
	w := u.watch(u.client("bad"), "hems/#")
	u.awaitHealth(w, "zigbee", "failing", "")
	if u.pid("hems-zigbee") == 0 {
		t.Error("hems-zigbee ended for garbage on the line")
	}
}

func TestATakenPort(t *testing.T) {
	base := portBase(t)
	listen(t, fmt.Sprintf("127.0.0.1:%d", base+4), func(c net.Conn) { c.Close() })
	dir := tempDir(t)
	u := await(start(t, dir, base))
	u.eventually("one clear error about the port", func() error {
		if u.printed(fmt.Sprintf(`127\.0\.0\.1:%d.*address already in use.*HEMS_PORT_BASE`, base+4)) == 0 {
			return errors.New("not printed yet")
		}
		return nil
	})
	// The appliance's own processes reach the broker by its socket: the page is
	// well, although nothing else can connect.
	u.awaitHealthz(http.StatusOK, "ok")
}

func TestATakenDashboardPort(t *testing.T) {
	base := portBase(t)
	listen(t, fmt.Sprintf("127.0.0.1:%d", base), func(c net.Conn) { c.Close() })
	dir := tempDir(t)
	u := start(t, dir, base)
	u.eventually("one clear error about the port", func() error {
		if u.printed(fmt.Sprintf(`127\.0\.0\.1:%d.*address already in use`, base)) == 0 {
			return errors.New("not printed yet")
		}
		return nil
	})
}

func TestAnUnknownKey(t *testing.T) {
	dir := tempDir(t)
	config := filepath.Join(dir, "hems.yaml")
	if err := os.WriteFile(config, []byte("zigbee:\n  chanel: 15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := run(t, dir, portBase(t))
	if got := u.printed(`(?m)^error: hems\.yaml:2: zigbee: unknown key "chanel": did you mean "channel"\?`); got != 1 {
		t.Errorf("the unknown key was shown %d times to the person, want once", got)
	}
	w := u.watch(u.client("bad"), "hems/#", meter)
	u.awaitHealth(w, "metrics", "ok", "")
	if err := os.WriteFile(config, []byte("zigbee:\n  channel: 15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.eventually("a reading once the key is right", func() error {
		var v map[string]json.RawMessage
		return w.json(meter, &v)
	})
}

// awaitHealthz waits for the minimal health answer, which needs no sign-in.
func (u *under) awaitHealthz(status int, body string) {
	u.t.Helper()
	u.eventually("healthz "+body, func() error {
		resp, err := http.Get(u.env["HEMS_URL"] + "/healthz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(string(b)); resp.StatusCode != status || got != body {
			return fmt.Errorf("%d %q", resp.StatusCode, got)
		}
		return nil
	})
}

// listen serves each connection on addr with serve; it returns the address.
func listen(t *testing.T, addr string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
	"github.com/smartcore-ireland/hems/internal/manager/updates"
	"github.com/smartcore-ireland/hems/internal/manager/updates/updatestest"
)

// onCard puts the bench on a card with slots, as it is after a start.
func (b *bench) onCard(c *updatestest.Card) {
	b.o.Version = c.Version()
	b.o.Updates = Updates{Card: c.Open(), PartUUID: updatestest.PartUUID, MaxRoot: updatestest.MaxRoot,
		Board: updatestest.Board, Trust: c.Trust, Listen: b.o.Updates.Listen, Password: b.o.Updates.Password}
	b.boot(fmt.Sprintf(`{"slot":%q,"committed":"a","trial":%v,"trial_limit_s":300,"boots":1,"perm":{"state":"ok"},"watchdog":{"identity":"test"}}`, c.Slot, c.Slot == "b"))
	b.mu.Lock()
	b.reboots, b.words = nil, nil
	b.mu.Unlock()
}

func (b *bench) update() (v updates.View) {
	if status, text := b.ask("GET", "/v1/update", ""); status == http.StatusOK {
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			b.t.Fatal(err)
		}
	}
	return v
}

// restarted waits for the machine's restart and gives its argument.
func (b *bench) restarted() string {
	b.t.Helper()
	select {
	case err := <-b.done:
		if err != nil {
			b.t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		b.t.Fatalf("no restart; the update is %+v", b.update())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.reboots) != 1 {
		b.t.Fatalf("restarts %q", b.reboots)
	}
	return b.reboots[0]
}

// TestAnUpdateThroughTheSocket sends a release, restarts into it, has it
// confirmed by a house that is well, and goes back.
func TestAnUpdateThroughTheSocket(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	c := updatestest.New(t)
	b.says("zigbee", health.Report{State: health.OK})
	b.says("metrics", health.Report{State: health.OK})
	c.Reboot("")
	b.onCard(c)
	b.run()
	b.eventually("all to be well", func() bool { return b.health().State == tree.OK })
	if _, text := b.ask("GET", "/v1/system", ""); !strings.Contains(text, `"other":{"slot":"b","version":"","whole":false}`) {
		t.Errorf("the system is %s", text)
	}
	for _, tt := range []struct {
		path, body string
		status     int
		code       string
	}{
		{"/v1/update", strings.Repeat("x", 5000), 422, "not_a_bundle"},
		{"/v1/update", string(c.Bundle("0.9.0")), 422, "older_version"},
		{"/v1/rollback", "", 409, "no_other"},
		{"/v1/update/check", "", 409, "no_feed"},
		{"/v1/update/install", "", 409, "nothing_available"},
	} {
		if status, text := b.ask("POST", tt.path, tt.body); status != tt.status || !strings.Contains(text, `"code":"`+tt.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", tt.path, status, text, tt.status, tt.code)
		}
	}
	if status, text := b.ask("POST", "/v1/update", string(c.Bundle("1.1.0"))); status != http.StatusAccepted || !strings.Contains(text, `"version":"1.1.0"`) {
		t.Fatalf("answer %d %s", status, text)
	}
	argument := b.restarted()
	c.Reboot(argument)
	if c.Slot != "b" {
		t.Fatalf("restarted with %q, and slot %s is chosen", argument, c.Slot)
	}

	b.o.Init = b.anotherInit()
	b.onCard(c)
	b.run()
	b.eventually("the confirmation", func() bool { return b.update().Phase == updates.Probation })
	b.eventually("the keeper to be told", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.words) > 0 && b.words[len(b.words)-1] == "confirmed"
	})
	if v := b.update().Verdict; v == nil || v.Result != updates.Installed || v.Version != "1.1.0" || v.From != "1.0.0" || v.Seen {
		t.Errorf("the verdict is %+v", v)
	}
	if _, text := b.ask("POST", "/v1/update/seen", ""); !strings.Contains(text, `"seen":true`) {
		t.Errorf("after it was read: %s", text)
	}
	b.eventually("the slots to be told", func() bool {
		_, text := b.ask("GET", "/v1/system", "")
		return strings.Contains(text, `"committed":"b","trial":false,"other":{"slot":"a","version":"1.0.0","whole":true}`)
	})
	if n := b.health().Tree.Find("card"); n.State != tree.Note || !strings.Contains(n.Message, "watched") {
		t.Errorf("the card's node is %+v", n)
	}

	if status, text := b.ask("POST", "/v1/rollback", ""); status != http.StatusOK {
		t.Fatalf("going back: %d %s", status, text)
	}
	c.Reboot(b.restarted())
	// Version 1.0.0 does not get as far as its manager this time.
	c.Reboot("")
	b.o.Init = b.anotherInit()
	b.onCard(c)
	b.run()
	b.eventually("the verdict to be in the tree", func() bool {
		a := b.health()
		return a.Tree != nil && a.First != nil && a.First.Name == "update" && strings.Contains(a.First.Message, "version 1.0.0 was tried and the one before runs again")
	})
}

func TestTheClaimMakesAPasswordAndForgetsTheCode(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	code := filepath.Join(t.TempDir(), "claim-code")
	if err := os.WriteFile(code, []byte("seven-green-hills\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.o.Updates.ClaimCode = code
	b.run()
	b.eventually("an answer", func() bool { return b.health().Tree != nil })
	if status, text := b.ask("GET", "/v1/update/password", ""); status != http.StatusConflict || !strings.Contains(text, "not_claimed") {
		t.Errorf("before the claim: %d %s", status, text)
	}
	var first string
	for range 2 { // a second time changes nothing
		if status, text := b.ask("POST", "/v1/claimed", ""); status != http.StatusOK {
			t.Fatalf("claimed: %d %s", status, text)
		}
		_, text := b.ask("GET", "/v1/update/password", "")
		var p struct{ User, Password string }
		if err := json.Unmarshal([]byte(text), &p); err != nil || p.User != "gokrazy" || len(p.Password) < 20 || first != "" && p.Password != first {
			t.Errorf("after the claim: %s", text)
		}
		first = p.Password
		if _, err := os.Stat(code); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the code after the claim: %v, want that it is gone", err)
		}
	}
}

func TestGokIsAnswered(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.o.Updates.Listen = l.Addr().String()
	b.onCard(updatestest.New(t))
	b.run()
	b.eventually("an answer", func() bool { return b.health().Tree != nil })
	l.Close() // the port was taken until now
	if status, _ := b.ask("POST", "/v1/claimed", ""); status != http.StatusOK {
		t.Fatalf("claimed: %d", status)
	}
	_, text := b.ask("GET", "/v1/update/password", "")
	var p struct{ User, Password string }
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	gok := func(method, path, password, body string) (status int, answer string, err error) {
		req, err := http.NewRequest(method, "http://"+b.o.Updates.Listen+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		req.SetBasicAuth(p.User, password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		all, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(all), err
	}
	b.eventually("the port", func() bool { _, _, err := gok("GET", "/", p.Password, ""); return err == nil })
	if status, text, err := gok("PUT", "/update/root", p.Password, "hsqs"); status/100 == 2 || !strings.Contains(text, "unsigned updates are off") {
		t.Errorf("with the developer setting off: %d %s, %v", status, text, err)
	}
	b.mu.Lock()
	b.set.Developer = true
	b.mu.Unlock()
	if status, text, err := gok("GET", "/", p.Password, ""); err != nil || status != 200 || !strings.Contains(text, `"BuildTimestamp":"2026-04-18T08:56:48Z"`) {
		t.Errorf("the build: %d %s, %v", status, text, err)
	}
	if status, _, err := gok("GET", "/", "guess", ""); status != http.StatusUnauthorized {
		t.Errorf("with another password: %d, %v", status, err)
	}
	b.eventually("the setting to be told of", func() bool { return b.health().Tree.Find("developer").State == tree.Note })
}

func TestTheWatchdogIsFedWhileTheManagerLooks(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	deaf := errors.New("nobody listens")
	b.o.Tell = func(word string) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.words = append(b.words, word)
		if len(b.words) < 3 {
			return deaf
		}
		return nil
	}
	b.run()
	b.eventually("the deaf keeper to be told of", func() bool {
		a := b.health()
		return a.Tree != nil && a.Tree.Find("watchdog").State == tree.Note
	})
	b.eventually("it to hear again", func() bool { return b.health().Tree.Find("watchdog").State == tree.OK })
}

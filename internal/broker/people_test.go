package broker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/listen"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// withPeople gives the house users alice and bob, with the password "x" each.
func withPeople(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	dir := filepath.Dir(h.opt.Dir)
	h.opt.PasswordFile, h.opt.ACLFile = filepath.Join(dir, "passwd"), filepath.Join(dir, "acl")
	h.passwords(t, func(f *passwd.File) {
		for _, u := range []string{"alice", "bob"} {
			if err := f.Set(u, "x"); err != nil {
				t.Fatal(err)
			}
		}
	})
	h.list(t, "user alice\ntopic alice/#\ntopic read public/#\npattern read news/%u\n")
	return h
}

func (h *house) passwords(t *testing.T, change func(*passwd.File)) {
	t.Helper()
	f, err := passwd.Load(h.opt.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	change(f)
	if err := f.Save(h.opt.PasswordFile); err != nil {
		t.Fatal(err)
	}
}

func (h *house) list(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(h.opt.ACLFile+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.opt.ACLFile+".new", h.opt.ACLFile); err != nil {
		t.Fatal(err)
	}
}

func (h *house) person(t *testing.T, user, password string) *mqttclient.Client {
	t.Helper()
	o := mqttclient.Options{Server: "mqtt://" + h.tcp(), ClientID: "of-" + user, User: user}
	if user != "" {
		o.Password = func() (string, error) { return password, nil }
	}
	c, err := mqttclient.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.Close(ctx)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// refused has somebody turned away at the door.
func (h *house) refused(t *testing.T, user, password string) {
	t.Helper()
	w := dial(t, h.tcp())
	w.send(hello{version: 5, id: "of-" + user, user: user, password: password, keepAlive: 60}.bytes())
	if p := w.packet(); len(p) < 4 || p[0] != 0x20 || p[3] < 0x80 {
		t.Errorf("%q with the password %q: the answer to CONNECT is %x, want a refusal", user, password, p)
	}
}

func mayWrite(t *testing.T, c *mqttclient.Client, topic string) bool {
	t.Helper()
	err := c.Publish(t.Context(), msg(topic, "x", 1, false))
	if err != nil && !errors.Is(err, mqttclient.ErrRefused) {
		t.Fatal(err)
	}
	return err == nil
}

// awaitLists waits until lists of two users have been read so many times.
func (h *house) awaitLists(t *testing.T, times int) {
	t.Helper()
	eventually(t, "a new list", func() bool { return strings.Count(h.log.String(), "lists=2") == times })
	time.Sleep(50 * time.Millisecond) // it binds a moment later
}

func TestUsersOfTheHouse(t *testing.T) {
	h := withPeople(t)
	h.list(t, "user alice\ntopic alice/#\ntopic read public/#\ntopic hems/#\ntopic $SYS/#\npattern read news/%u\n")
	h.start(t)
	home := h.client(t, "home")
	alice := h.person(t, "alice", "x")
	for topic, want := range map[string]bool{
		"alice/x": true, "alice": true, "public/x": false, "bob/x": false,
		"hems/zigbee/health": false, "hems": false, // whatever the list says
		"$SYS/x": false,
	} {
		if got := mayWrite(t, alice, topic); got != want {
			t.Errorf("alice writes %s: %v, want %v", topic, got, want)
		}
	}
	s := subscribe(t, alice, "#")
	for _, topic := range []string{"bob/x", "secret", "public/x", "news/bob", "news/alice", "alice/end"} {
		publish(t, home, msg(topic, "x", 1, false))
	}
	for _, topic := range []string{"public/x", "news/alice", "alice/end"} {
		s.want(msg(topic, "x", 1, false))
	}
	h.refused(t, "alice", "y")
	h.refused(t, "carol", "x")
	h.refused(t, "", "")
	bob := h.person(t, "bob", "x") // nothing is said of him
	if mayWrite(t, bob, "bob/x") || mayWrite(t, bob, "x") {
		t.Error("what no line allows is allowed")
	}
}

func TestChangesBindWithoutDroppingAnyone(t *testing.T) {
	h := withPeople(t).start(t)
	home := h.client(t, "home")
	alice := h.person(t, "alice", "x")
	s := subscribe(t, alice, "#")
	publish(t, home, msg("public/kept", "old", 1, true))
	s.want(msg("public/kept", "old", 1, false))

	will := dial(t, h.tcp())
	w := h.hello(t, 4, "home", "bobs")
	w.user, w.password, w.will = "bob", "x", "bob/gone"
	h.list(t, "user alice\ntopic read bob/#\nuser bob\ntopic bob/#\n")
	h.awaitLists(t, 1)
	will.connect(w, 0)
	publish(t, home, msg("public/kept", "new", 1, true))
	publish(t, home, msg("bob/x", "1", 1, false))
	s.want(msg("bob/x", "1", 1, false)) // and public/kept came not before it

	// A list that is wrong leaves the last one.
	h.list(t, "user alice\ntopic rw bob/#\n")
	eventually(t, "the mistake in the log", func() bool {
		return strings.Contains(h.log.String(), "line 2:") && strings.Contains(h.log.String(), "those before stay")
	})
	if !strings.Contains(h.Stats().Users, "line 2:") {
		t.Errorf("the mistake is not told: %q", h.Stats().Users)
	}
	publish(t, home, msg("bob/x", "2", 1, false))
	s.want(msg("bob/x", "2", 1, false))

	// The will of a client is judged by the list of the moment it is published.
	h.list(t, "user alice\ntopic read #\nuser bob\ntopic other\n")
	h.awaitLists(t, 2)
	will.Close()
	time.Sleep(200 * time.Millisecond)
	publish(t, home, msg("bob/end", "", 1, false))
	s.want(msg("bob/end", "", 1, false)) // and bob/gone came not before it
	if n := strings.Count(h.log.String(), "may not sign in any more"); n != 0 {
		t.Errorf("%d clients were disconnected", n)
	}
}

func TestWhoMayNotSignInAnyMoreIsDisconnected(t *testing.T) {
	h := withPeople(t).start(t)
	w := dial(t, h.tcp())
	hello := h.hello(t, 5, "home", "alices")
	hello.user, hello.password = "alice", "x"
	w.connect(hello, 0)
	other := dial(t, h.tcp())
	hello.user, hello.id = "bob", "bobs"
	other.connect(hello, 0)

	h.passwords(t, func(f *passwd.File) { f.Remove("alice") })
	w.closed(0x87)
	other.send([]byte{0xc0, 0})
	if got := other.packet(); len(got) == 0 || got[0] != 0xd0 {
		t.Errorf("bob, of whom nothing changed, got % x", got)
	}
	h.passwords(t, func(f *passwd.File) {
		if err := f.Set("bob", "another"); err != nil {
			t.Error(err)
		}
	})
	other.closed(0x87)
	h.refused(t, "alice", "x")
	h.person(t, "bob", "another")
}

func TestAnonymousClientsWhereTheyAreLetIn(t *testing.T) {
	h := withPeople(t)
	h.list(t, "topic read public/#\ntopic write drop\nuser alice\ntopic #\n")
	h.opt.TCP = nil
	h.opt.Listeners = []broker.Listener{{Options: listen.Options{Network: "tcp", Address: "127.0.0.1:0"}, AllowAnonymous: true}}
	h.start(t)
	c := h.person(t, "", "")
	if mayWrite(t, c, "public/x") || mayWrite(t, c, "x") || !mayWrite(t, c, "drop") {
		t.Error("who has no name is not bound by the lines before the first user")
	}
	h.refused(t, "alice", "y")
}

func TestAFileThatWasNeverRightLetsNobodyIn(t *testing.T) {
	h := withPeople(t)
	h.list(t, "nonsense\n")
	h.start(t)
	h.refused(t, "alice", "x")
	h.client(t, "home") // the appliance's own are not held up by it
	h.list(t, "user alice\ntopic #\n")
	eventually(t, "the list that is right", func() bool { return strings.Contains(h.log.String(), "users=2 lists=1") })
	h.person(t, "alice", "x")
}

// What waits for somebody who is away is read by the list that counts when it is
// sent.
func TestWhatWaitsIsReadByTheNewList(t *testing.T) {
	h := withPeople(t)
	h.start(t)
	home := h.client(t, "home")
	var got []string
	var mu sync.Mutex
	alice := func() *mqttclient.Client {
		t.Helper()
		subscribed := make(chan struct{}) // what waits comes at once
		c, err := mqttclient.Open(t.Context(), mqttclient.Options{Server: "mqtt://" + h.tcp(), ClientID: "of-alice", User: "alice",
			Password: func() (string, error) { <-subscribed; return "x", nil }, SessionExpiry: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for _, filter := range []string{"public/#", "news/alice"} {
			if err := c.Subscribe(t.Context(), filter, 1, func(m mqttclient.Message) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, m.Topic+"="+string(m.Payload))
			}); err != nil {
				t.Fatal(err)
			}
		}
		close(subscribed)
		if err := c.AwaitConnection(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	leave := func(c *mqttclient.Client) {
		t.Helper()
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	leave(alice())
	for _, m := range []mqttclient.Message{msg("news/alice", "1", 1, false), msg("public/x", "2", 1, false), msg("news/alice", "3", 1, false)} {
		if err := home.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	h.list(t, "user alice\ntopic read news/#\nuser bob\ntopic read public/#\n")
	h.awaitLists(t, 1)
	defer leave(alice())
	if err := home.Publish(t.Context(), msg("news/alice", "4", 1, false)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last one", func() bool { mu.Lock(); defer mu.Unlock(); return slices.Contains(got, "news/alice=4") })
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"news/alice=1", "news/alice=3", "news/alice=4"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

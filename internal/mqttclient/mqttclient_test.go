package mqttclient_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// startBroker runs a broker on the socket; the function it returns stops it.
func startBroker(t *testing.T, sock string) (stop func()) {
	t.Helper()
	dir := filepath.Dir(sock)
	b, err := broker.New(broker.Options{
		Unix: sock, Dir: filepath.Join(dir, "broker"), Secrets: filepath.Join(dir, "secrets"),
		Users: map[string]broker.Access{"tester": {Read: []string{"#"}, Write: []string{"#"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the broker: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mqtt") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func options(sock, id string) mqttclient.Options {
	return mqttclient.Options{
		Server: "unix://" + sock, ClientID: id, User: "tester",
		Password: func() (string, error) {
			return broker.ReadPassword(filepath.Join(filepath.Dir(sock), "secrets"), "tester")
		},
	}
}

func open(t *testing.T, o mqttclient.Options) *mqttclient.Client {
	t.Helper()
	c, err := mqttclient.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx)
	})
	return c
}

func await(t *testing.T, c *mqttclient.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
}

// collector gathers messages for a test to wait for.
type collector struct{ ch chan mqttclient.Message }

func collect() collector { return collector{make(chan mqttclient.Message, 100000)} }

func (c collector) add(m mqttclient.Message) { c.ch <- m }

func (c collector) next(t *testing.T) mqttclient.Message {
	t.Helper()
	select {
	case m := <-c.ch:
		return m
	case <-time.After(time.Minute):
		t.Fatal("no message came within 15 s")
		return mqttclient.Message{}
	}
}

func msg(topic, payload string, qos byte, retain bool) mqttclient.Message {
	return mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: qos, Retain: retain}
}

func publish(t *testing.T, c *mqttclient.Client, m mqttclient.Message) {
	t.Helper()
	if err := c.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestRetainFlagTellsReplayFromNews(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	pub := open(t, options(sock, "pub"))
	await(t, pub)
	publish(t, pub, msg("a/old", "1", 1, true))

	sub := open(t, options(sock, "sub"))
	await(t, sub)
	got := collect()
	if err := sub.Subscribe(t.Context(), "a/#", 1, got.add); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(msg("a/old", "1", 1, true), got.next(t)); diff != "" {
		t.Errorf("replay (-want +got):\n%s", diff)
	}
	publish(t, pub, msg("a/new", "2", 1, true))
	if diff := cmp.Diff(msg("a/new", "2", 1, false), got.next(t)); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
}

func TestOverlappingFiltersAreEachCalledOnceInOrder(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	c := open(t, options(sock, "c"))
	await(t, c)
	const n = 300
	var mu sync.Mutex
	got := map[string][]string{}
	done := make(chan struct{})
	for _, f := range []string{"a/#", "a/+", "a/b", "+/b", "other/#"} {
		err := c.Subscribe(t.Context(), f, 1, func(m mqttclient.Message) {
			mu.Lock()
			defer mu.Unlock()
			got[f] = append(got[f], string(m.Payload))
			if f == "+/b" && len(got[f]) == n {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := make([]string, n)
	for i := range n {
		want[i] = fmt.Sprint(i)
		publish(t, c, msg("a/b", want[i], byte(i%2), false))
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(map[string][]string{"a/#": want, "a/+": want, "a/b": want, "+/b": want}, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// A topic whose messages came before goes to whoever asks for it now.
func TestSubscriptionsChangeForATopicThatCameBefore(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	c := open(t, options(sock, "c"))
	await(t, c)
	came := make(chan string, 10)
	subscribe := func(filter, as string) {
		t.Helper()
		if err := c.Subscribe(t.Context(), filter, 1, func(m mqttclient.Message) { came <- as + string(m.Payload) }); err != nil {
			t.Fatal(err)
		}
	}
	say := func(payload string, n int) (got []string) {
		t.Helper()
		publish(t, c, msg("a/b", payload, 1, false))
		for range n {
			select {
			case s := <-came:
				got = append(got, s)
			case <-time.After(time.Minute):
				t.Fatalf("%q came, and nothing more", got)
			}
		}
		return got
	}
	var got [][]string
	subscribe("a/+", "plus ")
	got = append(got, say("1", 1))
	subscribe("a/b", "exact ")
	got = append(got, say("2", 2))
	subscribe("a/+", "again ")
	got = append(got, say("3", 2))
	if err := c.Unsubscribe(t.Context(), "a/+"); err != nil {
		t.Fatal(err)
	}
	got = append(got, say("4", 1))
	want := [][]string{{"plus 1"}, {"plus 2", "exact 2"}, {"again 3", "exact 3"}, {"exact 4"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who was called (-want +got):\n%s", diff)
	}
}

func TestReconnectsAndSubscribesAgain(t *testing.T) {
	for name, expiry := range map[string]time.Duration{"CleanSession": 0, "KeptSession": time.Hour} {
		t.Run(name, func(t *testing.T) {
			sock := socket(t)
			stop := startBroker(t, sock)
			var calls []string // OnUp and OnDown never overlap
			ups, downs := make(chan string, 10), make(chan error, 10)
			o := options(sock, "c")
			o.SessionExpiry = expiry
			got := collect()
			o.OnUp = func(ctx context.Context, c *mqttclient.Client) {
				calls = append(calls, "up")
				if err := c.Publish(ctx, msg("a/up", "hello", 1, false)); err != nil {
					t.Errorf("publishing in OnUp: %v", err)
				}
				ups <- strings.Join(calls, " ")
			}
			o.OnDown = func(err error) { calls = append(calls, "down"); downs <- err }
			c := open(t, o)
			if err := c.Subscribe(t.Context(), "a/#", 1, got.add); err != nil { // before it is up
				t.Fatal(err)
			}
			await(t, c)
			<-ups
			// Subscribed before OnUp: what OnUp published comes back.
			if diff := cmp.Diff(msg("a/up", "hello", 1, false), got.next(t)); diff != "" {
				t.Errorf("first connection (-want +got):\n%s", diff)
			}
			stop()
			if err := <-downs; err == nil {
				t.Error("OnDown got no reason")
			}
			if err := c.Publish(t.Context(), msg("a/x", "", 0, false)); !errors.Is(err, mqttclient.ErrDown) {
				t.Errorf("Publish while down: %v, want ErrDown", err)
			}
			if c.Connected() {
				t.Error("Connected is true while the broker is away")
			}
			startBroker(t, sock)
			if got := <-ups; got != "up down up" {
				t.Errorf("calls = %q, want %q", got, "up down up")
			}
			if diff := cmp.Diff(msg("a/up", "hello", 1, false), got.next(t)); diff != "" {
				t.Errorf("second connection (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWillIsPublishedUnlessClosed(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	watch := open(t, options(sock, "watch"))
	await(t, watch)
	got := collect()
	if err := watch.Subscribe(t.Context(), "will/#", 1, got.add); err != nil {
		t.Fatal(err)
	}
	o := options(sock, "closes")
	o.Will = &mqttclient.Message{Topic: "will/closes", Payload: []byte("gone"), QoS: 1}
	closes := open(t, o)
	await(t, closes)
	if err := closes.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := closes.AwaitConnection(t.Context()); !errors.Is(err, mqttclient.ErrDown) {
		t.Errorf("AwaitConnection after Close: %v, want ErrDown", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o = options(sock, "forgets")
	o.Will = &mqttclient.Message{Topic: "will/forgets", Payload: []byte("gone"), QoS: 1, Retain: true}
	forgets, err := mqttclient.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	await(t, forgets)
	cancel()
	publish(t, forgets, msg("will/last-words", "", 0, false))
	if diff := cmp.Diff("will/last-words", got.next(t).Topic); diff != "" {
		t.Errorf("last words (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(msg("will/forgets", "gone", 1, false), got.next(t)); diff != "" {
		t.Errorf("will (-want +got):\n%s", diff)
	}
}

func TestPasswordFileMayAppearLater(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	good := options(sock, "good")
	await(t, open(t, good))
	password, err := good.Password()
	if err != nil {
		t.Fatal(err)
	}
	file := sock + ".password"
	var asked atomic.Int32
	o := options(sock, "late")
	o.Password = func() (string, error) {
		asked.Add(1)
		b, err := os.ReadFile(file)
		return string(b), err
	}
	c := open(t, o)
	for asked.Load() < 2 {
		time.Sleep(10 * time.Millisecond)
	}
	if c.Connected() {
		t.Fatal("connected without a password")
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, c)
}

func TestSlowHandlerKeepsTheConnection(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	release := make(chan struct{})
	got := collect()
	o := options(sock, "slow")
	o.OnDown = func(err error) { t.Errorf("the connection was lost: %v", err) }
	slow := open(t, o)
	await(t, slow)
	first := true
	err := slow.Subscribe(t.Context(), "a", 0, func(m mqttclient.Message) {
		if first {
			first = false
			<-release
		}
		got.add(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	pub := open(t, options(sock, "pub"))
	await(t, pub)
	const n = 2000
	for range n {
		publish(t, pub, msg("a", "x", 0, false))
	}
	// Other packets go on while the handler stands still: acknowledgements, and a
	// handler may subscribe and publish too.
	publish(t, slow, msg("b", "x", 1, false))
	if err := slow.Subscribe(t.Context(), "c", 1, got.add); err != nil {
		t.Fatal(err)
	}
	close(release)
	for range n {
		got.next(t)
	}
	if got := slow.Dropped(); got != 0 {
		t.Errorf("dropped %d, want 0", got)
	}
}

func TestQoS1WaitsForTheHandlerInAKeptSession(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	pub := open(t, options(sock, "pub"))
	await(t, pub)
	o := options(sock, "kept")
	o.SessionExpiry = time.Hour
	c := open(t, o)
	await(t, c)
	entered, release := make(chan struct{}), make(chan struct{})
	err := c.Subscribe(t.Context(), "a", 1, func(mqttclient.Message) { close(entered); <-release })
	if err != nil {
		t.Fatal(err)
	}
	publish(t, pub, msg("a", "precious", 1, false))
	<-entered // the handler has not returned, so the message is not acknowledged
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release)

	subscribed, password := make(chan struct{}), o.Password
	o.Password = func() (string, error) { <-subscribed; return password() }
	again := open(t, o)
	got := collect()
	if err := again.Subscribe(t.Context(), "a", 1, got.add); err != nil {
		t.Fatal(err)
	}
	close(subscribed)
	want := msg("a", "precious", 1, false)
	want.Again = true
	if diff := cmp.Diff(want, got.next(t)); diff != "" {
		t.Errorf("delivered again (-want +got):\n%s", diff)
	}
}

func TestUnsubscribe(t *testing.T) {
	sock := socket(t)
	startBroker(t, sock)
	c := open(t, options(sock, "c"))
	await(t, c)
	got := collect()
	for _, f := range []string{"a", "b"} {
		if err := c.Subscribe(t.Context(), f, 1, got.add); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Unsubscribe(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	publish(t, c, msg("a", "1", 1, false))
	publish(t, c, msg("b", "2", 1, false))
	if diff := cmp.Diff(msg("b", "2", 1, false), got.next(t)); diff != "" {
		t.Errorf("after Unsubscribe (-want +got):\n%s", diff)
	}
}

func TestOpenRefusesBadOptions(t *testing.T) {
	for name, o := range map[string]mqttclient.Options{
		"NoServer":   {ClientID: "x"},
		"NoClientID": {Server: "unix:///tmp/x"},
	} {
		if _, err := mqttclient.Open(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

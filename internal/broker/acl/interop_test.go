//go:build interop

package acl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/acl"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

const differential = `topic read public/#
topic deny public/secret

user root
topic readwrite #
topic readwrite $internal/#

user alice
topic alice/#
topic deny alice/private/#
topic write with space/in it
topic read +/+/three

user bob jones
topic readwrite +/shared
topic write $internal/x
pattern readwrite devices/%u/#
pattern read c/%c
pattern deny devices/+/locked

user alice
topic read late

user a/b
topic read alice/x

user a+
topic read alice/x
`

var topics = []string{
	"alice", "alice/x", "alice/private", "alice/private/x", "alicex", "/alice", "alice/",
	"with space/in it", "with space", "x/shared", "x/y/shared", "/shared", "x/y/three", "//three",
	"$internal/x", "$internal/y", "$internal/shared", "late", "late/x", "public", "public/x", "public/secret",
	"devices/alice", "devices/alice/x", "devices/alice/locked", "devices/bob jones/x", "devices/locked",
	"devices/a/b/x", "devices/a/x", "c/id-alice", "c/id-bob jones", "c/id",
}

// TestAsMosquitto asks the real Mosquitto and this package, with the same file,
// what each user may write and read.
func TestAsMosquitto(t *testing.T) {
	if out, err := exec.Command("../../../.ci/need", "mosquitto").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	dir := t.TempDir()
	users := []string{"root", "alice", "bob jones", "carol", "a/b", "a+"}
	pw, err := passwd.Load(filepath.Join(dir, "passwd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if err := pw.Set(u, "x"); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	if err := pw.Save(filepath.Join(dir, "passwd")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "acl"), differential)
	write(t, filepath.Join(dir, "mosquitto.conf"), fmt.Sprintf("listener %d 127.0.0.1\npassword_file %s/passwd\nacl_file %[2]s/acl\nallow_anonymous true\n", port, dir))
	server := exec.Command("mosquitto", "-c", filepath.Join(dir, "mosquitto.conf"))
	if os.Geteuid() == 0 { // it would become the user mosquitto, who may not read this
		write(t, filepath.Join(dir, "mosquitto.conf"), fmt.Sprintf("user root\nlistener %d 127.0.0.1\npassword_file %s/passwd\nacl_file %[2]s/acl\nallow_anonymous true\n", port, dir))
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	address := fmt.Sprintf("mqtt://127.0.0.1:%d", port)

	list, err := acl.Load(filepath.Join(dir, "acl"))
	if err != nil {
		t.Fatal(err)
	}
	root := open(t, address, "root", "root")
	for _, u := range append(users[1:], "") {
		id := "id-" + u
		rights := list.For(u, id)
		if u == "" {
			rights = list.ForAnonymous(id)
		}
		c := open(t, address, u, id)
		for _, topic := range topics {
			err := c.Publish(t.Context(), mqttclient.Message{Topic: topic, Payload: []byte("x"), QoS: 1})
			if err != nil && !errors.Is(err, mqttclient.ErrRefused) {
				t.Fatal(err)
			}
			if got, want := rights.MayWrite(topic), err == nil; got != want {
				t.Errorf("%q may write %q: %v, Mosquitto says %v", u, topic, got, want)
			}
		}
		read := make(chan string, 1000)
		for _, filter := range []string{"#", "$internal/#"} {
			if err := c.Subscribe(t.Context(), filter, 1, func(m mqttclient.Message) { read <- m.Topic }); err != nil {
				t.Fatalf("%q subscribing to %s: %v", u, filter, err)
			}
		}
		for _, topic := range topics {
			if err := root.Publish(t.Context(), mqttclient.Message{Topic: topic, Payload: []byte("x"), QoS: 1}); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]bool{}
		for quiet := false; !quiet; {
			select {
			case topic := <-read:
				got[topic] = true
			case <-time.After(300 * time.Millisecond):
				quiet = true
			}
		}
		for _, topic := range topics {
			if rights.MayRead(topic) != got[topic] {
				t.Errorf("%q may read %q: %v, Mosquitto says %v", u, topic, rights.MayRead(topic), got[topic])
			}
		}
	}
}

// TestMosquittoRefusesWhatWeRefuse gives it the lists that Parse finds wrong.
func TestMosquittoRefusesWhatWeRefuse(t *testing.T) {
	for _, text := range []string{"users a\n", " # x\n", "topic\n", "user\n", "topic rw a/b\n", "topic my room/x\n", "topic read a/#/b\n", "topic read a#\n", "topic read a+/b\n"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "acl"), text)
		write(t, filepath.Join(dir, "mosquitto.conf"), fmt.Sprintf("user root\nlistener %d 127.0.0.1\nacl_file %s/acl\nallow_anonymous true\n", freePort(t), dir))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		out, err := exec.CommandContext(ctx, "mosquitto", "-c", filepath.Join(dir, "mosquitto.conf")).CombinedOutput()
		if ctx.Err() != nil || err == nil {
			t.Errorf("Mosquitto takes %q, Parse does not:\n%s", text, out)
		}
		cancel()
		if _, err := acl.Parse([]byte(text)); err == nil {
			t.Errorf("Parse takes %q", text)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func open(t *testing.T, address, user, id string) *mqttclient.Client {
	t.Helper()
	o := mqttclient.Options{Server: address, ClientID: id, User: user}
	if user != "" {
		o.Password = func() (string, error) { return "x", nil }
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
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/broker"
)

// childEnv makes the test binary a broker on the directory it names.
const childEnv = "HEMS_TEST_BROKER_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		b, err := broker.New(broker.Options{
			Unix: dir + "/broker/mqtt.sock", Dir: dir + "/broker", Secrets: dir + "/secrets",
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		if err == nil {
			err = b.Run(context.Background())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestAcknowledgedRetainedMessagesSurviveAKill: a broker of its own process is
// killed while messages come in; all whose acknowledgement came are there again.
func TestAcknowledgedRetainedMessagesSurviveAKill(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "hems")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	h := &house{opt: broker.Options{Unix: dir + "/broker/mqtt.sock", Dir: dir + "/broker", Secrets: dir + "/secrets"}}
	acked, uncertain := map[string]string{}, map[string]bool{}
	for round := range 3 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+dir)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		killed := make(chan struct{})
		defer func() { child.Process.Kill() }()
		c := h.client(t, "home")
		s := subscribe(t, c, "k/#")
		got := map[string]string{}
		for len(got) < len(acked) {
			if m := s.next(); !uncertain[m.Topic] {
				got[m.Topic] = string(m.Payload)
			}
		}
		if diff := cmp.Diff(acked, got); diff != "" {
			t.Fatalf("round %d, after the kill (-acknowledged +kept):\n%s", round, diff)
		}
		if err := c.Unsubscribe(t.Context(), "k/#"); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(150 * time.Millisecond)
			child.Process.Kill() // SIGKILL
			child.Wait()
			close(killed)
		}()
		for i := 0; ; i++ {
			topic, payload := fmt.Sprint("k/", i%50), fmt.Sprint(round, ":", i)
			if err := c.Publish(t.Context(), msg(topic, payload, 1, true)); err != nil {
				uncertain[topic] = true // on its way at the kill: it may be there or not
				delete(acked, topic)
				break
			}
			acked[topic] = payload
			delete(uncertain, topic)
		}
		<-killed
		if len(acked) == 0 {
			t.Fatal("nothing was acknowledged before the kill")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		c.Close(ctx)
		cancel()
	}
}

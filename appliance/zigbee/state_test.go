package zigbee

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
)

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until the log has text in it.
func (l *lockedBuffer) await(t *testing.T, text string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(l.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the log does not say %q:\n%s", text, l)
}

func TestDamagedStateIsWaitedOut(t *testing.T) {
	for _, file := range []string{"zigbee.json", "network.json", "names.json"} { // and those of an earlier release
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var log lockedBuffer
			env := appliance.Env{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))}
			env.Dongle = env.Path("no-dongle")
			path := env.Path("zigbee", file)
			const damaged = `{"version":1,`
			if err := os.MkdirAll(env.Path("zigbee"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- Run(ctx, env, appliance.Config{}) }()
			const said = "waiting for the coordinator's state"
			log.await(t, said)
			time.Sleep(3 * lookAgain / 2)
			select {
			case err := <-done:
				t.Fatalf("it has ended: %v", err)
			default:
			}
			if got := strings.Count(log.String(), said); got != 1 {
				t.Errorf("said %d times", got)
			}
			if !strings.Contains(log.String(), file) {
				t.Errorf("the log does not name the file:\n%s", log.String())
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != damaged {
				t.Errorf("the file was changed: %q, %v", b, err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			log.await(t, "zigbee is down") // for there is no dongle
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

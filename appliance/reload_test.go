package appliance

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// testLog is a log that can be waited for.
type testLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *testLog) await(t *testing.T, text string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(l.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the log does not say %q:\n%s", text, l)
}

// running is a process with the section home, and what it was run with.
type running struct {
	env  Env
	log  *testLog
	runs chan Config
	done chan error
}

const quickly = 10 * time.Millisecond

func runProcess(t *testing.T, text string) *running {
	t.Helper()
	r := &running{log: &testLog{}, runs: make(chan Config, 10), done: make(chan error, 1)}
	r.env = Env{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(r.log, nil))}
	r.write(t, text)
	p := Process{Name: "test", Sections: []string{"home"}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		r.done <- p.runAgain(ctx, r.env, func(ctx context.Context, _ Env, c Config) error {
			r.runs <- c
			<-ctx.Done()
			return ctx.Err()
		}, quickly)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; err != nil {
			t.Errorf("the process ended with %v", err)
		}
	})
	return r
}

func (r *running) write(t *testing.T, text string) {
	t.Helper()
	if err := atomicfile.Write(filepath.Join(r.env.Data, ConfigFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// next is the home's name of the next run.
func (r *running) next(t *testing.T) string {
	t.Helper()
	select {
	case c := <-r.runs:
		return c.Home.Name
	case err := <-r.done:
		t.Fatalf("the process has ended: %v\n%s", err, r.log)
	case <-time.After(time.Minute):
		t.Fatalf("the process was not run again:\n%s", r.log)
	}
	return ""
}

func TestAChangedConfigurationIsTaken(t *testing.T) {
	r := runProcess(t, "home: {name: A}\n")
	names := []string{r.next(t)}
	r.write(t, "home: {name: B}\n")
	names = append(names, r.next(t))
	r.write(t, "# a remark, and another process's section, change nothing\nhome: {name: B}\nzigbee: {channel: 20}\n")
	time.Sleep(20 * quickly)
	r.write(t, "home: {name: C}\n")
	names = append(names, r.next(t))
	if err := os.Remove(filepath.Join(r.env.Data, ConfigFile)); err != nil {
		t.Fatal(err)
	}
	names = append(names, r.next(t))
	if diff := cmp.Diff([]string{"A", "B", "C", DefaultConfig().Home.Name}, names); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if got, want := strings.Count(r.log.String(), "starting again with what it says now"), 3; got != want {
		t.Errorf("said %d times that it starts again, want %d:\n%s", got, want, r.log)
	}
}

// TestTheSameInPlaceIsSeen: an editor may write into the file itself, with as
// many bytes as before.
func TestTheSameInPlaceIsSeen(t *testing.T) {
	r := runProcess(t, "home: {name: A}\n")
	names := []string{r.next(t)}
	f, err := os.OpenFile(filepath.Join(r.env.Data, ConfigFile), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("home: {name: B}\n"), 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	names = append(names, r.next(t))
	if diff := cmp.Diff([]string{"A", "B"}, names); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

func TestABadConfigurationChangesNothing(t *testing.T) {
	r := runProcess(t, "home: {name: A}\n")
	names := []string{r.next(t)}
	const said = "is not right"
	r.write(t, "home: {nam: B}\n")
	r.log.await(t, said)
	r.write(t, "home: {nam: B} # still\n")
	time.Sleep(20 * quickly)
	if got := strings.Count(r.log.String(), said); got != 1 {
		t.Errorf("said %d times that it is wrong, want once:\n%s", got, r.log)
	}
	r.write(t, "home: {name: A}\n")
	r.log.await(t, "is right again")
	r.write(t, "home: [\n")
	r.log.await(t, "not YAML")
	r.write(t, "home: {name: C}\n")
	names = append(names, r.next(t))
	if diff := cmp.Diff([]string{"A", "C"}, names); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

// TestEverySectionIsCompared: each process notices a change in each of its
// sections, of each kind of value.
func TestEverySectionIsCompared(t *testing.T) {
	before, _ := parse(t, "")
	for section, text := range map[string]string{
		"home":    "home: {time_zone: Europe/Lisbon}",
		"mqtt":    "mqtt: {listen: 'localhost:1'}",
		"zigbee":  "zigbee: {serial: {flow_control: none}}",
		"metrics": "metrics: {destinations: [{name: a, url: 'http://h', bucket: b}]}",
		"gateway": "gateway: {listen: ['localhost:1']}",
		"update":  "update: {feed: 'https://h'}",
		"time":    "time: {servers: [a]}",
	} {
		after, problems := parse(t, text)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		same, _ := parse(t, text)
		p := Process{Sections: []string{section}}
		if !p.differs(before, after) {
			t.Errorf("%s: the change is not seen", text)
		}
		if p.differs(after, same) {
			t.Errorf("%s: a change is seen that is none", text)
		}
	}
	for _, p := range Processes {
		p.sections(before) // each section exists
	}
}

func newLog(l *testLog) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

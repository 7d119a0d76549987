package updates

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/manager/updates/updatestest"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
)

// rig is a manager's updates with a card, a board and a house.
type rig struct {
	*updatestest.Card
	t     *testing.T
	dir   string
	m     *Machine
	began time.Time // of this start

	mu       sync.Mutex
	house    House
	set      Settings
	free     int64
	restarts []string // arguments of End in this start
}

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newRig is a card on which 1.0.0 runs from slot a.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Card: updatestest.New(t), t: t, dir: t.TempDir(), free: 1 << 30}
	r.well()
	return r
}

// well makes the house whole, with a reading that has just come.
func (r *rig) well() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.house = House{Reading: time.Now()}
}

func (r *rig) setHouse(change func(*House)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.house)
}

// boot is the firmware and the first process, after the machine was restarted
// with an argument; then the manager starts unless the system does not get there.
func (r *rig) boot(argument string, manager bool) {
	r.t.Helper()
	r.Reboot(argument)
	if err := os.RemoveAll(filepath.Join(r.dir, "runtime")); err != nil {
		r.t.Fatal(err)
	}
	r.began = time.Now()
	r.mu.Lock()
	r.restarts = nil
	r.mu.Unlock()
	if manager {
		r.manager()
	}
}

// manager starts the manager's process.
func (r *rig) manager() {
	r.t.Helper()
	r.m = made(New(Options{
		Dir: filepath.Join(r.dir, "manager"), Runtime: filepath.Join(r.dir, "runtime"), Card: r.Open(), PartUUID: updatestest.PartUUID,
		Version: r.Version(), Policy: bundle.Policy{Board: updatestest.Board}, Trust: r.Trust, TrialLimit: 300 * time.Second,
		Settings: func() Settings { r.mu.Lock(); defer r.mu.Unlock(); return r.set },
		House:    func() House { r.mu.Lock(); defer r.mu.Unlock(); return r.house },
		End: func(argument, _ string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.restarts = append(r.restarts, argument)
		},
		Free:   func() (int64, error) { r.mu.Lock(); defer r.mu.Unlock(); return r.free, nil },
		Uptime: func() time.Duration { return time.Since(r.began) + time.Second },
		Log:    slog.New(slog.DiscardHandler),
	}))
}

// restarted is the argument of the restart that was asked for, if one was.
func (r *rig) restarted() (argument string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.restarts) == 0 {
		return "", false
	}
	return r.restarts[0], true
}

// live ticks for so long, or until the manager asks for a restart.
func (r *rig) live(d time.Duration) (argument string, restarted bool) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(2 * time.Second) {
		r.m.Tick()
		if argument, ok := r.restarted(); ok {
			return argument, true
		}
	}
	return "", false
}

// update sends a release and waits for the restart; it returns its argument.
func (r *rig) update(version string) string {
	r.t.Helper()
	b := r.Bundle(version)
	if err := r.m.Receive(context.Background(), bytes.NewReader(b), int64(len(b)), false); err != nil {
		r.t.Fatal(err)
	}
	return r.await()
}

// await waits for the manager to ask for a restart.
func (r *rig) await() string {
	r.t.Helper()
	for range 1000 {
		if argument, ok := r.restarted(); ok {
			return argument
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("no restart; the update is %+v", r.m.View())
	return ""
}

// left are the files of the staging directory.
func (r *rig) left() (names []string) {
	for _, e := range made(os.ReadDir(filepath.Join(r.dir, "manager", "staging"))) {
		names = append(names, e.Name())
	}
	return names
}

// verdict is the verdict in short: "installed 1.1.0: why".
func (r *rig) verdict() string {
	v := r.m.View().Verdict
	if v == nil {
		return ""
	}
	s := string(v.Result) + " " + v.Version
	if v.Why != "" {
		s += ": " + v.Why
	}
	return s
}

// torn is a reader that ends with an error in the middle.
func torn(b []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(b[:len(b)/2]), readError{})
}

type readError struct{}

func (readError) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

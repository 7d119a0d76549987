//go:build e2e || bench

package readings

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// house is an appliance's broker and metrics writer, and what they are connected
// to.
type house struct {
	t       testing.TB
	data    string // their directory: a link, so that it may be on another disk after a power cut
	broker  *process
	metrics *process
	devices []*device
	fronts  []*front // of the databases, in the same order
	dbs     []*database
	log     said // of a writer in this process
}

// writerSaid is the end of what the writer has said.
func (h *house) writerSaid() string {
	if h.metrics == nil {
		return tail(h.log.String())
	}
	return tail(h.metrics.said.String())
}

// commitEvery is how long readings wait in memory here: the least there is, so
// that there are many commits to be killed in.
const commitEvery = time.Second

// newHouse puts a house in a directory, with destinations that start at once.
func newHouse(t testing.TB, dir string, dbs ...*database) *house {
	t.Helper()
	h := &house{t: t, data: filepath.Join(tempDir(t), "data"), dbs: dbs}
	for _, d := range dbs {
		if d.p == nil {
			d.start(t)
		}
		h.fronts = append(h.fronts, newFront(t, d))
	}
	h.moveTo(dir)
	h.configure("")
	return h
}

// moveTo has the house's files be in another directory from its next start on.
func (h *house) moveTo(dir string) {
	h.t.Helper()
	os.Remove(h.data)
	if err := os.Symlink(dir, h.data); err != nil {
		h.t.Fatal(err)
	}
}

// configure writes hems.yaml; more are lines of the section metrics.
func (h *house) configure(more string) {
	h.t.Helper()
	text := fmt.Sprintf("metrics:\n  commit_every: %v\n%s", commitEvery, more)
	if len(h.dbs) > 0 {
		text += "  destinations:\n"
	}
	for i, d := range h.dbs {
		text += d.yaml(h.fronts[i].url)
	}
	if err := os.MkdirAll(filepath.Join(h.data, "secrets"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	for name, text := range map[string]string{"hems.yaml": text, "secrets/database": token} {
		if err := os.WriteFile(filepath.Join(h.data, name), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) program(name string, base int) *process {
	cmd := exec.Command(ours(h.t, name))
	cmd.Env = append(os.Environ(), "HEMS_DATA="+h.data, "HEMS_LISTEN=127.0.0.1", fmt.Sprint("HEMS_PORT_BASE=", base), "HEMS_DONGLE=")
	return run(h.t, name, cmd)
}

func (h *house) startBroker()  { h.broker = h.program("hems-broker", portBase(h.t)) }
func (h *house) startMetrics() { h.metrics = h.program("hems-metrics", portBase(h.t)) }

// start starts both, and waits until a reading of each device is stored.
func (h *house) start() {
	h.t.Helper()
	h.startBroker()
	h.startMetrics()
	for _, d := range h.devices {
		d.announce()
	}
	for _, d := range h.devices {
		h.slowly("the first readings of "+d.name, func() bool {
			d.say(greeting, 1)
			return len(h.stored()[d.entity()]) > 0
		})
	}
}

// kill ends both at once.
func (h *house) kill() {
	h.t.Helper()
	h.broker.cmd.Process.Signal(syscall.SIGKILL)
	h.metrics.end(h.t, syscall.SIGKILL)
	h.broker.end(h.t, syscall.SIGKILL)
}

// client is a connection of the user home, kept up until the test ends.
func (h *house) client(id string) *mqttclient.Client {
	h.t.Helper()
	c, err := mqttclient.Open(context.Background(), mqttclient.Options{
		Server: "unix://" + filepath.Join(h.data, "broker", "mqtt.sock"), ClientID: id, User: "home",
		Password: func() (string, error) {
			b, err := os.ReadFile(filepath.Join(h.data, "secrets", "mqtt-home"))
			return strings.TrimSpace(string(b)), err
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		c.Close(gone)
	})
	return c
}

// stored is what is in the file of the store, by entity: nothing while there is
// no file, or none that can be read.
func (h *house) stored() map[string][]point {
	all := map[string][]point{}
	r, err := store.OpenReader(filepath.Join(h.data, "store", "hems.db"))
	if err != nil {
		return all
	}
	defer r.Close()
	ctx := context.Background()
	series, err := r.Series(ctx)
	if err != nil {
		return nil
	}
	for _, s := range series {
		samples, err := r.Samples(ctx, s.ID, time.UnixMilli(0), time.Now().AddDate(1, 0, 0))
		if err != nil {
			return nil
		}
		for _, v := range samples {
			all[s.Entity] = append(all[s.Entity], point{v.Milli, v.Value})
		}
	}
	return all
}

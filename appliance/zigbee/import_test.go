package zigbee

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate/zigbee2mqtt"
)

// theirs is what Zigbee2MQTT 2.14 left, and dongle what the simulated dongle and
// its meter remember of it.
const (
	theirs   = "../../internal/zigbee/migrate/zigbee2mqtt/testdata/2.14"
	dongle   = "../../internal/zigbee/migrate/zigbee2mqtt/testdata/2.14-dongle.json"
	patience = 30 * time.Second
)

// house is a broker, a simulated dongle, and a data directory.
type house struct {
	mochi.HookBase
	t      *testing.T
	env    appliance.Env
	log    lockedBuffer
	server *mochi.Server

	mu   sync.Mutex
	said map[string][]string // payloads by topic
	more chan struct{}
}

func (*house) ID() string { return "house" }
func (*house) Provides(b byte) bool {
	return b == mochi.OnPublish || b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*house) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*house) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

func (h *house) OnPublish(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said[pk.TopicName] = append(h.said[pk.TopicName], string(pk.Payload))
	close(h.more)
	h.more = make(chan struct{})
	return pk, nil
}

// newHouse starts the broker, and a dongle that remembers what is in a file;
// empty: nothing.
func newHouse(t *testing.T, memory string) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "hems") // a short path: it holds sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &house{t: t, said: make(map[string][]string), more: make(chan struct{})}
	h.env = appliance.Env{Data: dir, Log: slog.New(slog.NewTextHandler(&h.log, nil))}
	for _, sub := range []string{"broker", "secrets", "zigbee"} {
		if err := os.MkdirAll(h.env.Path(sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(h.env.Secret("mqtt-zigbee"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), InlineClient: true})
	h.server = server
	if err := server.AddHook(h, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.AddListener(listeners.NewUnixSock(listeners.Config{ID: "u", Address: h.env.MQTTSocket()})); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })

	state := h.env.Path("dongle.json")
	if memory != "" {
		b, err := os.ReadFile(memory)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(state, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sim, err := simulator.Start(context.Background(), simulator.Options{Listen: "127.0.0.1:0", State: state, ReportEvery: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	h.env.Dongle = "tcp://" + sim.Addr().String()
	return h
}

// run runs the coordinator until the test ends.
func (h *house) run() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, h.env, appliance.DefaultConfig()) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
}

// await waits for a message on a topic that has text in it.
func (h *house) await(topic, text string) string {
	h.t.Helper()
	end := time.After(patience)
	for {
		h.mu.Lock()
		all, more := h.said[topic], h.more
		h.mu.Unlock()
		for _, p := range all {
			if strings.Contains(p, text) {
				return p
			}
		}
		select {
		case <-more:
		case <-end:
			h.t.Fatalf("no message with %q on %s; log:\n%s", text, topic, h.log.String())
		}
	}
}

// place puts an import where the coordinator finds it.
func (h *house) place(replace bool) {
	h.t.Helper()
	in, err := zigbee2mqtt.Read(theirs)
	if err != nil {
		h.t.Fatal(err)
	}
	d, err := in.Document(replace)
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		h.t.Fatal(err)
	}
	tmp := h.env.Path("zigbee", ".import.tmp")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(tmp, h.env.Path("zigbee", migrate.DocumentName)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) answer() (a migrate.Answer) {
	h.t.Helper()
	b, err := os.ReadFile(h.env.Path("zigbee", migrate.AnswerName))
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// The dongle on which Zigbee2MQTT had its network is put into the appliance: the
// meter's next report is published under the name it had, and nothing is paired.
func TestTheMeterReportsUnderItsOldName(t *testing.T) {
	h := newHouse(t, dongle)
	h.place(false)
	h.run()
	payload := h.await("zigbee2mqtt/hall/main meter", `"power"`)
	if !strings.Contains(payload, `"energy"`) { // which state.json knows
		t.Errorf("the first message is without what the meter said before: %s", payload)
	}
	if a := h.answer(); !a.OK || a.Devices != 1 {
		t.Errorf("the answer: %+v", a)
	}
	info := h.await("zigbee2mqtt/bridge/info", "57709") // the PAN id
	if !strings.Contains(info, "0x00124b0012345678") {
		t.Errorf("the coordinator is another: %s", info)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for topic, all := range h.said {
		for _, p := range all {
			if strings.Contains(p, "device_joined") || strings.Contains(p, "device_interview") || strings.Contains(p, `"permit_join":true`) {
				t.Errorf("%s: %s", topic, p)
			}
			if topic == "zigbee2mqtt/0x0015bc001b0211a5" {
				t.Errorf("it is called by its address: %s", p)
			}
		}
	}
}

// An appliance that runs, with the network that it made at its first start and no
// devices, takes the import over while it runs: its dongle too.
func TestARunningCoordinatorTakesAnImportOver(t *testing.T) {
	h := newHouse(t, "")
	h.run()
	h.await("zigbee2mqtt/bridge/state", "online")
	first := h.await("zigbee2mqtt/bridge/info", `"pan_id"`)
	if strings.Contains(first, "57709") {
		t.Fatal("the new network is the imported one already")
	}
	h.place(false)
	h.await("zigbee2mqtt/bridge/devices", "hall/main meter")
	a := h.answer()
	if !a.OK || a.Merged || a.Kept == "" {
		t.Errorf("the answer: %+v", a)
	}
	if _, err := os.Stat(a.Kept); err != nil {
		t.Errorf("the state before is not kept: %v", err)
	}
	h.log.await(t, "zigbee is up\" pan=0xe16d")
}

// What is refused changes nothing, and the coordinator goes on.
func TestARefusedImportChangesNothing(t *testing.T) {
	h := newHouse(t, dongle)
	if err := os.WriteFile(h.env.Path("zigbee", migrate.DocumentName), []byte(`{"format":"hems-zigbee-import"`), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run()
	h.log.await(t, "an import was refused")
	h.await("zigbee2mqtt/bridge/state", "online")
	if a := h.answer(); a.OK || a.Message == "" {
		t.Errorf("the answer: %+v", a)
	}
	said := h.await("hems/zigbee/health", "was refused")
	if !strings.Contains(said, `"state":"ok"`) || !strings.Contains(said, `"hint":"`) {
		t.Errorf("the health: %s", said)
	}
	if left, err := filepath.Glob(h.env.Path("zigbee", "import.json")); err != nil || len(left) > 0 {
		t.Errorf("it still waits: %v", err)
	}
}

// The level of bridge/logging is that of the process's log too, and is kept.
func TestLogLevel(t *testing.T) {
	h := newHouse(t, "")
	h.env.LogLevel = new(slog.LevelVar)
	h.run()
	h.await("zigbee2mqtt/bridge/state", "online")
	if err := h.server.Publish("zigbee2mqtt/bridge/request/options", []byte(`{"options":{"advanced":{"log_level":"debug"}}}`), false, 1); err != nil {
		t.Fatal(err)
	}
	h.await("zigbee2mqtt/bridge/response/options", `"status":"ok"`)
	if got := h.env.LogLevel.Level(); got != slog.LevelDebug {
		t.Errorf("the log's level is %v", got)
	}
}

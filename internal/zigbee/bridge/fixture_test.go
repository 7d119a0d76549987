package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const (
	meterEUI  zcl.EUI64 = 0x0015bc003f000001
	dongleEUI zcl.EUI64 = 0x00124b0012345678
	patience            = time.Minute // on a loaded machine; what is waited for ends it
)

// fakeNetwork is a Network of function fields.
type fakeNetwork struct {
	events    chan network.Event
	permit    func(time.Duration) error
	remove    func(zcl.EUI64, bool) error
	interview func(zcl.EUI64) error
	configure func(zcl.EUI64) error
	do        func(e zcl.EUI64, a model.Action) error
	read      func(e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids []uint16) ([]zcl.Attribute, error)
	asked     func(format string, args ...any) error // everything else

	mu      sync.Mutex
	info    network.Info
	devices []network.Device
}

func (n *fakeNetwork) Events() <-chan network.Event { return n.events }

func (n *fakeNetwork) Info() network.Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.info
}

func (n *fakeNetwork) Devices() []network.Device {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.devices
}

func (n *fakeNetwork) PermitJoin(_ context.Context, d time.Duration) error { return n.permit(d) }
func (n *fakeNetwork) Remove(_ context.Context, e zcl.EUI64, force bool) error {
	return n.remove(e, force)
}
func (n *fakeNetwork) Interview(_ context.Context, e zcl.EUI64) error { return n.interview(e) }
func (n *fakeNetwork) PermitJoinVia(_ context.Context, d time.Duration, via zcl.EUI64) error {
	return n.asked("permit %v via %v", d, via)
}
func (n *fakeNetwork) AddInstallCode(_ context.Context, e zcl.EUI64, code []byte) error {
	return n.asked("install code %v %x", e, code)
}
func (n *fakeNetwork) Command(_ context.Context, e zcl.EUI64, c network.Command) (zcl.Frame, error) {
	return zcl.Frame{}, n.asked("command %v %d %04x %02x %x", e, c.Endpoint, c.Cluster, c.ID, c.Payload)
}
func (n *fakeNetwork) Bind(_ context.Context, e zcl.EUI64, endpoint uint8, cluster uint16, to network.Target) error {
	return n.asked("bind %v %d %04x to %v", e, endpoint, cluster, to)
}
func (n *fakeNetwork) Unbind(_ context.Context, e zcl.EUI64, endpoint uint8, cluster uint16, to network.Target) error {
	return n.asked("unbind %v %d %04x to %v", e, endpoint, cluster, to)
}
func (n *fakeNetwork) ConfigureReporting(_ context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, list []zcl.ReportConfig) error {
	return n.asked("reporting %v %d %04x %04x %v", e, endpoint, cluster, manufacturer, list)
}
func (n *fakeNetwork) ReadReporting(_ context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids ...uint16) ([]zcl.ReportingState, error) {
	var list []zcl.ReportingState
	for _, id := range ids {
		list = append(list, zcl.ReportingState{Config: zcl.ReportConfig{Attribute: id, Type: zcl.Int24, Min: 10, Max: 300, Change: 5}})
	}
	return list, n.asked("read reporting %v %d %04x %04x %04x", e, endpoint, cluster, manufacturer, ids)
}
func (n *fakeNetwork) GroupAdd(_ context.Context, e zcl.EUI64, endpoint uint8, group uint16) error {
	return n.asked("add %v %d to group %d", e, endpoint, group)
}
func (n *fakeNetwork) GroupRemove(_ context.Context, e zcl.EUI64, endpoint uint8, group uint16) error {
	return n.asked("remove %v %d from group %d", e, endpoint, group)
}
func (n *fakeNetwork) GroupRemoveAll(_ context.Context, e zcl.EUI64, endpoint uint8) error {
	return n.asked("remove %v %d from all groups", e, endpoint)
}
func (n *fakeNetwork) GroupCommand(_ context.Context, group uint16, c network.Command) error {
	return n.asked("group command %d %04x %02x %x", group, c.Cluster, c.ID, c.Payload)
}
func (n *fakeNetwork) Map(_ context.Context, routes bool) (network.Map, error) {
	return network.Map{Nodes: []network.MapNode{{EUI64: dongleEUI, Type: "Coordinator", Asked: true}}}, n.asked("map %v", routes)
}
func (n *fakeNetwork) CoordinatorCheck(context.Context) ([]zcl.EUI64, error) {
	return []zcl.EUI64{meterEUI}, n.asked("check")
}
func (n *fakeNetwork) EnergyScan(context.Context) ([]network.ChannelEnergy, error) {
	return []network.ChannelEnergy{{Channel: 11, RSSI: -80}}, n.asked("scan")
}
func (n *fakeNetwork) ChangeChannel(_ context.Context, channel uint8) error {
	return n.asked("channel %d", channel)
}
func (n *fakeNetwork) SetOptions(zcl.EUI64, map[string]any) {}
func (n *fakeNetwork) Backup(context.Context) (*coordbackup.Backup, error) {
	return nil, errors.Join(n.asked("backup"), network.ErrDown)
}
func (n *fakeNetwork) SetAvailability(zcl.EUI64, network.AvailabilityOptions) {}
func (n *fakeNetwork) SetAvailabilityDefaults(network.AvailabilityDefaults)   {}
func (n *fakeNetwork) Restart(context.Context) error                          { return n.asked("restart") }
func (n *fakeNetwork) Configure(_ context.Context, e zcl.EUI64) error         { return n.configure(e) }
func (n *fakeNetwork) Read(_ context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids ...uint16) ([]zcl.Attribute, error) {
	return n.read(e, endpoint, cluster, manufacturer, ids)
}

// Do reads what it is told to read, and does the rest by do.
func (n *fakeNetwork) Do(ctx context.Context, e zcl.EUI64, actions []model.Action) error {
	for _, a := range actions {
		if a.Kind == model.Read {
			if _, err := n.read(e, a.Endpoint, a.Cluster, a.Manufacturer, a.IDs); err != nil {
				return err
			}
			continue
		}
		if err := n.do(e, a); err != nil {
			return err
		}
	}
	return nil
}

// meter is the device of the contract's examples, fully known.
func meter() network.Device {
	return network.Device{
		EUI64: meterEUI, NodeID: 0x7a3c, Type: network.TypeEndDevice,
		ManufacturerName: "frient A/S", ModelID: "EMIZB-141", DateCode: "20230510", SWBuildID: "20230413",
		ManufacturerCode: zcl.ManufacturerDevelco, PowerSource: 3,
		Endpoints: []network.Endpoint{{
			ID: 2, Profile: 0x0104, DeviceID: 0x53,
			In: []uint16{0x0000, 0x0001, 0x0003, 0x0020, 0x0702}, Out: []uint16{0x0003, 0x000a, 0x0019},
			Bindings: []network.Binding{{Cluster: 0x0702, Target: dongleEUI, TargetEndpoint: 1}},
			Reporting: []network.Reporting{
				{Cluster: 0x0702, Attribute: 0x0400, Min: 10, Max: 300, Change: 5},
				{Cluster: 0x0702, Attribute: 0x0300, Manufacturer: zcl.ManufacturerDevelco, Min: 10, Max: 300},
			},
		}},
		Interview: network.InterviewSuccessful, Configured: true,
		Joined: time.Unix(1, 0), Available: true,
	}
}

// published is a message as the broker got it.
type published struct {
	Topic, Payload string
	Retain         bool
	QoS            byte
}

// recorder is a hook of the broker that notes what the bridge publishes.
type recorder struct {
	mochi.HookBase
	mu   sync.Mutex
	all  []published
	more chan struct{} // closed and replaced at every message
	away atomic.Bool   // the broker lets nobody in
	will published     // of the bridge's last connection
}

func (*recorder) ID() string { return "recorder" }
func (*recorder) Provides(b byte) bool {
	return b == mochi.OnPublish || b == mochi.OnConnect || b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

func (r *recorder) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return !r.away.Load() }
func (r *recorder) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

func (r *recorder) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	if cl.ID == "zigbee2mqtt" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.will = published{pk.Connect.WillTopic, string(pk.Connect.WillPayload), pk.Connect.WillRetain, pk.Connect.WillQos}
	}
	return nil
}

// lastWill is what the broker publishes for a bridge that is gone.
func (r *recorder) lastWill() published {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.will
}

func (r *recorder) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.ID == "zigbee2mqtt" {
		r.mu.Lock()
		r.all = append(r.all, published{pk.TopicName, string(pk.Payload), pk.FixedHeader.Retain, pk.FixedHeader.Qos})
		close(r.more)
		r.more = make(chan struct{})
		r.mu.Unlock()
	}
	return pk, nil
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

func (r *recorder) messages() []published {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// fixture is a bridge between a fake network and a real broker.
type fixture struct {
	*recorder
	t      testing.TB
	net    *fakeNetwork
	server *mochi.Server
	dir    string
	stop   func()
	from   int // messages before this one were looked at

	options     Options // beside those that run sets
	sock        string
	skipMeter   bool // the network does not know it yet
	renamePause time.Duration

	bridge *Bridge

	real  Network // instead of net, with its state
	state *statefile.File
}

// start runs a bridge that knows the meter as "frient_blink_counter".
func start(t testing.TB, prepare ...func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{
		t:        t,
		recorder: &recorder{more: make(chan struct{})},
		dir:      t.TempDir(),

		renamePause: 50 * time.Millisecond,
		net: &fakeNetwork{
			asked:   func(string, ...any) error { return nil },
			events:  make(chan network.Event),
			devices: []network.Device{meter()},
			info: network.Info{
				State: network.Up, EUI64: dongleEUI, PANID: 0x1a62, ExtendedPANID: 0xdddddddddddddddd,
				Channel: 11, EZSPVersion: 13, Firmware: "7.4.4 build 0 [GA]",
			},
		},
	}
	f.write(statefile.Name, `{"version": 1, "readable_from": 1, "names": {"0x0015bc003f000001": "frient_blink_counter"}}`)
	f.server = mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, hook := range []mochi.Hook{f.recorder} {
		if err := f.server.AddHook(hook, nil); err != nil {
			t.Fatal(err)
		}
	}
	sock := filepath.Join(t.TempDir(), "s")
	if err := f.server.AddListener(listeners.NewUnixSock(listeners.Config{ID: "u", Address: sock})); err != nil {
		t.Fatal(err)
	}
	if err := f.server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// This server locks itself up when it is closed while a client goes.
		f.awaitGone()
		f.server.Close()
	})
	for _, p := range prepare {
		p(f)
	}
	f.sock = sock
	f.again()
	return f
}

// awaitGone waits until the broker has forgotten the bridge that ran before: it
// would take the subscriptions of the next one for its.
func (f *fixture) awaitGone() {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, ok := f.server.Clients.Get("zigbee2mqtt"); !ok {
			return
		}
	}
}

// again runs the bridge, once more after stop.
func (f *fixture) again() {
	f.t.Helper()
	f.awaitGone()
	o := f.options
	o.Network, o.Dir, o.Version, o.RenamePause = f.net, f.dir, "1.2.3", f.renamePause
	if f.real != nil {
		o.Network, o.State = f.real, f.state
	}
	o.MQTT = mqttclient.Options{Server: "unix://" + f.sock, User: "zigbee"}
	f.from = f.count()
	began := f.from
	b, err := New(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.bridge = b
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	var once sync.Once
	f.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				f.t.Errorf("Run: %v", err)
			}
		})
	}
	f.t.Cleanup(f.stop)
	f.await("zigbee2mqtt/bridge/logging", func(p published) bool { return strings.Contains(p.Payload, "connected") })
	if !f.skipMeter {
		// What the broker holds may be of the run before: this run says it last.
		f.awaitSaid(began, "zigbee2mqtt/frient_blink_counter/availability")
		f.awaitHolds("zigbee2mqtt/frient_blink_counter/availability", func(s string) bool { return strings.Contains(s, "online") }) // the last
	}
}

func (f *fixture) write(name, content string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// savedNames are the names in the state.
func (f *fixture) savedNames() map[string]string {
	f.t.Helper()
	state, err := statefile.Open(filepath.Join(f.dir, statefile.Name))
	if err != nil {
		f.t.Fatal(err)
	}
	var names map[string]string
	if _, err := state.Get(statefile.Names, &names); err != nil {
		f.t.Fatal(err)
	}
	return names
}

// await is the next message on the topic that match accepts (nil: any).
func (f *fixture) await(topic string, match func(published) bool) published {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		f.mu.Lock()
		for ; f.from < len(f.all); f.from++ {
			if p := f.all[f.from]; p.Topic == topic && (match == nil || match(p)) {
				f.from++
				f.mu.Unlock()
				return p
			}
		}
		more := f.more
		f.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			f.t.Fatalf("no message on %s", topic)
		}
	}
}

// awaitSaid waits until something was said on the topic since so many messages,
// and leaves all to await.
func (f *fixture) awaitSaid(since int, topic string) {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		f.mu.Lock()
		said := slices.ContainsFunc(f.all[since:], func(p published) bool { return p.Topic == topic })
		more := f.more
		f.mu.Unlock()
		if said {
			return
		}
		select {
		case <-more:
		case <-deadline:
			f.t.Fatalf("nothing was said on %s", topic)
		}
	}
}

// cut breaks the bridge's connection to the broker.
func (f *fixture) cut() {
	f.t.Helper()
	cl, ok := f.server.Clients.Get("zigbee2mqtt")
	if !ok {
		f.t.Fatal("the bridge is not connected")
	}
	cl.Stop(errors.New("test: the line is cut"))
}

// rewind makes await look at every message again.
func (f *fixture) rewind() { f.from = 0 }

// holds is what the broker holds on a topic.
func (f *fixture) holds(topic string) string {
	pk, _ := f.server.Topics.Retained.Get(topic)
	return string(pk.Payload)
}

// awaitRetained waits until the broker holds the payload on the topic.
func (f *fixture) awaitRetained(topic, want string) {
	f.t.Helper()
	f.awaitHolds(topic, func(got string) bool { return got == want })
}

// awaitHolds waits until the broker holds something right on the topic.
func (f *fixture) awaitHolds(topic string, right func(string) bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); !right(f.holds(topic)); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%s holds %q", topic, f.holds(topic))
		}
	}
}

// says gives the bridge an event of the meter, as it is now unless dev is set.
func (f *fixture) says(e network.Event) {
	f.t.Helper()
	if e.EUI64 == 0 {
		e.EUI64 = meterEUI
	}
	if e.Device.EUI64 == 0 {
		e.Device = meter()
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	select {
	case f.net.events <- e:
	case <-time.After(patience):
		f.t.Fatal("the bridge takes no event")
	}
}

// report is a message of the meter's endpoint 2.
func report(cluster uint16, lqi uint8, attributes ...zcl.Attribute) network.Event {
	return network.Event{Kind: network.MessageReceived, Message: &network.Message{
		Endpoint: 2, Cluster: cluster, LQI: lqi, Frame: zcl.Report(attributes), Attributes: attributes,
	}}
}

func demand(w uint64) zcl.Attribute {
	return zcl.Attribute{ID: zcl.AttrInstantaneousDemand, Value: zcl.Number(zcl.Int24, w)}
}

// ask publishes a request and gives its answer.
func (f *fixture) ask(name, payload string) published {
	f.t.Helper()
	f.publish("zigbee2mqtt/bridge/request/"+name, payload, false)
	return f.await("zigbee2mqtt/bridge/response/"+name, nil)
}

func (f *fixture) publish(topic, payload string, retain bool) {
	f.t.Helper()
	if err := f.server.Publish(topic, []byte(payload), retain, 1); err != nil {
		f.t.Fatal(err)
	}
}

// sameJSON compares by value: 342 is 342.0, and keys have no order.
func sameJSON(t *testing.T, want, got string) {
	t.Helper()
	if diff := cmp.Diff(fromJSON(t, want), fromJSON(t, got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func fromJSON(t *testing.T, s string) any {
	t.Helper()
	var v any
	if err := json.NewDecoder(bytes.NewReader([]byte(s))).Decode(&v); err != nil {
		t.Fatalf("%q is no JSON: %v", s, err)
	}
	return v
}

// reference is an example of the contract. Its numbers and names are examples;
// the model it names is sold as a smoke alarm, so the meter's stands for it.
func reference(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "reference", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "SMSZB-120", "EMIZB-141")
}

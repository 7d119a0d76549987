package metrics

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	ourbroker "github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// fixture is what a Wi-Fi device does on MQTT, and what becomes of it.
type fixture struct {
	Source  string `json:"source"`
	Connect struct {
		Client    string `json:"client"`
		KeepAlive uint16 `json:"keepalive"`
		Clean     bool   `json:"clean"`
		Will      said   `json:"will"`
	} `json:"connect"`
	Messages []said `json:"messages"`
	Want     map[string]struct {
		Unit   string    `json:"unit"`
		Unique string    `json:"unique"`
		Values []float64 `json:"values"`
	} `json:"want"`
}

type said struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	QoS     byte   `json:"qos"`
	Retain  bool   `json:"retain"`
	// Wait is the entity whose state this is: a device says it again and again,
	// and by then it is known.
	Wait string `json:"wait"`
}

// The packets of MQTT 3.1.1, as the devices' own clients write them.

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func packet(head byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	b := []byte{head}
	for n := len(body); ; {
		digit := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			b = append(b, digit|0x80)
			continue
		}
		return append(append(b, digit), body...)
	}
}

func bit(on bool, value byte) byte {
	if on {
		return value
	}
	return 0
}

func (f fixture) connect(user, password string) []byte {
	w := f.Connect.Will
	flags := 0x80 | 0x40 | 0x04 | w.QoS<<3 | bit(w.Retain, 0x20) | bit(f.Connect.Clean, 0x02)
	return packet(0x10, text("MQTT"), []byte{4, flags}, binary.BigEndian.AppendUint16(nil, f.Connect.KeepAlive),
		text(f.Connect.Client), text(w.Topic), text(w.Payload), text(user), text(password))
}

func (m said) packet(id uint16) []byte {
	var number []byte
	if m.QoS > 0 {
		number = binary.BigEndian.AppendUint16(nil, id)
	}
	return packet(0x30|m.QoS<<1|bit(m.Retain, 1), text(m.Topic), number, []byte(m.Payload))
}

// TestWiFiDevicesEndInTheStore: what they send, byte by byte, through our broker
// and the writer, read back from the store as pages read it.
func TestWiFiDevicesEndInTheStore(t *testing.T) {
	files, err := filepath.Glob("../native/testdata/*.json")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f fixture
		if err := json.Unmarshal(b, &f); err != nil || f.Source == "" {
			t.Fatalf("%s: %v; it says its source: %q", file, err, f.Source)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { f.run(t) })
	}
}

func (f fixture) run(t *testing.T) {
	dir, err := os.MkdirTemp("", "hems") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	secrets, socket := filepath.Join(dir, "secrets"), filepath.Join(dir, "broker", "mqtt.sock")
	b, err := ourbroker.New(ourbroker.Options{TCP: []string{"127.0.0.1:0"}, Unix: socket, Dir: filepath.Join(dir, "broker"), Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-b.Ready()
	eventually(t, "listening", func() bool { return len(b.Addresses()) == 2 })

	path := filepath.Join(dir, "hems.db")
	w, stop := start(t, Options{
		MQTT:      mqttclient.Options{Server: "unix://" + socket, User: "metrics", Password: func() (string, error) { return ourbroker.ReadPassword(secrets, "metrics") }},
		OpenStore: func() (*store.Store, error) { return store.Open(path, store.Options{CommitInterval: time.Hour}) },
	})
	always := 2 // discovery documents
	for _, n := range w.natives {
		always += len(n.filters)
	}
	subscriptions := func() int { return int(b.Stats().Subscriptions) }
	eventually(t, "the writer listens", func() bool { return subscriptions() >= always })

	conn, err := net.Dial("tcp", b.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	password, err := ourbroker.ReadPassword(secrets, "home")
	if err != nil {
		t.Fatal(err)
	}
	send := func(b []byte, answer int) []byte {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, answer)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatalf("after % x: %v", b[:min(len(b), 40)], err)
		}
		return got
	}
	if got := send(f.connect("home", password), 4); !bytes.Equal(got, []byte{0x20, 2, 0, 0}) {
		t.Fatalf("CONNACK % x", got)
	}
	for i, m := range f.Messages {
		if m.Wait != "" {
			eventually(t, "the writer knows "+m.Wait, func() bool { return w.knows(m.Wait) && subscriptions() >= always+len(w.wantedTopics()) })
		}
		id := uint16(i + 1)
		switch m.QoS {
		case 0:
			send(m.packet(id), 0)
		default:
			if got := send(m.packet(id), 4); !bytes.Equal(got, []byte{0x40, 2, 0, byte(id)}) {
				t.Fatalf("PUBACK % x", got)
			}
		}
	}
	total := 0
	for _, want := range f.Want {
		total += len(want.Values)
	}
	eventually(t, "all readings", func() bool { return int(w.Counts().Readings) >= total })
	stop()

	h := history.Open(path)
	defer h.Close()
	all, err := h.Series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for entity, want := range f.Want {
		i := slices.IndexFunc(all, func(s store.Series) bool { return s.Entity == entity })
		if i < 0 {
			var names []string
			for _, s := range all {
				names = append(names, s.Entity)
			}
			t.Errorf("%s is not stored; there are %q", entity, names)
			continue
		}
		if all[i].Unit != want.Unit || all[i].UniqueID != want.Unique {
			t.Errorf("%s: %+v, want unit %q and unique id %q", entity, all[i], want.Unit, want.Unique)
		}
		if d := cmp.Diff(want.Values, stored(t, path, entity), cmp.Transformer("empty", func(l []float64) []float64 { return append([]float64{}, l...) })); d != "" {
			t.Errorf("%s (-want +got)\n%s", entity, d)
		}
		if len(want.Values) > 0 {
			if last, ok, err := h.Last(t.Context(), entity); err != nil || !ok || last.Value != want.Values[len(want.Values)-1] {
				t.Errorf("%s: the last is %v, %v, %v", entity, last, ok, err)
			}
		}
	}
	if c := w.Counts(); c.BadStates > 0 || c.BadDocuments > 0 {
		t.Errorf("%+v", c)
	}
}

// knows tells whether an entity of that series is known.
func (w *Writer) knows(series string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entities != nil && w.entities.bySerie[series] != nil
}

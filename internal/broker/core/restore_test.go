package core

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory is a journal that is always on the disk.
type memory struct {
	mu      sync.Mutex
	records []record
	state   []record
	more    chan func()
}

type record struct {
	kind byte
	body string
}

func (m *memory) Append(kind byte, body []byte, _ bool) Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = append(m.records, record{kind, string(body)})
	select {
	case m.more <- nil:
	default:
	}
	return Seq(len(m.records))
}

func (m *memory) Notify(f func(Seq)) {
	go func() {
		for range m.more {
			f(m.Durable())
		}
	}()
}

func (m *memory) Durable() Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Seq(len(m.records))
}

func (m *memory) Flush() error          { return nil }
func (m *memory) WantsCompaction() bool { return false }

func (m *memory) Compact(state func(emit func(byte, []byte))) error {
	state(func(kind byte, body []byte) { m.state = append(m.state, record{kind, string(body)}) })
	return nil
}

type anybody struct{}

func (anybody) SignIn(Credentials) (Identity, error) { return anybody{}, nil }
func (anybody) Identify(string, string) Identity     { return anybody{} }
func (anybody) User() string                         { return "" }
func (anybody) MayWrite(string) bool                 { return true }
func (anybody) MaySubscribe(string) bool             { return true }
func (anybody) MayRead(string) bool                  { return true }
func (anybody) QueueQoS0() bool                      { return false }

// raw is a client of MQTT 3.1.1 that writes bytes.
type raw struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (w *raw) send(first byte, body ...any) {
	w.t.Helper()
	var b []byte
	for _, v := range body {
		switch v := v.(type) {
		case string:
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
		case int:
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		case byte:
			b = append(b, v)
		case []byte:
			b = append(b, v...)
		}
	}
	if _, err := w.Write(append([]byte{first, byte(len(b))}, b...)); err != nil {
		w.t.Fatal(err)
	}
}

// read returns the first byte and the body of a packet.
func (w *raw) read() (byte, []byte) {
	w.t.Helper()
	head := make([]byte, 2)
	_, err := io.ReadFull(w.r, head)
	body := make([]byte, head[1])
	if err == nil {
		_, err = io.ReadFull(w.r, body)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return head[0], body
}

func (w *raw) want(first byte) {
	w.t.Helper()
	if got, body := w.read(); got != first {
		w.t.Fatalf("the server sends %#x %x, want %#x", got, body, first)
	}
}

func attach(t *testing.T, s *Server, id string) *raw {
	t.Helper()
	here, there := net.Pipe()
	go s.Serve(there, Listener{Name: "test", Anonymous: true, Local: true, QueueQoS0: true})
	w := &raw{t, here, bufio.NewReader(here)}
	w.send(0x10, "MQTT", byte(4), byte(0), 0, id)
	w.want(0x20)
	return w
}

// TestAStateSaysWhatItsRecordsSay lives through what sessions can be in, and loads
// it once from the records and once from the state that takes their place.
func TestAStateSaysWhatItsRecordsSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &memory{more: make(chan func(), 1)}
		defer close(j.more)
		s, err := New(Options{Authority: anybody{}})
		if err != nil {
			t.Fatal(err)
		}
		s.Start(j)
		defer s.Close(t.Context())

		for i, id := range []string{"one", "two"} {
			w := attach(t, s, id)
			w.send(0x82, 1, "t/#", byte(2-i))
			w.want(0x90)
			w.send(0xe0)
			w.Close()
		}
		p := attach(t, s, "publisher")
		publish := func(first byte, topic string, id int, payload string) {
			p.send(first, topic, id, []byte(payload))
		}
		publish(0x32, "t/queued", 1, "for both")
		p.want(0x40)
		publish(0x33, "t/retained", 2, "and queued")
		p.want(0x40)
		publish(0x33, "t/retained", 3, "in its place")
		p.want(0x40)
		publish(0x33, "alone", 4, "retained")
		p.want(0x40)
		p.send(0x30, "t/zero", []byte("QoS 0"))
		publish(0x34, "t/two", 5, "not released")
		p.want(0x50)
		publish(0x34, "t/two", 6, "released")
		p.want(0x50)
		p.send(0x62, 6)
		p.want(0x70)
		p.send(0xe0)
		p.Close()

		// One takes three of them: the first to its end, the second is received, the
		// third is sent.
		w := attach(t, s, "one")
		var ids []int
		for range 3 {
			first, body := w.read()
			if first>>4 != 3 {
				t.Fatalf("the server sends %#x", first)
			}
			n := 2 + int(binary.BigEndian.Uint16(body))
			id := int(binary.BigEndian.Uint16(body[n:]))
			ids = append(ids, id)
			if len(ids) < 3 {
				if first&6 == 4 {
					w.send(0x50, id)
				} else {
					w.send(0x40, id)
				}
			}
		}
		go io.Copy(io.Discard, w)
		time.Sleep(time.Second)
		w.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		if err := s.compact(j); err != nil {
			t.Fatal(err)
		}
		records := j.records

		dump := func(records []record) []string {
			s, err := New(Options{Authority: anybody{}})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				if err := s.Load(r.kind, []byte(r.body)); err != nil {
					t.Fatal(err)
				}
			}
			if s.loading == nil || s.loading.bad > 0 {
				t.Fatalf("records were left out: %+v", s.loading)
			}
			s.Start(nil)
			defer s.Close(t.Context())
			var out []string
			s.emit(func(kind byte, body []byte) { out = append(out, fmt.Sprintf("%d %q", kind, body)) })
			slices.Sort(out)
			return out
		}
		want, got := dump(records), dump(j.state)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("loaded from the records, and from the state (-records +state):\n%s", diff)
		}
		if all := strings.Join(got, " "); !strings.Contains(all, "for both") || !strings.Contains(all, "not released") || !strings.Contains(all, "and queued") {
			t.Errorf("not everything is there:\n%s", strings.Join(got, "\n"))
		}
	})
}

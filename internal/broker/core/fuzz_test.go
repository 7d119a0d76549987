package core

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script turns bytes into what clients do: every byte is a choice, and where there
// are no more the first one is taken.
type script struct{ b []byte }

func (s *script) pick(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	v := int(s.b[0]) % n
	s.b = s.b[1:]
	return v
}

var (
	scriptTopics  = []string{"a", "a/b", "b", "$SYS/x"}
	scriptFilters = []string{"a", "#", "a/+", "$share/g/a", "$share/g/#", "+/b", "$SYS/#"}
	scriptClients = []string{"x", "y", "z"}
)

func frame(first byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

// connect is any CONNECT of one of the clients.
func (s *script) connect(version byte, id string) []byte {
	name := "MQTT"
	if version == 3 {
		name = "MQIsdp"
	}
	flags := byte(s.pick(2)) << 1
	will := s.pick(3) == 2
	if will {
		flags |= 4 | byte(s.pick(3))<<3 | byte(s.pick(2))<<5
	}
	b := append(appendText(nil, name), version, flags, 0, byte(s.pick(4)))
	if version == 5 {
		var p []byte
		if v := s.pick(4); v > 0 {
			p = append(p, 0x11, 0, 0, 0, byte(v*5))
		}
		if v := s.pick(3); v > 0 {
			p = append(p, 0x21, 0, byte(v))
		}
		if s.pick(3) == 2 {
			p = append(p, 0x27, 0, 0, 0, 20)
		}
		if s.pick(3) == 2 {
			p = append(p, 0x22, 0, 1)
		}
		b = append(append(b, byte(len(p))), p...)
	}
	b = appendText(b, id)
	if will {
		if version == 5 {
			b = append(b, 5, 0x18, 0, 0, 0, byte(s.pick(3)*4))
		}
		b = appendText(appendText(b, scriptTopics[s.pick(len(scriptTopics))]), "gone"[:s.pick(2)*4])
	}
	return frame(0x10, b)
}

// packet is any packet of a connected client.
func (s *script) packet(version byte) []byte {
	id := []byte{0, byte(1 + s.pick(4))}
	props := func(p ...byte) []byte {
		if version < 5 {
			return nil
		}
		return append([]byte{byte(len(p))}, p...)
	}
	switch s.pick(9) {
	case 0:
		qos := s.pick(3)
		b := appendText(nil, scriptTopics[s.pick(len(scriptTopics))])
		if qos > 0 {
			b = append(b, id...)
		}
		switch s.pick(4) {
		case 1:
			b = append(b, props(2, 0, 0, 0, 3)...)
		case 2:
			b = append(b, props(0x23, 0, 1)...)
		default:
			b = append(b, props()...)
		}
		return frame(0x30|byte(qos)<<1|byte(s.pick(2)), append(b, "payload"[:s.pick(8)]...))
	case 1:
		b := append(slices.Clone(id), props()...)
		b = appendText(b, scriptFilters[s.pick(len(scriptFilters))])
		options := byte(s.pick(3))
		if version == 5 {
			options |= byte(s.pick(3)) << 4
		}
		return frame(0x82, append(b, options))
	case 2:
		return frame(0xa2, appendText(append(slices.Clone(id), props()...), scriptFilters[s.pick(len(scriptFilters))]))
	case 3:
		return frame(0x40, id)
	case 4:
		return frame(0x50, id)
	case 5:
		return frame(0x62, id)
	case 6:
		return frame(0x70, id)
	case 7:
		return []byte{0xc0, 0}
	default: // anything
		n := s.pick(12)
		b := make([]byte, 0, n)
		for range n {
			b = append(b, byte(s.pick(256)))
		}
		return frame(byte(s.pick(256)), b)
	}
}

// FuzzSessions lets three clients do whatever comes to mind, in any order and
// through disconnections, expiries and take-overs. Nothing may panic, what the
// journal holds must be what the server knows, and nothing may be left when all
// sessions have ended.
func FuzzSessions(f *testing.F) {
	for i := range uint64(60) {
		r := rand.New(rand.NewPCG(i, 0))
		b := make([]byte, 600)
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 600 {
			return
		}
		synctest.Test(t, func(t *testing.T) { live(t, &script{in}) })
	})
}

func live(t *testing.T, in *script) {
	j := &memory{more: make(chan func(), 1)}
	defer close(j.more)
	s, err := New(Options{Authority: anybody{}, Limits: Limits{MaxQueuedMessages: 5, MaxSubscriptions: 4, MaxAwaySessions: 2}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(j)
	defer s.Close(t.Context())
	type client struct {
		net.Conn
		version byte
	}
	clients := make([]*client, 5) // two more connections than ids
	for len(in.b) > 0 {
		i := in.pick(len(clients))
		c := clients[i]
		switch what := in.pick(8); {
		case c == nil:
			here, there := net.Pipe()
			c = &client{here, byte(3 + in.pick(3))}
			clients[i] = c
			go s.Serve(there, Listener{Name: "test", Local: true, QueueQoS0: in.pick(2) == 1})
			go io.Copy(io.Discard, here)
			go c.Write(in.connect(c.version, scriptClients[i%3]))
		case what == 0:
			c.Close()
			clients[i] = nil
		case what == 1:
			time.Sleep(time.Duration(1+in.pick(9)) * time.Second)
		case what == 2:
			goodbye := []byte{0xe0, 0}
			if c.version == 5 && in.pick(2) == 1 {
				goodbye = []byte{0xe0, 7, 4 * byte(in.pick(2)), 5, 0x11, 0, 0, 0, byte(in.pick(3))}
			}
			go c.Write(goodbye)
			time.Sleep(50 * time.Millisecond)
			c.Close()
			clients[i] = nil
		default:
			p := in.packet(c.version)
			go c.Write(p)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
	}
	for _, c := range clients {
		if c != nil {
			c.Close()
		}
	}
	time.Sleep(3 * time.Second)
	synctest.Wait()
	if n := s.counts.panics.Load(); n != 0 {
		t.Fatalf("%d panics", n)
	}
	restored, err := New(Options{Authority: anybody{}})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.writeDirty()
	s.expireRetained()
	s.mu.Unlock()
	for _, r := range j.records {
		_ = restored.Load(r.kind, []byte(r.body))
	}
	if restored.loading != nil && restored.loading.bad > 0 {
		t.Fatalf("%d records of the journal make no sense", restored.loading.bad)
	}
	restored.Start(nil)
	defer restored.Close(t.Context())
	if diff := cmp.Diff(known(s), known(restored)); diff != "" {
		t.Errorf("what is known, and what is in the journal (-known +journal):\n%s", diff)
	}

	s.mu.Lock()
	defer s.unlock()
	if len(s.conns) != 0 || len(s.waiting) != 0 {
		t.Errorf("%d connections are left, %d wait for the disk", len(s.conns), len(s.waiting))
	}
	for _, sess := range s.sessions {
		sess.will = nil
		s.endSession(sess)
	}
	if s.queued != 0 || s.subs.count != 0 || len(s.subs.root.kids) != 0 || len(s.away) != 0 || s.out.bytes.Load() != 0 {
		t.Errorf("when all sessions have ended %d bytes wait, there are %d subscriptions, %d filters, %d who are away, %d bytes on their way",
			s.queued, s.subs.count, len(s.subs.root.kids), len(s.away), s.out.bytes.Load())
	}
}

// known is a server's state as records, but for what may have been sent.
func known(s *Server) (out []string) {
	s.mu.Lock()
	defer s.unlock()
	for _, sess := range s.sessions {
		sess.q.next = 0
		for i := range sess.q.len() {
			sess.q.at(i).sent = false
		}
	}
	s.emit(func(kind byte, body []byte) { out = append(out, fmt.Sprintf("%d %q", kind, body)) })
	slices.Sort(out)
	return out
}

package broker

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// takeover is how long a new connection waits for the end of the old one of the
// same client id.
const takeover = 7 * time.Second

// conn is a client's connection with what the broker holds for it. The fields
// are for the connection's own goroutine, but for those that
// say otherwise.
type conn struct {
	*door.Conn
	quota       quota         // of messages sent and not acknowledged; for any goroutine
	backlog     backlog       // what waits for the client; for any goroutine
	replaying   atomic.Bool   // retained messages are being sent to it
	publishing  string        // the topic of the message it is publishing, if any
	client      *mqtt.Client  // once its session is being established
	signedIn    func()        // frees the place of one that has not signed in
	established chan struct{} // closed when its session is, or will not be
	unlock      func()        // ends what its packet in work has locked; nil if nothing
	id          string        // held in sessions.ids, under its lock
	old         *mqtt.Client  // whose kept session it takes over, or nil
}

// lock locks for the packet in work, until release.
func (c *conn) lock(lock, unlock func()) {
	lock()
	c.unlock = unlock
}

// release unlocks, if anything is locked.
func (c *conn) release() {
	if c.unlock != nil {
		c.unlock()
		c.unlock = nil
	}
}

// sessions lets one connection of a client id follow the other. Without it the
// server's teardown of an old connection can take away the table entry of a new
// one, which is then connected and gets no message.
type sessions struct {
	server *mqtt.Server
	mu     sync.Mutex
	ids    map[string]*conn                  // being established
	late   map[*mqtt.Client][]packets.Packet // what clients that are taken over dropped
}

func (s *sessions) init(server *mqtt.Server) {
	s.server = server
	s.ids = make(map[string]*conn)
	s.late = make(map[*mqtt.Client][]packets.Packet)
}

// establish waits until cl is the only connection of its id, and holds the id
// until release.
func (s *sessions) establish(cl *mqtt.Client, c *conn) {
	c.signedIn()
	ctx, cancel := context.WithTimeout(context.Background(), takeover)
	defer cancel()
	for !s.hold(cl.ID, c) {
		if ctx.Err() != nil {
			break // go on as the server would without us
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	if old, ok := s.server.Clients.Get(cl.ID); ok {
		if before, ok := old.Net.Conn.(*conn); ok {
			_ = s.server.DisconnectClient(old, packets.ErrSessionTakenOver)
			select {
			case <-before.Finished():
			case <-ctx.Done():
			}
		}
		inOrder(old.State.Inflight)
		c.old = old
		s.mu.Lock()
		s.late[old] = []packets.Packet{}
		s.mu.Unlock()
	}
}

// hold tries to make c the one connection of the id that is being established.
func (s *sessions) hold(id string, c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.ids[id]; held {
		return false
	}
	s.ids[id], c.id = c, id
	return true
}

// release lets the next connection of the id that c holds begin.
func (s *sessions) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.id != "" {
		delete(s.ids, c.id)
		c.id = ""
	}
	delete(s.late, c.old)
	c.old = nil
	select {
	case <-c.established:
	default:
		close(c.established)
	}
}

// await waits until the session of cl is established, so that what is published
// meanwhile does not overtake what has waited for it.
func (s *sessions) await(cl *mqtt.Client) {
	if c, ok := cl.Net.Conn.(*conn); ok {
		<-c.established
	}
}

// dropped keeps a message that a client loses while its session is handed over.
func (s *sessions) dropped(cl *mqtt.Client, pk packets.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if late, ok := s.late[cl]; ok && pk.FixedHeader.Type == packets.Publish {
		s.late[cl] = append(late, pk)
	}
}

// handOver gives cl, whose session is established, what was put into the queue
// of its former self after the server had copied that queue. A publisher may
// still be at it, so it looks again a little later.
func (s *sessions) handOver(cl *mqtt.Client, c *conn) {
	old := c.old
	if old == nil {
		return
	}
	s.mu.Lock()
	late := s.late[old]
	s.mu.Unlock()
	for _, pk := range late {
		if has, ok := cl.State.Inflight.Get(pk.PacketID); !ok || has.TopicName != pk.TopicName || !bytes.Equal(has.Payload, pk.Payload) {
			s.deliver(cl, pk)
		}
	}
	sweep := func() {
		for _, pk := range old.State.Inflight.GetAll(false) {
			if pk.FixedHeader.Type == packets.Publish && old.State.Inflight.Delete(pk.PacketID) {
				s.deliver(cl, pk)
			}
		}
	}
	sweep()
	time.AfterFunc(200*time.Millisecond, sweep)
}

func (s *sessions) deliver(cl *mqtt.Client, pk packets.Packet) {
	id, err := cl.NextPacketID()
	if err != nil {
		return // 65535 messages wait already
	}
	pk.PacketID = uint16(id)
	cl.State.Inflight.Set(pk)
	_ = cl.WritePacket(pk) // if the client is gone again, its session has the message
}

// inOrder gives the messages that wait for a client the order of their packet
// ids, in which they came. The server sorts by creation time, in whole seconds,
// so that messages of one second would be sent in any order.
func inOrder(in *mqtt.Inflight) {
	waiting := slices.DeleteFunc(in.GetAll(false), func(pk packets.Packet) bool {
		return pk.FixedHeader.Type != packets.Publish
	})
	if len(waiting) < 2 {
		return
	}
	slices.SortFunc(waiting, func(a, b packets.Packet) int { return int(a.PacketID) - int(b.PacketID) })
	// Ids go round at 65535; the oldest follows the widest gap.
	first, widest := 0, 65535-int(waiting[len(waiting)-1].PacketID)+int(waiting[0].PacketID)
	for i := 1; i < len(waiting); i++ {
		if gap := int(waiting[i].PacketID) - int(waiting[i-1].PacketID); gap > widest {
			first, widest = i, gap
		}
	}
	for i := range waiting {
		pk := waiting[(first+i)%len(waiting)]
		pk.Created = int64(i)
		in.Set(pk)
	}
}

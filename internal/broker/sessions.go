package broker

import (
	"context"
	"slices"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// takeover is how long a new connection waits for the end of the old one of the
// same client id.
const takeover = 7 * time.Second

// conn is a client's connection with what the broker holds for it. The fields
// are for the connection's own goroutine, but for id.
type conn struct {
	*door.Conn
	signedIn func() // frees the place of one that has not signed in
	unlock   func() // ends what its packet in work has locked; nil if nothing
	id       string // held in sessions.ids, under its lock
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
	ids    map[string]*conn // being established
}

func (s *sessions) init(server *mqtt.Server) {
	s.server = server
	s.ids = make(map[string]*conn)
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

// Package core is the MQTT server: sessions, subscriptions, queues, retained
// messages, wills, and who has acknowledged what, for MQTT 3.1, 3.1.1 and 5. It
// knows the packets and must never know where connections come from, who users
// are, how records get onto the disk, or what the messages say.
//
// One lock, Server.mu, guards everything that sessions share. Packets are checked
// before it is taken and written to sockets after it was let go; what happens
// under it is memory alone.
//
// CONNECT, SUBSCRIBE and UNSUBSCRIBE are decoded, and CONNACK, SUBACK, UNSUBACK and
// DISCONNECT encoded, by mochi's codec. PUBLISH and its acknowledgements, the hot
// ones, are ours, and so are a client's DISCONNECT, of which the codec ignores a
// reason that is not followed by properties, and the properties of a will.
package core

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Options of a server.
type Options struct {
	Authority Authority
	// Journal keeps what must outlive the process; nil keeps nothing.
	Journal Journal
	Limits  Limits
	// SysInterval is the time between changes of $SYS. 0: 10 s; negative: none.
	SysInterval time.Duration
	// Version is what $SYS/broker/version says.
	Version string
	Log     *slog.Logger
}

// Server is one MQTT server.
type Server struct {
	opt   Options
	lim   Limits
	log   *slog.Logger
	auth  Authority
	start time.Time

	mu       sync.Mutex
	journal  Journal // nil: nothing is kept
	loading  *loading
	durable  Seq
	sessions map[string]*session
	conns    map[*conn]struct{}
	subs     tree
	retained retainedTree
	routes   map[string]*route
	gen      uint64             // of the subscriptions: a route of another one is stale
	number   uint64             // the last given to a message or a session
	queued   int64              // bytes of messages that wait for sessions
	waiting  map[*conn]struct{} // with acknowledgements that wait for the disk
	touched  []*conn            // to be written to when the lock is let go
	away     map[string]int     // sessions of clients that are away, by user
	scratch  scratch
	closing  bool
	sysTree  map[string]*message
	sysMax   int // connections
	sysHeap  uint64
	load1    loads

	kicked               []*conn // to be closed when the lock is let go
	pressed              []*conn // whose publishers are to wait a moment
	headBuf              []byte
	propsBuf             []byte
	stampBuf             []byte
	recordBuf            []byte
	note                 string
	dirtySince           int64    // ms: the oldest retained message of QoS 0 that is not in the journal
	hurrying, hurryAgain bool     // see hurry
	urgent               Seq      // the last record that was not lazy
	out                  outTotal // of all connections
	addr                 addresses
	counts               counts
	logs                 struct{ signIn, access, packets, drops, conns limiter }
	stop                 chan struct{}
	stopped              sync.WaitGroup
}

// Seq numbers the journal's records from 1.
type Seq = uint64

// Journal is a durable, ordered log of records.
type Journal interface {
	// Append adds a record and never waits. A lazy one may stay in memory for a
	// minute, or until another goes to the disk.
	Append(kind byte, body []byte, lazy bool) Seq
	// Notify makes f be called, from one goroutine, each time that more has become
	// durable: everything up to mark.
	Notify(f func(mark Seq))
	Durable() Seq
	// Flush puts all that was appended on the disk now, and waits for it.
	Flush() error
	WantsCompaction() bool
	Compact(state func(emit func(kind byte, body []byte))) error
}

// New makes a server, which is empty until Load.
func New(o Options) (*Server, error) {
	if o.Authority == nil {
		return nil, errors.New("making an MQTT server: it needs an authority that signs clients in")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SysInterval == 0 {
		o.SysInterval = 10 * time.Second
	}
	s := &Server{
		opt: o, lim: o.Limits.withDefaults(), log: o.Log, auth: o.Authority, start: time.Now(),
		sessions: map[string]*session{},
		conns:    map[*conn]struct{}{},
		routes:   map[string]*route{},
		waiting:  map[*conn]struct{}{},
		away:     map[string]int{},
		sysTree:  map[string]*message{},
		stop:     make(chan struct{}),
	}
	if o.Journal != nil {
		s.Start(o.Journal)
	}
	return s, nil
}

// Start ends loading and begins the work that goes by the clock. The journal may
// be nil.
func (s *Server) Start(j Journal) {
	s.mu.Lock()
	s.journal = j
	s.loaded()
	s.mu.Unlock()
	if j != nil {
		j.Notify(s.madeDurable)
	}
	s.stopped.Go(s.tick)
}

// now is the time in milliseconds since 1970, by a clock that does not jump.
func (s *Server) now() int64 { return s.start.UnixMilli() + time.Since(s.start).Milliseconds() }

// Reload asks the authority again about everybody. Nobody is disconnected for it:
// identities decide by what is true when they are asked. Those alone go whose
// identity has a method Gone that says so: who could not sign in any more.
func (s *Server) Reload() {
	s.mu.Lock()
	all := map[*conn]Identity{}
	for c := range s.conns {
		if c.sess != nil {
			all[c] = c.sess.identity
		}
	}
	s.changed()
	s.mu.Unlock()
	for c, who := range all { // without the lock: it may look into files
		if g, ok := who.(interface{ Gone() bool }); !ok || !g.Gone() {
			delete(all, c)
		}
	}
	s.mu.Lock()
	defer s.unlock()
	for c := range s.conns {
		if c.sess != nil {
			s.weed(c.sess)
		}
	}
	for c := range all {
		s.log.Info("an MQTT client was disconnected: it may not sign in any more", "user", c.sess.user, "client", clip(c.sess.id))
		s.kick(c, rcNotAuthorized)
	}
}

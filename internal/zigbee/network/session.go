package network

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// ourEndpoint is where devices find the coordinator's application.
const ourEndpoint = 1

// apsOptions make the stack ask for an acknowledgement and find routes and
// addresses by itself.
const apsOptions = ezsp.APSRetry | ezsp.APSEnableRouteDiscovery | ezsp.APSEnableAddressDiscovery

// session is the time from opening the dongle to losing it. Requests to
// devices belong to one session; they fail when it ends.
type session struct {
	n      *Network
	ez     *ezsp.Conn
	ctx    context.Context // ends with the session
	eui64  zcl.EUI64
	since  time.Time        // when the network came up
	status chan ezsp.Status // stack statuses while starting
	heard  atomic.Int64     // UnixNano of the last sign of life of the NCP
	work   sync.WaitGroup   // goroutines of this session
	asking map[uint16]bool  // unknown nodes being identified; guarded by n.mu

	replies        atomic.Int64  // that wait to be sent
	onboarding     chan struct{} // a token for each device that is interviewed or configured
	askRoutes      chan struct{} // ways have broken; has room for one
	noSourceRoutes atomic.Bool   // the NCP does not take any
	sending        sync.Mutex    // held while a way and its message are sent
	restart        chan struct{} // a person wants to begin anew; has room for one

	mu               sync.Mutex
	routeErrorsSince time.Time
	routeErrors      int
	tag              uint8
	zclSeq           uint8
	zdoSeq           uint8
	sent             map[uint8]chan ezsp.Status
	answers          map[answerKey]chan ezsp.IncomingMessage
}

// answerKey is what an answer is recognised by.
type answerKey struct {
	node    uint16
	profile uint16
	cluster uint16
	seq     uint8
}

func newSession(ctx context.Context, n *Network, ez *ezsp.Conn) *session {
	s := &session{
		n:          n,
		ez:         ez,
		ctx:        ctx,
		status:     make(chan ezsp.Status, 16),
		askRoutes:  make(chan struct{}, 1),
		onboarding: make(chan struct{}, maxOnboarding),
		restart:    make(chan struct{}, 1),
		asking:     make(map[uint16]bool),
		sent:       make(map[uint8]chan ezsp.Status),
		answers:    make(map[answerKey]chan ezsp.IncomingMessage),
	}
	s.heard.Store(time.Now().UnixNano())
	return s
}

// spawn runs f in a goroutine that the session's end waits for.
func (s *session) spawn(f func(ctx context.Context)) {
	s.work.Go(func() { f(s.ctx) })
}

// receive takes callbacks until the connection ends, and says why it did.
func (s *session) receive(ctx context.Context) error {
	for {
		cb, err := s.ez.Callback(ctx)
		if err != nil {
			return err
		}
		s.heard.Store(time.Now().UnixNano())
		switch cb := cb.(type) {
		case ezsp.StackStatus:
			if err := s.stackStatus(cb.Status); err != nil {
				return err
			}
		case ezsp.MessageSent:
			s.messageSent(cb)
		case ezsp.IncomingMessage:
			s.n.incoming(s, cb)
		case ezsp.RouteRecord:
			s.n.routeRecord(s, cb)
		case ezsp.RouteError:
			s.n.routeError(s, cb)
		case ezsp.KeyEstablished:
			s.n.log.Debug("a link key was agreed upon, or not", "device", cb.Partner, "status", cb.Status)
		case ezsp.IDConflict:
			s.n.conflict(cb)
		case ezsp.TrustCenterJoin:
			s.n.trustCenterJoin(s, cb)
		}
	}
}

func (s *session) stackStatus(st ezsp.Status) error {
	s.n.log.Debug("stack status", "status", st)
	select {
	case s.status <- st:
	default: // only the start listens
	}
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if st.Is(ezsp.NetworkDown) && !s.since.IsZero() {
		return errNetworkLost
	}
	return nil
}

var errNetworkLost = errors.New("the dongle has left its network")

// awaitUp waits for the stack to say that the network is up.
func (s *session) awaitUp(ctx context.Context) error {
	return s.awaitStatus(ctx, ezsp.NetworkUp, "bring the network up")
}

func (s *session) awaitStatus(ctx context.Context, m ezsp.Meaning, what string) error {
	timer := time.NewTimer(s.n.timing.NetworkUp)
	defer timer.Stop()
	for {
		select {
		case st := <-s.status:
			if st.Is(m) {
				return nil
			}
		case <-timer.C:
			return fmt.Errorf("the dongle did not %s within %v", what, s.n.timing.NetworkUp)
		case <-s.ez.Done():
			return s.ez.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *session) messageSent(m ezsp.MessageSent) {
	s.mu.Lock()
	ch := s.sent[m.Tag]
	delete(s.sent, m.Tag)
	s.mu.Unlock()
	if ch != nil {
		ch <- m.Status
	}
}

// answered gives an incoming message to who waits for it, and reports whether
// anyone did.
func (s *session) answered(m ezsp.IncomingMessage, seq uint8) bool {
	k := answerKey{m.Sender, m.APS.Profile, m.APS.Cluster, seq}
	s.mu.Lock()
	ch := s.answers[k]
	delete(s.answers, k)
	s.mu.Unlock()
	if ch == nil {
		return false
	}
	ch <- m
	return true
}

// unicast sends a message and, when answer is not nil, waits for the answer of
// that key. It fails early when the dongle says that the message was not
// delivered.
func (s *session) unicast(ctx context.Context, node uint16, f ezsp.APSFrame, payload []byte, answer *answerKey, wait time.Duration) (m ezsp.IncomingMessage, err error) {
	m, err = s.exchange(ctx, node, f, payload, answer, wait)
	c := &s.n.stats
	if answer != nil {
		c.requests.Add(1)
	}
	switch {
	case errors.Is(err, ErrTimeout):
		c.timeouts.Add(1)
	case errors.Is(err, ErrNotDelivered):
		c.undelivered.Add(1)
	}
	return m, err
}

func (s *session) exchange(ctx context.Context, node uint16, f ezsp.APSFrame, payload []byte, answer *answerKey, wait time.Duration) (m ezsp.IncomingMessage, err error) {
	sent := make(chan ezsp.Status, 1)
	got := make(chan ezsp.IncomingMessage, 1)
	s.mu.Lock()
	tag, ok := s.freeTag()
	if !ok {
		s.mu.Unlock()
		return m, fmt.Errorf("too many messages are on their way")
	}
	s.sent[tag] = sent
	if answer != nil {
		s.answers[*answer] = got
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		if s.sent[tag] == sent {
			delete(s.sent, tag)
		}
		if answer != nil && s.answers[*answer] == got {
			delete(s.answers, *answer)
		}
		s.mu.Unlock()
	}()
	err = s.whenFree(ctx, func() error {
		return s.launch(ctx, node, f, tag, payload)
	})
	if err != nil {
		return m, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case m = <-got:
			return m, nil
		case st := <-sent:
			switch {
			case !st.OK():
				select {
				case m = <-got: // the answer came all the same
					return m, nil
				default:
					return m, fmt.Errorf("%w (%v)", ErrNotDelivered, st)
				}
			case answer == nil:
				return m, nil
			}
			sent = nil
		case <-timer.C:
			return m, ErrTimeout
		case <-s.ctx.Done():
			return m, ErrDown
		case <-ctx.Done():
			return m, context.Cause(ctx)
		}
	}
}

// freeTag gives a message tag that nothing on its way has. s.mu is held.
func (s *session) freeTag() (uint8, bool) {
	for range 255 {
		if s.tag++; s.tag == 0 {
			s.tag = 1
		}
		if _, used := s.sent[s.tag]; !used {
			return s.tag, true
		}
	}
	return 0, false
}

// whenFree sends a message, again after a moment when the dongle is out of
// buffers.
func (s *session) whenFree(ctx context.Context, send func() error) error {
	for try := 0; ; try++ {
		err := send()
		var st *ezsp.StatusError
		if !errors.As(err, &st) {
			if err != nil && s.ez.Err() != nil {
				return ErrDown
			}
			return err
		}
		if !st.Status.Is(ezsp.Busy) || try == 4 {
			return fmt.Errorf("%w: %v", ErrNotDelivered, err)
		}
		if err := sleep(ctx, 100*time.Millisecond<<try); err != nil {
			return err
		}
	}
}

// ask sends a ZDO request to a node and waits for its response.
func (s *session) ask(ctx context.Context, node uint16, q zdo.Message, wait time.Duration) (zdo.Message, error) {
	s.mu.Lock()
	s.zdoSeq++
	seq := s.zdoSeq
	s.mu.Unlock()
	f := ezsp.APSFrame{Cluster: q.Cluster(), Options: apsOptions}
	k := answerKey{node, 0, zdo.ResponseTo(q.Cluster()), seq}
	m, err := s.unicast(ctx, node, f, zdo.Append(nil, seq, q), &k, wait)
	if err != nil {
		return nil, err
	}
	_, r, err := zdo.Parse(m.APS.Cluster, m.Payload)
	if err != nil {
		return nil, fmt.Errorf("the device's answer makes no sense: %w", err)
	}
	return r, nil
}

// request sends a ZCL command to an endpoint, of this profile, and waits for its
// answer.
func (s *session) request(ctx context.Context, node uint16, endpoint uint8, profile, cluster uint16, q zcl.Frame, wait time.Duration) (zcl.Frame, error) {
	q.Seq = s.nextZCL()
	f := zclAddress(endpoint, cluster)
	f.Profile = profile
	k := answerKey{node, f.Profile, cluster, q.Seq}
	m, err := s.unicast(ctx, node, f, q.Append(nil), &k, wait)
	if err != nil {
		return zcl.Frame{}, err
	}
	r, err := zcl.Parse(m.Payload)
	if err != nil {
		return zcl.Frame{}, fmt.Errorf("the device's answer makes no sense: %w", err)
	}
	if !r.ClusterSpecific && r.Command == zcl.CommandDefaultResponse {
		if _, st, err := zcl.ParseDefaultResponse(r.Payload); err != nil {
			return r, err
		} else if st != zcl.StatusSuccess {
			return r, &RefusedError{Status: st}
		}
	}
	return r, nil
}

func (s *session) nextZCL() uint8 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zclSeq++
	return s.zclSeq
}

func zclAddress(endpoint uint8, cluster uint16) ezsp.APSFrame {
	return ezsp.APSFrame{
		Profile:     zcl.ProfileHomeAutomation,
		Cluster:     cluster,
		Source:      ourEndpoint,
		Destination: endpoint,
		Options:     apsOptions,
	}
}

// maxReplies bounds the replies that wait to be sent: whoever asks faster than
// the dongle can answer gets no answer.
const maxReplies = 64

// reply sends a ZCL frame that nobody waits for.
func (s *session) reply(node uint16, endpoint uint8, cluster uint16, r zcl.Frame) {
	if s.replies.Add(1) > maxReplies {
		s.replies.Add(-1)
		s.n.stats.unanswered.Add(1)
		return
	}
	s.spawn(func(ctx context.Context) {
		defer s.replies.Add(-1)
		if _, err := s.unicast(ctx, node, zclAddress(endpoint, cluster), r.Append(nil), nil, s.n.timing.Request); err != nil {
			s.n.log.Debug("an answer to a device was not delivered", "node", hex16(node), "cluster", hex16(cluster), "err", err)
		}
	})
}

// keepAlive asks an idle NCP for a sign of life. One that gives none ends the
// connection by its timeout.
func (s *session) keepAlive(ctx context.Context) {
	for {
		idle := time.Since(time.Unix(0, s.heard.Load()))
		if wait := s.n.timing.KeepAlive - idle; wait > 0 {
			if sleep(ctx, wait) != nil {
				return
			}
			continue
		}
		var refused *ezsp.InvalidCommandError
		if err := s.ez.Nop(ctx); err != nil && !errors.As(err, &refused) {
			return // the connection has ended
		}
		s.heard.Store(time.Now().UnixNano())
	}
}

// sleep waits for d, or gives the reason why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func hex16[T ~uint16](v T) string { return fmt.Sprintf("0x%04x", uint16(v)) }

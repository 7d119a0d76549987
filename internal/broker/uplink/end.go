package uplink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/uplink/mapping"
)

const (
	connectTimeout = 10 * time.Second // to connect, and again until the CONNACK
	writeTimeout   = 20 * time.Second // that a broker may refuse to read
	// maxWaiting is how many bytes may wait for a broker to read before messages
	// at QoS 0 are dropped. Those at QoS 1 and 2 are bounded by inFlight.
	maxWaiting = 8 << 20
	// inFlight is how many messages at QoS 1 and 2 are under way to the other
	// broker at most; in 3.1.1, which cannot say what it takes, Mosquitto's default
	// of max_inflight_messages.
	inFlight    = 100
	inFlight311 = 20
	// inFlightHere is how many may be under way to us. Our own broker acknowledges
	// when they are on the disk, many at a time.
	inFlightHere = 1000
)

// end is one of the two connections of a bridge.
type end struct {
	name    string // for people
	conn    net.Conn
	r       *bufio.Reader
	version byte // 4 or 5
	private bool // the bridge bit was accepted
	// What the CONNACK said.
	session    bool   // the broker had a session for us
	largest    uint32 // packet it takes; 0: any
	receiveMax int    // messages it takes before it has acknowledged one
	maxQoS     byte
	retains    bool
	keepAlive  time.Duration

	wmu     sync.Mutex // held while bytes are written
	mu      sync.Mutex
	waiting [][]byte
	bytes   int
	wake    chan struct{} // one slot
	subID   uint16
}

// hello is what a CONNECT says.
type hello struct {
	version   byte // 4 or 5
	private   bool // with the bridge bit, of version 4
	clientID  string
	user      string
	password  func() (string, error)
	clean     bool
	keepAlive time.Duration
	receive   int // messages that we take before we have acknowledged one
	will      *packets.Packet
}

// refusal is a CONNACK that says no.
type refusal struct {
	version, code byte
	reason        string
}

func (r *refusal) Error() string {
	what := map[byte]string{1: "it does not speak this version of MQTT", 2: "it does not take this client id", 3: "it is not available", 4: "wrong user name or password", 5: "not authorized",
		0x84: "it does not speak this version of MQTT", 0x85: "it does not take this client id", 0x86: "wrong user name or password", 0x87: "not authorized", 0x88: "it is not available"}[r.code]
	if what == "" {
		what = fmt.Sprintf("reason 0x%02x", r.code)
	}
	if r.reason != "" {
		what += ": " + r.reason
	}
	return "it refused the connection: " + what
}

// wrongVersion tells that another version may be accepted.
func (r *refusal) wrongVersion() bool { return r.code == 1 || r.code == 0x84 }

// errSilent: the broker closed the connection in place of an answer, as some do
// when they do not know the version.
var errSilent = errors.New("it closed the connection without an answer to CONNECT")

// newEnd signs in on a connection, which it closes when that fails.
func newEnd(ctx context.Context, name string, conn net.Conn, h hello) (*end, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	e := &end{name: name, conn: conn, r: bufio.NewReaderSize(conn, 16<<10), version: h.version, private: h.private,
		receiveMax: inFlight, maxQoS: 2, retains: true, keepAlive: h.keepAlive, wake: make(chan struct{}, 1), subID: 65535}
	if err := e.signIn(h); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting to %s: %w", name, err)
	}
	return e, nil
}

func (e *end) signIn(h hello) error {
	pk, err := h.packet()
	if err != nil {
		return err
	}
	b, err := encode(pk)
	if err != nil {
		return err
	}
	if err := e.conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	if _, err := e.conn.Write(b); err != nil {
		return err
	}
	ack, err := readPacket(e.r, h.version)
	if err != nil {
		if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
			return errors.New("it does not answer CONNECT")
		}
		return fmt.Errorf("%w (%w)", errSilent, err)
	}
	if ack.FixedHeader.Type != packets.Connack {
		return fmt.Errorf("it answered CONNECT with a packet of type %d", ack.FixedHeader.Type)
	}
	if ack.ReasonCode != 0 {
		return &refusal{h.version, ack.ReasonCode, ack.Properties.ReasonString}
	}
	e.session = ack.SessionPresent
	if h.version == 4 {
		e.receiveMax = inFlight311
	}
	if p := ack.Properties; h.version == 5 {
		e.largest = p.MaximumPacketSize
		e.receiveMax = 65535
		if p.ReceiveMaximum > 0 {
			e.receiveMax = int(p.ReceiveMaximum)
		}
		if p.MaximumQosFlag {
			e.maxQoS = p.MaximumQos
		}
		e.retains = !p.RetainAvailableFlag || p.RetainAvailable == 1
		if p.ServerKeepAliveFlag && p.ServerKeepAlive > 0 {
			e.keepAlive = time.Duration(p.ServerKeepAlive) * time.Second
		}
	}
	return e.conn.SetDeadline(time.Time{})
}

// packet is the CONNECT.
func (h hello) packet() (packets.Packet, error) {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: h.version}
	pk.Connect = packets.ConnectParams{ProtocolName: []byte("MQTT"), Clean: h.clean, Keepalive: uint16(h.keepAlive / time.Second), ClientIdentifier: h.clientID}
	if h.user != "" {
		pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte(h.user)
	}
	if h.password != nil {
		password, err := h.password()
		if err != nil {
			return pk, err
		}
		pk.Connect.PasswordFlag, pk.Connect.Password = true, []byte(password)
	}
	if w := h.will; w != nil {
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, w.TopicName, w.Payload
		pk.Connect.WillQos, pk.Connect.WillRetain = w.FixedHeader.Qos, w.FixedHeader.Retain
	}
	if h.version == 5 {
		pk.Properties.ReceiveMaximum = uint16(h.receive)
		pk.Properties.MaximumPacketSize = maxPacket
		if !h.clean {
			pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 0xffffffff, true
		}
	} else if h.private {
		pk.ProtocolVersion |= 0x80
	}
	return pk, nil
}

// put gives a packet to the broker. It does not wait. A droppable one is not
// taken when too much waits already.
func (e *end) put(pk packets.Packet, droppable bool) (bool, error) {
	pk.ProtocolVersion = e.version
	b, err := encode(pk)
	if err != nil {
		return false, err
	}
	e.mu.Lock()
	if droppable && e.bytes+len(b) > maxWaiting {
		e.mu.Unlock()
		return false, nil
	}
	e.waiting = append(e.waiting, b)
	e.bytes += len(b)
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return true, nil
}

// write sends what put was given, until ctx ends or the connection fails.
func (e *end) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.wake:
		}
		if err := e.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return fmt.Errorf("writing to %s: %w", e.name, err)
		}
		if err := e.flush(); err != nil {
			return fmt.Errorf("writing to %s: %w", e.name, err)
		}
	}
}

// flush writes what waits.
func (e *end) flush() error {
	e.wmu.Lock()
	defer e.wmu.Unlock()
	e.mu.Lock()
	batch := net.Buffers(e.waiting)
	e.waiting, e.bytes = nil, 0
	e.mu.Unlock()
	_, err := batch.WriteTo(e.conn)
	return err
}

// await sends what waits and reads until a packet of that kind has come, where
// one will; messages that come meanwhile are left to the session.
func (e *end) await(kind byte, comes bool) error {
	if err := e.conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	if err := e.flush(); err != nil {
		return fmt.Errorf("writing to %s: %w", e.name, err)
	}
	for comes {
		pk, err := readPacket(e.r, e.version)
		if err != nil {
			return fmt.Errorf("reading from %s: %w", e.name, err)
		}
		for _, code := range pk.ReasonCodes {
			if code >= 0x80 {
				return fmt.Errorf("%s refuses a subscription: reason 0x%02x", e.name, code)
			}
		}
		comes = pk.FixedHeader.Type != kind
	}
	e.farewell()
	return nil
}

// ping shows the broker and us that both are there.
func (e *end) ping(ctx context.Context) error {
	tick := time.NewTicker(e.keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if _, err := e.put(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}}, false); err != nil {
				return err
			}
		}
	}
}

// read is the next packet. A broker that is silent for one and a half times the
// keep-alive is gone.
func (e *end) read() (packets.Packet, error) {
	if err := e.conn.SetReadDeadline(time.Now().Add(e.keepAlive + e.keepAlive/2)); err != nil {
		return packets.Packet{}, fmt.Errorf("reading from %s: %w", e.name, err)
	}
	pk, err := readPacket(e.r, e.version)
	if err != nil {
		return pk, fmt.Errorf("reading from %s: %w", e.name, err)
	}
	if pk.FixedHeader.Type == packets.Disconnect {
		return pk, fmt.Errorf("%s ended the connection with reason 0x%02x %s", e.name, pk.ReasonCode, pk.Properties.ReasonString)
	}
	return pk, nil
}

// subscribe asks for filters, all in one packet. retain is MQTT 5's retain
// handling. The answer comes with read.
func (e *end) subscribe(filters []mapping.Filter, retain byte) error {
	if len(filters) == 0 {
		return nil
	}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: e.nextSubID()}
	for _, f := range filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f.Filter, Qos: min(f.QoS, e.maxQoS), NoLocal: true, RetainAsPublished: true, RetainHandling: retain})
	}
	_, err := e.put(pk, false)
	return err
}

// unsubscribe gives filters up.
func (e *end) unsubscribe(filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: e.nextSubID()}
	for _, f := range filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f})
	}
	_, err := e.put(pk, false)
	return err
}

// nextSubID takes ids from the top: those of messages are the other broker's,
// which count from the bottom.
func (e *end) nextSubID() uint16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subID--
	return e.subID
}

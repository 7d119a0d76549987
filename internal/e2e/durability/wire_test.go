//go:build e2e || bench

package durability

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The types of MQTT's packets.
const (
	tConnect   = 1
	tConnack   = 2
	tPublish   = 3
	tPuback    = 4
	tPubrec    = 5
	tPubrel    = 6
	tPubcomp   = 7
	tSubscribe = 8
	tSuback    = 9
)

// patience bounds every wait: generous, because the machine may be busy.
const patience = 60 * time.Second

// packet is one of them, as far as these tests look.
type packet struct {
	kind, flags byte
	id          uint16
	topic       string
	props       []byte // of MQTT 5
	body        []byte // payload, or what follows the id
}

func (p packet) qos() byte { return p.flags >> 1 & 3 }

// wire is a client's connection: MQTT 3.1.1, or 5 where a session is to expire.
type wire struct {
	net.Conn
	r       *bufio.Reader
	mu      sync.Mutex
	w       *bufio.Writer
	v5      bool
	present bool // the broker had the session
	early   []packet
}

type hello struct {
	id, user, password string
	clean              bool
	expiry             uint32 // seconds; not 0: MQTT 5
}

func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// connect opens a connection and waits for the broker's answer.
func connect(socket string, h hello) (*wire, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: c, r: bufio.NewReaderSize(c, 64<<10), w: bufio.NewWriterSize(c, 64<<10), v5: h.expiry > 0}
	flags := byte(0xc0)
	if h.clean {
		flags |= 2
	}
	b := text(nil, "MQTT")
	if w.v5 {
		b = append(b, 5, flags, 0, 0, 5, 0x11)
		b = binary.BigEndian.AppendUint32(b, h.expiry)
	} else {
		b = append(b, 4, flags, 0, 0)
	}
	b = text(text(text(b, h.id), h.user), h.password)
	c.SetDeadline(time.Now().Add(patience))
	if err := w.send(tConnect<<4, b); err != nil {
		c.Close()
		return nil, err
	}
	p, err := w.read()
	if err != nil || p.kind != tConnack || len(p.body) < 2 || p.body[1] != 0 {
		c.Close()
		return nil, fmt.Errorf("connecting as %s: the broker answers %+v, %w", h.id, p, cmpErr(err))
	}
	w.present = p.body[0]&1 == 1
	return w, nil
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("which is no yes")
	}
	return err
}

func (w *wire) send(first byte, body []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.put(first, body)
	if err == nil {
		err = w.w.Flush()
	}
	return err
}

func (w *wire) put(first byte, body []byte) error {
	head := binary.AppendUvarint([]byte{first}, uint64(len(body))) // MQTT's lengths have the same form
	if _, err := w.w.Write(head); err != nil {
		return err
	}
	_, err := w.w.Write(body)
	return err
}

// publish writes a message; dup says that it was sent before.
func (w *wire) publish(topic, payload string, qos byte, retain, dup bool, id uint16) error {
	first := byte(tPublish<<4) | qos<<1
	if retain {
		first |= 1
	}
	if dup {
		first |= 8
	}
	b := text(nil, topic)
	if qos > 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	if w.v5 {
		b = append(b, 0)
	}
	return w.send(first, append(b, payload...))
}

// publishFor writes a message of QoS 1 that expires, on an MQTT 5 connection, and
// waits for its acknowledgement.
func (w *wire) publishFor(seconds uint32, topic, payload string, retain bool, id uint16) error {
	first := byte(tPublish<<4) | 2
	if retain {
		first |= 1
	}
	b := append(binary.BigEndian.AppendUint16(text(nil, topic), id), 5, 2)
	b = binary.BigEndian.AppendUint32(b, seconds)
	if err := w.send(first, append(b, payload...)); err != nil {
		return err
	}
	p, err := w.read()
	if err == nil && (p.kind != tPuback || p.id != id) {
		err = fmt.Errorf("publishing to %s: the broker answers %+v", topic, p)
	}
	return err
}

// expiry is how long a message that was received still lives; 0: for ever.
func (p packet) expiry() uint32 {
	if len(p.props) == 5 && p.props[0] == 2 {
		return binary.BigEndian.Uint32(p.props[1:])
	}
	return 0
}

// answer sends a packet that is only an id.
func (w *wire) answer(kind byte, id uint16) error {
	first := kind << 4
	if kind == tPubrel {
		first |= 2
	}
	return w.send(first, binary.BigEndian.AppendUint16(nil, id))
}

func (w *wire) subscribe(filter string, qos byte) error {
	b := []byte{0, 1}
	if w.v5 {
		b = append(b, 0)
	}
	if err := w.send(tSubscribe<<4|2, append(text(b, filter), qos)); err != nil {
		return err
	}
	for {
		p, err := w.receive()
		switch {
		case err != nil:
			return err
		case p.kind == tPublish: // which may come first
			w.early = append(w.early, p)
		case p.kind != tSuback || p.body[len(p.body)-1] != qos:
			return fmt.Errorf("subscribing %s: the broker answers %+v", filter, p)
		default:
			return nil
		}
	}
}

func (w *wire) read() (p packet, err error) {
	if len(w.early) > 0 {
		p, w.early = w.early[0], w.early[1:]
		return p, nil
	}
	return w.receive()
}

func (w *wire) receive() (p packet, err error) {
	first, err := w.r.ReadByte()
	if err != nil {
		return p, err
	}
	n, err := binary.ReadUvarint(w.r)
	if err != nil {
		return p, err
	}
	p.kind, p.flags, p.body = first>>4, first&15, make([]byte, n)
	if _, err := io.ReadFull(w.r, p.body); err != nil {
		return p, err
	}
	take := func(n int) (b []byte) {
		if n > len(p.body) {
			err = io.ErrUnexpectedEOF
			return make([]byte, n)
		}
		b, p.body = p.body[:n], p.body[n:]
		return b
	}
	switch p.kind {
	case tPublish:
		p.topic = string(take(int(binary.BigEndian.Uint16(take(2)))))
		if p.qos() > 0 {
			p.id = binary.BigEndian.Uint16(take(2))
		}
		if w.v5 {
			p.props = take(int(take(1)[0])) // which are short here
		}
	case tPuback, tPubrec, tPubrel, tPubcomp, tSuback:
		p.id = binary.BigEndian.Uint16(take(2))
	}
	if err == nil && (p.kind == tPuback || p.kind == tPubrec) && len(p.body) > 0 && p.body[0] >= 0x80 {
		err = fmt.Errorf("the broker refuses a message, reason %#x", p.body[0])
	}
	return p, err
}

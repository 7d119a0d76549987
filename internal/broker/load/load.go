// Package load puts load on an MQTT broker and measures what comes out at the
// other side: many publishers to one subscriber, one to many, at a steady rate.
// It speaks MQTT 3.1.1 in bytes over TCP, so that little of what is measured is
// its own. It knows no broker and must never know whose it is.
package load

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Broker is where and as whom to connect; without a user name, as nobody.
type Broker struct {
	Address        string
	User, Password string
}

// Patience is how long anything may take before it counts as failed.
const Patience = 60 * time.Second

// Client is a connection that has signed in.
type Client struct {
	Conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
}

// Dial connects with a client id. A clean session ends with the connection.
func (b Broker) Dial(id string, clean bool) (*Client, error) {
	conn, err := net.Dial("tcp", b.Address)
	if err != nil {
		return nil, err
	}
	c := &Client{Conn: conn, r: bufio.NewReaderSize(conn, 64<<10), w: bufio.NewWriterSize(conn, 16<<10)}
	flags := byte(0)
	if clean {
		flags = 2
	}
	tail := text(id)
	if b.User != "" {
		flags |= 0xc0
		tail = append(append(tail, text(b.User)...), text(b.Password)...)
	}
	hello := append(text("MQTT"), 4, flags, 0, 0) // no keep alive
	if _, err := conn.Write(packet(0x10, hello, tail)); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetReadDeadline(time.Now().Add(Patience))
	first, body, err := c.read()
	if err != nil || first != 0x20 || body[1] != 0 {
		conn.Close()
		return nil, fmt.Errorf("connecting to %s: the answer is %02x %x: %w", b.Address, first, body, errors.Join(err, errRefused))
	}
	conn.SetReadDeadline(time.Time{})
	return c, nil
}

var errRefused = errors.New("not accepted")

// Close breaks the connection off.
func (c *Client) Close() { c.Conn.Close() }

// Subscribe waits for the answer.
func (c *Client) Subscribe(filter string, qos byte) error {
	if _, err := c.Conn.Write(packet(0x82, []byte{0, 1}, text(filter), []byte{qos})); err != nil {
		return err
	}
	c.Conn.SetReadDeadline(time.Now().Add(Patience))
	defer c.Conn.SetReadDeadline(time.Time{})
	first, body, err := c.read()
	if err != nil {
		return err
	}
	if first != 0x90 || body[2] != qos {
		return fmt.Errorf("subscribing to %s: the answer is %02x %x", filter, first, body)
	}
	return nil
}

// Publish puts a message into the buffer; Flush sends it. The identifier is for
// QoS 1 and 2.
func (c *Client) Publish(topic string, qos byte, retain bool, id uint16, payload []byte) error {
	first := 0x30 | qos<<1
	if retain {
		first |= 1
	}
	size := 2 + len(topic) + len(payload)
	if qos > 0 {
		size += 2
	}
	var head [8]byte
	h := binary.AppendUvarint(append(head[:0], first), uint64(size))
	h = binary.BigEndian.AppendUint16(h, uint16(len(topic)))
	c.w.Write(h)
	c.w.WriteString(topic)
	if qos > 0 {
		c.w.Write([]byte{byte(id >> 8), byte(id)})
	}
	_, err := c.w.Write(payload)
	return err
}

// Flush sends what Publish has put into the buffer.
func (c *Client) Flush() error { return c.w.Flush() }

// Ping sends a PINGREQ and waits for its answer; messages before it are thrown
// away.
func (c *Client) Ping() error {
	if _, err := c.Conn.Write([]byte{0xc0, 0}); err != nil {
		return err
	}
	c.Conn.SetReadDeadline(time.Now().Add(Patience))
	defer c.Conn.SetReadDeadline(time.Time{})
	for {
		first, _, err := c.read()
		if err != nil || first == 0xd0 {
			return err
		}
	}
}

// Acknowledged waits for n acknowledgements of QoS 1.
func (c *Client) Acknowledged(n int) error {
	for n > 0 {
		c.Conn.SetReadDeadline(time.Now().Add(Patience))
		first, _, err := c.read()
		if err != nil {
			return fmt.Errorf("%d acknowledgements are missing: %w", n, err)
		}
		if first == 0x40 {
			n--
		}
	}
	return nil
}

// Receive takes messages until each says no, and acknowledges those of QoS 1. It
// gives up when nothing comes for the time given.
func (c *Client) Receive(quiet time.Duration, each func(topic, payload []byte) bool) error {
	var acks []byte
	for {
		if c.r.Buffered() == 0 {
			if len(acks) > 0 {
				if _, err := c.Conn.Write(acks); err != nil {
					return err
				}
				acks = acks[:0]
			}
			c.Conn.SetReadDeadline(time.Now().Add(quiet))
		}
		first, body, err := c.read()
		if err != nil {
			return err
		}
		if first>>4 != 3 || len(body) < 2 {
			continue
		}
		n := int(binary.BigEndian.Uint16(body))
		topic, payload := body[2:2+n], body[2+n:]
		if first&6 != 0 {
			acks = append(acks, 0x40, 2, payload[0], payload[1])
			payload = payload[2:]
		}
		if !each(topic, payload) {
			_, err := c.Conn.Write(acks)
			return err
		}
	}
}

// read takes one packet; the body is good until the next.
func (c *Client) read() (first byte, body []byte, err error) {
	if first, err = c.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	size, err := binary.ReadUvarint(c.r) // MQTT's lengths have the same form
	if err != nil {
		return 0, nil, err
	}
	if int(size) <= c.r.Size() {
		if body, err = c.r.Peek(int(size)); err == nil {
			c.r.Discard(int(size))
		}
		return first, body, err
	}
	body = make([]byte, size)
	_, err = io.ReadFull(c.r, body)
	return first, body, err
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func packet(first byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

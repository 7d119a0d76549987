package broker_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// wire is a client that writes bytes.
type wire struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, address string) *wire {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return &wire{t, c, bufio.NewReader(c)}
}

func (w *wire) send(b []byte) {
	w.t.Helper()
	if _, err := w.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

// packet reads one packet; nil when the broker closed the connection.
func (w *wire) packet() []byte {
	w.t.Helper()
	first, err := w.r.ReadByte()
	if err == io.EOF || err != nil && !isTimeout(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal("the broker neither answered nor closed the connection")
	}
	n, err := binary.ReadUvarint(w.r) // MQTT's lengths have the same form
	if err != nil {
		w.t.Fatal(err)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(w.r, body); err != nil {
		w.t.Fatal(err)
	}
	return append([]byte{first, byte(n)}, body...)
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// closed checks that the broker closes the connection, after saying why to an
// MQTT 5 client, with the reason given; 0 for nothing said.
func (w *wire) closed(reason byte) {
	w.t.Helper()
	p := w.packet()
	if reason != 0 {
		if len(p) < 3 || p[0] != 0xe0 || p[2] != reason {
			w.t.Errorf("the broker sent %x, want DISCONNECT with reason %02x", p, reason)
		}
		p = w.packet()
	}
	if p != nil {
		w.t.Errorf("the broker sent %x, want the connection closed", p)
	}
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func frame(first byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

// hello is a CONNECT packet.
type hello struct {
	version        byte
	id             string
	user, password string
	keep           bool // the session
	will           string
	props          []byte
	keepAlive      uint16
}

func (h hello) bytes() []byte {
	name, flags := "MQTT", byte(0x02)
	if h.keep {
		flags = 0
	}
	if h.version == 3 {
		name = "MQIsdp"
	}
	var tail [][]byte
	if h.will != "" {
		flags |= 0x04
		if h.version == 5 {
			tail = append(tail, []byte{0})
		}
		tail = append(tail, text(h.will), text("gone"))
	}
	if h.user != "" {
		flags |= 0x80
		tail = append(tail, text(h.user))
	}
	if h.password != "" {
		flags |= 0x40
		tail = append(tail, text(h.password))
	}
	head := append(text(name), h.version, flags)
	head = binary.BigEndian.AppendUint16(head, h.keepAlive)
	if h.version == 5 {
		head = append(head, byte(len(h.props)))
		head = append(head, h.props...)
	}
	return frame(0x10, head, text(h.id), bytes.Join(tail, nil))
}

// connect signs in and checks the code of the answer.
func (w *wire) connect(h hello, want byte) {
	w.t.Helper()
	w.send(h.bytes())
	p := w.packet()
	if len(p) < 4 || p[0] != 0x20 || p[3] != want {
		w.t.Fatalf("the answer to CONNECT is %x, want code %02x", p, want)
	}
}

// hello is that of a user who may sign in.
func (h *house) hello(t *testing.T, version byte, user, id string) hello {
	t.Helper()
	o := h.options(user)
	password, err := o.Password()
	if err != nil {
		t.Fatal(err)
	}
	return hello{version: version, id: id, user: user, password: password, keepAlive: 60}
}

// ping checks that the broker still answers.
func (h *house) ping(t *testing.T) {
	t.Helper()
	w := dial(t, h.tcp())
	w.connect(h.hello(t, 4, "home", "ping"), 0)
	w.send([]byte{0xc0, 0})
	if p := w.packet(); !bytes.Equal(p, []byte{0xd0, 0}) {
		t.Errorf("the answer to PINGREQ is %x", p)
	}
	w.send([]byte{0xe0, 0})
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

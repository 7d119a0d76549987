package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
)

// A tale is one case: what clients send and what the broker must answer. Each
// line of its script begins with a client's name, of one letter:
//
//	a connect …       clean; "keep" keeps its session, "present" wants that it was
//	                  there, ( … ) are properties; what stands after "..." is
//	                  expected of the answer's properties
//	a > …             sends a packet (see notation)
//	a < …             the next packet is this one
//	a ~ …             one of the next packets is this one; the others wait
//	a closed 82       the connection ends; before that, MQTT 5 is told one of the
//	                  reasons (none: whatever it is told); "silent": nothing is
//	a refused 05/87   the answer to CONNECT has this code, and the connection ends
//	a ends            the connection ends, and whatever comes before says no
//	a sub "x" 01      subscribes, and is granted what it asks for
//	a puts 1r "x" 'm' publishes (QoS, r to retain) and sees it through
//	a acked 40 0001   the next packet acknowledges, with a reason below 80
//	a differ $p $q    two identifiers are not the same
//	a quiet           nothing is there but the answer to a PINGREQ
//	a drop            the connection breaks
//	a leave           DISCONNECT, and the broker closes the connection
//	sleep 1.5s
//	restart           the broker stops and starts on the same directory
type tale struct {
	name     string
	shows    string // statements, "4: 3.1.2-4 5: 3.1.2-5 3.2.2-3"
	versions string // "345"
	script   string
	options  func(*broker.Options)
}

// patience is how long a packet may take.
const patience = 10 * time.Second

// TestMain lets many tales wait at once: that is what most of their time is.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" { // of which it is the number of processes
		if err := flag.Set("test.parallel", "16"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// tell runs tales, each for each of its versions with a broker of its own.
func tell(t *testing.T, tales []tale) {
	for _, c := range tales {
		for _, v := range c.versions {
			t.Run(c.name+"/"+string(v), func(t *testing.T) {
				t.Parallel()
				newStage(t, byte(v-'0'), c.options).play(c.script)
			})
		}
	}
}

// stage is a broker and the clients of one tale.
type stage struct {
	t       *testing.T
	version byte
	opt     broker.Options
	house   *house
	clients map[string]*client
	vars    map[string][]byte
}

type client struct {
	notation
	name    string
	conn    net.Conn
	r       *bufio.Reader
	id      int      // of the last packet that puts or sub sent
	waiting [][]byte // packets that ~ passed by
}

const testUser = "t"

func newStage(t *testing.T, version byte, change func(*broker.Options)) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "conf") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &stage{t: t, version: version, clients: map[string]*client{}, vars: map[string][]byte{}}
	s.opt = broker.Options{
		TCP:     []string{"127.0.0.1:0"},
		Dir:     filepath.Join(dir, "broker"),
		Secrets: filepath.Join(dir, "secrets"),
		Users: map[string]broker.Access{
			testUser: {Read: []string{"#", "$SYS/#"}, Write: []string{"#"}, Deny: []string{"denied/#"}},
			"reader": {Read: []string{"open/#"}},
		},
	}
	if change != nil {
		change(&s.opt)
	}
	s.house = startHouse(t, s.opt)
	t.Cleanup(func() {
		for _, c := range s.clients {
			c.conn.Close()
		}
		s.house.stop()
	})
	return s
}

// house is a broker that runs.
type house struct {
	*broker.Broker
	opt  broker.Options
	stop func()
}

func startHouse(t testing.TB, o broker.Options) *house {
	t.Helper()
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Broker: b, opt: o}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the broker's Run: %v", err)
		}
	})
	<-b.Ready()
	for deadline := time.Now().Add(patience); len(b.Addresses()) < len(o.TCP); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			h.stop()
			t.Fatal("the broker does not listen")
		}
	}
	return h
}

func (h *house) address() string { return h.Addresses()[0] }

func (s *stage) password(user string) string {
	s.t.Helper()
	password, err := broker.ReadPassword(s.opt.Secrets, user)
	if err != nil {
		s.t.Fatal(err)
	}
	return password
}

func (s *stage) dial(name string) *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.house.address())
	if err != nil {
		s.t.Fatal(err)
	}
	password := s.password(testUser)
	c := &client{name: name, conn: conn, r: bufio.NewReader(conn),
		notation: notation{version: s.version, user: testUser, password: password, passwords: s.password, vars: s.vars}}
	s.clients[name] = c
	return c
}

// play runs a script.
func (s *stage) play(script string) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(script), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.line(line); err != nil {
			var at strings.Builder
			for j, l := range lines {
				mark := "  "
				if j == i {
					mark = "→ "
				}
				fmt.Fprintf(&at, "\t%s%s\n", mark, strings.TrimSpace(l))
			}
			s.t.Fatalf("%v\n%s", err, at.String())
		}
	}
}

func (s *stage) line(line string) error {
	name, rest, _ := strings.Cut(line, " ")
	switch name {
	case "sleep":
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		time.Sleep(d)
		return err
	case "restart":
		for _, c := range s.clients {
			c.conn.Close()
		}
		clear(s.clients)
		s.house.stop()
		s.house = startHouse(s.t, s.opt)
		return nil
	}
	verb, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
	c := s.clients[name]
	if c == nil || verb == "connect" {
		c = s.dial(name)
	}
	switch verb {
	case "connect":
		return c.connect(rest)
	case ">":
		return c.send(rest)
	case "<":
		return c.expect(rest)
	case "~":
		return c.find(rest)
	case "closed":
		return c.closed(strings.Fields(rest))
	case "refused":
		if err := c.expect("20 [ 00 " + rest + " (...) ]"); err != nil {
			return err
		}
		return c.closed([]string{"silent"})
	case "differ":
		return c.differ(rest)
	case "ends":
		return c.ends()
	case "sub":
		return c.subscribe(rest)
	case "puts":
		return c.puts(rest)
	case "acked":
		return c.acked(rest)
	case "quiet":
		if err := c.send("c0 00"); err != nil {
			return err
		}
		return c.expect("d0 00")
	case "leave":
		err := c.send("e0 00")
		if err == nil {
			err = c.closed([]string{"silent"})
		}
		c.conn.Close()
		delete(s.clients, name)
		return err
	case "drop":
		c.conn.Close()
		delete(s.clients, name)
		return nil
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// connect sends a CONNECT packet and takes the answer to it.
func (c *client) connect(how string) error {
	flags, present, properties := "c2", "00", ""
	how, answer, _ := strings.Cut(how, "...")
	if i := strings.IndexByte(how, '('); i >= 0 {
		properties = strings.Trim(how[i:], "() ")
		how = how[:i]
	}
	for _, w := range strings.Fields(how) {
		switch w {
		case "keep":
			flags = "c0"
			if !strings.Contains(properties, "11 ") {
				properties = strings.Trim(properties+" , 11 0000012c", ", ")
			}
		case "present":
			present = "01"
		default:
			return fmt.Errorf("unknown word %q", w)
		}
	}
	if c.version == 3 {
		present = ".."
	}
	if err := c.send(fmt.Sprintf("10 [ N v %s 003c (%s) %q @ ]", flags, properties, c.name)); err != nil {
		return err
	}
	return c.expect(fmt.Sprintf("20 [ %s 00 (%s , ...) ]", present, answer))
}

func (c *client) send(text string) error {
	nodes, err := c.parse(text)
	if err != nil {
		return err
	}
	b, err := c.encode(nodes)
	if err != nil {
		return err
	}
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err = c.conn.Write(b)
	return err
}

func (c *client) expect(text string) error {
	nodes, err := c.parse(text)
	if err != nil {
		return err
	}
	p, err := c.packet()
	if err != nil {
		return err
	}
	if err := c.match(nodes, p); err != nil {
		return fmt.Errorf("%s: %w\n\tit was %s", kindOf(p), err, show(p))
	}
	return nil
}

func (c *client) find(text string) error {
	nodes, err := c.parse(text)
	if err != nil {
		return err
	}
	for i, p := range c.waiting {
		if c.match(nodes, p) == nil {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
			return nil
		}
	}
	for {
		p, err := c.read()
		if err != nil {
			var seen strings.Builder
			for _, p := range c.waiting {
				fmt.Fprintf(&seen, "\n\tnot %s", show(p))
			}
			return fmt.Errorf("%w%s", err, seen.String())
		}
		if c.match(nodes, p) == nil {
			return nil
		}
		c.waiting = append(c.waiting, p)
	}
}

// packet is the next one, of those first that find has passed by.
func (c *client) packet() ([]byte, error) {
	if len(c.waiting) > 0 {
		p := c.waiting[0]
		c.waiting = c.waiting[1:]
		return p, nil
	}
	return c.read()
}

var errClosed = errors.New("the broker closed the connection")

func (c *client) read() ([]byte, error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	return readPacket(c.r)
}

func readPacket(r *bufio.Reader) ([]byte, error) {
	first, err := r.ReadByte()
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return nil, fmt.Errorf("the broker sent nothing for %v", patience)
	}
	if err != nil {
		return nil, errClosed
	}
	size, err := binary.ReadUvarint(r) // MQTT's lengths have the same form
	if err != nil {
		return nil, fmt.Errorf("a packet's length: %w", err)
	}
	p := append([]byte{first}, binary.AppendUvarint(nil, size)...)
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("a packet's body: %w", err)
	}
	return append(p, body...), nil
}

func (c *client) closed(reasons []string) error {
	silent := len(reasons) == 1 && reasons[0] == "silent"
	p, err := c.packet()
	if err == nil && c.version == 5 && !silent && p[0] == 0xe0 {
		ok := len(reasons) == 0
		for _, r := range reasons {
			ok = ok || len(p) > 2 && fmt.Sprintf("%02x", p[2]) == r
		}
		if !ok {
			return fmt.Errorf("the reason of DISCONNECT is not %v: %s", reasons, show(p))
		}
		p, err = c.packet()
	} else if errors.Is(err, errClosed) && c.version == 5 && !silent && len(reasons) > 0 {
		return fmt.Errorf("closed without DISCONNECT, want one with reason %v", reasons)
	}
	if err == nil {
		return fmt.Errorf("the connection is open, and %s came: %s", kindOf(p), show(p))
	}
	if !errors.Is(err, errClosed) {
		return fmt.Errorf("the connection is not closed: %w", err)
	}
	return nil
}

func (c *client) differ(rest string) error {
	w := words(rest)
	a, b := c.vars[w[0][1:]], c.vars[w[1][1:]]
	if bytes.Equal(a, b) {
		return fmt.Errorf("both identifiers are %x", a)
	}
	return nil
}

// ends waits for the end of the connection; all that may come before it are
// refusals.
func (c *client) ends() error {
	for {
		p, err := c.packet()
		if errors.Is(err, errClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the connection is not closed: %w", err)
		}
		if p[0] == 0xe0 || p[0] == 0x20 && len(p) > 3 && p[3] != 0 {
			continue
		}
		return fmt.Errorf("the broker answered what it should have refused: %s", show(p))
	}
}

func (c *client) nextID() string {
	c.id++
	return fmt.Sprintf("%04x", c.id)
}

func (c *client) subscribe(rest string) error {
	w := words(rest)
	options := w[len(w)-1]
	id := c.nextID()
	filter := strings.TrimSuffix(strings.TrimSpace(rest), options)
	properties := "()"
	if i := strings.IndexByte(filter, '('); i >= 0 {
		properties, filter = filter[i:], filter[:i]
	}
	if err := c.send("82 [ " + id + properties + filter + options + " ]"); err != nil {
		return err
	}
	var o int
	fmt.Sscanf(options, "%02x", &o)
	return c.find(fmt.Sprintf("90 [ %s (...) %02x ]", id, o&3))
}

func (c *client) puts(rest string) error {
	how, rest, _ := strings.Cut(rest, " ")
	w := words(rest)
	topic, payload := w[0], strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), w[0]))
	if !strings.HasPrefix(payload, "(") {
		payload = "() " + payload
	}
	qos := int(how[0] - '0')
	first, id := 0x30|qos<<1, ""
	if strings.Contains(how, "r") {
		first |= 1
	}
	if qos > 0 {
		id = c.nextID()
	}
	if err := c.send(fmt.Sprintf("%02x [ %s %s %s ]", first, topic, id, payload)); err != nil {
		return err
	}
	switch qos {
	case 1:
		return c.found(0x40, id)
	case 2:
		if err := c.found(0x50, id); err != nil {
			return err
		}
		if err := c.send("62 [ " + id + " ]"); err != nil {
			return err
		}
		return c.found(0x70, id)
	}
	return nil
}

// found finds an acknowledgement that says yes.
func (c *client) found(kind byte, id string) error {
	return c.find(fmt.Sprintf("%02x [ %s -/... ]", kind, id))
}

func (c *client) acked(rest string) error {
	kind, id, _ := strings.Cut(rest, " ")
	p, err := c.packet()
	if err != nil {
		return err
	}
	nodes, err := c.parse(kind + " [ " + id + " -/... ]")
	if err != nil {
		return err
	}
	if err := c.match(nodes, p); err != nil {
		return fmt.Errorf("%s: %w\n\tit was %s", kindOf(p), err, show(p))
	}
	if len(p) > 4 && p[4] >= 0x80 {
		return fmt.Errorf("it says no: %s", show(p))
	}
	return nil
}

var kinds = strings.Fields("0 CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH")

func kindOf(p []byte) string { return kinds[p[0]>>4] }

func show(p []byte) string {
	const most = 200
	if len(p) > most {
		return fmt.Sprintf("%s % x… (%d bytes)", kindOf(p), p[:most], len(p))
	}
	return fmt.Sprintf("%s % x %q", kindOf(p), p, p)
}

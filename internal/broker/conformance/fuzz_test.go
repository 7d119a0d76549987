package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
)

// FuzzConversations has up to three clients say whatever the input says, packet
// after packet, to one broker that goes on over all inputs: good packets, good
// packets with bytes changed, and packets that the specification says end the
// connection. Whatever it is, the broker must not fail, what it sends must be
// packets of the client's version, a packet that ends the connection must not be
// answered, and in the end nothing must be left: no connection, no goroutine, no
// memory.
func FuzzConversations(f *testing.F) {
	f.Add([]byte{0x00, 0x05, 0x02, 0x00, 0x10, 0x05, 0x02, 0x01, 0x01, 0x20, 0x11, 0x25})
	f.Add([]byte("\x00\x01\x01\x10\x00\x02\x20\x02\x02\x30\x40\x50\x60\x70\x80\x90\xa0\xb0\xc0\xd0\xe0\xf0"))
	f.Add([]byte{0x00, 0x04, 0x00, 0x10, 0x00, 0x01, 0x20, 0x06, 0x03, 0x61, 0x03, 0xb0, 0x07, 0x00, 0x04, 0x00, 0x20, 0x06, 0x03})
	house := newFuzzHouse(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		p := &play{t: t, h: house, in: input}
		defer p.end()
		for len(p.in) > 0 && p.steps < 60 {
			p.step()
			p.steps++
		}
	})
}

// fuzzHouse is the broker of all inputs of one process.
type fuzzHouse struct {
	*house
	password   string
	goroutines int
	plays      int
}

func newFuzzHouse(f *testing.F) *fuzzHouse {
	f.Helper()
	dir, err := os.MkdirTemp("", "conf")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	o := broker.Options{
		TCP: []string{"127.0.0.1:0"}, Dir: filepath.Join(dir, "broker"), Secrets: filepath.Join(dir, "secrets"),
		Users:     map[string]broker.Access{testUser: {Read: []string{"#"}, Write: []string{"#"}, Deny: []string{"no/#"}}},
		SyncEvery: 5 * time.Millisecond,
	}
	o.Core.MaxQueuedBytes, o.Core.MaxQueuedMessages = 1<<20, 200
	o.Core.SignInDelay, o.Core.MaxFailedSignIns = time.Millisecond, 1<<30
	h := &fuzzHouse{house: startHouse(f, o)}
	f.Cleanup(h.stop)
	if h.password, err = broker.ReadPassword(o.Secrets, testUser); err != nil {
		f.Fatal(err)
	}
	h.goroutines = runtime.NumGoroutine()
	return h
}

// fuzzPatience is shorter than the time after which the fuzzer gives an input up
// without a word.
const fuzzPatience = 8 * time.Second

// play is one input being played.
type play struct {
	t     *testing.T
	h     *fuzzHouse
	in    []byte
	steps int
	said  []string
	seats [3]*guest
}

// guest is one of the clients. What comes is read by a goroutine of its own.
type guest struct {
	conn    net.Conn
	version byte
	cut     bool // the broker may be waiting for the rest of a packet
	done    sync.WaitGroup

	mu     sync.Mutex
	pongs  int
	wrong  error
	closed bool
	more   chan struct{}
}

// next takes a byte of the input.
func (p *play) next() byte {
	if len(p.in) == 0 {
		return 0
	}
	b := p.in[0]
	p.in = p.in[1:]
	return b
}

var (
	fuzzTopics  = []string{`"x"`, `"x/y"`, `"x/y/z"`, `"/"`, `"no/x"`, `"$SYS/x"`, `""`, `"x\u00e9"`}
	fuzzFilters = []string{`"x"`, `"x/+"`, `"#"`, `"+/y/#"`, `"$share/g/x"`, `"$share/g/#"`, `"$SYS/#"`, `"x/y/z"`}
	fuzzProps   = []string{`()`, `()`, `(02 00000001)`, `(23 0001)`, `(23 0002)`, `(08 "x" , 09 0001 00)`, `(26 "k" "v" , 26 "k" "w")`, `(01 01)`}
	// fuzzEnds are packets that end the connection in every version.
	fuzzEnds = []string{
		`80 [ 0001 () "x" 00 ]`, `82 [ 0000 () "x" 00 ]`, `82 [ 0001 () "x" 03 ]`, `82 [ 0001 () ]`, `82 [ 0001 () "x/#/y" 00 ]`,
		`82 [ 0001 () "" 00 ]`, `a0 [ 0001 () "x" ]`, `a2 [ 0001 () ]`, `36 [ "x" 0001 () ]`, `30 [ "x/#" () ]`, `32 [ "x" 0000 () ]`,
		`38 [ "x" () ]`, `30 [ "\xff" () ]`, `30 [ "x\x00" () ]`, `64 [ 0001 ]`, `10 [ N v c2 003c () "again" @ ]`, `20 [ 00 00 () ]`,
		`90 [ 0001 () 00 ]`, `d0 00`, `00 00`, `c0 01 00`, `30 ffffffff7f`, `44 [ 0001 ]`, `e1 00`, `30 [ 0005 'x' ]`, `62 00`, `40 01 00`,
	}
)

// step does one thing: the high half of a byte says what, the low half who.
func (p *play) step() {
	b := p.next()
	seat := int(b) % len(p.seats)
	g := p.seats[seat]
	if g == nil {
		p.connect(seat)
		return
	}
	id := fmt.Sprintf("%04x", 1+p.next()%6)
	switch b >> 4 {
	case 0, 1:
		o := p.next()
		options := fmt.Sprintf("%02x", o%3)
		if g.version == 5 {
			options = fmt.Sprintf("%02x", o%3|o&0x18|o>>7<<5)
		}
		p.say(seat, `82 [ `+id+` () `+fuzzFilters[p.next()%8]+` `+options+` ]`)
	case 2, 3, 4:
		o := p.next()
		qos := o % 3
		first := 0x30 | qos<<1 | o>>7
		if qos > 0 && o&0x40 != 0 {
			first |= 8
		}
		if qos == 0 {
			id = ""
		}
		p.say(seat, fmt.Sprintf(`%02x [ %s %s %s 'm'*%d ]`, first, fuzzTopics[p.next()%8], id, fuzzProps[o>>3&7], int(p.next())))
	case 5:
		p.say(seat, `40 [ `+id+` ]`)
	case 6:
		p.say(seat, `50 [ `+id+` ]`)
	case 7:
		p.say(seat, `62 [ `+id+` ]`)
	case 8:
		p.say(seat, `70 [ `+id+` ]`)
	case 9:
		p.say(seat, `a2 [ `+id+` () `+fuzzFilters[p.next()%8]+` ]`)
	case 10:
		p.say(seat, `50 [ `+id+` -/97 ]`)
	case 11:
		p.leave(seat, `e0 00`)
	case 12:
		p.leave(seat, "")
	case 13:
		p.changed(seat)
	case 14:
		p.mustEnd(seat, fuzzEnds[int(p.next())%len(fuzzEnds)])
	case 15:
		p.mustLive(seat)
	}
}

func (p *play) packet(g *guest, text string) []byte {
	n := notation{version: g.version, user: testUser, password: p.h.password}
	nodes, err := n.parse(text)
	if err != nil {
		p.t.Fatalf("%s: %v", text, err)
	}
	b, err := n.encode(nodes)
	if err != nil {
		p.t.Fatalf("%s: %v", text, err)
	}
	return b
}

func (p *play) connect(seat int) {
	o, more := p.next(), p.next()
	conn, err := net.Dial("tcp", p.h.address())
	if err != nil {
		p.fail("connecting: %v", err)
	}
	g := &guest{conn: conn, version: 3 + o%3, more: make(chan struct{}, 1)}
	flags := 0xc0 | o&2
	will, properties := "", []string{"()", "(21 0001)", "(11 00000001)", "(11 0000012c , 22 0002)", "(27 00000040)", "(17 00)", "(11 ffffffff)", "(21 0003 , 11 00000005)"}[more&7]
	if o&4 != 0 {
		flags |= 4 | more>>3%3<<3 | o>>7<<5
		will = []string{`()`, `(18 00000001)`, `(02 00000001)`, `(26 "k" "v")`}[more>>5&3] + ` ` + fuzzTopics[more>>4&3] + ` "gone"`
	}
	p.seats[seat] = g
	p.said = append(p.said, fmt.Sprintf("%d connects", seat))
	conn.SetDeadline(time.Now().Add(time.Minute))
	conn.Write(p.packet(g, fmt.Sprintf(`10 [ N v %02x 001e %s "%c" %s @ ]`, flags, properties, 'a'+rune(o>>4&3), will)))
	g.done.Go(g.read)
}

// read checks what the broker sends.
func (g *guest) read() {
	r := bufio.NewReader(g.conn)
	for first := true; ; first = false {
		p, err := readPacket(r)
		g.mu.Lock()
		if err != nil {
			g.closed = true
		} else if err := g.fit(p, first); err != nil && g.wrong == nil {
			g.wrong = fmt.Errorf("%w: %s", err, show(p))
		} else if p[0] == 0xd0 {
			g.pongs++
		}
		g.mu.Unlock()
		select {
		case g.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// fit tells what is wrong with a packet of the broker's.
func (g *guest) fit(p []byte, first bool) error {
	shape := map[byte]string{
		2: "20 [ .. .. (...) ]", 4: "40 [ $p ... ]", 5: "50 [ $p ... ]", 6: "62 [ $p ... ]", 7: "70 [ $p ... ]",
		9: "90 [ $p (...) .. ]", 11: "b0 [ $p (...) -/.. ]", 13: "d0 00", 14: "e0 [ .. ... ]",
	}[p[0]>>4]
	n := notation{version: g.version, vars: map[string][]byte{}}
	switch kind := p[0] >> 4; {
	case first && kind != 2 || !first && kind == 2:
		return errors.New("CONNACK is not where it belongs")
	case kind == 14 && g.version < 5:
		return errors.New("a DISCONNECT to a client of MQTT 3")
	case kind == 3 && p[0]&6 == 6 || kind == 3 && p[0]&0xe == 8:
		return errors.New("its flags are wrong")
	case kind == 3:
		return g.fitPublish(p)
	case shape == "":
		return errors.New("a server does not send this")
	}
	nodes, err := n.parse(shape)
	if err != nil {
		return err
	}
	return n.match(nodes, p)
}

func (g *guest) fitPublish(p []byte) error {
	i := 1
	for p[i]&0x80 != 0 {
		i++
	}
	b := p[i+1:]
	if len(b) < 2 || len(b) < 2+int(b[0])<<8+int(b[1]) {
		return errors.New("its topic is cut")
	}
	topic := string(b[2 : 2+int(b[0])<<8+int(b[1])])
	b = b[2+len(topic):]
	if strings.ContainsAny(topic, "#+\x00") || topic == "" && g.version < 5 {
		return errors.New("its topic is wrong")
	}
	if p[0]&6 != 0 {
		if len(b) < 2 || b[0] == 0 && b[1] == 0 {
			return errors.New("it has no identifier")
		}
		b = b[2:]
	}
	if g.version == 5 {
		n := notation{version: 5, vars: map[string][]byte{}}
		return n.match([]node{{kind: '(', open: true}, {kind: '*'}}, b)
	}
	return nil
}

func (p *play) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s\nafter:\n\t%s", fmt.Sprintf(format, args...), strings.Join(p.said, "\n\t"))
}

// say sends a packet; the connection may have ended already.
func (p *play) say(seat int, text string) {
	p.said = append(p.said, fmt.Sprintf("%d > %s", seat, text))
	p.seats[seat].conn.Write(p.packet(p.seats[seat], text))
}

// changed sends a packet with a byte changed.
func (p *play) changed(seat int) {
	g := p.seats[seat]
	all := append([]string{`30 [ "x" (01 01) 'm' ]`, `82 [ 0001 () "x" 00 ]`, `a2 [ 0001 () "x" ]`, `32 [ "x/y" 0001 (26 "k" "v") 'm' ]`, `62 [ 0001 ]`}, fuzzEnds...)
	b := p.packet(g, all[int(p.next())%len(all)])
	b[int(p.next())%len(b)] = p.next()
	p.said = append(p.said, fmt.Sprintf("%d > % x", seat, b))
	g.conn.Write(b)
	g.cut = true
	if p.next()%2 == 0 {
		p.leave(seat, "")
	}
}

// leave ends a connection from this side.
func (p *play) leave(seat int, text string) {
	g := p.seats[seat]
	p.said = append(p.said, fmt.Sprintf("%d leaves %s", seat, text))
	if text != "" {
		g.conn.Write(p.packet(g, text))
	}
	g.conn.Close()
	g.done.Wait()
	p.seats[seat] = nil
	if g.wrong != nil {
		p.fail("to client %d: %v", seat, g.wrong)
	}
}

// mustEnd sends a packet that ends the connection, and a PINGREQ that is not to
// be answered.
func (p *play) mustEnd(seat int, text string) {
	g := p.seats[seat]
	if g.cut || !p.alive(g) {
		p.leave(seat, "")
		return
	}
	p.say(seat, text)
	p.say(seat, "c0 00")
	g.mu.Lock()
	pongs := g.pongs
	g.mu.Unlock()
	for deadline := time.After(fuzzPatience); ; {
		g.mu.Lock()
		closed, now := g.closed, g.pongs
		g.mu.Unlock()
		if now > pongs {
			p.fail("client %d was answered after %s", seat, text)
		}
		if closed {
			break
		}
		select {
		case <-g.more:
		case <-deadline:
			p.fail("client %d is still connected after %s", seat, text)
		}
	}
	p.leave(seat, "")
}

// alive tells whether a PINGREQ is answered; nothing is to be on its way after.
func (p *play) alive(g *guest) bool {
	g.mu.Lock()
	pongs := g.pongs
	g.mu.Unlock()
	g.conn.Write([]byte{0xc0, 0})
	for deadline := time.After(fuzzPatience); ; {
		g.mu.Lock()
		closed, now := g.closed, g.pongs
		g.mu.Unlock()
		if closed || now > pongs {
			return !closed
		}
		select {
		case <-g.more:
		case <-deadline:
			p.fail("a client is connected, and its PINGREQ is not answered")
		}
	}
}

func (p *play) mustLive(seat int) {
	if g := p.seats[seat]; !g.cut {
		p.alive(g)
	}
}

// end looks at what is left.
func (p *play) end() {
	for i, g := range p.seats {
		if g != nil {
			p.leave(i, "")
		}
	}
	h := p.h
	if n := h.Stats().Panics; n > 0 {
		p.fail("a connection ended by a panic")
	}
	h.plays++
	if h.plays%50 != 1 {
		return
	}
	for deadline := time.Now().Add(fuzzPatience); ; time.Sleep(time.Millisecond) {
		conns, goroutines := h.Stats().Connections, runtime.NumGoroutine()
		if conns == 0 && goroutines <= h.goroutines+20 {
			break
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			p.fail("%d connections and %d goroutines are left, there were %d at the beginning:\n%s", conns, goroutines, h.goroutines, stacks)
		}
	}
	if m := memory(); m > 150<<20 {
		p.fail("the process has %d MB", m>>20)
	}
}

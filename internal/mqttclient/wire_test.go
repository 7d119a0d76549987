package mqttclient

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// broker is one by hand: what it reads and writes are bytes.
type broker struct {
	t *testing.T
	l net.Listener
	net.Conn
}

func listen(t *testing.T) *broker {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &broker{t: t, l: l}
}

// open opens a client of it.
func (b *broker) open(o Options) *Client {
	b.t.Helper()
	o.Server, o.ClientID = "unix://"+b.l.Addr().String(), "c"
	c, err := Open(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx)
	})
	return c
}

// accept takes the client's next connection and answers its CONNECT.
func (b *broker) accept(connack string) {
	b.t.Helper()
	c, err := b.l.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	b.Conn = c
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil || head[0] != 0x10 {
		b.t.Fatalf("not a CONNECT: %x, %v", head, err)
	}
	if _, err := io.CopyN(io.Discard, c, int64(head[1])); err != nil {
		b.t.Fatal(err)
	}
	b.say(connack)
}

func (b *broker) say(text string) {
	b.t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err == nil {
		_, err = b.Write(raw)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// hear reads what the client is to send next.
func (b *broker) hear(text string) {
	b.t.Helper()
	want, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	got := make([]byte, len(want))
	if err := b.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		b.t.Fatal(err)
	}
	n, err := io.ReadFull(b, got)
	if !bytes.Equal(got[:n], want) {
		b.t.Fatalf("heard %x, %v; want %x", got[:n], err, want)
	}
}

const (
	welcome      = "20 03 00 00 00"
	welcomeAgain = "20 03 01 00 00"
)

func await(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
}

func (c *Client) publishing(m Message) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.Publish(context.Background(), m) }()
	return done
}

func TestPublishesWithQoS2(t *testing.T) {
	b := listen(t)
	c := b.open(Options{})
	b.accept(welcome)
	await(t, c)
	done := c.publishing(Message{Topic: "a", QoS: 2})
	b.hear("34 06 0001 61 0001 00")
	b.say("50 02 0001")
	b.hear("62 02 0001")
	b.say("50 02 0001") // it has not heard the PUBREL
	b.hear("62 02 0001")
	select {
	case err := <-done:
		t.Fatalf("it is done before PUBCOMP: %v", err)
	default:
	}
	b.say("70 02 0001")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	done = c.publishing(Message{Topic: "a", QoS: 2})
	b.hear("34 06 0001 61 0002 00")
	b.say("50 03 0002 97")
	if err := <-done; !errors.Is(err, ErrRefused) {
		t.Errorf("a quota exceeded: %v, want ErrRefused", err)
	}
}

func TestTakesQoS2Once(t *testing.T) {
	b := listen(t)
	c := b.open(Options{})
	got := make(chan string, 9)
	if err := c.Subscribe(t.Context(), "#", 2, func(m Message) { got <- string(m.Payload) }); err != nil {
		t.Fatal(err)
	}
	b.accept(welcome)
	b.hear("82 07 0001 00 0001 23 02")
	b.say("90 04 0001 00 02")
	b.say("34 07 0001 61 0007 00 31")
	b.hear("50 02 0007")
	b.say("3c 07 0001 61 0007 00 31" + "62 02 0007")
	b.hear("70 02 0007")
	b.say("34 07 0001 61 0007 00 32") // the id is free again
	b.hear("50 02 0007")
	if diff := cmp.Diff([]string{"1", "2"}, []string{<-got, <-got}); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
}

// What the broker may have, or not, is sent again in a session that it kept, as it
// would else take the next message with that id for the same.
func TestSendsAgainInAKeptSession(t *testing.T) {
	b := listen(t)
	c := b.open(Options{SessionExpiry: time.Hour})
	b.accept(welcome)
	await(t, c)
	done := c.publishing(Message{Topic: "a", Payload: []byte("x"), QoS: 2})
	b.hear("34 07 0001 61 0001 00 78")
	b.Close()
	if err := <-done; !errors.Is(err, ErrDown) {
		t.Fatalf("got %v, want ErrDown", err)
	}
	b.accept(welcomeAgain)
	b.hear("3c 07 0001 61 0001 00 78")
	b.say("50 02 0001")
	b.hear("62 02 0001")
	b.Close()
	b.accept(welcomeAgain)
	b.hear("62 02 0001")
	b.say("70 02 0001")
	b.Close()
	b.accept(welcomeAgain)
	await(t, c)
	done = c.publishing(Message{Topic: "b"})
	b.hear("30 04 0001 62 00") // nothing before it
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestKeepsWithinTheBrokersLimits(t *testing.T) {
	b := listen(t)
	c := b.open(Options{})
	b.accept("20 0d 00 00 0a" + "21 0001" + "24 01" + "27 00000010") // 1 message, QoS 1, 16 bytes
	await(t, c)
	if err := c.Publish(t.Context(), Message{Topic: "a", QoS: 2}); err == nil {
		t.Error("QoS 2 was published")
	}
	if err := c.Publish(t.Context(), Message{Topic: "a", Payload: make([]byte, 20)}); err == nil || errors.Is(err, ErrDown) {
		t.Errorf("a large message: %v", err)
	}
	first := c.publishing(Message{Topic: "a", QoS: 1})
	b.hear("32 06 0001 61 0001 00")
	second := c.publishing(Message{Topic: "b", QoS: 1})
	time.Sleep(20 * time.Millisecond)
	free := c.publishing(Message{Topic: "c"})
	b.hear("30 04 0001 63 00") // no second message before it
	b.say("40 02 0001")
	b.hear("32 06 0001 62 0002 00")
	b.say("40 02 0002")
	for _, done := range []<-chan error{first, second, free} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestSaysWhyAConnectionEnded(t *testing.T) {
	for name, c := range map[string]struct{ bytes, want string }{
		"Disconnected": {"e0 07 8e 05 1f 0002 6e6f", "reason 0x8e: no"},
		"Nonsense":     {"ff 00", "malformed"},
		"Unexpected":   {welcome, "CONNACK"},
	} {
		b := listen(t)
		down := make(chan error, 1)
		client := b.open(Options{OnDown: func(err error) { down <- err }})
		b.accept(welcome)
		await(t, client)
		b.say(c.bytes)
		if err := <-down; !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Acknowledgements of what waits at once go out together.
func TestAcknowledgesInOneWrite(t *testing.T) {
	b := listen(t)
	c := b.open(Options{})
	entered, release := make(chan struct{}, 9), make(chan struct{})
	if err := c.Subscribe(t.Context(), "#", 1, func(Message) { entered <- struct{}{}; <-release }); err != nil {
		t.Fatal(err)
	}
	b.accept(welcome)
	b.hear("82 07 0001 00 0001 23 01")
	b.say("90 04 0001 00 01")
	b.say("32 06 0001 61 0001 00" + "32 06 0001 61 0002 00" + "32 06 0001 61 0003 00")
	<-entered
	time.Sleep(20 * time.Millisecond) // the others have come too
	close(release)
	buf := make([]byte, 100)
	n, err := b.Read(buf)
	if want := "400200014002000240020003"; err != nil || hex.EncodeToString(buf[:n]) != want {
		t.Errorf("got %x, %v; want %s", buf[:n], err, want)
	}
}

package mqttclient

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const subscribed = "82 07 0001 00 0001 23 02"

// holder is a client that holds acknowledgements, on a broker by hand that has
// its subscription.
func holder(t *testing.T, o Options) (*broker, *Client, chan Message) {
	t.Helper()
	b := listen(t)
	o.HoldAcks, o.SessionExpiry = true, time.Hour
	c := b.open(o)
	got := make(chan Message, 9)
	if err := c.Subscribe(t.Context(), "#", 2, func(m Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	b.accept(welcome)
	b.hear(subscribed)
	b.say("90 04 0001 00 02")
	return b, c, got
}

// again is the next connection of a session that was kept.
func (b *broker) again(id string) {
	b.t.Helper()
	b.Close()
	b.accept(welcomeAgain)
	b.hear("82 07 " + id + " 00 0001 23 02")
	b.say("90 04 " + id + " 00 02")
}

func TestHeldAcknowledgementsGoOutInOrder(t *testing.T) {
	b, c, got := holder(t, Options{})
	b.say("32 07 0001 61 0001 00 31" + "34 07 0001 61 0002 00 32" + "32 07 0001 61 0003 00 33" + "30 05 0001 61 00 34")
	var m [4]Message
	for i := range m {
		m[i] = <-got
	}
	if m[0].ID != 1 || m[1].ID != 2 || m[3].ID != 0 {
		t.Errorf("the ids are %d, %d, %d; want 1, 2, 0", m[0].ID, m[1].ID, m[3].ID)
	}
	m[3].Ack() // of QoS 0, which means nothing
	m[2].Ack()
	m[1].Ack()
	await(t, c)
	done := c.publishing(Message{Topic: "b"})
	b.hear("30 04 0001 62 00") // no acknowledgement before it
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	m[0].Ack()
	b.hear("40 02 0001" + "50 02 0002" + "40 02 0003")
	b.say("62 02 0002")
	b.hear("70 02 0002")
}

// What comes again because the connection was lost is not handled again, and its
// acknowledgement goes to the new connection.
func TestHeldMessagesOfALostConnection(t *testing.T) {
	b, c, got := holder(t, Options{})
	b.say("32 07 0001 61 0001 00 31" + "34 07 0001 61 0002 00 32" + "32 07 0001 61 0003 00 33")
	one, two, three := <-got, <-got, <-got
	b.again("0002")
	await(t, c)
	two.Ack() // before it comes again
	b.say("3a 07 0001 61 0001 00 31" + "3c 07 0001 61 0002 00 32" + "3a 07 0001 61 0003 00 33")
	one.Ack()
	b.hear("40 02 0001" + "50 02 0002")
	b.again("0003") // which the broker did not hear
	await(t, c)
	b.say("3a 07 0001 61 0001 00 31" + "3c 07 0001 61 0002 00 32" + "3a 07 0001 61 0003 00 33" + "32 07 0001 61 0004 00 34")
	b.hear("50 02 0002")
	m := <-got
	if !m.Again || string(m.Payload) != "1" { // that of QoS 1 may be another: the handlers decide
		t.Errorf("got %+v, want the first message again", m)
	}
	m.Ack()
	b.hear("40 02 0001")
	three.Ack()
	b.hear("40 02 0003")
	if m := <-got; m.Again || string(m.Payload) != "4" {
		t.Errorf("got %+v, want the fourth message", m)
	}
}

// Where the broker has forgotten the session, so have we.
func TestHeldMessagesOfALostSession(t *testing.T) {
	b, c, got := holder(t, Options{})
	b.say("32 07 0001 61 0001 00 31")
	old := <-got
	b.Close()
	b.accept(welcome)
	b.hear("82 07 0002 00 0001 23 02")
	b.say("90 04 0002 00 02")
	await(t, c)
	b.say("32 07 0001 61 0001 00 32")
	m := <-got
	old.Ack()
	done := c.publishing(Message{Topic: "b"})
	b.hear("30 04 0001 62 00") // no acknowledgement of what is not its
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	m.Ack()
	b.hear("40 02 0001")
}

func TestEachHandlerAcknowledges(t *testing.T) {
	b := listen(t)
	c := b.open(Options{HoldAcks: true})
	got := make(chan Message, 9)
	for _, filter := range []string{"a", "+"} {
		if err := c.Subscribe(t.Context(), filter, 1, func(m Message) { got <- m }); err != nil {
			t.Fatal(err)
		}
	}
	b.accept(welcome)
	b.hear("82 0b 0001 00 0001 61 01 0001 2b 01")
	b.say("90 05 0001 00 01 01")
	await(t, c)
	b.say("32 07 0001 61 0001 00 31")
	(<-got).Ack()
	done := c.publishing(Message{Topic: "b"})
	b.hear("30 04 0001 62 00")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	(<-got).Ack()
	b.hear("40 02 0001")
}

// Messages of a kept session that no subscription asks for.
func TestUnclaimedMessages(t *testing.T) {
	b := listen(t)
	got := make(chan Message, 9)
	b.open(Options{HoldAcks: true, SessionExpiry: time.Hour, Unclaimed: func(m Message) { got <- m }})
	b.accept(welcomeAgain)
	b.say("32 07 0001 61 0001 00 31" + "30 05 0001 62 00 32")
	m := <-got
	if diff := cmp.Diff([]string{"a", "b"}, []string{m.Topic, (<-got).Topic}); diff != "" {
		t.Errorf("unclaimed (-want +got):\n%s", diff)
	}
	m.Ack()
	b.hear("40 02 0001")
	b.say("32 07 0001 61 0001 00 31") // the id is another's now
	if m := <-got; m.Again {
		t.Error("it is taken for the first one")
	}
}

func TestReadsWhenAMessageCame(t *testing.T) {
	for text, want := range map[string]Message{
		"1764558000123 4567":                 {Received: time.UnixMilli(1764558000123), Age: 4567 * time.Millisecond},
		"1764558000123":                      {Received: time.UnixMilli(1764558000123), Age: -1},
		"1764558000123 -3":                   {Received: time.UnixMilli(1764558000123), Age: -1},
		"1764558000123 9223372036854775807":  {Received: time.UnixMilli(1764558000123), Age: -1},
		"yesterday":                          {},
		"-5 1":                               {},
		"":                                   {},
		"99999999999999999999999999999999 1": {},
	} {
		var got Message
		got.Received, got.Age = readStamp(text)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestSubscribesToManyAtOnce(t *testing.T) {
	b := listen(t)
	c := b.open(Options{})
	b.accept(welcome)
	await(t, c)
	type answer struct {
		refused map[string]error
		err     error
	}
	done := make(chan answer, 1)
	got := make(chan Message, 9)
	go func() {
		refused, err := c.SubscribeAll(t.Context(), []string{"a", "b"}, 1, func(m Message) { got <- m })
		done <- answer{refused, err}
	}()
	b.hear("82 0b 0001 00 0001 61 01 0001 62 01")
	b.say("90 05 0001 00 01 87")
	a := <-done
	if a.err != nil || len(a.refused) != 1 || !errors.Is(a.refused["b"], ErrRefused) {
		t.Errorf("got %v, %v; want b refused", a.refused, a.err)
	}
	b.say("30 05 0001 61 00 31")
	if m := <-got; m.Topic != "a" {
		t.Errorf("got %+v", m)
	}
	b.Close()
	b.accept(welcome) // what was refused is not asked for again
	b.hear("82 07 0002 00 0001 61 01")
}

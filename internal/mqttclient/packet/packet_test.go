package packet

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ptr[T any](v T) *T { return &v }

func TestWrites(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"ConnectOfNobody": {AppendConnect(nil, Hello{ClientID: "a", Clean: true, KeepAlive: 20, ReceiveMaximum: 0x1234}),
			"10 11 0004 4d515454 05 02 0014 03 21 1234 0001 61"},
		"ConnectWithAll": {AppendConnect(nil, Hello{ClientID: "a", User: ptr("u"), Password: ptr("pw"), SessionExpiry: 3600,
			Will: &Message{Topic: "w", Payload: []byte("x"), QoS: 1, Retain: true}}),
			"10 21 0004 4d515454 05 ec 0000 05 11 00000e10 0001 61 00 0001 77 0001 78 0001 75 0002 7077"},
		"ConnectWithAWillThatExpires": {AppendConnect(nil, Hello{Will: &Message{Topic: "w", QoS: 2, Expiry: 7}}),
			"10 18 0004 4d515454 05 14 0000 00 0000 05 02 00000007 0001 77 0000"},
		"Publish":             {AppendPublish(nil, Message{Topic: "a/b", Payload: []byte("hi")}, 9, false), "30 08 0003 612f62 00 6869"},
		"PublishOfQoS1":       {AppendPublish(nil, Message{Topic: "a", QoS: 1, Retain: true}, 0x0102, false), "33 06 0001 61 0102 00"},
		"PublishOnceMore":     {AppendPublish(nil, Message{Topic: "a", QoS: 2}, 1, true), "3c 06 0001 61 0001 00"},
		"PublishThatExpires":  {AppendPublish(nil, Message{Topic: "a", Payload: []byte("x"), Expiry: 0x01020304}, 0, false), "30 0a 0001 61 05 02 01020304 78"},
		"PublishAfterOthers":  {AppendPublish([]byte{0xc0, 0}, Message{Topic: "a"}, 0, false), "c000 30 04 0001 61 00"},
		"Puback":              {AppendAck(nil, Puback, 0x0102), "40 02 0102"},
		"Pubrel":              {AppendAck(nil, Pubrel, 1), "62 02 0001"},
		"Subscribe":           {AppendSubscribe(nil, 5, 1, "a/#"), "82 09 0005 00 0003 612f23 01"},
		"SubscribeToTwo":      {AppendSubscribe(nil, 5, 1, "a", "b"), "82 0b 0005 00 0001 61 01 0001 62 01"},
		"Unsubscribe":         {AppendUnsubscribe(nil, 5, "a"), "a2 06 0005 00 0001 61"},
		"Disconnect":          {AppendDisconnect(nil, 4), "e0 02 04 00"},
		"LengthOfTwoBytes":    {AppendPublish(nil, Message{Topic: "a", Payload: make([]byte, 124)}, 0, false)[:3], "30 80 01"},
		"LengthOfOneByte":     {AppendPublish(nil, Message{Topic: "a", Payload: make([]byte, 123)}, 0, false)[:2], "30 7f"},
		"LengthOfThreeBytes":  {AppendPublish(nil, Message{Topic: "a", Payload: make([]byte, 1<<14)}, 0, false)[:4], "30 84 80 01"},
		"PingHasNothingInIt":  {Ping, "c000"},
		"PubrecIsNotReserved": {AppendAck(nil, Pubrec, 2), "50 02 0002"},
	} {
		if diff := cmp.Diff(bytesOf(t, c.want), c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// reads are packets that brokers send.
var reads = map[string]struct {
	bytes string
	want  Packet
}{
	"Publish":       {"31 08 0003 612f62 00 6869", Packet{Kind: Publish, Message: Message{Topic: "a/b", Payload: []byte("hi"), Retain: true}}},
	"PublishOfQoS2": {"3c 06 0001 61 0102 00", Packet{Kind: Publish, ID: 0x0102, Again: true, Message: Message{Topic: "a", Payload: []byte{}, QoS: 2}}},
	"PublishWithAStamp": {"30 1b 0001 61 16" + "26 0009 68656d732d74696d65 0003 312032" + "02 00000009 31",
		Packet{Kind: Publish, Stamp: "1 2", Message: Message{Topic: "a", Payload: []byte("1"), Expiry: 9}}},
	"PublishExpires": {"30 09 0001 61 05 02 00000009", Packet{Kind: Publish, Message: Message{Topic: "a", Payload: []byte{}, Expiry: 9}}},
	"PublishWithAllProperties": {"30 2c 0001 61 28" + "01 01" + "02 00000001" + "03 0001 61" + "08 0001 62" + "09 0001 ff" + "0b 8101" + "26 0001 6b 0001 76" + "0b 7f" +
		"26 0001 6b 0001 76" + "0b 01", Packet{Kind: Publish, Message: Message{Topic: "a", Payload: []byte{}, Expiry: 1}}},
	"Connack": {"20 03 01 00 00", Packet{Kind: Connack, Welcome: Welcome{SessionPresent: true, ReceiveMaximum: 65535, MaximumQoS: 2}}},
	"ConnackWithLimits": {"20 10 00 00 0d" + "13 003c" + "21 0010" + "24 01" + "27 00010000", Packet{Kind: Connack,
		Welcome: Welcome{KeepAlive: 60, Commands: true, ReceiveMaximum: 16, MaximumQoS: 1, MaximumPacket: 65536}}},
	"ConnackThatRefuses": {"20 08 00 87 05 1f 0002 6e6f", Packet{Kind: Connack, Reason: 0x87, Text: "no", Welcome: Welcome{ReceiveMaximum: 65535, MaximumQoS: 2}}},
	"ShortPuback":        {"40 02 0001", Packet{Kind: Puback, ID: 1}},
	"PubackWithReason":   {"40 03 0001 10", Packet{Kind: Puback, ID: 1, Reason: 0x10}},
	"PubrecThatRefuses":  {"50 09 0001 97 05 1f 0002 6e6f", Packet{Kind: Pubrec, ID: 1, Reason: 0x97, Text: "no"}},
	"Pubrel":             {"62 02 0001", Packet{Kind: Pubrel, ID: 1}},
	"Pubcomp":            {"70 02 0001", Packet{Kind: Pubcomp, ID: 1}},
	"Suback":             {"90 04 0001 00 01", Packet{Kind: Suback, ID: 1, Reason: 1, Reasons: []byte{1}}},
	"SubackOfThree":      {"90 06 0001 00 01 87 00", Packet{Kind: Suback, ID: 1, Reason: 0x87, Reasons: []byte{1, 0x87, 0}}},
	"Unsuback":           {"b0 04 0001 00 11", Packet{Kind: Unsuback, ID: 1, Reason: 0x11, Reasons: []byte{0x11}}},
	"Pingresp":           {"d0 00", Packet{Kind: Pingresp}},
	"ShortDisconnect":    {"e0 00", Packet{Kind: Disconnect}},
	"Disconnect":         {"e0 01 8e", Packet{Kind: Disconnect, Reason: 0x8e}},
}

func TestReads(t *testing.T) {
	for name, c := range reads {
		r := bufio.NewReader(bytes.NewReader(append(bytesOf(t, c.bytes), 0xd0, 0)))
		got, err := Read(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if next, err := Read(r); err != nil || next.Kind != Pingresp {
			t.Errorf("%s: the packet after it: %v, %v", name, next.Kind, err)
		}
	}
}

func TestRefusesWhatIsNoPacket(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		want  error
	}{
		"NothingAtAll":            {"", io.EOF},
		"NoLength":                {"30", io.ErrUnexpectedEOF},
		"EndsEarly":               {"30 08 0003 61", io.ErrUnexpectedEOF},
		"EndsEarlyAndIsLarge":     {"30 ffffff7f 0003 61", io.ErrUnexpectedEOF},
		"LengthOfFiveBytes":       {"30 8080808001", ErrMalformed},
		"KindZero":                {"00 00", ErrMalformed},
		"WhatOnlyAClientSends":    {"c0 00", ErrMalformed},
		"Auth":                    {"f0 00", ErrMalformed},
		"WrongFlags":              {"91 04 0001 00 01", ErrMalformed},
		"PubrelWithoutItsFlags":   {"60 02 0001", ErrMalformed},
		"QoS3":                    {"36 06 0001 61 0001 00", ErrMalformed},
		"NoTopic":                 {"30 03 0000 00", ErrMalformed},
		"TopicIsNoText":           {"30 04 0001 ff 00", ErrMalformed},
		"TopicWithNUL":            {"30 04 0001 00 00", ErrMalformed},
		"TopicLongerThanAll":      {"30 04 00ff 61 00", ErrMalformed},
		"PropertiesLongerThanAll": {"30 04 0001 61 05", ErrMalformed},
		"UnknownProperty":         {"30 06 0001 61 02 7f 00", ErrMalformed},
		"PropertyCutShort":        {"30 06 0001 61 02 02 00", ErrMalformed},
		"IDZero":                  {"40 02 0000", ErrMalformed},
		"NoID":                    {"40 00", ErrMalformed},
		"SubackWithoutReason":     {"90 03 0001 00", ErrMalformed},
		"MoreThanItHolds":         {"20 04 00 00 00 00", ErrMalformed},
		"ConnackOfOldVersion":     {"20 02 00 00", ErrMalformed},
		"ConnackWithFlags":        {"20 03 02 00 00", ErrMalformed},
		"ReceiveMaximumZero":      {"20 06 00 00 03 21 0000", ErrMalformed},
		"PingrespWithSomething":   {"d0 01 00", ErrMalformed},
	} {
		if _, err := Read(bufio.NewReader(bytes.NewReader(bytesOf(t, c.bytes)))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A large packet is read as it comes, without room being made for what its header
// promises.
func TestReadsWhatIsLarge(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), 100_000)
	got, err := Read(bufio.NewReader(bytes.NewReader(AppendPublish(nil, Message{Topic: "a", Payload: payload}, 0, false))))
	if err != nil || !bytes.Equal(got.Payload, payload) {
		t.Errorf("got %d bytes, %v", len(got.Payload), err)
	}
	lie := append([]byte{0x30}, 0xff, 0xff, 0xff, 0x7f)
	perRun := testing.AllocsPerRun(1, func() { _, _ = Read(bufio.NewReaderSize(bytes.NewReader(lie), 16)) })
	if perRun > 20 {
		t.Errorf("%v allocations for a packet that does not come", perRun)
	}
}

// FuzzRead: whatever comes, a PUBLISH that is read and written again is the same.
func FuzzRead(f *testing.F) {
	for _, c := range reads {
		f.Add(bytesOf(f, c.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			p, err := Read(r)
			if err != nil {
				return
			}
			if p.Kind != Publish {
				continue
			}
			p.Again, p.Stamp = false, "" // a client says neither
			again, err := Read(bufio.NewReader(bytes.NewReader(AppendPublish(nil, p.Message, p.ID, false))))
			if err != nil {
				t.Fatalf("%+v written again: %v", p, err)
			}
			if diff := cmp.Diff(p, again); diff != "" {
				t.Fatalf("written again (-want +got):\n%s", diff)
			}
		}
	})
}

func BenchmarkAppendPublish(b *testing.B) {
	m := Message{Topic: "zigbee2mqtt/0x0015bc001b0211a5", Payload: make([]byte, 180)}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPublish(buf[:0], m, 0, false)
	}
}

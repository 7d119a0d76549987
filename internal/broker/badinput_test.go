package broker_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// TestBadPacketsEndOneConnection sends, after a good CONNECT, what is known to
// hurt the codec or to be let through by it, and checks that the connection ends
// with the right reason and the broker lives.
func TestBadPacketsEndOneConnection(t *testing.T) {
	h := startHouse(t)
	deep := strings.Repeat("a/", 201) + "a"
	for name, tc := range map[string]struct {
		packet []byte
		reason byte
	}{
		// Ended the whole process: a filter without its options byte.
		"SubscribeWithoutOptions": {unhex("82 09 0001 00 0004 61626364"), 0x81},
		"SubscribeCutInAFilter":   {unhex("82 08 0001 00 0004 616263"), 0x81},
		"SubscribeWithoutFilter":  {unhex("82 03 0001 00"), 0x82},
		"SubscribeWithoutID":      {unhex("82 07 0000 00 0001 61 00"), 0x82},
		"SubscribeReservedBits":   {unhex("82 07 0001 00 0001 61 40"), 0x81},
		"SubscribeQoS3":           {unhex("82 07 0001 00 0001 61 03"), 0x81},
		"SubscribeFlags":          {unhex("80 07 0001 00 0001 61 00"), 0x81},
		"SubscribeHashInside":     {unhex("82 08 0001 00 0002 6123 00"), 0x8f},
		"SubscribeEmptyFilter":    {unhex("82 06 0001 00 0000 00"), 0x8f},
		// Took 30 s of processor time.
		"SubscribeDeep":         {frame(0x82, []byte{0, 1, 0}, text(strings.Repeat("/", 65530)), []byte{0}), 0x8f},
		"SubscribeTooDeep":      {frame(0x82, []byte{0, 1, 0}, text(deep), []byte{0}), 0x8f},
		"SubscribeManyFilters":  {frame(0x82, []byte{0, 1, 0}, bytes.Repeat([]byte{0, 1, 'a', 0}, 1001)), 0x97},
		"UnsubscribeCut":        {unhex("a2 08 0001 00 0004 616263"), 0x81},
		"PublishTooDeep":        {frame(0x30, text(deep), []byte{0}), 0x90},
		"PublishWildcard":       {frame(0x30, text("a/#"), []byte{0}), 0x90},
		"PublishWithoutTopic":   {frame(0x30, text(""), []byte{0}), 0x82},
		"PublishUnknownAlias":   {frame(0x30, text(""), []byte{3, 0x23, 0, 1}), 0x82},
		"PublishAliasZero":      {frame(0x30, text("a"), []byte{3, 0x23, 0, 0}), 0x94},
		"PublishAliasTwice":     {frame(0x30, text("a"), []byte{6, 0x23, 0, 1, 0x23, 0, 1}), 0x82},
		"PublishQoS3":           {frame(0x36, text("a"), []byte{0, 1, 0}), 0x81},
		"PublishWithoutID":      {frame(0x32, text("a"), []byte{0, 0, 0}), 0x82},
		"PublishLongProperties": {frame(0x30, text("a"), []byte{0xff, 0x7f}), 0x81},
		"PublishBadText":        {frame(0x30, text("\xff\xfe"), []byte{0}), 0x81},
		"PingWithPayload":       {unhex("c0 01 00"), 0x81},
		"SecondConnect":         {hello{version: 5, id: "again"}.bytes(), 0x82},
		"ServersPacket":         {unhex("20 03 00 00 00"), 0x82},
		"Auth":                  {unhex("f0 02 18 00"), 0x82},
		"TypeZero":              {unhex("00 00"), 0x82},
		"LengthOfFiveBytes":     {unhex("30 ff ff ff ff 7f"), 0x81},
		"TooLarge":              {append([]byte{0x30}, binary.AppendUvarint(nil, 1<<20)...), 0x95},
		"LargestLength":         {unhex("30 ff ff ff 7f"), 0x95},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, h.tcp())
			w.connect(h.hello(t, 5, "home", "bad"), 0)
			w.send(tc.packet)
			w.closed(tc.reason)
			h.ping(t)
		})
	}
	if got := h.Stats().Panics; got != 0 {
		t.Errorf("%d panics, want 0: the door let something through", got)
	}
}

func TestBadFirstPackets(t *testing.T) {
	h := startHouse(t)
	large := h.hello(t, 5, "home", strings.Repeat("x", 40000))
	for name, packet := range map[string][]byte{
		"NotConnect":        unhex("c0 00"),
		"Publish":           frame(0x30, text("a")),
		"HTTP":              []byte("GET / HTTP/1.1\r\n\r\n"),
		"TLS":               unhex("16 03 01 02 00 01 00"),
		"Zeros":             make([]byte, 100),
		"LargeConnect":      large.bytes(),
		"HugeConnect":       unhex("10 ff ff ff 7f"),
		"AnotherProtocol":   unhex("10 0c 0004 4d515454 03 02 003c 0000")[:6],
		"TrailingBytes":     append(unhex("10 0f"), append(text("MQTT"), 4, 2, 0, 60, 0, 1, 'x', 0, 0)...),
		"ReservedFlag":      unhex("10 0c 0004 4d515454 04 03 003c 0000"),
		"WillQoS3":          unhex("10 0c 0004 4d515454 04 1e 003c 0000"),
		"WillFlagsNoWill":   unhex("10 0c 0004 4d515454 04 22 003c 0000"),
		"PasswordNoUser":    unhex("10 0f 0004 4d515454 04 42 003c 0000 0001 78"),
		"WrongProtocolName": unhex("10 0c 0004 48545450 04 02 003c 0000"),
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, h.tcp())
			w.send(packet)
			if name == "AnotherProtocol" {
				w.Close() // cut off
				return
			}
			w.closed(0)
			h.ping(t)
		})
	}
}

func TestTheLargestPacketPasses(t *testing.T) {
	h := startHouse(t)
	s := subscribe(t, h.client(t, "metrics"), "big")
	payload := strings.Repeat("x", 1<<20-1-3-2-3)
	w := dial(t, h.tcp())
	w.connect(h.hello(t, 4, "home", "big"), 0)
	p := frame(0x30, text("big"), []byte(payload))
	if len(p) > 1<<20 || len(p) < 1<<20-10 {
		t.Fatalf("the packet has %d bytes, want just 1 MiB", len(p))
	}
	w.send(p)
	if m := s.next(); m.Topic != "big" || string(m.Payload) != payload {
		t.Errorf("%s came with %d bytes, want big with %d, unchanged", m.Topic, len(m.Payload), len(payload))
	}
}

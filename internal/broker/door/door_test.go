package door

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// stream is a connection whose input is b, in pieces of at most n bytes.
type stream struct {
	net.Conn
	in *bytes.Reader
	n  int
}

func (s *stream) Read(p []byte) (int, error) {
	if len(p) > s.n {
		p = p[:s.n]
	}
	return s.in.Read(p)
}

func (s *stream) Close() error                     { return nil }
func (s *stream) SetReadDeadline(time.Time) error  { return nil }
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// through reads all that the door lets pass, and puts it together again.
func through(b []byte, piece int, l Limits) (out []byte, s *stream, err error) {
	s = &stream{in: bytes.NewReader(b), n: piece}
	c := New(s, l)
	pk, err := c.Await()
	if err != nil {
		return nil, s, err
	}
	for all := []Packet{pk}; ; all, err = c.Next(7) {
		if err == io.EOF {
			return out, s, nil
		}
		if err != nil {
			return out, s, err
		}
		for _, pk := range all {
			out = append(binary.AppendUvarint(append(out, pk.First), uint64(len(pk.Body))), pk.Body...)
		}
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

const (
	connect31  = "10 0f 0006 4d5149736470 03 02 003c 0001 78"
	connect311 = "10 0d 0004 4d515454 04 02 003c 0001 78"
	connect5   = "10 0e 0004 4d515454 05 02 003c 00 0001 78"
)

// fine are packets that must pass, after the CONNECT of their version.
var fine = map[string]struct{ connect, packet string }{
	"Nothing":            {connect311, ""},
	"MQTT31":             {connect31, "c0 00"},
	"Ping":               {connect5, "c0 00"},
	"PublishQoS0":        {connect311, "30 04 0001 61 78"},
	"PublishEmpty":       {connect311, "31 03 0001 61"},
	"PublishQoS1":        {connect311, "32 06 0001 61 0001 78"},
	"PublishQoS2Again":   {connect5, "3c 07 0001 61 0001 00 78"},
	"PublishProperties":  {connect5, "30 0a 0001 61 05 02 0000003c 78"},
	"Subscribe":          {connect311, "82 06 0001 0001 61 02"},
	"Subscribe5":         {connect5, "82 07 0001 00 0001 61 2e"},
	"SubscribeTwo":       {connect5, "82 0f 0001 00 0001 23 00 0005 612f2b2f23 01"},
	"SubscribeShared":    {connect5, "82 10 0001 00 000a 2473686172652f672f23 00"},
	"SubscribeID":        {connect5, "82 09 0001 02 0b 01 0001 61 00"},
	"Unsubscribe":        {connect311, "a2 05 0001 0001 61"},
	"Unsubscribe5":       {connect5, "a2 06 0001 00 0001 61"},
	"Puback":             {connect311, "40 02 0001"},
	"PubrelAgain31":      {connect31, "6a 02 0001"},
	"PubackReason":       {connect5, "40 03 0001 10"},
	"PubackProperties":   {connect5, "40 04 0001 00 00"},
	"PubrelAndPubcomp":   {connect5, "62 02 0001 70 02 0001"},
	"Disconnect":         {connect311, "e0 00"},
	"DisconnectReason":   {connect5, "e0 01 04"},
	"DisconnectWithWill": {connect5, "e0 02 04 00"},
	"ConnectUser":        {"10 16 0004 4d515454 04 c2 003c 0001 78 0001 75 0004 70617373", "c0 00"},
	"ConnectWill":        {"10 15 0004 4d515454 04 2e 003c 0001 78 0001 77 0003 676f6e", "c0 00"},
	"ConnectWill5":       {"10 1c 0004 4d515454 05 0e 003c 00 0001 78 05 18 0000000a 0001 77 0003 676f6e", "c0 00"},
	"ConnectPassword5":   {"10 11 0004 4d515454 05 42 003c 00 0001 78 0001 70", "c0 00"},
}

// bad are packets that must not pass.
var bad = map[string]struct {
	connect, packet string
	reason          Reason
}{
	"SubscribeNoOptions5":  {connect5, "82 09 0001 00 0004 61626364", Malformed},
	"SubscribeNoOptions":   {connect311, "82 05 0001 0001 61", Malformed},
	"SubscribeReserved311": {connect311, "82 06 0001 0001 61 04", Malformed},
	"SubscribeRetain3":     {connect5, "82 07 0001 00 0001 61 30", ProtocolError},
	"SubscribeIDAlone":     {connect311, "82 02 0001", ProtocolError},
	"SubscribeEmpty":       {connect311, "82 00", Malformed},
	"SubscribePlusInside":  {connect311, "82 07 0001 0002 612b 00", FilterInvalid},
	"PropertyTwice":        {connect5, "30 0b 0001 61 06 23 0001 23 0001 78", ProtocolError},
	"PropertyElsewhere":    {connect5, "30 08 0001 61 03 21 0001 78", Malformed},
	"PropertyCut":          {connect5, "30 07 0001 61 02 23 00 78", Malformed},
	"AliasZero":            {connect5, "30 08 0001 61 03 23 0000 78", AliasInvalid},
	"IdentifierOfAClient":  {connect5, "30 07 0001 61 02 0b 01 78", ProtocolError},
	"IdentifierZero":       {connect5, "82 09 0001 02 0b 00 0001 61 00", ProtocolError},
	"PayloadFormat2":       {connect5, "30 07 0001 61 02 01 02 78", ProtocolError},
	"ResponseTopicWild":    {connect5, "30 09 0001 61 04 08 0001 23 78", ProtocolError},
	"ShareWithoutName":     {connect5, "82 0f 0001 00 0009 2473686172652f2f61 00", FilterInvalid},
	"ShareWithoutFilter":   {connect5, "82 0e 0001 00 0008 2473686172652f67 00", FilterInvalid},
	"ShareNoLocal":         {connect5, "82 10 0001 00 000a 2473686172652f672f23 04", ProtocolError},
	"PubrelAgain311":       {connect311, "6a 02 0001", Malformed},
	"PubackReason":         {connect5, "40 03 0001 92", ProtocolError},
	"PubrelReason":         {connect5, "62 03 0001 10", ProtocolError},
	"DisconnectReason":     {connect5, "e0 01 8d", ProtocolError},
	"ConnectReceive0":      {"10 11 0004 4d515454 05 02 003c 03 21 0000 0001 78", "", ProtocolError},
	"ConnectData":          {"10 12 0004 4d515454 05 02 003c 04 16 0001 61 0001 78", "", ProtocolError},
	"SubscribeHashFirst":   {connect311, "82 08 0001 0003 232f61 00", FilterInvalid},
	"SubscribeZeroByte":    {connect311, "82 06 0001 0001 00 00", Malformed},
	"UnsubscribeNone":      {connect5, "a2 03 0001 00", ProtocolError},
	"PublishNoTopic":       {connect311, "30 00", Malformed},
	"PublishCut":           {connect311, "30 03 0002 61", Malformed},
	"PublishCutBeforeID":   {connect311, "32 03 0001 61", Malformed},
	"PublishDupQoS0":       {connect311, "38 03 0001 61", Malformed},
	"PublishLongProps":     {connect5, "30 08 0001 61 ffffffff 7f", Malformed},
	"PubackCut":            {connect311, "40 01 00", Malformed},
	"PubackLong311":        {connect311, "40 03 0001 00", Malformed},
	"PubackZero":           {connect311, "40 02 0000", Malformed},
	"PubrelFlags":          {connect311, "60 02 0001", Malformed},
	"DisconnectLong311":    {connect311, "e0 01 00", Malformed},
	"Connack":              {connect311, "20 02 00 00", ProtocolError},
	"Suback":               {connect311, "90 03 0001 00", ProtocolError},
	"Auth311":              {connect311, "f0 00", ProtocolError},
	"ConnectTwice":         {connect311, connect311, ProtocolError},
	"ConnectCutInID":       {"10 0c 0004 4d515454 04 02 003c 0001", "", Malformed},
	"ConnectWillNoTopic":   {"10 11 0004 4d515454 04 06 003c 0001 78 0000 0000", "", TopicInvalid},
	"ConnectWillWildcard":  {"10 12 0004 4d515454 04 06 003c 0001 78 0001 23 0000", "", TopicInvalid},
	"ConnectVersion9":      {"10 0d 0004 4d515454 09 02 003c 0001 78", "", UnsupportedVersion},
	"ConnectEmpty":         {"10 00", "", Malformed},
	"ConnectFlags":         {"11 0d 0004 4d515454 04 02 003c 0001 78", "", Malformed},
}

func TestGoodPacketsPassUnchanged(t *testing.T) {
	for name, tc := range fine {
		in := unhex(tc.connect + tc.packet)
		for _, piece := range []int{1, 7, 4096} {
			got, _, err := through(in, piece, Limits{})
			if err != nil || !bytes.Equal(got, in) {
				t.Errorf("%s in pieces of %d: %x, %v; want %x", name, piece, got, err, in)
			}
		}
	}
}

func TestBadPacketsDoNotPass(t *testing.T) {
	for name, tc := range bad {
		in := unhex(tc.connect + tc.packet)
		for _, piece := range []int{1, 4096} {
			got, _, err := through(in, piece, Limits{})
			e := (*Error)(nil)
			if !errors.As(err, &e) || e.Reason != tc.reason {
				t.Errorf("%s: %v, want reason %02x", name, err, tc.reason)
				continue
			}
			if tc.packet != "" && !bytes.Equal(got, unhex(tc.connect)) {
				t.Errorf("%s: %x passed, want the CONNECT alone", name, got)
			}
		}
	}
}

func TestACutPacketIsNoCleanEnd(t *testing.T) {
	in := unhex(connect311 + "30 04 0001 61 78")
	for cut := len(unhex(connect311)) + 1; cut < len(in); cut++ {
		if _, _, err := through(in[:cut], 100, Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v, want io.ErrUnexpectedEOF", cut, err)
		}
	}
}

func TestAnAnnouncedLengthCostsNothing(t *testing.T) {
	s := &stream{in: bytes.NewReader(unhex(connect311 + "30 ff ff 3e 00")), n: 100}
	c := New(s, Limits{PacketSize: 1 << 20})
	if _, err := c.Await(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(1); err != io.ErrUnexpectedEOF {
		t.Errorf("Next: %v, want io.ErrUnexpectedEOF", err)
	}
	if got := cap(c.large); got > 64<<10 {
		t.Errorf("%d bytes are held for a packet of which 5 came", got)
	}
}

// TestALargePacketIsTheCallers: its payload stays as it is while others come.
func TestALargePacketIsTheCallers(t *testing.T) {
	payload := bytes.Repeat([]byte{'x'}, 1<<17)
	big := append(binary.AppendUvarint([]byte{0x30}, uint64(3+len(payload))), 0, 1, 'a')
	in := bytes.Join([][]byte{unhex(connect311), big, payload, bytes.Repeat(unhex("30 04 0001 61 79"), 5000)}, nil)
	c := New(&stream{in: bytes.NewReader(in), n: 4096}, Limits{})
	if _, err := c.Await(); err != nil {
		t.Fatal(err)
	}
	all, err := c.Next(7)
	if err != nil || len(all) != 1 || !all[0].Large {
		t.Fatalf("%d packets, %v; want the large one alone", len(all), err)
	}
	got, n := all[0].Payload, 0
	for {
		all, err := c.Next(64)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(all)
	}
	if n != 5000 || !bytes.Equal(got, payload) {
		t.Errorf("%d packets followed, want 5000, and the payload unchanged", n)
	}
}

// TestAnIdleConnectionHoldsNoBuffer: of a socket, while nothing comes.
func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := New(server, Limits{})
	client.Write(unhex(connect311 + "c0 00"))
	if _, err := c.Await(); err != nil {
		t.Fatal(err)
	}
	if all, err := c.Next(7); err != nil || len(all) != 1 {
		t.Fatalf("%d packets, %v; want PINGREQ", len(all), err)
	}
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Next(7); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Next: %v, want a timeout", err)
	}
	if c.buf != nil {
		t.Error("a buffer is held")
	}
}

func TestAwaitHasATimeout(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go client.Write([]byte{0x10})
	begin := time.Now()
	_, err := New(server, Limits{ConnectTimeout: 50 * time.Millisecond}).Await()
	if err == nil || !strings.Contains(err.Error(), "none came within") {
		t.Errorf("Await: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Await took %v", d)
	}
}

// FuzzDoor: whatever comes, nothing panics, and what passes is whole packets
// that the codec behind the door decodes without harm.
func FuzzDoor(f *testing.F) {
	for _, tc := range fine {
		f.Add(unhex(tc.connect + tc.packet))
	}
	for _, tc := range bad {
		f.Add(unhex(tc.connect + tc.packet))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, _, _ := through(in, 13, Limits{PacketSize: 4096, ConnectSize: 1024})
		version := byte(0)
		for len(out) > 0 {
			n := decode(t, out, &version)
			out = out[n:]
		}
	})
}

// decode decodes one packet as the server does and returns its size.
func decode(t *testing.T, b []byte, version *byte) int {
	t.Helper()
	r := bytes.NewReader(b[1:])
	remaining, _, err := packets.DecodeLength(r)
	if err != nil || remaining > r.Len() {
		t.Fatalf("half a packet passed: %x", b)
	}
	head := len(b) - r.Len()
	pk := packets.Packet{ProtocolVersion: *version}
	first := b[0]
	if *version == 3 && first>>4 != 3 {
		first &^= 8 // sent again
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		t.Fatalf("a bad first byte passed: %x: %v", b[0], err)
	}
	pk.FixedHeader.Remaining = remaining
	body := bytes.Clone(b[head : head+remaining])
	switch pk.FixedHeader.Type {
	case packets.Connect:
		_ = pk.ConnectDecode(body)
		*version = pk.ProtocolVersion
	case packets.Publish:
		_ = pk.PublishDecode(body)
	case packets.Puback:
		_ = pk.PubackDecode(body)
	case packets.Pubrec:
		_ = pk.PubrecDecode(body)
	case packets.Pubrel:
		_ = pk.PubrelDecode(body)
	case packets.Pubcomp:
		_ = pk.PubcompDecode(body)
	case packets.Subscribe:
		_ = pk.SubscribeDecode(body)
	case packets.Unsubscribe:
		_ = pk.UnsubscribeDecode(body)
	case packets.Pingreq:
	case packets.Disconnect:
		_ = pk.DisconnectDecode(body)
	default:
		t.Fatalf("a packet of type %d passed", pk.FixedHeader.Type)
	}
	return head + remaining
}

package door

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// stream is a connection whose input is b, in pieces of at most n bytes.
type stream struct {
	net.Conn
	in      *bytes.Reader
	n       int
	out     bytes.Buffer
	written error
	closed  bool
}

func (s *stream) Read(p []byte) (int, error) {
	if len(p) > s.n {
		p = p[:s.n]
	}
	return s.in.Read(p)
}

func (s *stream) Write(p []byte) (int, error) {
	if s.written != nil {
		return 0, s.written
	}
	return s.out.Write(p)
}

func (s *stream) Close() error                     { s.closed = true; return nil }
func (s *stream) SetReadDeadline(time.Time) error  { return nil }
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// through reads all that the door lets pass.
func through(b []byte, piece int, l Limits) (out []byte, s *stream, err error) {
	s = &stream{in: bytes.NewReader(b), n: piece}
	c := New(s, l)
	if err := c.Await(); err != nil {
		return nil, s, err
	}
	p := make([]byte, 100)
	for {
		n, err := c.Read(p)
		out = append(out, p[:n]...)
		if err == io.EOF {
			return out, s, nil
		}
		if err != nil {
			return out, s, err
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
	"PublishLongLength":  {connect311, "30 84 00 0001 61 78"}, // not the shortest form; harmless
	"Subscribe":          {connect311, "82 06 0001 0001 61 02"},
	"Subscribe5":         {connect5, "82 07 0001 00 0001 61 2e"},
	"SubscribeTwo":       {connect5, "82 0f 0001 00 0001 23 00 0005 612f2b2f23 01"},
	"SubscribeShared":    {connect5, "82 10 0001 00 000a 2473686172652f672f23 00"},
	"SubscribeID":        {connect5, "82 09 0001 02 0b 01 0001 61 00"},
	"Unsubscribe":        {connect311, "a2 05 0001 0001 61"},
	"Unsubscribe5":       {connect5, "a2 06 0001 00 0001 61"},
	"Puback":             {connect311, "40 02 0001"},
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
			got, s, err := through(in, piece, Limits{})
			e := (*Error)(nil)
			if !errors.As(err, &e) || e.Reason != tc.reason {
				t.Errorf("%s: %v, want reason %02x", name, err, tc.reason)
				continue
			}
			if tc.packet != "" && !bytes.Equal(got, unhex(tc.connect)) {
				t.Errorf("%s: %x passed, want the CONNECT alone", name, got)
			}
			want := ""
			if tc.connect == connect5 {
				want = string([]byte{0xe0, 2, byte(tc.reason), 0})
			} else if tc.reason == UnsupportedVersion {
				want = "\x20\x02\x00\x01"
			}
			if got := s.out.String(); got != want {
				t.Errorf("%s: the client was told %x, want %x", name, got, want)
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
	s := &stream{in: bytes.NewReader(unhex(connect311 + "30 ff ff 3f 00")), n: 100}
	c := New(s, Limits{PacketSize: 1 << 20})
	if err := c.Await(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1000)
	for {
		if _, err := c.Read(p); err != nil {
			break
		}
	}
	if got := cap(c.packet); got > 4096 {
		t.Errorf("%d bytes are held for a packet of which 5 came", got)
	}
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	big := append(unhex("30 80 80 08 0001 61"), make([]byte, 1<<17-3)...)
	s := &stream{in: bytes.NewReader(bytes.Join([][]byte{unhex(connect311), big, unhex("c0 00")}, nil)), n: 4096}
	c := New(s, Limits{})
	if err := c.Await(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
	if got := cap(c.packet); got > 64<<10 {
		t.Errorf("%d bytes are kept", got)
	}
}

func TestAwaitHasATimeout(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go client.Write([]byte{0x10})
	begin := time.Now()
	err := New(server, Limits{ConnectTimeout: 50 * time.Millisecond}).Await()
	if err == nil || !strings.Contains(err.Error(), "none came within") {
		t.Errorf("Await: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Await took %v", d)
	}
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	c := New(server, Limits{WriteTimeout: 50 * time.Millisecond})
	if err := c.SetDeadline(time.Now().Add(time.Hour)); err != nil { // is for reading only
		t.Fatal(err)
	}
	if _, err := c.Write([]byte{0xd0, 0}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v, want a timeout", err)
	}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is open: %v", err)
	}
}

func TestWritingToAGoneClientIsNoError(t *testing.T) {
	for _, gone := range []error{syscall.EPIPE, syscall.ECONNRESET} {
		s := &stream{in: bytes.NewReader(nil), written: gone}
		if n, err := New(s, Limits{}).Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("Write = %d, %v; want 3, nil", n, err)
		}
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
		out, _, err := through(in, 13, Limits{PacketSize: 4096, ConnectSize: 1024})
		if !bytes.HasPrefix(in, out) {
			t.Fatalf("%x passed, which is not what came", out)
		}
		if err == nil && len(out) != len(in) {
			t.Fatalf("%d of %d bytes passed without an error", len(out), len(in))
		}
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
	if err := pk.FixedHeader.Decode(b[0]); err != nil {
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

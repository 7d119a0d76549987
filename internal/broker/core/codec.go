package core

import (
	"bytes"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// The packets that come and go seldom are taken apart and put together by mochi's
// codec, behind the door. Its texts are parts of the bytes it was given, which
// therefore are copies.

// decode takes a packet apart that the door has checked.
func decode(kind, version byte, body []byte) (packets.Packet, error) {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind, Remaining: len(body)}, ProtocolVersion: version}
	body = bytes.Clone(body)
	var err error
	switch kind {
	case packets.Connect:
		err = pk.ConnectDecode(body)
	case packets.Subscribe:
		err = pk.SubscribeDecode(body)
	case packets.Unsubscribe:
		err = pk.UnsubscribeDecode(body)
	}
	if err != nil {
		return pk, refuse(rcMalformed, err.Error())
	}
	return pk, nil
}

// encode puts a packet together.
func encode(kind byte, pk packets.Packet) []byte {
	pk.FixedHeader.Type = kind
	var b bytes.Buffer
	switch kind { // none of them fails
	case packets.Connack:
		_ = pk.ConnackEncode(&b)
	case packets.Suback:
		_ = pk.SubackEncode(&b)
	case packets.Unsuback:
		_ = pk.UnsubackEncode(&b)
	case packets.Disconnect:
		_ = pk.DisconnectEncode(&b)
	}
	return b.Bytes()
}

// encodeDisconnect is what an MQTT 5 client is told when it has to go.
func encodeDisconnect(reason byte) []byte {
	return encode(packets.Disconnect, packets.Packet{ProtocolVersion: 5, ReasonCode: reason})
}

// hello is what a CONNECT says (MQTT 5, 3.1).
type hello struct {
	version        byte
	clean          bool
	keepAlive      uint16
	id             string
	assigned       bool // the id is ours
	user, password []byte
	hasUser        bool
	will           *will
	expiry         uint32
	receiveMax     uint16
	maxPacket      uint32
	aliasMax       uint16
	method         bool // it wants enhanced authentication
}

func parseConnect(body []byte) (hello, error) {
	pk, err := decode(packets.Connect, 0, body)
	if err != nil {
		return hello{version: pk.ProtocolVersion}, err
	}
	in, p := &pk.Connect, &pk.Properties
	h := hello{
		version: pk.ProtocolVersion, clean: in.Clean, keepAlive: in.Keepalive, id: strings.Clone(in.ClientIdentifier),
		hasUser: in.UsernameFlag, user: in.Username, password: in.Password,
		expiry: p.SessionExpiryInterval, receiveMax: p.ReceiveMaximum, maxPacket: p.MaximumPacketSize,
		aliasMax: p.TopicAliasMaximum, method: p.AuthenticationMethod != "",
	}
	if h.receiveMax == 0 {
		h.receiveMax = 65535
	}
	if in.WillFlag {
		h.will = &will{topic: strings.Clone(in.WillTopic), payload: bytes.Clone(in.WillPayload), qos: in.WillQos, retain: in.WillRetain}
		h.will.properties(body)
	}
	return h, nil
}

// properties takes those of the will out of a CONNECT of MQTT 5. The codec does
// not tell an expiry of 0 from none, and leaves out texts that are empty.
func (w *will) properties(body []byte) {
	f := fields{body}
	f.bytes() // the protocol's name
	if f.byte() != 5 {
		return
	}
	f.take(3) // flags and keep alive
	f.properties()
	f.bytes() // the client's id
	w.props, w.expiry, w.expires, _, w.delay = travelling(nil, f.properties())
}

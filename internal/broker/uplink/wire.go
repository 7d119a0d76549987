package uplink

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/mochi-mqtt/server/v2/packets"
)

// maxPacket is the largest packet that a bridge reads, in bytes; MQTT 5 brokers
// are told. It is above what ours takes, so that a message too large for it can
// be answered and passed over.
const maxPacket = 4 << 20

// readPacket reads one packet of protocol version 4 or 5.
func readPacket(r *bufio.Reader, version byte) (pk packets.Packet, err error) {
	head, err := r.ReadByte()
	if err != nil {
		return pk, err
	}
	pk.ProtocolVersion = version
	if err := pk.FixedHeader.Decode(head); err != nil {
		return pk, fmt.Errorf("reading a packet: %w", err)
	}
	n, width, err := packets.DecodeLength(r)
	if err != nil || width > 4 {
		return pk, fmt.Errorf("reading a packet's length: %w", errors.Join(err, packets.ErrMalformedVariableByteInteger))
	}
	if n > maxPacket {
		return pk, fmt.Errorf("a packet has %d bytes, more than %d", n, maxPacket)
	}
	pk.FixedHeader.Remaining = n
	// Read as it comes: a length that is only claimed takes no memory.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(n)); err != nil {
		return pk, fmt.Errorf("reading a packet: %w", err)
	}
	return pk, decode(&pk, body.Bytes())
}

// decode fills pk with what a broker may send; a fault of the codec is an error.
func decode(pk *packets.Packet, body []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading a packet: it cannot be understood (%v)", p)
		}
	}()
	switch pk.FixedHeader.Type {
	case packets.Connack:
		return pk.ConnackDecode(body)
	case packets.Publish:
		if err := pk.PublishDecode(body); err != nil {
			return err
		}
		if pk.FixedHeader.Qos > 0 && pk.PacketID == 0 {
			return packets.ErrProtocolViolationNoPacketID
		}
		return nil
	case packets.Puback:
		return pk.PubackDecode(body)
	case packets.Pubrec:
		return pk.PubrecDecode(body)
	case packets.Pubrel:
		return pk.PubrelDecode(body)
	case packets.Pubcomp:
		return pk.PubcompDecode(body)
	case packets.Suback:
		return pk.SubackDecode(body)
	case packets.Unsuback:
		if pk.ProtocolVersion < 5 {
			return nil
		}
		return pk.UnsubackDecode(body)
	case packets.Pingresp:
		return nil
	case packets.Disconnect:
		if pk.ProtocolVersion < 5 || len(body) == 0 {
			return nil
		}
		return pk.DisconnectDecode(body)
	}
	return fmt.Errorf("a broker does not send packets of type %d", pk.FixedHeader.Type)
}

// encode is a packet as it travels.
func encode(pk packets.Packet) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&b)
	case packets.Publish:
		err = pk.PublishEncode(&b)
	case packets.Puback:
		err = pk.PubackEncode(&b)
	case packets.Pubrec:
		err = pk.PubrecEncode(&b)
	case packets.Pubrel:
		err = pk.PubrelEncode(&b)
	case packets.Pubcomp:
		err = pk.PubcompEncode(&b)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&b)
	case packets.Unsubscribe:
		err = pk.UnsubscribeEncode(&b)
	case packets.Pingreq:
		err = pk.PingreqEncode(&b)
	case packets.Disconnect:
		if pk.ProtocolVersion < 5 {
			return []byte{packets.Disconnect << 4, 0}, nil
		}
		err = pk.DisconnectEncode(&b)
	default:
		err = fmt.Errorf("a bridge does not send packets of type %d", pk.FixedHeader.Type)
	}
	return b.Bytes(), err
}

// answer is an acknowledgement of the given type.
func answer(kind byte, id uint16) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id}
	if kind == packets.Pubrel {
		pk.FixedHeader.Qos = 1 // the flags that the specification asks for
	}
	return pk
}

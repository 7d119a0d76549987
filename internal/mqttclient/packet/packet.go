// Package packet writes and reads the packets of MQTT 5 that a client sends and
// gets. It knows their bytes, and must never know who sends what when.
package packet

import "fmt"

// Kind is the type of a packet (MQTT 5.0, section 2.1.2).
type Kind byte

// The kinds.
const (
	Connect     Kind = 1
	Connack     Kind = 2
	Publish     Kind = 3
	Puback      Kind = 4
	Pubrec      Kind = 5
	Pubrel      Kind = 6
	Pubcomp     Kind = 7
	Subscribe   Kind = 8
	Suback      Kind = 9
	Unsubscribe Kind = 10
	Unsuback    Kind = 11
	Pingreq     Kind = 12
	Pingresp    Kind = 13
	Disconnect  Kind = 14
	Auth        Kind = 15
)

var names = [...]string{"", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}

func (k Kind) String() string {
	if k > 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("packet of kind %d", byte(k))
}

// Message is what a PUBLISH carries, and a will.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Expiry  uint32 // seconds; 0: none
}

// Hello is a CONNECT.
type Hello struct {
	ClientID      string
	Clean         bool
	KeepAlive     uint16 // seconds
	User          *string
	Password      *string
	Will          *Message
	SessionExpiry uint32 // seconds; 0: the session ends with the connection
	// ReceiveMaximum is how many messages of QoS 1 and 2 may come unacknowledged.
	ReceiveMaximum uint16
}

// Packet is one that came. Which fields count depends on its kind.
type Packet struct {
	Kind    Kind
	ID      uint16 // of acknowledgements, and of a PUBLISH of QoS 1 or 2
	Reason  byte   // of all but PUBLISH; of a SUBACK and UNSUBACK the greatest one
	Reasons []byte // of a SUBACK and UNSUBACK, in the order of the filters
	Text    string // the reason in words, if any
	Again   bool   // a PUBLISH was sent before: DUP
	Stamp   string // of a PUBLISH: the value of its first user property called StampName
	Message        // of a PUBLISH; its parts are the caller's
	Welcome        // of a CONNACK
}

// Welcome is what a broker says of itself in its CONNACK. What it does not say
// is as the standard has it.
type Welcome struct {
	SessionPresent bool
	KeepAlive      uint16 // seconds that replace ours, if Commands
	Commands       bool   // the broker says the keep alive
	ReceiveMaximum uint16 // never 0
	MaximumQoS     byte
	MaximumPacket  uint32 // bytes; 0: no limit
}

// StampName is the user property in which the appliance's broker says when a
// message came that had to wait: "<ms since 1970> <ms ago>".
const StampName = "hems-time"

// Refusal is the least reason that says no.
const Refusal = 0x80

// Names and types of properties (section 2.2.2.2).
const (
	propertyExpiry         = 0x02
	propertySessionExpiry  = 0x11
	propertyKeepAlive      = 0x13
	propertyReason         = 0x1f
	propertyReceiveMaximum = 0x21
	propertyMaximumQoS     = 0x24
	propertyMaximumPacket  = 0x27
)

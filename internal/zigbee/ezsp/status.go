package ezsp

import "fmt"

// Family says which list a status number belongs to. Up to EZSP 13 the same
// byte is an EmberStatus in some replies and an EzspStatus in others; from 14
// on almost all are 32-bit SL statuses.
type Family uint8

// The families of status.
const (
	Ember Family = iota // UG100: EmberStatus
	Ezsp                // UG100: EzspStatus
	SL                  // sl_status_t
)

// Status is the result that a reply or a callback carries.
type Status struct {
	Family Family
	Code   uint32
}

// Meaning is what a Status says, whatever its family.
type Meaning uint8

// The meanings that the host acts on.
const (
	Success Meaning = iota + 1
	NetworkUp
	NetworkDown
	NotJoined
	NetworkOpened
	NetworkClosed
	DeliveryFailed
	Busy           // no buffers, queue full: try again a little later
	NotFound       // no such entry
	InvalidIndex   // beyond the end of a table
	TableFull      // no room in a table
	NodeIDChanged  // ours, after a conflict
	PANIDChanged   // of the network
	ChannelChanged // of the network
	RouteFailure   // a source route or a many-to-one route no longer works
)

var meanings = map[Status]Meaning{
	{Ember, 0x00}: Success, {Ezsp, 0x00}: Success, {SL, 0x00}: Success,
	{Ember, 0x90}: NetworkUp, {SL, 0x15}: NetworkUp,
	{Ember, 0x91}: NetworkDown, {SL, 0x16}: NetworkDown,
	{Ember, 0x93}: NotJoined, {SL, 0x17}: NotJoined,
	{Ember, 0x9C}: NetworkOpened, {SL, 0x0C18}: NetworkOpened,
	{Ember, 0x9D}: NetworkClosed, {SL, 0x0C19}: NetworkClosed,
	{Ember, 0x66}: DeliveryFailed, {SL, 0x0C02}: DeliveryFailed, {SL, 0x0C20}: DeliveryFailed,
	{SL, 0x0C25}: DeliveryFailed, {SL, 0x0C26}: DeliveryFailed,
	{Ember, 0x18}: Busy, {Ember, 0x72}: Busy, {Ember, 0xA1}: Busy, {Ember, 0x39}: Busy, {Ezsp, 0x35}: Busy, {Ezsp, 0x41}: Busy,
	{SL, 0x04}: Busy, {SL, 0x19}: Busy, {SL, 0x1A}: Busy, {SL, 0x53}: Busy, {SL, 0x0C03}: Busy,
	{Ember, 0x03}: NotFound, {Ember, 0xB6}: NotFound, {SL, 0x2D}: NotFound,
	{Ember, 0xB1}: InvalidIndex, {SL, 0x27}: InvalidIndex, {SL, 0x28}: InvalidIndex,
	{Ember, 0xB4}: TableFull, {SL, 0x1C}: TableFull,
	{Ember, 0x99}: NodeIDChanged, {SL, 0x0C07}: NodeIDChanged,
	{Ember, 0x9A}: PANIDChanged, {SL, 0x0C16}: PANIDChanged,
	{Ember, 0x9B}: ChannelChanged, {SL, 0x0C17}: ChannelChanged,
	{Ember, 0xA9}: RouteFailure, {Ember, 0xAA}: RouteFailure, {SL, 0x0C13}: RouteFailure, {SL, 0x0C14}: RouteFailure,
}

// Is reports whether the status has that meaning.
func (s Status) Is(m Meaning) bool { return meanings[s] == m }

// OK reports success.
func (s Status) OK() bool { return s.Code == 0 }

var emberNames = map[uint32]string{
	0x00: "SUCCESS", 0x01: "ERR_FATAL", 0x02: "BAD_ARGUMENT", 0x03: "NOT_FOUND",
	0x18: "NO_BUFFERS", 0x19: "PACKET_HANDOFF_DROP_PACKET",
	0x31: "MAC_NO_DATA", 0x32: "MAC_JOINED_NETWORK", 0x39: "MAC_TRANSMIT_QUEUE_FULL", 0x3D: "MAC_SCANNING",
	0x40: "MAC_NO_ACK_RECEIVED", 0x42: "MAC_INDIRECT_TIMEOUT", 0x66: "DELIVERY_FAILED",
	0x68: "BINDING_INDEX_OUT_OF_RANGE", 0x69: "ADDRESS_TABLE_INDEX_OUT_OF_RANGE", 0x6C: "INVALID_BINDING_INDEX",
	0x70: "INVALID_CALL", 0x71: "COST_NOT_KNOWN", 0x72: "MAX_MESSAGE_LIMIT_REACHED", 0x74: "MESSAGE_TOO_LONG",
	0x90: "NETWORK_UP", 0x91: "NETWORK_DOWN", 0x93: "NOT_JOINED", 0x94: "JOIN_FAILED",
	0x95: "INVALID_SECURITY_LEVEL", 0x96: "MOVE_FAILED", 0x98: "CANNOT_JOIN_AS_ROUTER",
	0x99: "NODE_ID_CHANGED", 0x9A: "PAN_ID_CHANGED", 0x9B: "CHANNEL_CHANGED",
	0x9C: "NETWORK_OPENED", 0x9D: "NETWORK_CLOSED",
	0xA1: "NETWORK_BUSY", 0xA3: "INVALID_ENDPOINT", 0xA6: "APS_ENCRYPTION_ERROR", 0xA8: "SECURITY_STATE_NOT_SET",
	0xA9: "SOURCE_ROUTE_FAILURE", 0xAA: "MANY_TO_ONE_ROUTE_FAILURE",
	0xAB: "NO_BEACONS", 0xAC: "RECEIVED_KEY_IN_THE_CLEAR", 0xAD: "NO_NETWORK_KEY_RECEIVED",
	0xAE: "NO_LINK_KEY_RECEIVED", 0xAF: "PRECONFIGURED_KEY_REQUIRED",
	0xB1: "INDEX_OUT_OF_RANGE", 0xB4: "TABLE_FULL", 0xB6: "TABLE_ENTRY_ERASED",
	0xB7: "SECURITY_CONFIGURATION_INVALID", 0xBB: "KEY_NOT_AUTHORIZED", 0xBD: "SECURITY_DATA_INVALID",
}

var ezspNames = map[uint32]string{
	0x00: "SUCCESS", 0x30: "ERROR_VERSION_NOT_SET", 0x31: "ERROR_INVALID_FRAME_ID", 0x32: "ERROR_WRONG_DIRECTION",
	0x33: "ERROR_TRUNCATED", 0x34: "ERROR_OVERFLOW", 0x35: "ERROR_OUT_OF_MEMORY", 0x36: "ERROR_INVALID_VALUE",
	0x37: "ERROR_INVALID_ID", 0x38: "ERROR_INVALID_CALL", 0x39: "ERROR_NO_RESPONSE",
	0x40: "ERROR_COMMAND_TOO_LONG", 0x41: "ERROR_QUEUE_FULL", 0x42: "ERROR_COMMAND_FILTERED",
	0x43: "ERROR_SECURITY_KEY_ALREADY_SET", 0x44: "ERROR_SECURITY_TYPE_INVALID",
	0x45: "ERROR_SECURITY_PARAMETERS_INVALID",
}

var slNames = map[uint32]string{
	0x0000: "OK", 0x0001: "FAIL", 0x0002: "INVALID_STATE", 0x0003: "NOT_READY", 0x0004: "BUSY", 0x0007: "TIMEOUT",
	0x000E: "NOT_AVAILABLE", 0x000F: "NOT_SUPPORTED", 0x0011: "NOT_INITIALIZED",
	0x0015: "NETWORK_UP", 0x0016: "NETWORK_DOWN", 0x0017: "NOT_JOINED", 0x0018: "NO_BEACONS",
	0x0019: "ALLOCATION_FAILED", 0x001A: "NO_MORE_RESOURCE", 0x001B: "EMPTY", 0x001C: "FULL",
	0x0021: "INVALID_PARAMETER", 0x0023: "INVALID_CONFIGURATION", 0x0024: "INVALID_MODE", 0x0026: "INVALID_TYPE",
	0x0027: "INVALID_INDEX", 0x0028: "INVALID_RANGE", 0x0029: "INVALID_KEY", 0x002A: "INVALID_CREDENTIALS",
	0x002D: "NOT_FOUND", 0x002E: "ALREADY_EXISTS", 0x0038: "MESSAGE_TOO_LONG",
	0x0040: "MAC_NO_ACK_RECEIVED", 0x0041: "MAC_INDIRECT_TIMEOUT", 0x0048: "COMMAND_IS_INVALID",
	0x004C: "CCA_FAILURE", 0x004D: "MAC_SCANNING", 0x004F: "INVALID_CHANNEL_MASK", 0x0050: "BAD_SCAN_DURATION",
	0x0053: "MAC_TRANSMIT_QUEUE_FULL",
	0x0C01: "ZIGBEE_PACKET_HANDOFF_DROPPED", 0x0C02: "ZIGBEE_DELIVERY_FAILED", 0x0C03: "ZIGBEE_MAX_MESSAGE_LIMIT_REACHED",
	0x0C07: "ZIGBEE_NODE_ID_CHANGED", 0x0C0A: "ZIGBEE_APS_ENCRYPTION_ERROR", 0x0C0B: "ZIGBEE_SECURITY_STATE_NOT_SET",
	0x0C0E: "ZIGBEE_KEY_NOT_AUTHORIZED", 0x0C13: "ZIGBEE_SOURCE_ROUTE_FAILURE", 0x0C14: "ZIGBEE_MANY_TO_ONE_ROUTE_FAILURE",
	0x0C16: "ZIGBEE_PAN_ID_CHANGED", 0x0C17: "ZIGBEE_CHANNEL_CHANGED",
	0x0C18: "ZIGBEE_NETWORK_OPENED", 0x0C19: "ZIGBEE_NETWORK_CLOSED", 0x0C1E: "ZIGBEE_EZSP_ERROR",
	0x0C20: "ZIGBEE_NO_APS_ACK", 0x0C25: "ZIGBEE_SEND_UNICAST_FAILURE", 0x0C26: "ZIGBEE_SEND_UNICAST_NO_ROUTE",
}

func (s Status) String() string {
	switch s.Family {
	case Ember:
		if n, ok := emberNames[s.Code]; ok {
			return "EMBER_" + n
		}
		return fmt.Sprintf("EmberStatus 0x%02X", s.Code)
	case Ezsp:
		if n, ok := ezspNames[s.Code]; ok {
			return "EZSP_" + n
		}
		return fmt.Sprintf("EzspStatus 0x%02X", s.Code)
	}
	if n, ok := slNames[s.Code]; ok {
		return "SL_STATUS_" + n
	}
	return fmt.Sprintf("sl_status 0x%04X", s.Code)
}

// StatusError is a reply that says a command has failed.
type StatusError struct {
	Command string
	Status  Status
}

func (e *StatusError) Error() string { return e.Command + ": " + e.Status.String() }

// emberStatus is an EmberStatus up to EZSP 13, an SL status after.
func emberStatus(c *coder, s *Status) { status(c, s, Ember) }

// ezspStatus is an EzspStatus up to EZSP 13, an SL status after.
func ezspStatus(c *coder, s *Status) { status(c, s, Ezsp) }

// slStatus is an SL status in every version that has the frame.
func slStatus(c *coder, s *Status) {
	u32(c, &s.Code)
	s.Family = SL
}

// scanStatus is an EmberStatus in EZSP 8 and an SL status from then on: startScan
// changed before all others did.
func scanStatus(c *coder, s *Status) {
	if c.v >= 9 {
		slStatus(c, s)
		return
	}
	emberStatus(c, s)
}

func status(c *coder, s *Status, old Family) {
	if c.v >= 14 {
		slStatus(c, s)
		return
	}
	code := uint8(s.Code)
	u8(c, &code)
	*s = Status{old, uint32(code)}
}

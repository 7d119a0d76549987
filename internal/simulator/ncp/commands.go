package ncp

// Identifiers of frames that are not only looked up (UG100 section 5).
const (
	cmdVersion        = 0x0000
	cmdInvalidCommand = 0x0058

	callbackStackStatus     = 0x0019
	callbackChildJoin       = 0x0023
	callbackTrustCenterJoin = 0x0024
	callbackMessageSent     = 0x003F
	callbackIncoming        = 0x0045
)

// command runs one EZSP command: it reads its parameters, asks in.bad, acts and
// writes the answer's parameters.
type command struct {
	name string
	run  func(n *NCP, in *reader, out *writer)
}

var commands map[uint16]command

// secret are the commands that carry keys: what they say is never logged.
var secret = map[uint16]bool{0x0068: true, 0x0111: true, 0x0114: true}

func init() { // breaks the cycle between the table and what dispatches by it
	commands = map[uint16]command{
		0x0000: {"version", version},
		0x0002: {"addEndpoint", addEndpoint},
		0x0003: {"getExtendedValue", getExtendedValue},
		0x0005: {"nop", func(_ *NCP, in *reader, _ *writer) { in.bad() }},
		0x000B: {"getMfgToken", getMfgToken},
		0x0010: {"setConcentrator", setConcentrator},
		0x0015: {"setManufacturerCode", setManufacturerCode},
		0x0017: {"networkInit", networkInit},
		0x0018: {"networkState", networkState},
		0x001E: {"formNetwork", formNetwork},
		0x0020: {"leaveNetwork", leaveNetwork},
		0x0022: {"permitJoining", permitJoining},
		0x0026: {"getEui64", getEUI64},
		0x0027: {"getNodeId", getNodeID},
		0x0028: {"getNetworkParameters", getNetworkParameters},
		0x0029: {"getParentChildParameters", getParentChildParameters},
		0x0033: {"maximumPayloadLength", maximumPayloadLength},
		0x0034: {"sendUnicast", sendUnicast},
		0x0036: {"sendBroadcast", sendBroadcast},
		0x0038: {"sendMulticast", sendMulticast},
		0x0041: {"sendManyToOneRouteRequest", sendManyToOneRouteRequest},
		0x0049: {"getRandomNumber", getRandomNumber},
		0x004A: {"getChildData", getChildData},
		0x0052: {"getConfigurationValue", getConfigurationValue},
		0x0053: {"setConfigurationValue", setConfigurationValue},
		0x0055: {"setPolicy", setPolicy},
		0x0056: {"getPolicy", getPolicy},
		0x005A: {"setSourceRouteDiscoveryMode", setSourceRouteDiscoveryMode},
		0x0060: {"lookupNodeIdByEui64", lookupNodeID},
		0x0061: {"lookupEui64ByNodeId", lookupEUI64},
		0x0063: {"getMulticastTableEntry", getMulticastTableEntry},
		0x0064: {"setMulticastTableEntry", setMulticastTableEntry},
		0x0065: {"readAndClearCounters", readAndClearCounters},
		0x0068: {"setInitialSecurityState", setInitialSecurityState},
		0x0069: {"getCurrentSecurityState", getCurrentSecurityState},
		0x006B: {"clearTransientLinkKeys", clearTransientLinkKeys},
		0x0075: {"findKeyTableEntry", findKeyTableEntry},
		0x007E: {"setExtendedTimeout", setExtendedTimeout},
		0x007F: {"getExtendedTimeout", getExtendedTimeout},
		0x0081: {"echo", echo},
		0x0099: {"setRadioPower", setRadioPower},
		0x00AA: {"getValue", getValue},
		0x00AB: {"setValue", setValue},
		0x00B1: {"clearKeyTable", clearKeyTable},
		0x00CA: {"getManufacturerCode", getManufacturerCode},
		0x0111: {"importTransientKey", importTransientKey},
		0x0114: {"exportKey", exportKey},
		0x0116: {"getNetworkKeyInfo", getNetworkKeyInfo},
	}
}

// version tells which EZSP version the co-processor speaks. Only a host that
// asked for that very version may go on.
func version(n *NCP, in *reader, out *writer) {
	desired := in.u8()
	if in.bad() {
		return
	}
	const mesh = 2 // stack type
	n.agreed = desired == n.speaks.version
	r := n.speaks.release
	out.u8(n.speaks.version)
	out.u8(mesh)
	out.u16(uint16(r[0])<<12 | uint16(r[1])<<8 | uint16(r[2])<<4 | uint16(r[3]))
}

func echo(_ *NCP, in *reader, out *writer) {
	data := in.bytes(int(in.u8()))
	if in.bad() {
		return
	}
	out.u8(uint8(len(data)))
	out.bytes(data)
}

func getEUI64(n *NCP, in *reader, out *writer) {
	if !in.bad() {
		out.u64(uint64(n.o.EUI64))
	}
}

func getNodeID(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	if n.up {
		out.u16(0x0000)
	} else {
		out.u16(0xFFFE)
	}
}

func getRandomNumber(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	out.status(statusOK)
	out.u16(uint16(n.random.Uint32()))
}

// readAndClearCounters answers with the stack's counters, none of which a
// simulated radio moves.
func readAndClearCounters(_ *NCP, in *reader, out *writer) {
	const counters = 42
	if !in.bad() {
		out.bytes(make([]byte, 2*counters))
	}
}

// getMfgToken reads a manufacturing token; those of the simulated dongle are
// as erased flash leaves them.
func getMfgToken(_ *NCP, in *reader, out *writer) {
	lengths := map[uint8]int{0x00: 2, 0x01: 16, 0x02: 16, 0x03: 2, 0x04: 2, 0x05: 16, 0x06: 40, 0x07: 8, 0x09: 92, 0x0A: 20, 0x0C: 8, 0x0D: 2}
	id := in.u8()
	if in.bad() {
		return
	}
	token := make([]byte, lengths[id])
	for i := range token {
		token[i] = 0xFF
	}
	out.u8(uint8(len(token)))
	out.bytes(token)
}

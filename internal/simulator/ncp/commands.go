package ncp

// Identifiers of frames that are not only looked up (UG100 section 5).
const (
	cmdVersion        = 0x0000
	cmdInvalidCommand = 0x0058

	callbackStackStatus     = 0x0019
	callbackScanComplete    = 0x001C
	callbackChildJoin       = 0x0023
	callbackTrustCenterJoin = 0x0024
	callbackMessageSent     = 0x003F
	callbackIncoming        = 0x0045
	callbackEnergy          = 0x0048
	callbackRouteRecord     = 0x0059
)

// command runs one EZSP command: it reads its parameters, asks in.bad, acts and
// writes the answer's parameters. It exists in the versions from first to last;
// 0 is no limit.
type command struct {
	name        string
	run         func(n *NCP, in *reader, out *writer)
	first, last uint8
}

func (c command) in(version uint8) bool {
	return version >= c.first && (c.last == 0 || version <= c.last)
}

var commands map[uint16][]command

// lookup finds a command as the co-processor's version has it: some numbers
// were given to another command later.
func (n *NCP) lookup(id uint16) (command, bool) {
	for _, c := range commands[id] {
		if c.in(n.speaks.version) {
			return c, true
		}
	}
	return command{}, false
}

// secret are the commands that carry keys: what they say is never logged.
var secret = map[uint16]bool{0x0066: true, 0x0068: true, 0x006A: true, 0x006D: true, 0x0071: true, 0x0072: true, 0x00AF: true,
	0x00CE: true, 0x010D: true, 0x010E: true, 0x010F: true, 0x0111: true, 0x0112: true, 0x0113: true, 0x0114: true}

func init() { // breaks the cycle between the table and what dispatches by it
	commands = map[uint16][]command{
		0x0000: {{name: "version", run: version}},
		0x0002: {{name: "addEndpoint", run: addEndpoint}},
		0x0003: {{name: "getExtendedValue", run: getExtendedValue}},
		0x0005: {{name: "nop", run: func(_ *NCP, in *reader, _ *writer) { in.bad() }}},
		0x000B: {{name: "getMfgToken", run: getMfgToken}},
		0x0010: {{name: "setConcentrator", run: setConcentrator}},
		0x0015: {{name: "setManufacturerCode", run: setManufacturerCode}},
		0x0016: {{name: "setPowerDescriptor", run: setPowerDescriptor}},
		0x0017: {{name: "networkInit", run: networkInit}},
		0x0018: {{name: "networkState", run: networkState}},
		0x001A: {{name: "startScan", run: startScan}},
		0x001D: {{name: "stopScan", run: stopScan}},
		0x001E: {{name: "formNetwork", run: formNetwork}},
		0x0020: {{name: "leaveNetwork", run: leaveNetwork}},
		0x0022: {{name: "permitJoining", run: permitJoining}},
		0x0026: {{name: "getEui64", run: getEUI64}},
		0x0027: {{name: "getNodeId", run: getNodeID}},
		0x0028: {{name: "getNetworkParameters", run: getNetworkParameters}},
		0x0029: {{name: "getParentChildParameters", run: getParentChildParameters}},
		0x0033: {{name: "maximumPayloadLength", run: maximumPayloadLength}},
		0x0034: {{name: "sendUnicast", run: sendUnicast}},
		0x0036: {{name: "sendBroadcast", run: sendBroadcast}},
		0x0038: {{name: "sendMulticast", run: sendMulticast}},
		0x0041: {{name: "sendManyToOneRouteRequest", run: sendManyToOneRouteRequest}},
		0x0049: {{name: "getRandomNumber", run: getRandomNumber}},
		0x004A: {{name: "getChildData", run: getChildData}},
		0x0050: {{name: "unicastCurrentNetworkKey", run: unicastNetworkKey}},
		0x0052: {{name: "getConfigurationValue", run: getConfigurationValue}},
		0x0053: {{name: "setConfigurationValue", run: setConfigurationValue}},
		0x0055: {{name: "setPolicy", run: setPolicy}},
		0x0056: {{name: "getPolicy", run: getPolicy}},
		0x005A: {{name: "setSourceRouteDiscoveryMode", run: setSourceRouteDiscoveryMode}},
		0x005B: {{name: "addressTableEntryIsActive", run: addressIsActive}},
		0x005C: {{name: "setAddressTableRemoteEui64", run: setAddressEUI64, last: 13}, {name: "setAddressTableInfo", run: setAddressInfo, first: 14}},
		0x005D: {{name: "setAddressTableRemoteNodeId", run: setAddressNodeID, last: 13}},
		0x005E: {{name: "getAddressTableRemoteEui64", run: getAddressEUI64, last: 13}, {name: "getAddressTableInfo", run: getAddressInfo, first: 14}},
		0x005F: {{name: "getAddressTableRemoteNodeId", run: getAddressNodeID, last: 13}},
		0x0060: {{name: "lookupNodeIdByEui64", run: lookupNodeID}},
		0x0061: {{name: "lookupEui64ByNodeId", run: lookupEUI64}},
		0x0063: {{name: "getMulticastTableEntry", run: getMulticastTableEntry}},
		0x0064: {{name: "setMulticastTableEntry", run: setMulticastTableEntry}},
		0x0065: {{name: "readAndClearCounters", run: readAndClearCounters}},
		0x0066: {{name: "addOrUpdateKeyTableEntry", run: addKeyTableEntry, last: 12}},
		0x0068: {{name: "setInitialSecurityState", run: setInitialSecurityState}},
		0x0069: {{name: "getCurrentSecurityState", run: getCurrentSecurityState}},
		0x006A: {{name: "getKey", run: getKey, last: 12}},
		0x006B: {{name: "clearTransientLinkKeys", run: clearTransientLinkKeys}},
		0x006D: {{name: "getTransientKeyTableEntry", run: getTransientKeyTableEntry, last: 12}},
		0x0071: {{name: "getKeyTableEntry", run: getKeyTableEntry, last: 12}},
		0x0072: {{name: "setKeyTableEntry", run: setKeyTableEntry, last: 12}},
		0x0075: {{name: "findKeyTableEntry", run: findKeyTableEntry}},
		0x0076: {{name: "eraseKeyTableEntry", run: eraseKeyTableEntry}},
		0x0077: {{name: "tokenFactoryReset", run: tokenFactoryReset, first: 13}},
		0x0079: {{name: "getNeighbor", run: getNeighbor}},
		0x007A: {{name: "neighborCount", run: neighborCount}},
		0x007B: {{name: "getRouteTableEntry", run: getRouteTableEntry}},
		0x007E: {{name: "setExtendedTimeout", run: setExtendedTimeout}},
		0x007F: {{name: "getExtendedTimeout", run: getExtendedTimeout}},
		0x0081: {{name: "echo", run: echo}},
		0x0082: {{name: "replaceAddressTableEntry", run: replaceAddress}},
		0x0095: {{name: "setRadioIeee802154CcaMode", run: setCCAMode, first: 9}},
		0x0099: {{name: "setRadioPower", run: setRadioPower}},
		0x009A: {{name: "setRadioChannel", run: setChannel}},
		0x00AA: {{name: "getValue", run: getValue}},
		0x00AB: {{name: "setValue", run: setValue}},
		0x00AC: {{name: "setChildData", run: setChildData, first: 9}},
		0x00AE: {{name: "setSourceRoute", run: setSourceRoute}},
		0x00AF: {{name: "addTransientLinkKey", run: importTransientKey, last: 12}},
		0x00B1: {{name: "clearKeyTable", run: clearKeyTable}},
		0x00B9: {{name: "setLogicalAndRadioChannel", run: setChannel}},
		0x00C1: {{name: "getSourceRouteTableEntry", run: getSourceRouteTableEntry}},
		0x00C2: {{name: "getSourceRouteTableFilledSize", run: sourceRoutes}},
		0x00C3: {{name: "getSourceRouteTableTotalSize", run: sourceRouteSize}},
		0x00CA: {{name: "getManufacturerCode", run: getManufacturerCode, first: 14}},
		0x00CE: {{name: "getTransientLinkKey", run: getTransientLinkKey, last: 12}},
		0x00F1: {{name: "readCounters", run: readCounters}},
		0x00FF: {{name: "getRadioChannel", run: getRadioChannel, first: 9}},
		0x0100: {{name: "getTokenCount", run: getTokenCount, first: 9}},
		0x0102: {{name: "getTokenData", run: getTokenData, first: 9}},
		0x0103: {{name: "setTokenData", run: setTokenData, first: 9}},
		0x0105: {{name: "setPassiveAckConfig", run: setPassiveAck, first: 12}},
		0x0106: {{name: "childId", run: childID, first: 12}},
		0x010C: {{name: "getApsKeyInfo", run: getAPSKeyInfo, first: 13}},
		0x010D: {{name: "exportLinkKeyByEui", run: exportLinkKeyByEUI64, first: 13}},
		0x010E: {{name: "importLinkKey", run: importLinkKey, first: 13}},
		0x010F: {{name: "exportLinkKeyByIndex", run: exportLinkKeyByIndex, first: 13}},
		0x0111: {{name: "importTransientKey", run: importTransientKey, first: 13}},
		0x0112: {{name: "exportTransientKeyByIndex", run: exportTransientKeyByIndex, first: 13}},
		0x0113: {{name: "exportTransientKeyByEui", run: exportTransientKeyByEUI64, first: 13}},
		0x0114: {{name: "exportKey", run: exportKey, first: 13}},
		0x0116: {{name: "getNetworkKeyInfo", run: getNetworkKeyInfo, first: 13}},
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
		out.u64(uint64(n.eui))
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

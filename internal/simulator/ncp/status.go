package ncp

// EzspStatus values: of the protocol itself and of what lays out the
// co-processor before its stack runs (UG100, EzspStatus).
const (
	ezspSuccess             = 0x00
	errorVersionNotSet      = 0x30
	errorInvalidFrameID     = 0x31
	errorWrongDirection     = 0x32
	errorTruncated          = 0x33
	errorOverflow           = 0x34
	errorOutOfMemory        = 0x35
	errorInvalidValue       = 0x36
	errorInvalidID          = 0x37
	errorInvalidCall        = 0x38
	errorUnsupportedControl = 0x49
)

// status is a status of the stack, as EmberStatus has it up to EZSP 13; later
// dialects write the sl_status that says the same.
type status uint8

const (
	statusOK             status = 0x00
	statusFatal          status = 0x01
	statusBadArgument    status = 0x02
	statusNotFound       status = 0x03
	statusScanning       status = 0x3D
	statusScanChannels   status = 0x3F
	statusScanDuration   status = 0x40
	statusDeliveryFailed status = 0x66
	statusInvalidCall    status = 0x70
	statusMaxMessages    status = 0x72
	statusTooLong        status = 0x74
	statusInvalidChannel status = 0x8A
	statusNetworkUp      status = 0x90
	statusNetworkDown    status = 0x91
	statusNotJoined      status = 0x93
	statusChannelChanged status = 0x9B
	statusNetworkOpened  status = 0x9C
	statusNetworkClosed  status = 0x9D
	statusSecurityNotSet status = 0xA8
	statusIndexRange     status = 0xB1
	statusTableFull      status = 0xB4
	statusErased         status = 0xB6
)

// slStatus is the 4-byte status that the security manager uses in all versions.
type slStatus uint32

const (
	slOK               slStatus = 0x0000
	slFail             slStatus = 0x0001
	slInvalidState     slStatus = 0x0002
	slNetworkUp        slStatus = 0x0015
	slNetworkDown      slStatus = 0x0016
	slNotJoined        slStatus = 0x0017
	slAllocationFailed slStatus = 0x0019
	slFull             slStatus = 0x001C
	slInvalidParameter slStatus = 0x0021
	slInvalidIndex     slStatus = 0x0027
	slInvalidRange     slStatus = 0x0028
	slNotFound         slStatus = 0x002D
	slTooLong          slStatus = 0x0038
	slScanning         slStatus = 0x004D
	slScanChannels     slStatus = 0x004F
	slScanDuration     slStatus = 0x0050
	slInvalidChannel   slStatus = 0x0055
	slDeliveryFailed   slStatus = 0x0C02
	slMaxMessages      slStatus = 0x0C03
	slSecurityNotSet   slStatus = 0x0C0B
	slChannelChanged   slStatus = 0x0C17
	slNetworkOpened    slStatus = 0x0C18
	slNetworkClosed    slStatus = 0x0C19
)

// slOf says in sl_status what a status says.
var slOf = map[status]slStatus{
	statusOK: slOK, statusFatal: slFail, statusBadArgument: slInvalidParameter, statusNotFound: slNotFound,
	statusScanning: slScanning, statusScanChannels: slScanChannels, statusScanDuration: slScanDuration,
	statusDeliveryFailed: slDeliveryFailed, statusInvalidCall: slInvalidState, statusMaxMessages: slMaxMessages,
	statusTooLong: slTooLong, statusInvalidChannel: slInvalidChannel,
	statusNetworkUp: slNetworkUp, statusNetworkDown: slNetworkDown, statusNotJoined: slNotJoined,
	statusChannelChanged: slChannelChanged, statusNetworkOpened: slNetworkOpened, statusNetworkClosed: slNetworkClosed,
	statusSecurityNotSet: slSecurityNotSet,
	statusIndexRange:     slInvalidIndex, statusTableFull: slFull, statusErased: slNotFound,
}

// ezspSL says in sl_status what an EzspStatus says.
var ezspSL = map[uint8]slStatus{
	ezspSuccess: slOK, errorOutOfMemory: slAllocationFailed, errorInvalidValue: slInvalidRange,
	errorInvalidID: slInvalidParameter, errorInvalidCall: slInvalidState,
}

// status writes a status of the stack.
func (w *writer) status(s status) {
	if w.dialect.has(slStatuses) {
		w.sl(slOf[s])
	} else {
		w.u8(uint8(s))
	}
}

// ezsp writes a status of what lays out the co-processor.
func (w *writer) ezsp(s uint8) {
	if w.dialect.has(slStatuses) {
		w.sl(ezspSL[s])
	} else {
		w.u8(s)
	}
}

// sl writes a status that has 4 bytes in all versions.
func (w *writer) sl(s slStatus) { w.u32(uint32(s)) }

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
	statusOK              status = 0x00
	statusFatal           status = 0x01
	statusBadArgument     status = 0x02
	statusDeliveryFailed  status = 0x66
	statusInvalidCall     status = 0x70
	statusMaxMessages     status = 0x72
	statusTooLong         status = 0x74
	statusInvalidChannel  status = 0x8A
	statusNetworkUp       status = 0x90
	statusNetworkDown     status = 0x91
	statusNotJoined       status = 0x93
	statusNetworkOpened   status = 0x9C
	statusNetworkClosed   status = 0x9D
	statusInvalidEndpoint status = 0xA3
	statusSecurityNotSet  status = 0xA8
	statusIndexRange      status = 0xB1
)

// slStatus is the 4-byte status that the security manager uses in all versions.
type slStatus uint32

const (
	slOK               slStatus = 0x0000
	slNotJoined        slStatus = 0x0017
	slFull             slStatus = 0x001C
	slNotFound         slStatus = 0x001D
	slInvalidParameter slStatus = 0x0021
)

package zcl

import "fmt"

// Status is the result of a command or of one attribute in it. Source: ZCL8
// §2.6.3, table 2-12.
type Status uint8

// The statuses devices are known to send.
const (
	StatusSuccess             Status = 0x00
	StatusFailure             Status = 0x01
	StatusNotAuthorized       Status = 0x7e
	StatusMalformed           Status = 0x80
	StatusUnsupportedCommand  Status = 0x81
	StatusUnsupportedGeneral  Status = 0x82
	StatusUnsupportedMfgCmd   Status = 0x83
	StatusUnsupportedMfgGen   Status = 0x84
	StatusInvalidField        Status = 0x85
	StatusUnsupportedAttr     Status = 0x86
	StatusInvalidValue        Status = 0x87
	StatusReadOnly            Status = 0x88
	StatusInsufficientSpace   Status = 0x89
	StatusDuplicateExists     Status = 0x8a
	StatusNotFound            Status = 0x8b
	StatusUnreportable        Status = 0x8c
	StatusInvalidDataType     Status = 0x8d
	StatusInvalidSelector     Status = 0x8e
	StatusWriteOnly           Status = 0x8f
	StatusTimeout             Status = 0x94
	StatusAbort               Status = 0x95
	StatusInvalidImage        Status = 0x96
	StatusWaitForData         Status = 0x97
	StatusNoImageAvailable    Status = 0x98
	StatusRequireMoreImage    Status = 0x99
	StatusNotificationPending Status = 0x9a
	StatusHardwareFailure     Status = 0xc0
	StatusSoftwareFailure     Status = 0xc1
	StatusUnsupportedCluster  Status = 0xc3
)

var statusNames = map[Status]string{
	StatusSuccess:             "success",
	StatusFailure:             "failure",
	StatusNotAuthorized:       "not authorised",
	StatusMalformed:           "malformed command",
	StatusUnsupportedCommand:  "unsupported cluster command",
	StatusUnsupportedGeneral:  "unsupported general command",
	StatusUnsupportedMfgCmd:   "unsupported manufacturer cluster command",
	StatusUnsupportedMfgGen:   "unsupported manufacturer general command",
	StatusInvalidField:        "invalid field",
	StatusUnsupportedAttr:     "unsupported attribute",
	StatusInvalidValue:        "invalid value",
	StatusReadOnly:            "read only",
	StatusInsufficientSpace:   "insufficient space",
	StatusDuplicateExists:     "exists already",
	StatusNotFound:            "not found",
	StatusUnreportable:        "attribute cannot be reported",
	StatusInvalidDataType:     "invalid data type",
	StatusInvalidSelector:     "invalid selector",
	StatusWriteOnly:           "write only",
	StatusTimeout:             "timeout",
	StatusAbort:               "aborted",
	StatusInvalidImage:        "invalid image",
	StatusWaitForData:         "wait for data",
	StatusNoImageAvailable:    "no image available",
	StatusRequireMoreImage:    "more image required",
	StatusNotificationPending: "notification pending",
	StatusHardwareFailure:     "hardware failure",
	StatusSoftwareFailure:     "software failure",
	StatusUnsupportedCluster:  "unsupported cluster",
}

// String is the status in words, or its number.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("status 0x%02x", uint8(s))
}

// Err is nil for success, else an error that says the status in words.
func (s Status) Err() error {
	if s == StatusSuccess {
		return nil
	}
	return statusError(s)
}

type statusError Status

func (e statusError) Error() string { return "device answered " + Status(e).String() }

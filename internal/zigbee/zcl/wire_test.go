package zcl

import (
	"encoding/hex"
	"testing"
)

// frames is the one table of frames: recorded between a coordinator and a
// frient EMIZB-141 unless the name says otherwise. Parse, append, error and
// fuzz tests use it.
var frames = []struct {
	name  string
	hex   string
	frame Frame
	// attributes of a read response or a report.
	attributes []Attribute
	// reporting of a configure reporting command.
	reporting []ReportConfig
}{
	{
		name:  "ReadModel",
		hex:   "1001000500",
		frame: Frame{DisableDefaultResponse: true, Seq: 1, Payload: []byte{0x05, 0x00}},
	},
	{
		name:       "ReadModelResponse",
		hex:        "1801010500004209454d495a422d313431",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Seq: 1, Command: CommandReadResponse},
		attributes: []Attribute{{ID: AttrModelIdentifier, Value: Text("EMIZB-141")}},
	},
	{
		name:       "ReadManufacturerResponse",
		hex:        "180201040000420a667269656e7420412f53",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Seq: 2, Command: CommandReadResponse},
		attributes: []Attribute{{ID: AttrManufacturerName, Value: Text("frient A/S")}},
	},
	{
		name:       "ReadPowerSourceResponse",
		hex:        "1803010700003003",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Seq: 3, Command: CommandReadResponse},
		attributes: []Attribute{{ID: AttrPowerSource, Value: Number(Enum8, 3)}},
	},
	{
		name:       "ReadCheckInIntervalResponse",
		hex:        "180a010000002340380000",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Seq: 10, Command: CommandReadResponse},
		attributes: []Attribute{{ID: 0, Value: Number(Uint32, 14400)}},
	},
	{
		name:  "ConfigureMetering",
		hex:   "100b060000042a0a00e8fd050000000000250a00e8fd640000000000",
		frame: Frame{DisableDefaultResponse: true, Seq: 11, Command: CommandConfigureReporting},
		reporting: []ReportConfig{
			{Attribute: AttrInstantaneousDemand, Type: Int24, Min: 10, Max: 65000, Change: 5},
			{Attribute: AttrSummationDelivered, Type: Uint48, Min: 10, Max: 65000, Change: 100},
		},
	},
	{
		name:  "ConfigureReportingResponse",
		hex:   "180b0700",
		frame: Frame{FromServer: true, DisableDefaultResponse: true, Seq: 11, Command: CommandConfigureReportingResponse, Payload: []byte{0}},
	},
	{
		name:      "ConfigureBattery",
		hex:       "100d0600210020100ee8fd0a",
		frame:     Frame{DisableDefaultResponse: true, Seq: 13, Command: CommandConfigureReporting},
		reporting: []ReportConfig{{Attribute: AttrBatteryPercentage, Type: Uint8, Min: 3600, Max: 65000, Change: 10}},
	},
	{
		name:  "ReadMeteringResponse",
		hex:   "180c010004002adc0500000000254e61bc000000",
		frame: Frame{FromServer: true, DisableDefaultResponse: true, Seq: 12, Command: CommandReadResponse},
		attributes: []Attribute{
			{ID: AttrInstantaneousDemand, Value: Number(Int24, 1500)},
			{ID: AttrSummationDelivered, Value: Number(Uint48, 12345678)},
		},
	},
	{
		name:  "ReadDevelcoVersions",
		hex:   "1415100f0000802080",
		frame: Frame{DisableDefaultResponse: true, Manufacturer: ManufacturerDevelco, Seq: 15, Payload: []byte{0x00, 0x80, 0x20, 0x80}},
	},
	{
		name:  "ReadDevelcoVersionsResponse",
		hex:   "1c15100f0100800041030201002080004103010002",
		frame: Frame{FromServer: true, DisableDefaultResponse: true, Manufacturer: ManufacturerDevelco, Seq: 15, Command: CommandReadResponse},
		attributes: []Attribute{
			{ID: 0x8000, Value: Octets([]byte{2, 1, 0})},
			{ID: 0x8020, Value: Octets([]byte{1, 0, 2})},
		},
	},
	{
		name:       "ReadPulseConfigurationResponse",
		hex:        "1c1510100100030021e803",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Manufacturer: ManufacturerDevelco, Seq: 16, Command: CommandReadResponse},
		attributes: []Attribute{{ID: 0x0300, Value: Number(Uint16, 1000)}},
	},
	{
		name:       "ReportDemand",
		hex:        "18820a00042adc0500",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Seq: 0x82, Command: CommandReport},
		attributes: []Attribute{{ID: AttrInstantaneousDemand, Value: Number(Int24, 1500)}},
	},
	{
		name:       "ReportSummation",
		hex:        "18830a0000254e61bc000000",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Seq: 0x83, Command: CommandReport},
		attributes: []Attribute{{ID: AttrSummationDelivered, Value: Number(Uint48, 12345678)}},
	},
	{
		name:  "ReportBattery",
		hex:   "18840a210020aa2000202e",
		frame: Frame{FromServer: true, DisableDefaultResponse: true, Seq: 0x84, Command: CommandReport},
		attributes: []Attribute{
			{ID: AttrBatteryPercentage, Value: Number(Uint8, 170)},
			{ID: AttrBatteryVoltage, Value: Number(Uint8, 46)},
		},
	},
	{
		name:  "ReadUnsupportedAmongGoodOnes by the specification",
		hex:   "180101 0003003000 020386 0400004203616263",
		frame: Frame{FromServer: true, DisableDefaultResponse: true, Seq: 1, Command: CommandReadResponse},
		attributes: []Attribute{
			{ID: 0x0300, Value: Number(Enum8, 0)},
			{ID: 0x0302, Status: StatusUnsupportedAttr},
			{ID: 0x0004, Value: Text("abc")},
		},
	},
	{
		name:       "ReadUnsupported by the specification",
		hex:        "180101034086",
		frame:      Frame{FromServer: true, DisableDefaultResponse: true, Seq: 1, Command: CommandReadResponse},
		attributes: []Attribute{{ID: 0x4003, Status: StatusUnsupportedAttr}},
	},
	{
		name:  "ClusterCommandOnWithTimedOff by the specification",
		hex:   "01054200580258 02",
		frame: Frame{ClusterSpecific: true, Seq: 5, Command: 0x42, Payload: []byte{0x00, 0x58, 0x02, 0x58, 0x02}},
	},
	{
		name:  "DefaultResponseUnsupported by the specification",
		hex:   "18050b4281",
		frame: Frame{FromServer: true, DisableDefaultResponse: true, Seq: 5, Command: CommandDefaultResponse, Payload: []byte{0x42, 0x81}},
	},
}

// values is the one table of data types. Every known type is here once at
// least (TestEveryTypeIsInTheTable), its unknown value too where it has one.
var values = []struct {
	name    string
	t       DataType
	hex     string
	text    string // Value.String
	invalid bool
}{
	{"NoData", NoData, "", "unknown", true},
	{"Unknown", Unknown, "", "unknown", true},
	{"Data8", Data8, "ff", "255", false},
	{"Data16", Data16, "0102", "513", false},
	{"Data24", Data24, "010203", "197121", false},
	{"Data32", Data32, "ffffffff", "4294967295", false},
	{"Data40", Data40, "0000000001", "4294967296", false},
	{"Data48", Data48, "000000000001", "1099511627776", false},
	{"Data56", Data56, "00000000000001", "281474976710656", false},
	{"Data64", Data64, "ffffffffffffffff", "18446744073709551615", false},
	{"BoolFalse", Bool, "00", "0", false},
	{"BoolTrue", Bool, "01", "1", false},
	{"BoolUnknown", Bool, "ff", "unknown", true},
	{"Bitmap8", Bitmap8, "ff", "255", false},
	{"Bitmap16", Bitmap16, "ffff", "65535", false},
	{"Bitmap24", Bitmap24, "ffffff", "16777215", false},
	{"Bitmap32", Bitmap32, "39000000", "57", false},
	{"Bitmap40", Bitmap40, "0100000000", "1", false},
	{"Bitmap48", Bitmap48, "010000000000", "1", false},
	{"Bitmap56", Bitmap56, "01000000000000", "1", false},
	{"Bitmap64", Bitmap64, "ffffffffffffffff", "18446744073709551615", false},
	{"Uint8", Uint8, "c8", "200", false},
	{"Uint8Unknown", Uint8, "ff", "unknown", true},
	{"Uint16", Uint16, "e803", "1000", false},
	{"Uint16Unknown", Uint16, "ffff", "unknown", true},
	{"Uint24", Uint24, "80ee36", "3600000", false},
	{"Uint24Unknown", Uint24, "ffffff", "unknown", true},
	{"Uint32", Uint32, "40380000", "14400", false},
	{"Uint32Unknown", Uint32, "ffffffff", "unknown", true},
	{"Uint40", Uint40, "feffffffff", "1099511627774", false},
	{"Uint40Unknown", Uint40, "ffffffffff", "unknown", true},
	{"Uint48", Uint48, "4e61bc000000", "12345678", false},
	{"Uint48Unknown", Uint48, "ffffffffffff", "unknown", true},
	{"Uint56", Uint56, "feffffffffffff", "72057594037927934", false},
	{"Uint56Unknown", Uint56, "ffffffffffffff", "unknown", true},
	{"Uint64", Uint64, "feffffffffffffff", "18446744073709551614", false},
	{"Uint64Unknown", Uint64, "ffffffffffffffff", "unknown", true},
	{"Int8", Int8, "ff", "-1", false},
	{"Int8Unknown", Int8, "80", "unknown", true},
	{"Int16", Int16, "ff7f", "32767", false},
	{"Int16Unknown", Int16, "0080", "unknown", true},
	{"Int24", Int24, "24faff", "-1500", false},
	{"Int24Unknown", Int24, "000080", "unknown", true},
	{"Int32", Int32, "1d070000", "1821", false},
	{"Int32Unknown", Int32, "00000080", "unknown", true},
	{"Int40", Int40, "ffffffffff", "-1", false},
	{"Int40Unknown", Int40, "0000000080", "unknown", true},
	{"Int48", Int48, "ffffffffffff", "-1", false},
	{"Int48Unknown", Int48, "000000000080", "unknown", true},
	{"Int56", Int56, "ffffffffffffff", "-1", false},
	{"Int56Unknown", Int56, "00000000000080", "unknown", true},
	{"Int64", Int64, "0100000000000080", "-9223372036854775807", false},
	{"Int64Unknown", Int64, "0000000000000080", "unknown", true},
	{"Enum8", Enum8, "03", "3", false},
	{"Enum8Unknown", Enum8, "ff", "unknown", true},
	{"Enum16", Enum16, "0002", "512", false},
	{"Enum16Unknown", Enum16, "ffff", "unknown", true},
	{"SemiOneAndAHalf", SemiFloat, "003e", "1.5", false},
	{"SemiNegative", SemiFloat, "00c0", "-2", false},
	{"SemiSmallest", SemiFloat, "0100", "5.960464477539063e-08", false},
	{"SemiInfinite", SemiFloat, "007c", "+Inf", false},
	{"SemiUnknown", SemiFloat, "017c", "unknown", true},
	{"Single", SingleFloat, "0000c03f", "1.5", false},
	{"SingleUnknown", SingleFloat, "0000c07f", "unknown", true},
	{"Double", DoubleFloat, "000000000000f8bf", "-1.5", false},
	{"DoubleUnknown", DoubleFloat, "000000000000f87f", "unknown", true},
	{"Octets", OctetString, "03020100", "020100", false},
	{"OctetsUnknown", OctetString, "ff", "unknown", true},
	{"Text", CharString, "09454d495a422d313431", `"EMIZB-141"`, false},
	{"TextEmpty", CharString, "00", `""`, false},
	{"TextNotUTF8", CharString, "02ff00", `"\xff\x00"`, false},
	{"TextUnknown", CharString, "ff", "unknown", true},
	{"LongOctets", LongOctetStr, "0200abcd", "abcd", false},
	{"LongOctetsUnknown", LongOctetStr, "ffff", "unknown", true},
	{"LongText", LongCharStr, "02004142", `"AB"`, false},
	{"LongTextUnknown", LongCharStr, "ffff", "unknown", true},
	{"Array", Array, "20020001ff", "[1 unknown]", false},
	{"ArrayEmpty", Array, "200000", "[]", false},
	{"ArrayUnknown", Array, "20ffff", "unknown", true},
	{"Set", Set, "2101000100", "[1]", false},
	{"SetUnknown", Set, "21ffff", "unknown", true},
	{"Bag", Bag, "420100026869", `["hi"]`, false},
	{"BagUnknown", Bag, "42ffff", "unknown", true},
	{"Struct", Struct, "0200200142026869", `[1 "hi"]`, false},
	{"StructUnknown", Struct, "ffff", "unknown", true},
	{"StructOfArray", Struct, "01004820010007", "[[7]]", false},
	{"TimeOfDay", TimeOfDay, "0c1e0000", "7692", false},
	{"TimeOfDayUnknown", TimeOfDay, "ffffffff", "unknown", true},
	{"Date", Date, "7e0b1505", "85265278", false},
	{"DateUnknown", Date, "ffffffff", "unknown", true},
	{"UTC", UTCTime, "00e1f505", "100000000", false},
	{"UTCUnknown", UTCTime, "ffffffff", "unknown", true},
	{"ClusterID", ClusterID, "0207", "1794", false},
	{"ClusterIDUnknown", ClusterID, "ffff", "unknown", true},
	{"AttributeID", AttributeID, "0004", "1024", false},
	{"AttributeIDUnknown", AttributeID, "ffff", "unknown", true},
	{"BACnetOID", BACnetOID, "01000000", "1", false},
	{"BACnetOIDUnknown", BACnetOID, "ffffffff", "unknown", true},
	{"IEEEAddress", IEEEAddress, "a511021b00bc1500", "0x0015bc001b0211a5", false},
	{"IEEEAddressUnknown", IEEEAddress, "ffffffffffffffff", "unknown", true},
	{"SecurityKey", SecurityKey, "5a6967426565416c6c69616e63653039", "5a6967426565416c6c69616e63653039", false},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var clean []byte
	for _, c := range []byte(s) {
		if c != ' ' {
			clean = append(clean, c)
		}
	}
	b, err := hex.DecodeString(string(clean))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

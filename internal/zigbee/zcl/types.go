package zcl

import "fmt"

// DataType is the number of a ZCL data type. Source: ZCL8 §2.6.2, table 2-11.
type DataType uint8

// The data types of ZCL8 §2.6.2.
const (
	NoData       DataType = 0x00
	Data8        DataType = 0x08
	Data16       DataType = 0x09
	Data24       DataType = 0x0a
	Data32       DataType = 0x0b
	Data40       DataType = 0x0c
	Data48       DataType = 0x0d
	Data56       DataType = 0x0e
	Data64       DataType = 0x0f
	Bool         DataType = 0x10
	Bitmap8      DataType = 0x18
	Bitmap16     DataType = 0x19
	Bitmap24     DataType = 0x1a
	Bitmap32     DataType = 0x1b
	Bitmap40     DataType = 0x1c
	Bitmap48     DataType = 0x1d
	Bitmap56     DataType = 0x1e
	Bitmap64     DataType = 0x1f
	Uint8        DataType = 0x20
	Uint16       DataType = 0x21
	Uint24       DataType = 0x22
	Uint32       DataType = 0x23
	Uint40       DataType = 0x24
	Uint48       DataType = 0x25
	Uint56       DataType = 0x26
	Uint64       DataType = 0x27
	Int8         DataType = 0x28
	Int16        DataType = 0x29
	Int24        DataType = 0x2a
	Int32        DataType = 0x2b
	Int40        DataType = 0x2c
	Int48        DataType = 0x2d
	Int56        DataType = 0x2e
	Int64        DataType = 0x2f
	Enum8        DataType = 0x30
	Enum16       DataType = 0x31
	SemiFloat    DataType = 0x38
	SingleFloat  DataType = 0x39
	DoubleFloat  DataType = 0x3a
	OctetString  DataType = 0x41
	CharString   DataType = 0x42
	LongOctetStr DataType = 0x43
	LongCharStr  DataType = 0x44
	Array        DataType = 0x48
	Struct       DataType = 0x4c
	Set          DataType = 0x50
	Bag          DataType = 0x51
	TimeOfDay    DataType = 0xe0
	Date         DataType = 0xe1
	UTCTime      DataType = 0xe2
	ClusterID    DataType = 0xe8
	AttributeID  DataType = 0xe9
	BACnetOID    DataType = 0xea
	IEEEAddress  DataType = 0xf0
	SecurityKey  DataType = 0xf1
	Unknown      DataType = 0xff
)

// class is how a type is laid out and what its bits mean.
type class uint8

const (
	classNone     class = iota // no octets
	classUnsigned              // a number, all ones unknown
	classSigned                // two's complement, the most negative unknown
	classBits                  // bits that are all in use: no unknown value
	classEnum                  // a name for a number, all ones unknown
	classFloat                 // IEEE 754, NaN unknown
	classText                  // length, then characters
	classOctets                // length, then octets
	classOpaque                // fixed octets that are no number
	classList                  // element type, count, elements
	classStruct                // count, then type and value of each
)

// typeInfo is one row of the table of types.
type typeInfo struct {
	name  string
	class class
	// size in octets of the value, or of the length field of a string (1, 2).
	size int
	// analog types carry a reportable change when reporting is configured.
	analog bool
}

// types is the one table of the wire format of values.
var types = map[DataType]typeInfo{
	NoData:  {"nodata", classNone, 0, false},
	Unknown: {"unknown", classNone, 0, false},
	Data8:   {"data8", classBits, 1, false}, Data16: {"data16", classBits, 2, false},
	Data24: {"data24", classBits, 3, false}, Data32: {"data32", classBits, 4, false},
	Data40: {"data40", classBits, 5, false}, Data48: {"data48", classBits, 6, false},
	Data56: {"data56", classBits, 7, false}, Data64: {"data64", classBits, 8, false},
	Bool:    {"bool", classEnum, 1, false},
	Bitmap8: {"map8", classBits, 1, false}, Bitmap16: {"map16", classBits, 2, false},
	Bitmap24: {"map24", classBits, 3, false}, Bitmap32: {"map32", classBits, 4, false},
	Bitmap40: {"map40", classBits, 5, false}, Bitmap48: {"map48", classBits, 6, false},
	Bitmap56: {"map56", classBits, 7, false}, Bitmap64: {"map64", classBits, 8, false},
	Uint8: {"uint8", classUnsigned, 1, true}, Uint16: {"uint16", classUnsigned, 2, true},
	Uint24: {"uint24", classUnsigned, 3, true}, Uint32: {"uint32", classUnsigned, 4, true},
	Uint40: {"uint40", classUnsigned, 5, true}, Uint48: {"uint48", classUnsigned, 6, true},
	Uint56: {"uint56", classUnsigned, 7, true}, Uint64: {"uint64", classUnsigned, 8, true},
	Int8: {"int8", classSigned, 1, true}, Int16: {"int16", classSigned, 2, true},
	Int24: {"int24", classSigned, 3, true}, Int32: {"int32", classSigned, 4, true},
	Int40: {"int40", classSigned, 5, true}, Int48: {"int48", classSigned, 6, true},
	Int56: {"int56", classSigned, 7, true}, Int64: {"int64", classSigned, 8, true},
	Enum8: {"enum8", classEnum, 1, false}, Enum16: {"enum16", classEnum, 2, false},
	SemiFloat:    {"semi", classFloat, 2, true},
	SingleFloat:  {"single", classFloat, 4, true},
	DoubleFloat:  {"double", classFloat, 8, true},
	OctetString:  {"octstr", classOctets, 1, false},
	CharString:   {"string", classText, 1, false},
	LongOctetStr: {"octstr16", classOctets, 2, false},
	LongCharStr:  {"string16", classText, 2, false},
	Array:        {"array", classList, 0, false},
	Set:          {"set", classList, 0, false},
	Bag:          {"bag", classList, 0, false},
	Struct:       {"struct", classStruct, 0, false},
	TimeOfDay:    {"ToD", classUnsigned, 4, true},
	Date:         {"date", classUnsigned, 4, true},
	UTCTime:      {"UTC", classUnsigned, 4, true},
	ClusterID:    {"clusterId", classEnum, 2, false},
	AttributeID:  {"attribId", classEnum, 2, false},
	BACnetOID:    {"bacOID", classEnum, 4, false},
	IEEEAddress:  {"EUI64", classEnum, 8, false},
	SecurityKey:  {"key128", classOpaque, 16, false},
}

// String is the short name the ZCL gives the type, or its number.
func (t DataType) String() string {
	if info, ok := types[t]; ok {
		return info.name
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// Known reports whether the type is one of ZCL8 §2.6.2, so that its size is
// known.
func (t DataType) Known() bool { _, ok := types[t]; return ok }

// Analog reports whether a change of the value has a size, so that configuring
// reports carries a reportable change. Source: ZCL8 §2.6.2, column A/D.
func (t DataType) Analog() bool { return types[t].analog }

// fixedSize is the size of the value in octets when every value of the type
// has the same; ok is false for strings and collections.
func (t DataType) fixedSize() (size int, ok bool) {
	info, known := types[t]
	if !known {
		return 0, false
	}
	switch info.class {
	case classText, classOctets, classList, classStruct:
		return 0, false
	}
	return info.size, true
}

// Size is the size of the value in octets when every value of the type has the
// same; 0 for strings and collections.
func (t DataType) Size() int {
	size, _ := t.fixedSize()
	return size
}

// mask has the low bits set that a value of size octets can have.
func mask(size int) uint64 {
	if size >= 8 {
		return ^uint64(0)
	}
	return 1<<(8*size) - 1
}

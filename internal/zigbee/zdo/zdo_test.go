package zdo

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wire is the one table of this codec: bytes as they were recorded between a
// coordinator and a frient EMIZB-141, or composed by the specification where
// nothing was recorded. Encode, decode, error and fuzz tests all use it.
var wire = []struct {
	name  string
	hex   string
	seq   uint8
	msg   Message
	short int // how many of the leading octets already parse, 0: all needed
}{
	{name: "NodeDescRequest", hex: "053c7a", seq: 5, msg: NodeDescRequest{NWKAddr: 0x7a3c}},
	{name: "NodeDescResponse", hex: "05003c7a0240801510525200002c520000", seq: 5,
		msg: NodeDescResponse{NWKAddr: 0x7a3c, Descriptor: NodeDescriptor{
			Type: EndDevice, Band: 0x40, Capability: 0x80, ManufacturerCode: 0x1015,
			MaxBuffer: 0x52, MaxIncoming: 0x0052, ServerMask: 0x2c00, MaxOutgoing: 0x0052,
		}}},
	{name: "NodeDescResponseWithFlags", hex: "0900000098408e4910525200412c520003", seq: 9,
		msg: NodeDescResponse{Descriptor: NodeDescriptor{
			Type: Coordinator, Flags: 0x13, Band: 0x40, Capability: 0x8e, ManufacturerCode: 0x1049,
			MaxBuffer: 0x52, MaxIncoming: 0x0052, ServerMask: 0x2c41, MaxOutgoing: 0x0052, DescCapability: 3,
		}}},
	{name: "NodeDescResponseNotFound", hex: "05813c7a", seq: 5, short: 2,
		msg: NodeDescResponse{Status: StatusDeviceNotFound, NWKAddr: 0x7a3c}},
	{name: "ActiveEndpointsRequest", hex: "063c7a", seq: 6, msg: ActiveEndpointsRequest{NWKAddr: 0x7a3c}},
	{name: "ActiveEndpointsResponse", hex: "06003c7a0102", seq: 6,
		msg: ActiveEndpointsResponse{NWKAddr: 0x7a3c, Endpoints: []uint8{2}}},
	{name: "ActiveEndpointsOfCoordinator", hex: "010000000201f2", seq: 1,
		msg: ActiveEndpointsResponse{Endpoints: []uint8{1, 242}}},
	{name: "ActiveEndpointsNone", hex: "01853c7a00", seq: 1, short: 2,
		msg: ActiveEndpointsResponse{Status: StatusTimeout, NWKAddr: 0x7a3c}},
	{name: "SimpleDescRequest", hex: "073c7a02", seq: 7, msg: SimpleDescRequest{NWKAddr: 0x7a3c, Endpoint: 2}},
	{name: "SimpleDescResponse", hex: "07003c7a1802040153000005000001000300200002070303000a001900", seq: 7,
		msg: SimpleDescResponse{NWKAddr: 0x7a3c, Descriptor: SimpleDescriptor{
			Endpoint: 2, Profile: 0x0104, DeviceID: 0x0053,
			In: []uint16{0x0000, 0x0001, 0x0003, 0x0020, 0x0702}, Out: []uint16{0x0003, 0x000a, 0x0019},
		}}},
	{name: "SimpleDescResponseGreenPower", hex: "030000000cf2e0a1660001012100012100", seq: 3,
		msg: SimpleDescResponse{Descriptor: SimpleDescriptor{
			Endpoint: 242, Profile: 0xa1e0, DeviceID: 0x0066, Version: 1, In: []uint16{0x21}, Out: []uint16{0x21},
		}}},
	{name: "SimpleDescResponseNotActive", hex: "07833c7a00", seq: 7, short: 2,
		msg: SimpleDescResponse{Status: StatusNotActive, NWKAddr: 0x7a3c}},
	{name: "DeviceAnnounce", hex: "813c7aa511021b00bc150080", seq: 0x81,
		msg: DeviceAnnounce{NWKAddr: 0x7a3c, EUI64: 0x0015bc001b0211a5, Capability: CapabilityAllocate}},
	{name: "BindRequest", hex: "09a511021b00bc15000202070378563412004b120001", seq: 9,
		msg: BindRequest{Binding{
			Source: 0x0015bc001b0211a5, SourceEndpoint: 2, ClusterID: 0x0702,
			Destination: 0x00124b0012345678, DestinationEndpoint: 1,
		}}},
	{name: "BindRequestGroup", hex: "0aa511021b00bc1500020600018503", seq: 10,
		msg: BindRequest{Binding{
			Source: 0x0015bc001b0211a5, SourceEndpoint: 2, ClusterID: 6, ToGroup: true, Group: 901,
		}}},
	{name: "UnbindRequest", hex: "0ba511021b00bc15000201000378563412004b120001", seq: 11,
		msg: UnbindRequest{Binding{
			Source: 0x0015bc001b0211a5, SourceEndpoint: 2, ClusterID: 1,
			Destination: 0x00124b0012345678, DestinationEndpoint: 1,
		}}},
	{name: "BindResponse", hex: "0900", seq: 9, msg: BindResponse{}},
	{name: "BindResponseTableFull", hex: "098c", seq: 9, msg: BindResponse{StatusTableFull}},
	{name: "UnbindResponse", hex: "0988", seq: 9, msg: UnbindResponse{StatusNoEntry}},
	{name: "LeaveRequest", hex: "0ba511021b00bc150000", seq: 11, msg: LeaveRequest{EUI64: 0x0015bc001b0211a5}},
	{name: "LeaveRequestRejoin", hex: "0ba511021b00bc1500c0", seq: 11,
		msg: LeaveRequest{EUI64: 0x0015bc001b0211a5, RemoveChildren: true, Rejoin: true}},
	{name: "LeaveResponse", hex: "0b00", seq: 11, msg: LeaveResponse{}},
	{name: "PermitJoiningRequest", hex: "043c01", seq: 4, msg: PermitJoiningRequest{Duration: 60, TrustCenter: true}},
	{name: "PermitJoiningClose", hex: "0c0001", seq: 12, msg: PermitJoiningRequest{TrustCenter: true}},
	{name: "PermitJoiningResponse", hex: "0400", seq: 4, msg: PermitJoiningResponse{}},
	{name: "NWKAddrRequest", hex: "01a511021b00bc15000000", seq: 1, msg: NWKAddrRequest{EUI64: 0x0015bc001b0211a5}},
	{name: "NWKAddrResponse", hex: "0100a511021b00bc15003c7a", seq: 1,
		msg: NWKAddrResponse{Address{EUI64: 0x0015bc001b0211a5, NWKAddr: 0x7a3c}}},
	{name: "IEEEAddrRequestExtended", hex: "023c7a0103", seq: 2,
		msg: IEEEAddrRequest{NWKAddr: 0x7a3c, Extended: true, Start: 3}},
	{name: "IEEEAddrResponseExtended", hex: "0200a511021b00bc15003c7a020011112222", seq: 2, short: 12,
		msg: IEEEAddrResponse{Address{EUI64: 0x0015bc001b0211a5, NWKAddr: 0x7a3c, Children: []uint16{0x1111, 0x2222}}}},
	{name: "IEEEAddrResponseNotFound", hex: "0281a511021b00bc15000000", seq: 2, short: 2,
		msg: IEEEAddrResponse{Address{Status: StatusDeviceNotFound, EUI64: 0x0015bc001b0211a5}}},
	{name: "LqiRequest", hex: "0302", seq: 3, msg: LqiRequest{Start: 2}},
	{name: "LqiResponse", hex: "0300010001" + "0102030405060708" + "a511021b00bc1500" + "3c7a" + "12" + "02" + "01" + "c8", seq: 3,
		msg: LqiResponse{Total: 1, Neighbours: []Neighbour{{
			ExtendedPANID: 0x0807060504030201, EUI64: 0x0015bc001b0211a5, NWKAddr: 0x7a3c,
			Type: 2, Relationship: 1, PermitJoining: 2, Depth: 1, LQI: 0xc8,
		}}}},
	{name: "RtgRequest", hex: "0402", seq: 4, msg: RtgRequest{Start: 2}},
	{name: "RtgResponse", hex: "0400020002" + "3c7a" + "00" + "1234" + "0000" + "3b" + "5678", seq: 4,
		msg: RtgResponse{Total: 2, Routes: []Route{
			{Destination: 0x7a3c, NextHop: 0x3412},
			{State: RouteInactive, MemoryConstrained: true, ManyToOne: true, RouteRecord: true, NextHop: 0x7856},
		}}},
	{name: "RtgResponseNotSupported", hex: "0484", seq: 4, msg: RtgResponse{Status: StatusNotSupported}},
	{name: "BindTableRequest", hex: "0400", seq: 4, msg: BindTableRequest{}},
	{name: "BindTableResponse", hex: "0400020002" + "a511021b00bc1500" + "02" + "0207" + "03" + "78563412004b1200" + "01" +
		"a511021b00bc1500" + "02" + "0600" + "01" + "8503", seq: 4,
		msg: BindTableResponse{Total: 2, Bindings: []Binding{
			{Source: 0x0015bc001b0211a5, SourceEndpoint: 2, ClusterID: 0x0702, Destination: 0x00124b0012345678, DestinationEndpoint: 1},
			{Source: 0x0015bc001b0211a5, SourceEndpoint: 2, ClusterID: 0x0006, ToGroup: true, Group: 901},
		}}},
	{name: "NWKUpdateScan", hex: "0700f8ff070301", seq: 7, msg: NWKUpdateRequest{Channels: 0x07fff800, Duration: 3, Count: 1}},
	{name: "NWKUpdateChannel", hex: "0700001000fe05", seq: 7, msg: NWKUpdateRequest{Channels: 1 << 20, Duration: UpdateChannel, UpdateID: 5}},
	{name: "NWKUpdateManager", hex: "0700f8ff07ff050000", seq: 7,
		msg: NWKUpdateRequest{Channels: 0x07fff800, Duration: UpdateManager, UpdateID: 5}},
	{name: "NWKUpdateNotify", hex: "07000018000012000100" + "02" + "40c8", seq: 7,
		msg: NWKUpdateNotify{Channels: 3 << 11, Transmissions: 18, Failures: 1, Energy: []uint8{0x40, 0xc8}}},
	{name: "NWKUpdateNotifyNotSupported", hex: "078400000000000000" + "00" + "00", seq: 7, short: 2, msg: NWKUpdateNotify{Status: StatusNotSupported}},
	{name: "LqiResponseNotSupported", hex: "0384", seq: 3, msg: LqiResponse{Status: StatusNotSupported}},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppend(t *testing.T) {
	for _, tt := range wire {
		t.Run(tt.name, func(t *testing.T) {
			got := hex.EncodeToString(Append(nil, tt.seq, tt.msg))
			if diff := cmp.Diff(tt.hex, got); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, tt := range wire {
		t.Run(tt.name, func(t *testing.T) {
			for _, tail := range []string{"", "0055"} { // newer revisions append fields
				if _, ok := tt.msg.(NWKAddrResponse); ok && tail != "" {
					continue // there a tail is the list of children
				}
				seq, got, err := Parse(tt.msg.Cluster(), unhex(t, tt.hex+tail))
				if err != nil {
					t.Fatal(err)
				}
				if seq != tt.seq {
					t.Errorf("got sequence %d, want %d", seq, tt.seq)
				}
				if diff := cmp.Diff(tt.msg, got); diff != "" {
					t.Errorf("tail %q (-want +got):\n%s", tail, diff)
				}
			}
		})
	}
}

func TestParseCutShort(t *testing.T) {
	for _, tt := range wire {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			for n := range b {
				_, m, err := Parse(tt.msg.Cluster(), b[:n:n])
				if tt.short != 0 && n >= tt.short {
					// A failure may stop after its status, an address after the pair.
					if n == tt.short && err != nil {
						t.Errorf("the first %d bytes: %v", n, err)
					}
					continue
				}
				if !errors.Is(err, ErrShort) {
					t.Errorf("the first %d bytes: got %+v, %v, want %v", n, m, err, ErrShort)
				}
			}
		})
	}
}

func TestParseBadField(t *testing.T) {
	for name, tt := range map[string]struct {
		cluster uint16
		hex     string
		want    error
	}{
		"UnknownCluster":     {0x7777, "01", ErrUnknown},
		"Empty":              {ClusterBind, "", ErrShort},
		"BindAddressMode":    {ClusterBind, "09a511021b00bc15000202070278563412004b120001", ErrBadField},
		"AddressRequestType": {ClusterNWKAddrRequest, "01a511021b00bc15000200", ErrBadField},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := Parse(tt.cluster, unhex(t, tt.hex)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestEveryMessageIsInTheTable(t *testing.T) {
	seen := map[uint16]bool{}
	for _, tt := range wire {
		seen[tt.msg.Cluster()] = true
	}
	for cluster := range parsers {
		if !seen[cluster] {
			t.Errorf("no bytes for cluster 0x%04x", cluster)
		}
	}
}

func TestSleepy(t *testing.T) {
	for name, tt := range map[string]struct {
		d    NodeDescriptor
		want bool
	}{
		"BatteryMeter": {NodeDescriptor{Type: EndDevice, Capability: 0x80}, true},
		"MainsDevice":  {NodeDescriptor{Type: EndDevice, Capability: 0x8c}, false},
		"Router":       {NodeDescriptor{Type: Router, Capability: 0x80}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.d.Sleepy(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStatusErr(t *testing.T) {
	if err := StatusSuccess.Err(); err != nil {
		t.Errorf("success: got %v, want nil", err)
	}
	if got, want := StatusTableFull.Err().Error(), "device answered table full"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Status(0x77).String(), "status 0x77"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzParse: whatever parses is encoded to bytes that parse to the same.
func FuzzParse(f *testing.F) {
	for _, tt := range wire {
		f.Add(tt.msg.Cluster(), unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, cluster uint16, b []byte) {
		seq, m, err := Parse(cluster, b)
		if err != nil {
			return
		}
		if m.Cluster() != cluster {
			t.Fatalf("cluster 0x%04x parsed as 0x%04x", cluster, m.Cluster())
		}
		again := Append(nil, seq, m)
		_, m2, err := Parse(cluster, again)
		if err != nil {
			t.Fatalf("%x encoded as %x does not parse: %v", b, again, err)
		}
		if diff := cmp.Diff(m, m2); diff != "" {
			t.Fatalf("%x encoded as %x (-first +second):\n%s", b, again, diff)
		}
	})
}

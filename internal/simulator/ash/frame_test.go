package ash

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func raw(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// frames is the wire format: what UG101 and public captures show, both ways.
var frames = []struct {
	name  string
	wire  string // without a leading CANCEL
	frame Frame
}{
	{"RST", "c038bc7e", Frame{Kind: Rst}},
	{"RSTACK software", "c1020b0a527e", Frame{Kind: RstAck, Version: 2, Code: 0x0B}},
	{"RSTACK power on", "c102029b7b7e", Frame{Kind: RstAck, Version: 2, Code: 0x02}},
	{"ERROR timeouts", "c20251a8bd7e", Frame{Kind: Error, Version: 2, Code: 0x51}},
	{"ERROR watchdog", "c20203d20a7e", Frame{Kind: Error, Version: 2, Code: 0x03}},
	{"ACK 0", "8070787e", Frame{Kind: Ack}},
	{"ACK 1", "8160597e", Frame{Kind: Ack, Ack: 1}},
	{"ACK 6 not ready", "8e91b67e", Frame{Kind: Ack, Ack: 6, NotReady: true}},
	{"NAK 6", "a634dc7e", Frame{Kind: Nak, Ack: 6}},
	{"NAK 5 not ready", "ad85b77e", Frame{Kind: Nak, Ack: 5, NotReady: true}},
	{"DATA version 13", "004221a8597c057e", Frame{Kind: Data, Data: []byte{0, 0, 0, 13}}},
	{"DATA number 1", "104221a859785f7e", Frame{Kind: Data, Number: 1, Data: []byte{0, 0, 0, 13}}},
	{"DATA number 2", "204221a85974b17e", Frame{Kind: Data, Number: 2, Data: []byte{0, 0, 0, 13}}},
	{"DATA version reply", "0142a1a8592805c6a8777e", Frame{Kind: Data, Ack: 1, Data: []byte{0, 0x80, 0, 13, 2, 0x10, 0x74}}},
	{"DATA 2 acknowledging 5", "254221a856a6097e", Frame{Kind: Data, Number: 2, Ack: 5, Data: []byte{0, 0, 0, 2}}},
	{"DATA setPolicy", "700d21a9012a15b0f5667e",
		Frame{Kind: Data, Number: 7, Data: raw("4f000155000002")}},
	{"DATA with an escaped byte", "1065b1a96b2a15b259944afb6351934f9c4f26ebfcce677d31fec66357897e",
		Frame{Kind: Data, Number: 1, Data: raw("2790013f000000000000dec9040106000101401100009a030000")}},
	{"DATA retransmitted", "0eafb1a96b2a7d334fa674eb04aaa760499d4e27cdd9ce6192f2c46989fcfb817e",
		Frame{Kind: Data, Retransmit: true, Ack: 6, Data: raw("ed90013f0006fdffe0a12100f2f20001000066340006190f020a0000")}},
	{"DATA sendUnicast", "706521a9602a156c90904b23aa5493098d4e27abeece648af9c677b97e",
		Frame{Kind: Data, Number: 7, Data: raw("270001340000dec90401060001014011000000030003010400")}},
	{"DATA incomingMessage", "2065b1a97d312a15b658924a24ab5593499c3ef962edce678bfdc6638903813ca7edcdde6f8ae7c3d0d5d26b68937e",
		Frame{Kind: Data, Number: 2, Data: raw("2790014500000401060001010001000070dec90000000000000000ffff0300060000000518040b000002")}},
	{"DATA setPolicy reply", "100da1a9012a15b259944fb87e",
		Frame{Kind: Data, Number: 1, Data: raw("4f8001550000000000")}},
}

func decodeAll(b []byte) (got []Frame, bad []error) {
	var d Decoder
	for _, c := range b {
		f, err, done := d.Byte(c)
		switch {
		case !done:
		case err != nil:
			bad = append(bad, err)
		default:
			got = append(got, f)
		}
	}
	return got, bad
}

func TestFrames(t *testing.T) {
	for _, tt := range frames {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			got, bad := decodeAll(wire)
			if len(got) != 1 || len(bad) != 0 {
				t.Fatalf("got %d frames and %v, want 1 and none", len(got), bad)
			}
			if diff := cmp.Diff(tt.frame, got[0]); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if again := got[0].Append(nil); !bytes.Equal(again, wire) {
				t.Errorf("encoded: got %x, want %x", again, wire)
			}
		})
	}
}

func TestCRCAndRandomSequence(t *testing.T) {
	if got, want := CRC([]byte("123456789")), uint16(0x29B1); got != want {
		t.Errorf("CRC: got %04x, want %04x", got, want)
	}
	zeros := make([]byte, 16)
	Randomize(zeros)
	if got, want := hex.EncodeToString(zeros), "4221a8542a15b259944a25aa5592499c"; got != want {
		t.Errorf("random sequence: got %s, want %s", got, want)
	}
}

func TestEveryReservedByteIsEscaped(t *testing.T) {
	for control := range 8 {
		for value := range 256 {
			data := []byte{byte(value), byte(value), byte(value), byte(value)}
			wire := Frame{Kind: Data, Number: uint8(control), Data: data}.Append(nil)
			for i, c := range wire[:len(wire)-1] {
				if reserved(c) && c != byteEscape {
					t.Fatalf("byte %d of %x is reserved and not escaped", i, wire)
				}
			}
			got, bad := decodeAll(wire)
			if len(bad) > 0 || len(got) != 1 || !bytes.Equal(got[0].Data, data) {
				t.Fatalf("%x came back as %v %v", wire, got, bad)
			}
		}
	}
}

func TestDecoder(t *testing.T) {
	const rst = "c038bc7e"
	tests := []struct {
		name   string
		wire   string
		frames int
		bad    []error
	}{
		{"CancelDropsNoise", "ddf9ff1a" + rst, 1, nil},
		{"NoiseWithoutCancelSpoilsTheFrame", "ddf9ff" + rst, 0, []error{errChecksum}},
		{"FlagsInARowAreNothing", "7e7e7e" + rst + "7e", 1, nil},
		{"XonAndXoffAreDroppedAnywhere", "11c01338bc11137e", 1, nil},
		{"SubstituteSpoilsUpToTheFlag", "c01838bc7e" + rst, 1, []error{errSubstitute}},
		{"EscapeBeforeAnOrdinaryByte", "7dabc038bc7e" + rst, 1, []error{errEscape}},
		{"EscapeBeforeAFlag", "c038bc7d7e" + rst, 1, []error{errEscape}},
		{"EscapeTwice", "7d7dc038bc7e" + rst, 1, []error{errEscape}},
		{"OneByte", "c07e" + rst, 1, []error{errShort}},
		{"WrongChecksum", "c038bd7e" + rst, 1, []error{errChecksum}},
		{"PublicChecksumError", "b658904124ab5593499cdd93623cd29874f5de5083f97b1e66efc9af417e", 0, []error{errChecksum}},
		{"Endless", string(bytes.Repeat([]byte("55"), 100000)) + "7e" + rst, 1, []error{errLong}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := decodeAll(unhex(t, tt.wire))
			if len(got) != tt.frames {
				t.Errorf("got %d frames, want %d", len(got), tt.frames)
			}
			if len(bad) != len(tt.bad) || len(bad) > 0 && bad[0] != tt.bad[0] {
				t.Errorf("got errors %v, want %v", bad, tt.bad)
			}
		})
	}
}

// withCRC closes raw bytes to a frame with a right checksum.
func withCRC(raw ...byte) []byte {
	crc := CRC(raw)
	var b []byte
	for _, c := range append(raw, byte(crc>>8), byte(crc)) {
		if reserved(c) {
			b = append(b, byteEscape, c^escapeBit)
		} else {
			b = append(b, c)
		}
	}
	return append(b, byteFlag)
}

func TestRightChecksumWrongFrame(t *testing.T) {
	tests := []struct {
		name string
		wire []byte
		want error
	}{
		{"DataOfTwoBytes", withCRC(0x00, 1, 2), errLength},
		{"DataTooLong", withCRC(append([]byte{0x00}, make([]byte, MaxData+1)...)...), errLong},
		{"AckWithData", withCRC(0x80, 1), errLength},
		{"AckWithReservedBit", withCRC(0x90), errControl},
		{"RstWithData", withCRC(0xC0, 1), errLength},
		{"RstackOfOneByte", withCRC(0xC1, 2), errLength},
		{"UnknownControl", withCRC(0xC3), errControl},
		{"UnknownControlE0", withCRC(0xE0), errControl},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := decodeAll(tt.wire)
			if len(got) != 0 || len(bad) != 1 || bad[0] != tt.want {
				t.Errorf("got %v %v, want %v", got, bad, tt.want)
			}
		})
	}
}

func FuzzDecoder(f *testing.F) {
	for _, tt := range frames {
		f.Add(unhex(f, tt.wire))
	}
	f.Add(unhex(f, "ddf9ff1ac038bc7e"))
	f.Add([]byte{byteEscape, byteEscape, byteSubstitute, byteFlag, byteCancel, byteFlag})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		for _, c := range b {
			frame, err, done := d.Byte(c)
			if len(d.raw) > MaxData+3 {
				t.Fatalf("the decoder keeps %d bytes", len(d.raw))
			}
			if !done || err != nil {
				continue
			}
			got, bad := decodeAll(frame.Append(nil))
			if len(bad) != 0 || len(got) != 1 {
				t.Fatalf("%+v does not survive the line: %v %v", frame, got, bad)
			}
			if diff := cmp.Diff(frame, got[0]); diff != "" {
				t.Fatalf("changed on the line:\n%s", diff)
			}
		}
	})
}

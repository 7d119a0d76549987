package ash

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var wireFrames = cmp.AllowUnexported(frame{})

// wireTable holds frames as they were seen on real lines or in the protocol's
// documents. It serves the encoder, the decoder and the fuzz targets.
var wireTable = []struct {
	name string
	wire string // without a leading cancel
	want frame
	data string // of a DATA frame, derandomized
}{
	{"RST", "c038bc7e", frame{kind: kindRst}, ""},
	{"RSTACKSoftware", "c1020b0a527e", frame{kind: kindRstAck, version: 2, code: ResetSoftware}, ""},
	{"RSTACKPowerOn", "c102029b7b7e", frame{kind: kindRstAck, version: 2, code: ResetPowerOn}, ""},
	{"ACK0", "8070787e", frame{kind: kindAck}, ""},
	{"ACK1", "8160597e", frame{kind: kindAck, ack: 1}, ""},
	{"ACK6NotReady", "8e91b67e", frame{kind: kindAck, ack: 6, nRdy: true}, ""},
	{"NAK6", "a634dc7e", frame{kind: kindNak, ack: 6}, ""},
	{"NAK5NotReady", "ad85b77e", frame{kind: kindNak, ack: 5, nRdy: true}, ""},
	{"ERRORTimeouts", "c20251a8bd7e", frame{kind: kindError, version: 2, code: CodeTimeouts}, ""},
	{"ERRORWatchdog", "c20203d20a7e", frame{kind: kindError, version: 2, code: ResetWatchdog}, ""},
	{"Version13", "004221a8597c057e", frame{}, "0000000d"},
	{"Version13Frame1", "104221a859785f7e", frame{frm: 1}, "0000000d"},
	{"Version13Frame2", "204221a85974b17e", frame{frm: 2}, "0000000d"},
	{"Version13Reply", "0142a1a8592805c6a8777e", frame{ack: 1}, "0080000d021074"},
	{"Version2", "254221a856a6097e", frame{frm: 2, ack: 5}, "00000002"},
	{"SendUnicast", "706521a9602a156c90904b23aa5493098d4e27abeece648af9c677b97e", frame{frm: 7}, ""},
	{"SendUnicastReply", "0065a1a9602a15b25994d0954c7e", frame{}, ""},
	{"MessageSentWithEscape", "1065b1a96b2a15b259944afb6351934f9c4f26ebfcce677d31fec66357897e", frame{frm: 1}, ""},
	{"IncomingMessage", "2065b1a97d312a15b658924a24ab5593499c3ef962edce678bfdc6638903813ca7edcdde6f8ae7c3d0d5d26b68937e", frame{frm: 2}, ""},
	{"SetPolicy", "700d21a9012a15b0f5667e", frame{frm: 7}, ""},
	{"SetPolicyReply", "100da1a9012a15b259944fb87e", frame{frm: 1}, ""},
	{"Retransmitted", "0eafb1a96b2a7d334fa674eb04aaa760499d4e27cdd9ce6192f2c46989fcfb817e", frame{ack: 6, reTx: true}, ""},
}

func TestWireFrames(t *testing.T) {
	for _, tt := range wireTable {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			got := decodeAll(t, wire)
			if len(got) != 1 || got[0].err != nil {
				t.Fatalf("got %+v, want one good frame", got)
			}
			f := got[0].frame
			want := tt.want
			want.data = f.data
			if tt.data != "" {
				want.data = unhex(t, tt.data)
			}
			if diff := cmp.Diff(want, f, wireFrames); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wire, appendFrame(nil, f)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
		})
	}
}

func decodeAll(t testing.TB, p []byte) []event {
	t.Helper()
	var d decoder
	var s Stats
	var got []event
	d.feed(p, func(e event) { got = append(got, e) }, &s)
	return got
}

func TestCRC(t *testing.T) {
	crc := uint16(crcInit)
	for _, b := range []byte("123456789") {
		crc = crcAdd(crc, b)
	}
	if want := uint16(0x29B1); crc != want {
		t.Errorf("got %04X, want %04X", crc, want)
	}
}

func TestRandomization(t *testing.T) {
	r := lfsr(lfsrSeed)
	var got []byte
	for range 16 {
		got = append(got, r.next())
	}
	if diff := cmp.Diff(unhex(t, "4221a8542a15b259944a25aa5592499c"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReservedBytesAreEscaped(t *testing.T) {
	for _, b := range []byte{flag, escape, xon, xoff, substitute, cancel} {
		got := appendStuffed(nil, b)
		if diff := cmp.Diff([]byte{escape, b ^ 0x20}, got); diff != "" {
			t.Errorf("%02X (-want +got):\n%s", b, diff)
		}
	}
}

func TestDecoder(t *testing.T) {
	const ack1, ack0 = "8160597e", "8070787e"
	tests := []struct {
		name string
		wire string
		want []string // "ACK1" or the error
	}{
		{"RepeatedFlagsAreIgnored", "7e7e7e" + ack1 + "7e7e" + ack0, []string{"ACK1", "ACK0"}},
		{"CancelVoidsWhatCameBefore", "ddf9ff1a" + ack1, []string{"ACK1"}},
		{"SubstituteVoidsUpToTheFlag", "8118" + "607e" + ack1, []string{errSubstitute.Error(), "ACK1"}},
		{"SubstituteThenCancelIsForgotten", "18811a" + ack1, []string{"ACK1"}},
		{"FlowControlInsideAFrameIsDropped", "811160135911137e", []string{"ACK1"}},
		{"EscapeOfAByteThatNeedsNone", "7dab60597e", []string{errEscape.Error()}},
		{"EscapeBeforeFlag", "81607d7e", []string{errEscape.Error()}},
		{"EscapeTwice", "817d7d607e", []string{errEscape.Error()}},
		{"EscapedCancelInTheChecksum", "25000000027d3aad7e", []string{"DATA"}},
		{"BareCancelInTheChecksum", "25000000021aad7e", []string{errShort.Error()}},
		{"TooShort", "81607e", []string{errShort.Error()}},
		{"WrongChecksum", "8160587e", []string{errCRC.Error()}},
		{"BadChecksumOfData", "b658904124ab5593499cdd93623cd29874f5de5083f97b1e66efc9af417e", []string{errCRC.Error()}},
		{"DocumentedDataFrameWithWrongChecksum", "5342a1a8562804829623" + "7e", []string{errCRC.Error()}},
		{"DocumentedErrorFrameWithWrongChecksum", "c20152fabd7e", []string{errCRC.Error()}},
		{"TooLong", strings.Repeat("55", maxBody+1) + "7e" + ack1, []string{errLong.Error(), "ACK1"}},
		{"EndlessNoise", strings.Repeat("a5", 100_000) + "7e" + ack1, []string{errLong.Error(), "ACK1"}},
		{"DataWithoutData", hex.EncodeToString(sealed(0x00)) + ack1, []string{errLength.Error(), "ACK1"}},
		{"AckWithData", hex.EncodeToString(sealed(0x81, 1)) + ack1, []string{errLength.Error(), "ACK1"}},
		{"ResetWithData", hex.EncodeToString(sealed(0xC0, 1)), []string{errLength.Error()}},
		{"ErrorWithoutCode", hex.EncodeToString(sealed(0xC2, 2)), []string{errLength.Error()}},
		{"UnknownControl", hex.EncodeToString(sealed(0xE7)), []string{errControl.Error()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			whole := names(decodeAll(t, unhex(t, tt.wire)))
			if diff := cmp.Diff(tt.want, whole); diff != "" {
				t.Errorf("at once (-want +got):\n%s", diff)
			}
			var d decoder
			var s Stats
			var single []event
			for _, b := range unhex(t, tt.wire) {
				d.feed([]byte{b}, func(e event) { single = append(single, e) }, &s)
			}
			if diff := cmp.Diff(tt.want, names(single)); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
			if cap(d.body) > 2*maxBody {
				t.Errorf("holds %d bytes, want at most %d", cap(d.body), 2*maxBody)
			}
		})
	}
}

// sealed is a body with its checksum, escaped, and a flag.
func sealed(body ...byte) []byte {
	crc := uint16(crcInit)
	var out []byte
	for _, b := range body {
		crc = crcAdd(crc, b)
		out = appendStuffed(out, b)
	}
	out = appendStuffed(out, byte(crc>>8))
	out = appendStuffed(out, byte(crc))
	return append(out, flag)
}

func names(events []event) []string {
	var out []string
	for _, e := range events {
		switch {
		case e.err != nil:
			out = append(out, e.err.Error())
		default:
			s := e.frame.kind.String()
			if e.frame.kind == kindAck {
				s += string(rune('0' + e.frame.ack))
			}
			out = append(out, s)
		}
	}
	return out
}

func FuzzDecode(f *testing.F) {
	for _, tt := range wireTable {
		f.Add(unhex(f, tt.wire))
	}
	f.Add(unhex(f, "ddf9ff1ac1020b0a527e"))
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, e := range decodeAll(t, p) {
			if e.err != nil {
				continue
			}
			again := decodeAll(t, appendFrame(nil, e.frame))
			if len(again) != 1 || again[0].err != nil {
				t.Fatalf("%+v does not survive encoding: %+v", e.frame, again)
			}
			if diff := cmp.Diff(e.frame, again[0].frame, wireFrames); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add(uint8(3), uint8(5), true, []byte{0x7e, 0x7d, 0x11, 0x13, 0x18, 0x1a})
	f.Fuzz(func(t *testing.T, frm, ack uint8, reTx bool, data []byte) {
		if len(data) < minData || len(data) > MaxData {
			return
		}
		want := frame{kind: kindData, frm: frm & 7, ack: ack & 7, reTx: reTx, data: data}
		wire := appendFrame(nil, want)
		for _, b := range wire[:len(wire)-1] {
			switch b {
			case flag, xon, xoff, substitute, cancel:
				t.Fatalf("reserved byte %02X on the wire", b)
			}
		}
		got := decodeAll(t, wire)
		if len(got) != 1 || got[0].err != nil {
			t.Fatalf("got %+v", got)
		}
		if diff := cmp.Diff(want, got[0].frame, wireFrames); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	var hinted interface{ Hint() string }
	for _, err := range []error{ErrNoAnswer{Tries: 4}, ErrNoAnswer{Tries: 4, Bytes: 99}} {
		if !errors.As(err, &hinted) || hinted.Hint() == "" {
			t.Errorf("%v has no hint", err)
		}
	}
}

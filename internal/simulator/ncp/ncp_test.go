package ncp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

func TestVersion(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		for _, tt := range []struct{ name, frame, want string }{
			{"a newer one is asked for", "00000013", "0080000d024074"},
			{"not agreed yet", "010001050000", "018001580030"},
			{"ours in the long format", "02000100000d", "02800100000d024074"},
			{"agreed", "0300010500", "0380010500"},
			{"ours in the short format", "0400000d", "0480000d024074"},
			{"another one takes the agreement back", "050001000008", "05800100000d024074"},
			{"refused again", "0600010500", "068001580030"},
		} {
			if got := d.raw(tt.frame); got != tt.want {
				t.Errorf("%s: %s got %s, want %s", tt.name, tt.frame, got, tt.want)
			}
		}
	})
}

func TestRefusesWhatIsNoCommand(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.start()
		for _, tt := range []struct{ name, frame, want string }{
			{"unknown identifier", "1000019c00ff", "108001580031"},
			{"short format for another command", "110005", "11805849"},
			{"a response", "1280010500", "128001580032"},
			{"parameter missing", "1300015500" + "00", "138001580033"},
			{"secured frame", "1500810500", "158001580049"},
		} {
			if got := d.raw(tt.frame); got != tt.want {
				t.Errorf("%s: %s got %s, want %s", tt.name, tt.frame, got, tt.want)
			}
		}
		if got, want := d.raw("1400015500"+"000300"), "14800155"+"0000"; got != want { // a byte too many
			t.Errorf("a parameter too many: got %s, want %s", got, want)
		}
		for _, short := range []string{"", "00", "0000"} {
			d.responses = nil
			d.ncp.Frame(unhex(t, short))
			if len(d.responses) != 0 {
				t.Errorf("%q was answered", short)
			}
		}
		if got := d.ncp.Stats(); got.Malformed != 3 || got.Refused != 5 {
			t.Errorf("got %+v, want 3 malformed and 5 refused", got)
		}
	})
}

// TestSetUp replays what a well-known host sends to a fresh dongle.
func TestSetUp(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.raw("0000000d")
		for _, tt := range []struct {
			id           uint16
			params, want string
		}{
			{0x00AA, "11", "00 07 0000 07040400 aa"},
			{0x0053, "190200", "00"},
			{0x0053, "12001e", "00"},
			{0x0053, "101e00", "00"},
			{0x0053, "2d0100", "00"},
			{0x0055, "0112", "00"},
			{0x0055, "0440", "00"},
			{0x00AB, "43021027", "00"},
			{0x0015, "4910", ""},
			{0x0053, "0c0200", "00"},
			{0x0053, "0d0500", "00"},
			{0x0053, "112000", "00"},
			{0x0053, "130800", "00"},
			{0x0053, "362c01", "00"},
			{0x00AB, "150100", "00"},
			{0x0003, "0001000000", "37 02 0000"},
			{0x0002, "010401650001071200000300060008000a001900000300000300040005000600080020000003000402040504060400050207010b030b040b0010", "00"},
			{0x0003, "0001000000", "00 02 0100"},
			{0x0064, "0000000100", "00"},
			{0x0064, "0185030100", "00"},
			{0x0002, "f2e0a1660001010121002100", "00"},
			{0x0064, "02840bf200", "00"},
			{0x0055, "0551", "00"},
			{0x0055, "0660", "00"},
			{0x0055, "0003", "00"},
			{0x0018, "", "00"},
			{0x0017, "0300", "93"},
			{0x0068, "840b9097296f7f35cd5787c5f9b1eb357de001030507090b0d0f00020406080a0c0d00ffffffffffffffff", "00"},
			{0x00AB, "0a021001", "00"},
			{0x00B1, "", "00"},
			{0x001E, "dddddddddddddddd621a050b0000000000f8ff07", "00"},
		} {
			d.want(tt.id, tt.params, tt.want)
		}
		d.called(time.Second, "1900 90")
		for _, tt := range []struct {
			id           uint16
			params, want string
		}{
			{0x00AB, "070101", "00"},
			{0x0010, "01f9ff05003c00030100", "00"},
			{0x005A, "02", "00000000"},
			{0x0018, "", "02"},
			{0x0028, "", "00 01 dddddddddddddddd621a050b0000000000f8ff07"},
			{0x0026, "", "78563412004b1200"},
			{0x0027, "", "0000"},
			{0x0116, "", "00000000 01 00 00 00 00000000"},
			{0x0114, "020000000000000000000000000000014405", "9097296f7f35cd5787c5f9b1eb357de0 00000000"},
			{0x0114, "010000000000000000000000000000014405", "01030507090b0d0f00020406080a0c0d 00000000"},
			{0x0114, "040000000000000000000000000000014405", "00000000000000000000000000000000 2d000000"},
			{0x0069, "", "00 840b 78563412004b1200"},
			{0x0052, "10", "00 1e00"},
			{0x0056, "05", "00 51"},
			{0x00AA, "0a", "00 02 1001"},
			{0x0063, "02", "00 840b f2 00"},
			{0x0065, "", strings.Repeat("00", 84)},
			{0x0081, "03aabbcc", "03aabbcc"},
			{0x000B, "0c", "08 ffffffffffffffff"},
			{0x0102, "2ae10000 00000000", "00 08000000 ffffffffffffffff"},
			{0x0102, "2be10000 00000000", "03"},
			{0x0103, "2ae10000 00000000 08000000 0100000000000000", "00"},
			{0x0103, "2ae10000 00000000 04000000 01000000", "02"},
			{0x0102, "2ae10000 00000000", "00 08000000 0100000000000000"},
			{0x0060, "78563412004b1200", "0000"},
			{0x0061, "0000", "00 78563412004b1200"},
			{0x0061, "3412", "01 ffffffffffffffff"},
			{0x0075, "78563412004b120001", "ff"},
			{0x0029, "", "00 0000000000000000 ffff"},
		} {
			d.want(tt.id, tt.params, tt.want)
		}
		// ActiveEP and SimpleDesc of itself, as captured.
		d.want(0x0034, "00000000000500000040110000000103010000", "0001")
		d.called(time.Second, "3f00 0000000000050000004011000001 01 00 00",
			"4500 00 0000 0580 00 00 0001 0000 02 ff e2 0000 ff ff 07 01 00 0000 02 01 f2")
		d.want(0x0034, "00000000000400000040110000000204020000f2", "0003")
		d.called(time.Second, "3f00 0000000000040000004011000003 02 00 00",
			"4500 00 0000 0480 00 00 0001 0000 04 ff e2 0000 ff ff 11 02 00 0000 0c f2e0a1660001012100012100")
	})
}

func TestOrderOfSetUpIsChecked(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.start()
		params, security := strings.ReplaceAll(networkParams, " ", ""), strings.ReplaceAll(initialSecurity, " ", "")
		d.want(0x0028, "", "93 00"+strings.Repeat("00", 20))
		d.want(0x0022, "3c", "70")
		d.want(0x0020, "", "70")
		d.want(0x0017, "0300", "93")
		d.want(0x001E, params, "a8") // no security state
		d.want(0x0002, "05 0401 6500 01 00 00", "38")
		d.want(0x0053, "101e00", "38")
		d.want(0x0068, security, "00")
		d.want(0x001E, strings.Replace(params, "621a050b", "621a051b", 1), "8a") // channel 27
		d.want(0x001E, strings.Replace(params, "621a050b", "ffff050b", 1), "02")
		d.want(0x001E, params, "00")
		d.called(time.Second, "1900 90")
		d.want(0x001E, params, "70")
		d.want(0x0017, "0300", "70")
		d.want(0x0068, security, "70")
		d.want(0x00AB, "230401000000", "38")
		d.want(0x0020, "", "00")
		d.called(time.Second, "1900 91")
		d.want(0x0018, "", "00")
	})
}

func TestInvalidSettings(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.start()
		d.want(0x0053, "ee0000", "37")
		d.want(0x0053, "0d0600", "36")
		d.want(0x0052, "ee", "37 0000")
		d.want(0x0055, "0a00", "37")
		d.want(0x0056, "0a", "37 00")
		d.want(0x00AB, "ee0100", "37")
		d.want(0x00AB, "0a0100", "36")
		d.want(0x00AA, "ee", "37 00")
		d.want(0x0064, "0800000100", "b1")
		d.want(0x0063, "08", "b1 0000 00 00")
		d.want(0x0002, endpoint1, "36") // again
		d.want(0x0002, "00 0401 6500 01 00 00", "36")
		d.want(0x0010, "01 0000 0500 3c00 03 01 00", "02")
		d.wantRefused(0x0002, "0104016500010f00", "33")
	})
}

func TestMessages(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.start()
		to := func(id, source, payload string) string {
			n := len(payload) / 2
			return "00" + id + "0401" + "0207" + source + "02" + "4011" + "0000" + "00" + "09" + hex.EncodeToString([]byte{byte(n)}) + payload
		}
		d.want(0x0034, to("3c7a", "01", "1001000004"), "91 00") // network down
		d.form2()
		d.want(0x0034, to("3412", "01", "1001000004"), "00 01")
		d.called(time.Second, "3f00 00 3412 0401 0207 01 02 4011 0000 01 09 66 00")
		d.want(0x0034, to("3c7a", "01", strings.Repeat("aa", 83)), "74 00")
		d.want(0x0034, to("3c7a", "01", ""), "02 00")
		d.want(0x0034, to("fdff", "01", "1001000004"), "02 00")
		d.device.net, d.device.joined = d.ncp.memory.Network.Network, true
		d.want(0x0034, to("3c7a", "01", strings.Repeat("aa", 82)), "00 02")
		d.called(time.Second, "3f00 00 3c7a 0401 0207 01 02 4011 0000 02 09 00 00")
		want := []radio.Frame{{Destination: deviceID, Profile: 0x0104, Cluster: 0x0702, SourceEndpoint: 1, DestinationEndpoint: 2,
			Sequence: 2, Payload: bytes.Repeat([]byte{0xAA}, 82)}}
		if diff := cmp.Diff(want, d.device.got); diff != "" {
			t.Errorf("the device got (-want +got):\n%s", diff)
		}
		// A node that has another network's key hears nothing.
		d.device.net.Key[0]++
		d.want(0x0034, to("3c7a", "01", "1001000004"), "00 03")
		d.called(time.Second, "3f00 00 3c7a 0401 0207 01 02 4011 0000 03 09 66 00")
		for range 10 {
			d.command(0x0034, to("3c7a", "01", "1001000004"))
		}
		d.want(0x0034, to("3c7a", "01", "1001000004"), "72 00")
	})
}

// form2 is form after start.
func (d *driver) form2() {
	d.t.Helper()
	d.want(0x0068, initialSecurity, "00")
	d.want(0x001E, networkParams, "00")
	d.called(time.Second, "1900 90")
}

func TestBroadcast(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.form()
		d.want(0x0036, "fcff0000360000004011000000ff0403043c01", "00 01")
		d.called(time.Second, "3f00 06 fcff 0000 3600 00 00 4011 0000 01 04 00 00")
		d.want(0x0036, "34120000360000004011000000ff0403043c01", "02 00")
	})
}

func TestIncomingMessage(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.form()
		f := radio.Frame{Destination: 0, Profile: 0x0104, Cluster: 0x0702, SourceEndpoint: 2, DestinationEndpoint: 1,
			Sequence: 0x36, Payload: []byte{0x18, 0x82, 0x0A, 0x00, 0x04, 0x2A, 0xDC, 0x05, 0x00}}
		d.device.net, d.device.joined = d.ncp.memory.Network.Network, true
		d.air.Do(func() {
			if !d.air.Up(d.device, f) {
				t.Error("the report was not taken")
			}
			f.Payload = make([]byte, 83)
			if d.air.Up(d.device, f) {
				t.Error("a frame too long was taken")
			}
			d.device.net.Key[5]++
			f.Payload = f.Payload[:3]
			if d.air.Up(d.device, f) {
				t.Error("a frame under another key was taken")
			}
		})
		all := d.taken()
		if len(all) != 1 {
			t.Fatalf("got %d callbacks, want 1", len(all))
		}
		got := all[0]
		if want := "450000040102070201000100003"; !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want it to begin with %s", got, want)
		}
		if want := "3c7affff0918820a00042adc0500"; !strings.HasSuffix(got, want) {
			t.Errorf("got %s, want it to end with %s", got, want)
		}
		d.ncp.Reset()
		f.Payload = f.Payload[:3]
		d.device.net.Key[5]--
		d.air.Do(func() {
			if d.air.Up(d.device, f) {
				t.Error("a dongle whose network is down took a frame")
			}
		})
	})
}

func (d *driver) open() (open bool) {
	d.air.Do(func() { _, open = d.ncp.Open() })
	return open
}

func TestPermitJoining(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.form()
		if d.open() {
			t.Error("a network is open from the beginning")
		}
		d.want(0x0022, "3c", "00")
		d.called(time.Second, "1900 9c")
		if d.open() {
			t.Error("open without a policy and a key")
		}
		d.want(0x0055, "0003", "00")
		if d.open() {
			t.Error("open without a key that newcomers have")
		}
		d.want(0x0111, "ffffffffffffffff"+strings.Repeat("11", 16)+"00", "00000000")
		if d.open() {
			t.Error("open with a key that newcomers do not have")
		}
		d.want(0x0111, "ffffffffffffffff"+hex.EncodeToString([]byte("ZigBeeAlliance09"))+"00", "00000000")
		if !d.open() {
			t.Error("not open although permitted")
		}
		d.want(0x00AA, "42", "00 02 3b00")
		d.called(58*time.Second + 900*time.Millisecond)
		d.called(time.Second, "1900 9d")
		if d.open() {
			t.Error("still open after 60 s")
		}
		d.permit()
		d.want(0x006B, "", "")
		if d.open() {
			t.Error("open after the key was taken away")
		}
		d.permit()
		d.want(0x0055, "0002", "00")
		if d.open() {
			t.Error("open although only those who rejoin are let in")
		}
		d.want(0x0022, "00", "00")
		d.called(time.Second, "1900 9d")
		d.want(0x0022, "ff", "00")
		d.want(0x0055, "0003", "00")
		d.called(299*time.Second, "1900 9c")
		if d.open() {
			t.Error("open although the key has timed out")
		}
	})
}

func TestMembers(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.form()
		d.permit()
		member := func(how radio.Join) {
			d.air.Do(func() {
				d.ncp.Member(radio.Member{EUI64: deviceEUI64, ID: deviceID, How: how, Role: radio.Role{Sleepy: true}})
			})
		}
		member(radio.UnsecuredJoin)
		d.called(0, "2400 3c7a a511021b00bc1500 01 00 0000", "2300 00 01 3c7a a511021b00bc1500 04")
		d.want(0x0060, "a511021b00bc1500", "3c7a")
		d.want(0x0061, "3c7a", "00 a511021b00bc1500")
		d.want(0x004A, "00", "00 a511021b00bc1500 04 3c7a 00 00 00 00000000")
		d.want(0x004A, "01", "93"+strings.Repeat("00", 18))
		// Mgmt_Lqi of itself lists the child.
		d.want(0x0034, "00 0000 0000 3100 00 00 4011 0000 00 01 02 0500", "0001")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := strings.Join(d.taken(), " "); !strings.Contains(got, "a511021b00bc15003c7a") {
			t.Errorf("neighbours: got %s", got)
		}
		member(radio.Left)
		d.called(0, "2400 3c7a a511021b00bc1500 02 03 0000", "2300 00 00 3c7a a511021b00bc1500 04")
		d.want(0x0060, "a511021b00bc1500", "ffff")
	})
}

func TestNetworkSurvivesWithoutPower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver(t, Memory{})
		d.form()
		d.air.Do(func() {
			d.ncp.Member(radio.Member{EUI64: deviceEUI64, ID: deviceID, How: radio.UnsecuredJoin, Role: radio.Role{Sleepy: true}})
		})
		for range 3 {
			d.command(0x0036, "fcff0000360000004011000000ff0403043c01")
		}
		counter := d.ncp.counter
		memory := d.ncp.Memory()

		again := newDriver(t, memory)
		again.start()
		again.want(0x0028, "", "93 00"+strings.Repeat("00", 20))
		again.want(0x0017, "0300", "00")
		again.called(time.Second, "1900 90")
		again.want(0x0028, "", "00 01"+networkParams)
		again.want(0x0114, "010000000000000000000000000000014405", networkKey+"00000000")
		again.want(0x0060, "a511021b00bc1500", "3c7a")
		if again.ncp.counter <= counter {
			t.Errorf("the frame counter went from %d to %d", counter, again.ncp.counter)
		}

		// Leaving is remembered too.
		again.want(0x0020, "", "00")
		if m := again.ncp.Memory(); m.Network != nil || len(m.Children) != 0 || again.saved == 0 {
			t.Errorf("after leaving, the memory holds %+v, kept %d times", m, again.saved)
		}
	})
}

func TestResetDropsTheSession(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.form()
		d.permit()
		d.ncp.Reset()
		if got := d.raw("0900010500"); got != "098001580030" {
			t.Errorf("nop after a reset: got %s, want a refusal", got)
		}
		d.start()
		d.want(0x0018, "", "00")
		d.called(2 * time.Minute) // no callback of the session before
		d.want(0x0017, "0300", "00")
		d.called(time.Second, "1900 90")
		if d.open() {
			t.Error("open after a reset")
		}
	})
}

func TestFrameCounterIsKeptAhead(t *testing.T) {
	test(t, func(t *testing.T, d *driver) {
		d.form()
		saved := d.saved
		for range counterStep + 1 {
			d.ncp.air.Do(d.ncp.spend)
			if d.ncp.counter >= d.ncp.memory.Network.FrameCounter {
				t.Fatalf("counter %d is not below the kept %d", d.ncp.counter, d.ncp.memory.Network.FrameCounter)
			}
		}
		if got := d.saved - saved; got != 1 {
			t.Errorf("kept %d times, want 1", got)
		}
	})
}

func FuzzCommand(f *testing.F) {
	f.Add(uint8(13), []byte{0x00, 0x00, 0x00, 0x0D})
	for id := range commands {
		for _, v := range []uint8{8, 13, 18} {
			f.Add(v, binary.LittleEndian.AppendUint16([]byte{1, 0, 1}, id))
			f.Add(v, append(binary.LittleEndian.AppendUint16([]byte{1, 0, 1}, id), bytes.Repeat([]byte{3}, 40)...))
		}
	}
	f.Fuzz(func(t *testing.T, version uint8, b []byte) {
		if version > 0x7F { // what a host may ask for
			return
		}
		d := newDriverOf(t, version, Memory{})
		d.raw("000000" + hex.EncodeToString([]byte{d.ncp.speaks.version}))
		for _, security := range []bool{false, true} {
			if security {
				d.raw("0100016800" + strings.ReplaceAll(initialSecurity, " ", ""))
				d.raw("0200011e00" + strings.ReplaceAll(networkParams, " ", ""))
			}
			d.air.Do(func() { d.responses = nil })
			d.ncp.Frame(b)
			d.air.Do(func() {
				if len(b) >= 3 && len(d.responses) != 1 {
					t.Errorf("%x: got %d responses, want 1", b, len(d.responses))
				}
				for _, r := range d.responses {
					if len(r) > 220 || r[0] != b[0] {
						t.Errorf("%x answered by %x", b, r)
					}
				}
			})
		}
	})
}

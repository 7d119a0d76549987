package ncp

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// of picks what a version says: statuses have 1 byte up to EZSP 13, and 4 from
// EZSP 14 on.
func of(v uint8, old, since14 string) string {
	if v >= 14 {
		return since14
	}
	return old
}

// begin agrees on the version and forms a network.
func (d *driver) begin(v uint8) {
	d.t.Helper()
	d.raw(hex.EncodeToString([]byte{0, 0, 0, v}))
	d.want(0x0068, initialSecurity, of(v, "00", "00000000"))
	d.want(0x001E, networkParams, of(v, "00", "00000000"))
	d.called(time.Second, of(v, "1900 90", "1900 15000000"))
}

// everyVersion runs a test at each version.
func everyVersion(t *testing.T, f func(t *testing.T, d *driver, v uint8)) {
	for _, v := range Versions() {
		t.Run(fmt.Sprintf("EZSP%d", v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, newDriverOf(t, v, Memory{}), v) })
		})
	}
}

const (
	theEUI64 = "a511021b00bc1500"
	theKey   = "00112233445566778899aabbccddeeff"
	noKey    = "00000000000000000000000000000000"
)

func TestVersionIsTold(t *testing.T) {
	everyVersion(t, func(t *testing.T, d *driver, v uint8) {
		got := d.raw(hex.EncodeToString([]byte{0, 0, 0, v}))
		r := dialects[v].release
		if want := fmt.Sprintf("008000%02x02%x%x%x%x", v, r[2], r[3], r[0], r[1]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("Later", func(t *testing.T) {
		d := newDriverOf(t, 31, Memory{})
		if got := d.raw("0000001f"); got != "0080001f020091" {
			t.Errorf("got %s", got)
		}
	})
}

// TestCommandsOfTheirTime asks for commands before they came and after they
// went.
func TestCommandsOfTheirTime(t *testing.T) {
	everyVersion(t, func(t *testing.T, d *driver, v uint8) {
		d.raw(hex.EncodeToString([]byte{0, 0, 0, v}))
		for _, tt := range []struct {
			id          uint16
			params      string
			first, last uint8
		}{
			{0x006A, "01", 8, 12}, {0x0071, "00", 8, 12}, {0x00AF, theEUI64 + theKey, 8, 12},
			{0x0111, theEUI64 + theKey + "00", 13, 255}, {0x0116, "", 13, 255}, {0x010F, "00", 13, 255},
			{0x0077, "0000", 13, 255}, {0x00AC, "00" + theEUI64 + "04 3c7a 000000 00000000", 9, 255},
			{0x005D, "003c7a", 8, 13}, {0x005F, "00", 8, 13}, {0x00CA, "", 14, 255}, {0x0100, "", 9, 255},
		} {
			d.sequence++
			head := []byte{d.sequence, 0, 1, byte(tt.id), byte(tt.id >> 8)}
			got := d.raw(hex.EncodeToString(head) + strings.ReplaceAll(tt.params, " ", ""))
			refused := strings.HasPrefix(got[6:], "5800")
			if want := v < tt.first || v > tt.last; refused != want {
				t.Errorf("command %04x: refused %v, want %v", tt.id, refused, want)
			}
		}
	})
}

func TestKeysOfEveryVersion(t *testing.T) {
	everyVersion(t, func(t *testing.T, d *driver, v uint8) {
		d.begin(v)
		// The network's own.
		context := "01 00 0000 0000000000000000 00 00 00014405"
		switch {
		case v < 13:
			d.want(0x006A, "03", "00 0300 03"+networkKey+"00000000 00000000 00 0000000000000000")
		case v == 13:
			d.want(0x0114, context, networkKey+"00000000")
		default:
			d.want(0x0114, context, "00000000"+networkKey+context)
		}
		// A device's, put in and got out.
		switch {
		case v < 13:
			d.want(0x0072, "02"+theEUI64+"01"+theKey, of(v, "00", ""))
			d.want(0x0071, "02", "00 0e00 05"+theKey+"00000000 00000000 00"+theEUI64)
			d.want(0x0071, "01", "b6 0e00 05"+noKey+"00000000 00000000 00 0000000000000000")
			d.want(0x0071, "09", "b1 0e00 05"+noKey+"00000000 00000000 00 0000000000000000")
		case v == 13:
			d.want(0x010E, "02"+theEUI64+theKey, "00000000")
			d.want(0x010F, "02", theEUI64+theKey+"0600 00000000 00000000 0000 00000000")
			d.want(0x010F, "01", "0000000000000000"+noKey+"0600 00000000 00000000 0000 2d000000")
		default:
			d.want(0x010E, "02"+theEUI64+theKey, "00000000")
			d.want(0x010F, "02", "00000000 04 02 0000"+theEUI64+"00 03 00000000"+theKey+"0600 00000000 00000000 0000")
			if got := d.command(0x010F, "09"); !strings.HasPrefix(got, "27000000") {
				t.Errorf("beyond the table: got %s", got)
			}
		}
		d.want(0x0075, theEUI64+"01", "02")
		d.want(0x0076, "02", of(v, "00", "00000000"))
		d.want(0x0075, theEUI64+"01", "ff")
		// One that lets a device in.
		switch {
		case v < 13:
			d.want(0x00AF, theEUI64+theKey, "00")
			d.want(0x00CE, theEUI64, "00"+theEUI64+theKey+"0800 2c01")
		case v == 13:
			d.want(0x0111, theEUI64+theKey+"00", "00000000")
			d.want(0x0113, theEUI64, "03 00 0000"+theEUI64+"00 03 00000000"+theKey+"0000 00000000 00000000 2c01 00000000")
		default:
			d.want(0x0111, theEUI64+theKey, "00000000")
			d.want(0x0113, theEUI64, "00000000 03 00 0000"+theEUI64+"00 03 00000000"+theKey+"0000 00000000 00000000 2c01")
		}
		d.want(0x0055, "0003", of(v, "00", "00000000"))
		var k radio.Key
		copy(k[:], unhex(t, theKey))
		d.air.Do(func() {
			if _, ok := d.ncp.Admit(deviceEUI64, k); !ok {
				t.Error("the device with the key is not let in")
			}
			if _, ok := d.ncp.Admit(deviceEUI64+1, k); ok {
				t.Error("another device with the key is let in")
			}
			if _, ok := d.ncp.Admit(deviceEUI64, radio.WellKnownKey); ok {
				t.Error("the device is let in with the well-known key")
			}
		})
	})
}

func TestTablesOfEveryVersion(t *testing.T) {
	everyVersion(t, func(t *testing.T, d *driver, v uint8) {
		d.begin(v)
		rest := ""
		if v >= 10 {
			rest = "00000000"
		}
		if v >= 9 {
			d.want(0x00AC, "00"+theEUI64+"04 3c7a 000000"+rest, of(v, "00", "00000000"))
			d.want(0x004A, "00", of(v, "00", "00000000")+theEUI64+"04 3c7a 000000"+rest)
		}
		d.want(0x004A, "05", of(v, "93", "17000000")+"0000000000000000 00 0000 000000"+rest)
		if v >= 14 {
			d.want(0x0060, "ff"+theEUI64[2:], "01000000 ffff")
			d.want(0x005C, "01"+theEUI64+"3c7a", "00000000")
			d.want(0x005E, "01", "00000000 3c7a"+theEUI64)
			d.want(0x007F, theEUI64, "01000000")
		} else {
			d.want(0x0060, "ff"+theEUI64[2:], "ffff")
			d.want(0x005C, "01"+theEUI64, "00")
			d.want(0x005D, "013c7a", "")
			d.want(0x005E, "01", theEUI64)
			d.want(0x005F, "01", "3c7a")
			d.want(0x007F, theEUI64, "00")
		}
		d.want(0x0082, "01 0000000000000000 ffff 00", of(v, "00", "00000000")+theEUI64+"3c7a 00")
		d.want(0x007A, "", "00")
		d.want(0x007B, "00", of(v, "00", "00000000")+"ffff 0000 03 00 00 00")
		d.want(0x007B, "ff", of(v, "b1", "27000000")+"ffff 0000 03 00 00 00")
		d.want(0x00AE, "3c7a 02 3412 7856", of(v, "00", "00000000"))
		if v >= 9 {
			d.want(0x0100, "", map[bool]string{false: "00", true: "00000000"}[v >= 18])
		}
	})
}

func TestScansOfEveryVersion(t *testing.T) {
	everyVersion(t, func(t *testing.T, d *driver, v uint8) {
		d.begin(v)
		ok := "00"
		if v >= 9 {
			ok = "00000000"
		}
		d.want(0x001A, "00 00180000 00", ok) // channels 11 and 12
		if got := d.command(0x001A, "00 00180000 00"); strings.Trim(got, "0") == "" {
			t.Error("a second scan was begun")
		}
		time.Sleep(2 * 2 * period)
		synctest.Wait()
		got := d.taken()
		want := []string{"4800" + "0b", "4800" + "0c", "1c00" + "00" + of(v, "00", "00000000")}
		if len(got) != len(want) {
			t.Fatalf("got %v", got)
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("got %s, want it to begin with %s", got[i], want[i])
			}
		}
		d.want(0x001A, "01 00f8ff07 0e", ok) // takes minutes, and is stopped
		d.want(0x001D, "", of(v, "00", "00000000"))
		d.called(time.Second, "1c00"+"00"+of(v, "00", "00000000"))
	})
}

// TestMovesToAnotherChannel broadcasts Mgmt_NWK_Update_req as a host does that
// moves its network.
func TestMovesToAnotherChannel(t *testing.T) {
	everyVersion(t, func(t *testing.T, d *driver, v uint8) {
		d.begin(v)
		update := "07 0a 00000002 fe 07" // length, sequence, channel 25, and the update id
		aps := "0000 3800 00 00 4011 0000 00"
		d.want(0x0036, of(v, "ffff"+aps+"1e 05", "0000 ffff 00"+aps+"1e 0500")+update, of(v, "00", "00000000")+"01")
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := strings.Join(d.taken(), " "), strings.ReplaceAll(of(v, "1900 9b", "1900 170c0000"), " ", ""); !strings.Contains(got, want) {
			t.Errorf("got callbacks %s, want %s in them", got, want)
		}
		if got := d.ncp.memory.Network; got.Channel != 25 || got.UpdateID != 7 {
			t.Errorf("got channel %d and update %d, want 25 and 7", got.Channel, got.UpdateID)
		}
		d.want(0x00B9, "0f", of(v, "00", "00000000"))
		if got := d.ncp.memory.Network.Channel; got != 15 {
			t.Errorf("got channel %d, want 15", got)
		}
	})
}

func TestRoutesAreRecorded(t *testing.T) {
	everyVersion(t, func(t *testing.T, d *driver, v uint8) {
		d.begin(v)
		f := radio.Frame{Source: deviceID, Profile: 0x0104, Cluster: 0x0006, SourceEndpoint: 1, DestinationEndpoint: 1,
			Payload: []byte{1}, LQI: 200, RSSI: -50, Relays: []uint16{0x1234, 0x5678}}
		d.air.Do(func() { d.ncp.Receive(f) })
		if got := d.taken(); len(got) != 1 {
			t.Errorf("without a concentrator: got %v", got)
		}
		d.want(0x0010, "01f9ff05003c00030100", of(v, "00", "00000000"))
		d.air.Do(func() { d.ncp.Receive(f) })
		got := d.taken()
		if want := "5900" + "3c7a" + "0000000000000000" + "c8ce" + "02" + "34127856"; len(got) != 2 || got[0] != want {
			t.Errorf("got %v, want %s before the message", got, want)
		}
		// Two messages came, and were counted.
		counters := d.command(0x00F1, "")
		if got, want := counters[4*8:4*8+4], "0200"; got != want {
			t.Errorf("got %s messages in %s, want %s", got, counters, want)
		}
		d.command(0x0065, "")
		if got := d.command(0x00F1, ""); strings.Trim(got, "0") != "" {
			t.Errorf("cleared counters: got %s", got)
		}
	})
}

func TestForgetsOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriverOf(t, 14, Memory{})
		d.begin(14)
		d.want(0x010E, "02"+theEUI64+theKey, "00000000")
		d.want(0x0020, "00", "00000000")
		d.called(time.Second, "1900 16000000")
		d.want(0x0018, "", "00")
		d.want(0x0077, "0000", "")
		if m := d.ncp.Memory(); m.Network != nil || len(m.Keys)+len(m.Children) != 0 {
			t.Errorf("remembers %+v", m)
		}
	})
}

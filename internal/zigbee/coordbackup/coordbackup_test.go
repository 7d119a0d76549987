package coordbackup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// counting is the key that counts up from its first byte.
func counting(first byte) (k Key) {
	for i := range k {
		k[i] = first + byte(i)
	}
	return k
}

var all = []uint8{11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26}

func TestParse(t *testing.T) {
	for name, want := range map[string]Backup{
		// As Zigbee2MQTT 2.14 wrote it on a simulated dongle whose address is
		// 0x00124b0012345678: addresses and extended PAN id in the order of the wire.
		"zigbee2mqtt-2.14-ember.json": {
			Source: "zigbee-herdsman@10.9.2", Time: time.Date(2026, 11, 24, 17, 29, 46, 918e6, time.UTC), EZSPVersion: 13,
			Coordinator: 0x00124b0012345678, PANID: 0xe16d, ExtendedPANID: 0x989ec65eb85affa2, Channel: 11, Channels: all, SecurityLevel: 5,
			NetworkKey: Key{0xdd, 0x28, 0x06, 0xbc, 0x9c, 0x98, 0x57, 0x5b, 0x7d, 0x20, 0x29, 0x2a, 0xaf, 0x24, 0x14, 0x94}, FrameCounter: 31,
			LinkKeySeed: Key{0x60, 0xaa, 0x41, 0x2e, 0xc2, 0xfb, 0xb7, 0xef, 0x0c, 0x7d, 0xe8, 0x3e, 0xa5, 0x34, 0xbe, 0x48},
		},
		"zigbee2mqtt-zstack.json": {
			Source: "zigbee-herdsman@0.14.34", Time: time.Date(2022, 6, 16, 10, 5, 27, 600e6, time.UTC),
			Coordinator: 0x00124b0021cc0001, PANID: 0x62, ExtendedPANID: 0x00124b0021cc0001, Channel: 25, Channels: []uint8{25}, SecurityLevel: 5, UpdateID: 2,
			NetworkKey: counting(0xa0), KeySequence: 1, FrameCounter: 4086999,
			ZStackSeed: Key{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
			Devices: []Device{
				{EUI64: 0x0015bc003f000001, NodeID: 0xd9c4, LinkKey: &LinkKey{counting(0x10), 7, 10253}},
				{EUI64: 0x0015bc003f000002, NodeID: NoNode, IsChild: true},
				{EUI64: 0x0015bc003f000003, NodeID: NoNode},
			},
		},
		"zigpy.json": {
			Source: "bellows@0.38.4", Time: time.Date(2024, 5, 10, 18, 40, 59, 996177e3, time.UTC),
			Coordinator: 0x84ba20fffe59f5ff, PANID: 0x2db4, ExtendedPANID: 0x2f7358bdfe789111, Channel: 15, Channels: []uint8{11, 15, 20}, SecurityLevel: 5, UpdateID: 3,
			NetworkKey: counting(0xc0), KeySequence: 1, FrameCounter: 14131, LinkKeySeed: counting(0xe0),
			Devices: []Device{
				{EUI64: 0x0015bc003f000001, NodeID: NoNode, IsChild: true, LinkKey: &LinkKey{counting(0xd0), 5, 4}},
				{EUI64: 0x0015bc003f000002, NodeID: 0x1f2e, IsChild: true},
			},
		},
		"zha-download.json": {
			Source: "bellows@0.38.4", Time: time.Date(2024, 5, 10, 18, 40, 59, 0, time.UTC),
			Coordinator: 0x84ba20fffe59f5ff, PANID: 0x2db4, ExtendedPANID: 0x2f7358bdfe789111, Channel: 15, Channels: []uint8{11, 15, 20}, SecurityLevel: 5, UpdateID: 3,
			NetworkKey: counting(0xc0), KeySequence: 1, FrameCounter: 14131, LinkKeySeed: counting(0xe0),
			Devices: []Device{{EUI64: 0x0015bc003f000002, NodeID: 0x1f2e, IsChild: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			b, err := got.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if name == "zigbee2mqtt-2.14-ember.json" {
				got.Source = "hems@1" // what we write is in the order of the format
				if b, err = got.Encode(); err != nil {
					t.Fatal(err)
				}
			}
			again, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			got.Time, again.Time = got.Time.Truncate(time.Millisecond), again.Time.Truncate(time.Millisecond)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("written and read again (-first +second):\n%s", diff)
			}
		})
	}
}

// A dongle whose address is made of a 48-bit one shows the order by itself.
func TestOrderOfAddresses(t *testing.T) {
	text := string(read(t, "zigbee2mqtt-2.14-ember.json"))
	for name, tt := range map[string]struct {
		written string
		want    zcl.EUI64
	}{
		"FromTheWire":  {"fff559feff20ba84", 0x84ba20fffe59f5ff},
		"AsTheFormat":  {"84ba20fffe59f5ff", 0x84ba20fffe59f5ff},
		"NobodyKnows":  {"78563412004b1200", 0x00124b0012345678},
		"WithItsDress": {"0x84ba20fffe59f5ff", 0x84ba20fffe59f5ff},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(strings.Replace(text, "78563412004b1200", tt.written, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got.Coordinator != tt.want {
				t.Errorf("got %v, want %v", got.Coordinator, tt.want)
			}
		})
	}
}

func TestWhatCannotBe(t *testing.T) {
	good := string(read(t, "zigbee2mqtt-zstack.json"))
	const key = "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"
	for name, tt := range map[string]struct{ old, new, want string }{
		"CutShort":         {good[200:], "", "cut short"},
		"Version":          {`"version": 1`, `"version": 2`, "version"},
		"Format":           {"zigpy/open-coordinator-backup", "else", "format"},
		"NoCoordinator":    {"00124b0021cc0001\",\n  \"pan", "\",\n  \"pan", "coordinator_ieee"},
		"CoordinatorIsAny": {"\"coordinator_ieee\": \"00124b0021cc0001", "\"coordinator_ieee\": \"ffffffffffffffff", "coordinator"},
		"PAN":              {`"pan_id": "62"`, `"pan_id": "ffff"`, "PAN id 0xffff"},
		"PANIsText":        {`"pan_id": "62"`, `"pan_id": "zz"`, "pan_id"},
		"PANIsANumber":     {`"pan_id": "62"`, `"pan_id": 62`, "pan_id"},
		"PANTooLong":       {`"pan_id": "62"`, `"pan_id": "00010062"`, "pan_id"},
		"ExtendedPAN":      {"\"extended_pan_id\": \"00124b0021cc0001", "\"extended_pan_id\": \"0000000000000000", "extended PAN"},
		"Channel":          {`"channel": 25`, `"channel": 27`, "channel 27"},
		"ChannelTooBig":    {`"channel": 25`, `"channel": 2700`, "channel"},
		"Mask":             {"[25]", "[3]", "mask"},
		"MaskNegative":     {"[25]", "[-1]", "channel_mask"},
		"SecurityLevel":    {`"security_level": 5`, `"security_level": 0`, "security level 0"},
		"ShortKey":         {key, key[2:], "network_key.key: it has 30"},
		"LongKey":          {key, key + "00", "network_key.key: it has 34"},
		"KeyIsText":        {key, "X" + key[1:], "network_key.key"},
		"KeyIsANumber":     {`"` + key + `"`, "1234", "network_key.key"},
		"NoKey":            {key, strings.Repeat("0", 32), "network key is missing"},
		"BlankKey":         {key, strings.Repeat("f", 32), "network key is missing"},
		"Counter":          {"4086999", "4294967295", "frame counter"},
		"CounterTooBig":    {"4086999", "4294967296", "frame_counter"},
		"Seed":             {"0f0e0d", "0f0e", "tclk_seed"},
		"DeviceTwice":      {"0015bc003f000002", "0015bc003f000001", "twice"},
		"DeviceIsNone":     {"0015bc003f000002", "0000000000000000", "no address"},
		"DeviceIsText":     {"0015bc003f000002", "lamp", "ieee_address"},
		"LinkKey":          {"101112131415161718191a1b1c1d1e1f", "10", "devices[0].link_key.key"},
		"EmptyLinkKey":     {"101112131415161718191a1b1c1d1e1f", strings.Repeat("0", 32), "link key of device"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatal("nothing was replaced")
			}
			got, err := Parse([]byte(bad))
			if err == nil {
				t.Fatalf("got %+v, want an error with %q", got, tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			for _, secret := range []string{key[2:30], "1112131415", "0e0d0c0b"} {
				if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(secret)) {
					t.Errorf("the error shows a key: %v", err)
				}
			}
		})
	}
	for name, text := range map[string]string{
		"Nothing": "", "List": "[]", "Null": "null", "Other": `{"a":1}`, "Legacy": `{"adapterType":"zStack","time":"x","data":{}}`,
		"Router": `{"network_info":{},"node_info":{"logical_type":"router"}}`, "Empty": `{"metadata":{"version":1}}`,
		"EmptyZigpy": `{"network_info":{"network_key":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Parse([]byte(text)); err == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	if _, err := Parse(bytes.Repeat([]byte(" "), maxSize+1)); err == nil {
		t.Error("too large: no error")
	}
	if _, err := (&Backup{}).Encode(); err == nil {
		t.Error("an empty backup is written")
	}
}

func TestKeysDoNotPrintThemselves(t *testing.T) {
	b, err := Parse(read(t, "zigpy.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, *b); strings.Contains(got, "193") || strings.Contains(got, "c1c2") || strings.Contains(got, "0xc1") {
			t.Errorf("%s shows a key: %s", format, got)
		}
	}
}

func TestSameNetwork(t *testing.T) {
	a, err := Parse(read(t, "zigpy.json"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse(read(t, "zha-download.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !a.SameNetwork(b) {
		t.Error("the same network in two forms is not the same")
	}
	b.NetworkKey[3]++
	if a.SameNetwork(b) {
		t.Error("with another key it is another network")
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"zigbee2mqtt-2.14-ember.json", "zigbee2mqtt-zstack.json", "zigpy.json", "zha-download.json"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Parse(b)
		if err != nil {
			return
		}
		out, err := got.Encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, out)
		}
		if again.NetworkKey != got.NetworkKey || again.PANID != got.PANID || len(again.Devices) != len(got.Devices) {
			t.Fatalf("read %+v, then %+v", got, again)
		}
	})
}

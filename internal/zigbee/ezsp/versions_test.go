package ezsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// allVersions are those that firmware speaks.
var allVersions = []Version{8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19}

// wire is what goes over the line for a call, in the versions from the first to
// the last; 0 is no limit.
type wire struct {
	first, last Version
	id          FrameID
	ask, reply  string
}

const (
	aKey    = "9097296f7f35cd5787c5f9b1eb357de0"
	anEUI64 = "a511021b00bc1500"
	theAPS  = "04010207010240110000" + "00"
)

var theKey = Key(unhexed(aKey))

// versioned are the commands that differ between versions, in every form.
var versioned = []struct {
	name  string
	call  func(context.Context, *Conn) (any, error)
	want  any
	wires []wire
}{
	{"ExportKey", func(ctx context.Context, c *Conn) (any, error) {
		k, err := c.ExportKey(ctx, TrustCenterLinkKey)
		return [16]byte(k), err
	}, [16]byte(theKey), []wire{
		{0, 12, 0x006A, "01", "00 0a00 01" + aKey + "05000000 00000000 00 78563412004b1200"},
		{13, 13, 0x0114, "020000000000000000000000000000014405", aKey + "00000000"},
		{14, 0, 0x0114, "020000000000000000000000000000014405", "00000000" + aKey + "020000000000000000000000000000014405"},
	}},
	{"NetworkKeyInfo", func(ctx context.Context, c *Conn) (any, error) { return c.NetworkKeyInfo(ctx) },
		KeyInfo{Set: true, Sequence: 5, FrameCounter: 0x100}, []wire{
			{0, 12, 0x006A, "03", "00 0300 03" + aKey + "00010000 00000000 05 0000000000000000"},
			{13, 0, 0x0116, "", "00000000 01 00 05 00 00010000"},
		}},
	{"APSFrameCounter", func(ctx context.Context, c *Conn) (any, error) { return c.APSFrameCounter(ctx) }, uint32(7), []wire{
		{0, 12, 0x006A, "01", "00 0a00 01" + aKey + "07000000 00000000 00 78563412004b1200"},
		{13, 13, 0x010C, "020000000000000000000000000000014405", "0000000000000000 0200 07000000 00000000 0000 00000000"},
		{14, 0, 0x010C, "020000000000000000000000000000014405", "00000000 0200 07000000 00000000 0000 020000000000000000000000000000014405"},
	}},
	{"ImportTransientKey", func(ctx context.Context, c *Conn) (any, error) {
		return nil, c.ImportTransientKey(ctx, 0x0015bc001b0211a5, theKey)
	}, nil, []wire{
		{0, 12, 0x00AF, anEUI64 + aKey, "00"},
		{13, 13, 0x0111, anEUI64 + aKey + "00", "00000000"},
		{14, 0, 0x0111, anEUI64 + aKey, "00000000"},
	}},
	{"ImportLinkKey", func(ctx context.Context, c *Conn) (any, error) {
		return nil, c.ImportLinkKey(ctx, 3, 0x0015bc001b0211a5, theKey)
	}, nil, []wire{
		{0, 12, 0x0072, "03" + anEUI64 + "01" + aKey, "00"},
		{13, 0, 0x010E, "03" + anEUI64 + aKey, "00000000"},
	}},
	{"ImportLinkKeyAnywhere", func(ctx context.Context, c *Conn) (any, error) {
		return nil, c.ImportLinkKey(ctx, AnyIndex, 0x0015bc001b0211a5, theKey)
	}, nil, []wire{
		{0, 12, 0x0066, anEUI64 + "01" + aKey, "00"},
		{13, 0, 0x010E, "ff" + anEUI64 + aKey, "00000000"},
	}},
	{"LinkKey", func(ctx context.Context, c *Conn) (any, error) {
		k, err := c.linkKey(ctx, 1)
		return []any{k.Index, k.EUI64, [16]byte(k.Key), k.Outgoing, k.Incoming}, err
	}, []any{uint8(1), zcl.EUI64(0x0015bc001b0211a5), [16]byte(theKey), uint32(8), uint32(9)}, []wire{
		{0, 12, 0x0071, "01", "00 0e00 05" + aKey + "08000000 09000000 00" + anEUI64},
		{13, 13, 0x010F, "01", anEUI64 + aKey + "0600 08000000 09000000 0000 00000000"},
		{14, 0, 0x010F, "01", "00000000 04 01 0000" + anEUI64 + "00 03 00000000" + aKey + "0600 08000000 09000000 0000"},
	}},
	{"SetChild", func(ctx context.Context, c *Conn) (any, error) {
		return nil, c.SetChild(ctx, 2, Child{EUI64: 0x0015bc001b0211a5, Type: 4, NodeID: 0x7a3c})
	}, nil, []wire{
		{9, 9, 0x00AC, "02" + anEUI64 + "04 3c7a 000000", "00"},
		{10, 13, 0x00AC, "02" + anEUI64 + "04 3c7a 000000 00000000", "00"},
		{14, 0, 0x00AC, "02" + anEUI64 + "04 3c7a 000000 00000000", "00000000"},
	}},
	{"ChildData", func(ctx context.Context, c *Conn) (any, error) {
		r, err := cmdGetChildData.call(ctx, c, 0)
		r.Value.RemainingTimeout = 0
		return r.Value, checked("getChildData", r.Status, err)
	}, Child{EUI64: 0x0015bc001b0211a5, Type: 4, NodeID: 0x7a3c, Timeout: 8}, []wire{
		{0, 9, 0x004A, "00", "00" + anEUI64 + "04 3c7a 000008"},
		{10, 13, 0x004A, "00", "00" + anEUI64 + "04 3c7a 000008 40380000"},
		{14, 0, 0x004A, "00", "00000000" + anEUI64 + "04 3c7a 000008 40380000"},
	}},
	{"LookupNodeID", func(ctx context.Context, c *Conn) (any, error) { return c.LookupNodeID(ctx, 0x0015bc001b0211a5) }, uint16(0x7a3c), []wire{
		{0, 13, 0x0060, anEUI64, "3c7a"},
		{14, 0, 0x0060, anEUI64, "00000000 3c7a"},
	}},
	{"LookupEUI64", func(ctx context.Context, c *Conn) (any, error) { return c.LookupEUI64(ctx, 0x7a3c) }, zcl.EUI64(0x0015bc001b0211a5), []wire{
		{0, 13, 0x0061, "3c7a", "00" + anEUI64},
		{14, 0, 0x0061, "3c7a", "00000000" + anEUI64},
	}},
	{"SetExtendedTimeout", func(ctx context.Context, c *Conn) (any, error) {
		return nil, c.SetExtendedTimeout(ctx, 0x0015bc001b0211a5, true)
	}, nil, []wire{
		{0, 13, 0x007E, anEUI64 + "01", ""},
		{14, 0, 0x007E, anEUI64 + "01", "00000000"},
	}},
	{"SetManufacturerCode", func(ctx context.Context, c *Conn) (any, error) { return nil, c.SetManufacturerCode(ctx, 0x1049) }, nil, []wire{
		{0, 13, 0x0015, "4910", ""},
		{14, 0, 0x0015, "4910", "00000000"},
	}},
	{"LeaveNetwork", func(ctx context.Context, c *Conn) (any, error) { return nil, c.LeaveNetwork(ctx) }, nil, []wire{
		{0, 13, 0x0020, "", "00"},
		{14, 0, 0x0020, "00", "00000000"},
	}},
	{"SetPolicy", func(ctx context.Context, c *Conn) (any, error) {
		return nil, c.SetPolicy(ctx, PolicyTCKeyRequest, 0x51)
	}, nil, []wire{
		{0, 13, 0x0055, "0551", "00"},
		{14, 0, 0x0055, "0551", "00000000"},
	}},
	{"NetworkParameters", func(ctx context.Context, c *Conn) (any, error) {
		_, p, err := c.NetworkParameters(ctx)
		return p.PANID, err
	}, uint16(0x1a62), []wire{
		{0, 13, 0x0028, "", "0001dddddddddddddddd621a050b0000000000f8ff07"},
		{14, 0, 0x0028, "", "0000000001dddddddddddddddd621a050b0000000000f8ff07"},
	}},
	{"SendUnicast", func(ctx context.Context, c *Conn) (any, error) {
		return c.SendUnicast(ctx, 0x7a3c, APSFrame{Profile: 0x0104, Cluster: 0x0702, Source: 1, Destination: 2, Options: 0x1140}, 9, []byte{1, 2})
	}, uint8(0x77), []wire{
		{0, 13, 0x0034, "00 3c7a" + theAPS + "09 020102", "00 77"},
		{14, 0, 0x0034, "00 3c7a" + theAPS + "0900 020102", "00000000 77"},
	}},
	{"SendBroadcast", func(ctx context.Context, c *Conn) (any, error) {
		return c.SendBroadcast(ctx, 0xFFFD, APSFrame{Profile: 0x0104, Cluster: 0x0702, Source: 1, Destination: 2, Options: 0x1140}, 30, 9, []byte{1, 2})
	}, uint8(0x77), []wire{
		{0, 13, 0x0036, "fdff" + theAPS + "1e 09 020102", "00 77"},
		{14, 0, 0x0036, "0000 fdff 00" + theAPS + "1e 0900 020102", "00000000 77"},
	}},
	{"SendMulticast", func(ctx context.Context, c *Conn) (any, error) {
		return c.SendMulticast(ctx, APSFrame{Profile: 0x0104, Cluster: 0x0702, Source: 1, Destination: 2, Options: 0x1140}, 30, 9, []byte{1, 2})
	}, uint8(0x77), []wire{
		{0, 13, 0x0038, theAPS + "1e 07 09 020102", "00 77"},
		{14, 0, 0x0038, theAPS + "1e fdff 0000 00 0900 020102", "00000000 77"},
	}},
}

// TestEveryVersionOfEachCommand compares requests byte by byte and reads
// replies in the form of every version.
func TestEveryVersionOfEachCommand(t *testing.T) {
	for _, tt := range versioned {
		for _, v := range allVersions {
			t.Run(fmt.Sprintf("%sEZSP%d", tt.name, v), func(t *testing.T) {
				n := newNCP(t)
				n.version = byte(v)
				c := n.open(t)
				var form *wire
				for i, w := range tt.wires {
					if v.within(w.first, w.last) {
						form = &tt.wires[i]
					}
				}
				if form == nil {
					var no ErrUnsupported
					if _, err := tt.call(t.Context(), c); !errors.As(err, &no) || no.Version != v {
						t.Errorf("got %v, want ErrUnsupported", err)
					}
					return
				}
				reply := unhex(t, clean(form.reply))
				n.answer = func(h header, payload []byte) []byte {
					if h.id != form.id {
						t.Errorf("got command 0x%04X, want 0x%04X", uint16(h.id), uint16(form.id))
					}
					if diff := cmp.Diff(clean(form.ask), fmt.Sprintf("%x", payload)); diff != "" {
						t.Errorf("request (-want +got):\n%s", diff)
					}
					return append([]byte{}, reply...)
				}
				got, err := tt.call(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("reply (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestAddressTable holds the address table, which changed its commands
// together with all statuses.
func TestAddressTable(t *testing.T) {
	for _, v := range allVersions {
		t.Run(fmt.Sprintf("EZSP%d", v), func(t *testing.T) {
			n := newNCP(t)
			n.version = byte(v)
			c := n.open(t)
			var asked []string
			n.answer = func(h header, p []byte) []byte {
				asked = append(asked, fmt.Sprintf("%02x %x", uint16(h.id), p))
				switch {
				case h.id == 0x5C && v < 14:
					return []byte{0}
				case h.id == 0x5C:
					return []byte{0, 0, 0, 0}
				case h.id == 0x5E && v < 14:
					return unhexed(anEUI64)
				case h.id == 0x5E:
					return unhexed("00000000" + "3c7a" + anEUI64)
				case h.id == 0x5F:
					return unhexed("3c7a")
				}
				return []byte{}
			}
			want := Address{NodeID: 0x7a3c, EUI64: 0x0015bc001b0211a5}
			if err := c.SetAddress(t.Context(), 2, want); err != nil {
				t.Fatal(err)
			}
			got, err := c.Address(t.Context(), 2)
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			sent := []string{"5c 02" + anEUI64 + "3c7a", "5e 02"}
			if v < 14 {
				sent = []string{"5c 02" + anEUI64, "5d 023c7a", "5e 02", "5f 02"}
			}
			if diff := cmp.Diff(sent, asked); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScans(t *testing.T) {
	for _, tt := range []struct {
		v              Version
		started, ended string
	}{{8, "00", "0000"}, {9, "00000000", "0000"}, {13, "00000000", "0000"}, {14, "00000000", "0000000000"}, {19, "00000000", "0000000000"}} {
		t.Run(fmt.Sprintf("EZSP%d", tt.v), func(t *testing.T) {
			n := newNCP(t)
			n.version = byte(tt.v)
			c := n.open(t)
			n.answer = func(h header, p []byte) []byte {
				if got, want := fmt.Sprintf("%02x %x", uint16(h.id), p), "1a 0000f8ff0703"; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				n.reply(h, false, unhexed(tt.started))
				n.callback(0x0048, 11, 0xB5)
				n.callback(0x0048, 12, 0xA0)
				n.callback(0x001C, unhexed(tt.ended)...)
				return nil
			}
			got, err := c.EnergyScan(t.Context(), 0x07FFF800, 3)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]ChannelEnergy{{11, -75}, {12, -96}}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := len(c.calls.queue); got != 0 {
				t.Errorf("%d results went to the readers of callbacks", got)
			}
		})
	}
}

func TestAScanThatIsGivenUpIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		stopped := false
		n.answer = func(h header, _ []byte) []byte {
			if h.id == 0x001D {
				stopped = true
				return []byte{0}
			}
			return []byte{0, 0, 0, 0}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.EnergyScan(ctx, 1<<11, 14); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if !stopped {
			t.Error("the NCP scans on")
		}
		n.callback(0x0048, 11, 0xB5) // what is still on its way disturbs nobody
		synctest.Wait()
		n.answer = func(h header, _ []byte) []byte {
			n.reply(h, false, []byte{0, 0, 0, 0})
			n.callback(0x001C, 15, 0x3D) // one channel could not be scanned
			n.callback(0x0048, 12, 0xA0)
			n.callback(0x001C, 0, 0)
			return nil
		}
		got, err := c.EnergyScan(t.Context(), 1<<12, 0)
		if diff := cmp.Diff([]ChannelEnergy{{12, -96}}, got); err != nil || diff != "" {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// TestRecordedByOthers reads frames that were recorded from a working dongle
// of EZSP 14 by another host, as public test vectors have them.
func TestRecordedByOthers(t *testing.T) {
	for _, tt := range []struct {
		name, frame string
		want        Callback
	}{
		{"MessageSent", "2790013f000000000000dec9040106000101401100009a030000",
			MessageSent{Destination: 0xc9de, APS: APSFrame{Profile: 0x0104, Cluster: 0x0006, Source: 1, Destination: 1, Options: 0x1140, Sequence: 0x9a},
				Tag: 3, Status: Status{SL, 0}}},
		{"IncomingMessage", "2790014500000401060001010001000070dec90000000000000000ffff0300060000000518040b000002",
			IncomingMessage{APS: APSFrame{Profile: 0x0104, Cluster: 0x0006, Source: 1, Destination: 1, Options: 0x0100, Sequence: 0x70},
				Sender: 0xc9de, LQI: 3, RSSI: 0, Payload: unhexed("18040b0000")}},
		{"MessageSentToAGroup", "ed90013f0006fdffe0a12100f2f20001000066340006190f020a0000", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, payload, err := parseHeader(unhexed(tt.frame), false)
			if err != nil {
				t.Fatal(err)
			}
			v := Version(14)
			if tt.want == nil { // of an older one
				v = 13
			}
			decode, known := callbackDecoder(h.id, v)
			if !known || h.control&controlCallback == 0 {
				t.Fatalf("0x%04X is no callback", uint16(h.id))
			}
			got, err := decode(v, payload)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				m := got.(MessageSent)
				if m.Destination != 0xFFFD || m.APS.Profile != 0xA1E0 || m.APS.Cluster != 0x0021 || m.Tag != 0x34 || !m.Status.OK() {
					t.Errorf("got %+v", m)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	// The command of the first, and its reply.
	n := newNCP(t)
	n.version = 14
	c := n.open(t)
	n.answer = func(h header, payload []byte) []byte {
		if got, want := fmt.Sprintf("%x", payload), clean("00 dec9 0401 0600 01 01 4011 0000 00 0300 03 010400"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		return unhexed("000000009a")
	}
	seq, err := c.SendUnicast(t.Context(), 0xc9de, APSFrame{Profile: 0x0104, Cluster: 0x0006, Source: 1, Destination: 1,
		Options: 0x1140}, 3, []byte{1, 4, 0})
	if err != nil || seq != 0x9a {
		t.Errorf("got %d, %v", seq, err)
	}
}

func TestVersions(t *testing.T) {
	for v := Version(8); v < 30; v++ {
		t.Run(fmt.Sprintf("EZSP%d", v), func(t *testing.T) {
			var log bytes.Buffer
			n := newNCP(t)
			n.version = byte(v)
			c, err := Open(t.Context(), n, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Version() != v || c.dialect() != min(v, 19) {
				t.Errorf("got EZSP %d spoken as %d", c.Version(), c.dialect())
			}
			if got, want := strings.Contains(log.String(), "does not know"), v == 15 || v > 19; got != want {
				t.Errorf("warned: got %v, want %v: %s", got, want, log.String())
			}
		})
	}
}

func TestInstallCodes(t *testing.T) {
	// The example of the Zigbee Base Device Behavior, 10.1.
	code := unhexed("83fed3407a939723a5c639b26916d505" + "c3b5")
	want := unhexed("66b6900981e1ee3ca4206b6b861c02bb")
	k, err := InstallCodeKey(code)
	if err != nil || !bytes.Equal(k[:], want) {
		t.Errorf("got %x, %v; want %x", k[:], err, want)
	}
	for i := range code {
		wrong := bytes.Clone(code)
		wrong[i] ^= 0x10
		if _, err := InstallCodeKey(wrong); err == nil {
			t.Errorf("byte %d misread: no error", i)
		}
	}
	for n := range 40 {
		if _, err := InstallCodeKey(make([]byte, n)); err == nil {
			t.Errorf("%d zeros: no error", n)
		}
	}
}

func TestCounters(t *testing.T) {
	n := newNCP(t)
	c := n.open(t)
	n.answer = func(header, []byte) []byte { return []byte{1, 0, 2, 0, 3, 1, 0xFF} }
	got, err := c.Counters(t.Context())
	if diff := cmp.Diff(Counters{1, 2, 0x0103}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got.Get(2) != 0x0103 || got.Get(40) != 0 || got.Get(-1) != 0 {
		t.Error("a counter that is there, or one that is not, is wrong")
	}
}

// FuzzVersions reads replies that are anything, in each version: a value or an
// error, and nothing beyond what came.
func FuzzVersions(f *testing.F) {
	for _, tt := range versioned {
		for _, w := range tt.wires {
			f.Add(uint8(max(w.first, 8)), unhexed(clean(w.reply)))
		}
	}
	f.Fuzz(func(t *testing.T, version uint8, p []byte) {
		v := Version(version)
		_, _ = keyStructLayout.decode(v, p)
		_, _ = cmdExportKey.answer.decode(v, p)
		_, _ = cmdGetAPSKeyInfo.answer.decode(v, p)
		_, _ = cmdExportLinkKeyByIndex.answer.decode(v, p)
		_, _ = cmdGetNetworkKeyInfo.answer.decode(v, p)
		_, _ = cmdGetNeighbor.answer.decode(v, p)
		_, _ = cmdGetRouteTableEntry.answer.decode(v, p)
		_, _ = cmdGetChildData.answer.decode(v, p)
		_, _ = cmdLookupNodeID.answer.decode(v, p)
		_, _ = cmdGetAddress.answer.decode(v, p)
		_, _ = cmdGetConfigurationValue.answer.decode(v, p)
		_, _ = cmdStartScan.answer.decode(v, p)
		_, _ = cmdSendMulticast.answer.decode(v, p)
		if c, err := cmdReadCounters.answer.decode(v, p); err != nil || 2*len(c) > len(p) {
			t.Fatalf("%d counters of %d bytes, %v", len(c), len(p), err)
		}
		for id := range callbackDecoders {
			decode, known := callbackDecoder(id, v)
			if !known {
				continue
			}
			if cb, err := decode(v, p); err == nil {
				if r, ok := cb.(RouteRecord); ok && 2*len(r.Relays) > len(p) {
					t.Fatalf("%d relays of %d bytes", len(r.Relays), len(p))
				}
			}
		}
		// What is written is read again the same.
		for _, l := range []layout[message]{cmdSendUnicast.ask, cmdSendBroadcast.ask, cmdSendMulticast.ask} {
			m, err := l.decode(v, p)
			if err != nil {
				continue
			}
			b, err := l.encode(v, m)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := l.decode(v, b); err != nil || !cmp.Equal(m, again) {
				t.Fatalf("%+v became %+v, %v", m, again, err)
			}
		}
	})
}

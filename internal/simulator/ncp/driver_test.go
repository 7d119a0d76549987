package ncp

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

const (
	testEUI64   = radio.EUI64(0x00124b0012345678)
	deviceEUI64 = radio.EUI64(0x0015bc001b0211a5)
	deviceID    = 0x7A3C
)

// driver is a host that speaks EZSP frames directly.
type driver struct {
	t         *testing.T
	ncp       *NCP
	air       *radio.Air
	device    *device
	sequence  uint8
	responses [][]byte
	callbacks []string // identifier and parameters, in hexadecimal
	saved     int
}

func (d *driver) Send(frame []byte, callback bool) error {
	if callback {
		if frame[1] != 0x90 || frame[2] != 0x01 {
			d.t.Errorf("callback %x: not marked as one", frame)
		}
		d.callbacks = append(d.callbacks, hex.EncodeToString(frame[3:]))
	} else {
		d.responses = append(d.responses, frame)
	}
	return nil
}

// device is a node of the tests: it is where it says it is and keeps frames.
type device struct {
	net    radio.Network
	joined bool
	got    []radio.Frame
}

func (d *device) EUI64() radio.EUI64                     { return deviceEUI64 }
func (d *device) Address() (uint16, radio.Network, bool) { return deviceID, d.net, d.joined }
func (d *device) Receive(f radio.Frame)                  { d.got = append(d.got, f) }
func (d *device) NetworkChanged()                        {}
func (d *device) Role() radio.Role                       { return radio.Role{Sleepy: true} }
func (d *device) Parent() uint16                         { return radio.Coordinator }
func (d *device) Permits() bool                          { return false }
func (d *device) Silent() bool                           { return false }
func (d *device) Wakes() time.Duration                   { return 0 }

func newDriver(t *testing.T, m Memory) *driver { return newDriverOf(t, 13, m) }

// newDriverOf drives a co-processor that speaks a version.
func newDriverOf(t *testing.T, version uint8, m Memory) *driver {
	d := &driver{t: t, air: radio.New(1, 10*time.Millisecond), device: &device{}}
	d.ncp = New(Options{EUI64: testEUI64, Version: version, Air: d.air, Memory: m, Changed: func() { d.saved++ }})
	d.ncp.Attach(d)
	d.air.Do(func() { d.air.Add(d.device) })
	t.Cleanup(d.air.Close)
	return d
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw sends a frame as it is and returns the response, all of it.
func (d *driver) raw(frame string) string {
	d.t.Helper()
	d.responses = nil
	d.ncp.Frame(unhex(d.t, frame))
	if len(d.responses) != 1 {
		d.t.Fatalf("%s: got %d responses, want 1", frame, len(d.responses))
	}
	return hex.EncodeToString(d.responses[0])
}

// command sends a command in the long format and returns the parameters of its
// response.
func (d *driver) command(id uint16, params string) string {
	d.t.Helper()
	d.sequence++
	params = strings.ReplaceAll(params, " ", "")
	head := binary.LittleEndian.AppendUint16([]byte{d.sequence, 0x00, 0x01}, id)
	answer := d.raw(hex.EncodeToString(head) + params)
	want := hex.EncodeToString(append([]byte{d.sequence, 0x80, 0x01}, head[3:]...))
	if !strings.HasPrefix(answer, want) {
		d.t.Fatalf("command %04x %s: got %s, want it to begin with %s", id, params, answer, want)
	}
	return answer[len(want):]
}

func (d *driver) want(id uint16, params, answer string) {
	d.t.Helper()
	if got := d.command(id, params); got != strings.ReplaceAll(answer, " ", "") {
		d.t.Errorf("command %04x %s: got %s, want %s", id, params, got, answer)
	}
}

// wantRefused expects invalidCommand with a reason.
func (d *driver) wantRefused(id uint16, params, reason string) {
	d.t.Helper()
	d.sequence++
	head := binary.LittleEndian.AppendUint16([]byte{d.sequence, 0x00, 0x01}, id)
	got := d.raw(hex.EncodeToString(head) + params)
	if want := hex.EncodeToString([]byte{d.sequence, 0x80, 0x01, 0x58, 0x00}) + reason; got != want {
		d.t.Errorf("command %04x %s: got %s, want %s", id, params, got, want)
	}
}

// called waits for callbacks and compares all that came since the last call.
func (d *driver) called(within time.Duration, want ...string) {
	d.t.Helper()
	time.Sleep(within)
	synctest.Wait()
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " ", "")
	}
	if diff := cmp.Diff(want, d.taken()); diff != "" {
		d.t.Errorf("callbacks (-want +got):\n%s", diff)
	}
}

// taken returns the callbacks since the last call.
func (d *driver) taken() (all []string) {
	d.air.Do(func() { all, d.callbacks = d.callbacks, nil })
	return all
}

const (
	initialSecurity = "840b 9097296f7f35cd5787c5f9b1eb357de0 01030507090b0d0f00020406080a0c0d 00 ffffffffffffffff"
	networkParams   = "dddddddddddddddd 621a 05 0b 00 0000 00 00f8ff07"
	networkKey      = "01030507090b0d0f00020406080a0c0d"
	endpoint1       = "01 0401 6500 01 01 01 0000 0207"
)

// start agrees on the version and adds an endpoint.
func (d *driver) start() {
	d.t.Helper()
	if got := d.raw("0000000d"); got != "0080000d024074" {
		d.t.Fatalf("version: got %s", got)
	}
	d.want(0x0002, endpoint1, "00")
}

// form forms a network, as a fresh dongle is asked to.
func (d *driver) form() {
	d.t.Helper()
	d.start()
	d.want(0x0017, "0300", "93")
	d.want(0x0068, initialSecurity, "00")
	d.want(0x001E, networkParams, "00")
	d.called(time.Second, "1900 90")
}

func (d *driver) permit() {
	d.t.Helper()
	d.want(0x0111, "ffffffffffffffff"+hex.EncodeToString([]byte("ZigBeeAlliance09"))+"00", "00000000")
	d.want(0x0055, "0003", "00")
	d.want(0x0022, "3c", "00")
	d.called(time.Second, "1900 9c")
}

func test(t *testing.T, f func(t *testing.T, d *driver)) {
	synctest.Test(t, func(t *testing.T) { f(t, newDriver(t, Memory{})) })
}

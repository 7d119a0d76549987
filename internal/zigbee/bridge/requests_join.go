package bridge

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// maxPermit is the longest time the network can be open in one go, in seconds.
const maxPermit = 254

func (b *Bridge) requestPermitJoin(ctx context.Context, r request) {
	raw := r.scalar
	via, name := zcl.EUI64None, ""
	if r.fields != nil {
		raw = r.fields["time"]
		device, err := r.ref("device")
		if err != nil {
			b.fail(r, err)
			return
		}
		if device != "" {
			e, called, ok := b.router(device)
			if !ok {
				b.fail(r, noDevice(device))
				return
			}
			via, name = e, called
		}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" { // a form or a template sends its numbers so
		raw = []byte(text)
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil || string(raw) == "null" || seconds != math.Trunc(seconds) {
		b.fail(r, invalid("'time' must be a whole number of seconds"))
		return
	}
	if seconds < 0 || seconds > maxPermit {
		b.fail(r, invalid("'time' must be from 0 to %d seconds", maxPermit))
		return
	}
	d := time.Duration(seconds) * time.Second
	b.start(ctx, r, func(ctx context.Context) error {
		if name != "" {
			return b.net.PermitJoinVia(ctx, d, via)
		}
		return b.net.PermitJoin(ctx, d)
	}, func() {
		b.setInfo(b.net.Info())
		data := map[string]any{"time": int(seconds)}
		if name != "" {
			data["device"] = name
		}
		b.answer(r, data)
	}, "permit joining")
}

// router is the device, or the coordinator, that a name means.
func (b *Bridge) router(id string) (e zcl.EUI64, name string, ok bool) {
	own := b.net.Info().EUI64
	if b.isCoordinator(id) {
		return own, coordinatorName, own != zcl.EUI64None
	}
	d, ok := b.find(id)
	if !ok {
		return zcl.EUI64None, "", false
	}
	return d.EUI64, b.names.name(d.EUI64), true
}

// coordinatorName is what the dongle is called.
const coordinatorName = "Coordinator"

func (b *Bridge) isCoordinator(id string) bool {
	own := b.net.Info().EUI64
	return strings.EqualFold(id, coordinatorName) || own != zcl.EUI64None && strings.EqualFold(id, own.String())
}

// requestHealthCheck answers whether the network is up; why it is not is in
// hems/zigbee/health.
func (b *Bridge) requestHealthCheck(_ context.Context, r request) {
	b.answer(r, map[string]any{"healthy": b.net.Info().State == network.Up})
}

func (b *Bridge) requestInstallCode(ctx context.Context, r request) {
	raw := r.scalar
	if r.fields != nil {
		raw = r.fields["value"]
	}
	var value string
	if json.Unmarshal(raw, &value) != nil || value == "" {
		b.fail(r, invalid("'value' must be the install code of a device"))
		return
	}
	e, code, err := parseInstallCode(value)
	if err != nil {
		b.fail(r, err)
		return
	}
	b.start(ctx, r, func(ctx context.Context) error { return b.net.AddInstallCode(ctx, e, code) },
		func() { b.answer(r, map[string]any{"value": value}) }, "add the install code")
}

// installForms are what is printed on devices or in their QR codes, with the
// place of the address and of the code. Source: zigbee-herdsman 10.9,
// installCodes: Ubisys, Danfoss, Inovelli and Ledvance; Müller-Licht, Innr and
// frient; Aqara; Hue.
var installForms = []struct {
	form          *regexp.Regexp
	address, code int
}{
	{regexp.MustCompile(`Z:([0-9A-Fa-f]{16})\$I:([0-9A-Fa-f]+)`), 1, 2},
	{regexp.MustCompile(`^\|?(?:0x)?([0-9A-Fa-f]{16})\|([0-9A-Fa-f]+)\|?$`), 1, 2},
	{regexp.MustCompile(`^G\$M:.+\$A:([0-9A-Fa-f]{16})\$I:([0-9A-Fa-f]+)$`), 1, 2},
	{regexp.MustCompile(`^HUE:Z:([0-9A-Fa-f]+) M:([0-9A-Fa-f]{16})`), 2, 1},
	// A form of fixed length: the address, three characters, the code at the end.
	{regexp.MustCompile(`^.{40}([0-9A-Fa-f]{16}).{3}([0-9A-Fa-f]{36})$`), 1, 2},
	{regexp.MustCompile(`^.{40}([0-9A-Fa-f]{16}).{3}([0-9A-Fa-f]{32})$`), 1, 2},
}

// parseInstallCode gives the device and its code with checksum. One that is
// printed without gets it; one with a wrong checksum is refused, as a typing
// error would make a key that the device does not have. Source: Base Device
// Behavior §10.1.
func parseInstallCode(s string) (e zcl.EUI64, code []byte, err error) {
	var address, digits string
	for _, f := range installForms {
		if m := f.form.FindStringSubmatch(s); m != nil {
			address, digits = m[f.address], m[f.code]
			break
		}
	}
	e, err = zcl.ParseEUI64("0x" + strings.ToLower(address))
	if err == nil {
		code, err = hex.DecodeString(digits)
	}
	if err != nil {
		return 0, nil, invalid("'%.100s' is not an install code; publish <address>|<code>, both hexadecimal", s)
	}
	switch len(code) {
	case 6, 12, 16:
		return e, binary.LittleEndian.AppendUint16(code, installChecksum(code)), nil
	case 8, 10, 14, 18:
		bare := code[:len(code)-2]
		if installChecksum(bare) != binary.LittleEndian.Uint16(code[len(bare):]) {
			return 0, nil, invalid("the checksum of the install code is wrong; look at each digit")
		}
		return e, code, nil
	}
	return 0, nil, invalid("an install code has 6, 8, 12 or 16 bytes and 2 of a checksum, not %d", len(code))
}

// installChecksum is CRC-16/X-25.
func installChecksum(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, x := range b {
		crc ^= uint16(x)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x8408
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}

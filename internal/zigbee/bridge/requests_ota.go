package bridge

import (
	"context"
	"errors"
	"fmt"
)

// The appliance has no source of firmware for devices, and takes none from a
// request: what is asked is answered as it is.

// otaTarget is the device whose firmware is meant. It answers the request
// itself when there is none, or when the device takes none.
func (b *Bridge) otaTarget(r request) (name string, ok bool) {
	d, _, ok := b.target(r)
	if !ok {
		return "", false
	}
	name = b.names.name(d.EUI64)
	if !d.supportsOTA() {
		b.fail(r, refusal(fmt.Sprintf("Device '%s' does not support OTA updates", name)))
		return "", false
	}
	return name, true
}

var errNoFirmware = errors.New("the appliance has no source of firmware for devices")

func (b *Bridge) requestOTACheck(_ context.Context, r request) {
	if name, ok := b.otaTarget(r); ok {
		b.fail(r, refusal(fmt.Sprintf("Failed to check if OTA update available for '%s' (%v)", name, errNoFirmware)))
	}
}

func (b *Bridge) requestOTAUpdate(_ context.Context, r request) {
	if name, ok := b.otaTarget(r); ok {
		b.fail(r, refusal(fmt.Sprintf("OTA update of '%s' failed (%v)", name, errNoFirmware)))
	}
}

func (b *Bridge) requestOTAAbort(_ context.Context, r request) {
	if d, _, ok := b.target(r); ok {
		b.fail(r, refusal(fmt.Sprintf("No OTA in progress to abort for device '%s'", b.names.name(d.EUI64))))
	}
}

// requestOTAUnschedule is good: nothing is scheduled.
func (b *Bridge) requestOTAUnschedule(_ context.Context, r request) {
	if _, _, ok := b.target(r); ok {
		b.answer(r, map[string]any{"id": r.echo("id")})
	}
}

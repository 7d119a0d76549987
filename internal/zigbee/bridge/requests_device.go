package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// target is the device a request is about. It answers the request itself when
// there is none.
func (b *Bridge) target(r request) (*device, string, bool) {
	id, err := r.id()
	if err != nil {
		b.fail(r, err)
		return nil, "", false
	}
	d, ok := b.find(id)
	if !ok {
		b.fail(r, noDevice(id))
		return nil, "", false
	}
	return d, id, true
}

func (b *Bridge) requestRename(ctx context.Context, r request) {
	from, err := r.text("from")
	if err != nil {
		b.fail(r, err)
		return
	}
	last, err := r.flag("last")
	if err != nil {
		b.fail(r, err)
		return
	}
	to, err := r.text("to")
	if err != nil {
		b.fail(r, err)
		return
	}
	homeAssistant, err := r.flag("homeassistant_rename")
	if err != nil {
		b.fail(r, err)
		return
	}
	if r.fields["to"] == nil || r.fields["from"] == nil && !last {
		b.fail(r, invalid("'from' and 'to' are needed"))
		return
	}
	var d *device
	if last {
		if all := b.sorted(); len(all) > 0 {
			d = all[len(all)-1]
		} else {
			b.fail(r, refusal("No device has joined since start"))
			return
		}
	} else {
		var ok bool
		if d, ok = b.find(from); !ok {
			b.fail(r, noDevice(from))
			return
		}
	}
	old := b.names.name(d.EUI64)
	if err := b.rename(ctx, d, to); err != nil {
		b.fail(r, err)
		return
	}
	b.logging(slog.LevelInfo, fmt.Sprintf("device '%s' is now called '%s'", old, to))
	b.answer(r, map[string]any{"from": old, "homeassistant_rename": homeAssistant, "to": to})
}

// rename moves everything of a device to a new name. The new descriptions wait:
// they have the unique ids of the old ones, which Home Assistant must have
// removed before.
func (b *Bridge) rename(ctx context.Context, d *device, to string) error {
	if err := b.names.check(d.EUI64, to, b.devices); err != nil {
		return err
	}
	old := b.names.name(d.EUI64)
	if to == old {
		return nil
	}
	if err := b.names.set(d.EUI64, to); err != nil {
		return err
	}
	for _, topic := range d.retained {
		b.retained.clear(topic)
	}
	d.retained = nil
	b.retained.clear(b.topics.state(old))

	availability := b.topics.availability(to)
	payload := offline
	if d.Available {
		payload = online
	}
	b.retained.set(availability, []byte(payload), 1)
	d.retained = []string{availability}
	d.renamed++
	if st, ok := b.states.of[d.EUI64]; ok && len(st.Values) > 0 {
		b.publishState(d, st)
	}
	b.setDevices()
	time.AfterFunc(b.opts.RenamePause, func() {
		b.post(ctx, func() {
			d.renamed--
			if b.devices[d.EUI64] == d {
				b.setDevice(d)
			}
		})
	})
	return nil
}

func (b *Bridge) requestRemove(ctx context.Context, r request) {
	d, id, ok := b.target(r)
	if !ok {
		return
	}
	flags := map[string]bool{"block": false, "clear_cache": false, "force": false, "keep_config": false}
	for field := range flags {
		v, err := r.flag(field)
		if err != nil {
			b.fail(r, err)
			return
		}
		flags[field] = v
	}
	if flags["block"] {
		b.fail(r, errors.New("blocking a device is not supported; leave out 'block'"))
		return
	}
	e := d.EUI64
	b.start(ctx, r, func(ctx context.Context) error {
		return b.net.Remove(ctx, e, flags["force"])
	}, func() {
		name := b.names.name(e)
		if d, ok := b.devices[e]; ok { // else its departure was heard of already
			b.forget(d)
		}
		if !flags["keep_config"] {
			if err := b.names.remove(e); err != nil {
				b.log.Error("the name of a removed device was kept", "device", e, "error", err)
			}
		}
		b.logging(slog.LevelInfo, fmt.Sprintf("device '%s' was removed", name))
		b.answer(r, map[string]any{
			"block": false, "clear_cache": flags["clear_cache"], "force": flags["force"],
			"id": id, "keep_config": flags["keep_config"],
		})
	}, fmt.Sprintf("remove device '%s'", b.names.name(e)))
}

func (b *Bridge) requestInterview(ctx context.Context, r request) {
	b.aboutDevice(ctx, r, "interview", b.net.Interview)
}

func (b *Bridge) requestConfigure(ctx context.Context, r request) {
	b.aboutDevice(ctx, r, "configure", b.net.Configure)
}

// aboutDevice does something long with the device that a request names.
func (b *Bridge) aboutDevice(ctx context.Context, r request, what string, do func(context.Context, zcl.EUI64) error) {
	d, id, ok := b.target(r)
	if !ok {
		return
	}
	e := d.EUI64
	b.start(ctx, r,
		func(ctx context.Context) error { return do(ctx, e) },
		func() { b.answer(r, map[string]any{"id": id}) },
		fmt.Sprintf("%s device '%s'", what, b.names.name(e)))
}

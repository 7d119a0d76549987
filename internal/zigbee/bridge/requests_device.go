package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

// renaming is what a request to rename a device or a group says.
type renaming struct {
	from, to            string
	last, homeAssistant bool
}

func (r request) renaming() (n renaming, err error) {
	if n.from, err = r.ref("from"); err != nil {
		return n, err
	}
	if n.to, err = r.text("to"); err != nil {
		return n, err
	}
	if n.last, err = r.flag("last"); err != nil {
		return n, err
	}
	if n.homeAssistant, err = r.flag("homeassistant_rename"); err != nil {
		return n, err
	}
	if r.fields["to"] == nil || r.fields["from"] == nil && !n.last {
		return n, invalid("'from' and 'to' are needed")
	}
	n.to = strings.TrimSpace(n.to)
	return n, nil
}

func (b *Bridge) requestRename(ctx context.Context, r request) {
	n, err := r.renaming()
	if err != nil {
		b.fail(r, err)
		return
	}
	var d *device
	ok := false
	if n.last {
		if d, ok = b.lastJoined(); !ok {
			b.fail(r, refusal("No device has joined since start"))
			return
		}
	} else if d, ok = b.find(n.from); !ok {
		b.fail(r, noDevice(n.from))
		return
	}
	old := b.names.name(d.EUI64)
	if err := b.rename(ctx, d, n.to); err != nil {
		b.fail(r, err)
		return
	}
	b.logging(slog.LevelInfo, fmt.Sprintf("device '%s' is now called '%s'", old, n.to))
	b.answer(r, map[string]any{"from": old, "homeassistant_rename": n.homeAssistant, "to": n.to})
}

// lastJoined is the device that joined last, before this start if need be: who
// pairs one device after the other need not mind a restart.
func (b *Bridge) lastJoined() (*device, bool) {
	all := b.sorted()
	if len(all) == 0 {
		return nil, false
	}
	return all[len(all)-1], true
}

// rename moves everything of a device to a new name. The new descriptions wait:
// they have the unique ids of the old ones, which Home Assistant must have
// removed before.
func (b *Bridge) rename(ctx context.Context, d *device, to string) error {
	if err := b.names.check(d.EUI64, to, b.devices); err != nil {
		return err
	}
	if _, taken := b.groups.named(to); taken {
		return refusal(fmt.Sprintf("friendly_name '%s' is already in use", to))
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
	b.clearState(d, old)
	d.retained = b.setAvailability(d)
	d.renamed++
	if st, ok := b.states.of[d.EUI64]; ok && len(st.Values) > 0 {
		b.publishState(d, st)
	}
	b.setDevices()
	b.setInfo(b.net.Info())
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
	d, _, ok := b.target(r)
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
	e, name := d.EUI64, b.names.name(d.EUI64)
	d.removing = b.start(ctx, r, func(limited context.Context) error {
		err := b.net.Remove(limited, e, flags["force"])
		if err != nil {
			b.post(ctx, func() { d.removing = false })
		}
		return err
	}, func() {
		if d, ok := b.devices[e]; ok { // else its departure was heard of already
			b.forget(d)
		}
		err := b.removed(e, flags["block"], flags["keep_config"])
		if err != nil {
			b.fail(r, refusal(fmt.Sprintf("Failed to remove device '%s': it has left the network, but %v", name, err)))
			return
		}
		b.logging(slog.LevelInfo, fmt.Sprintf("device '%s' was removed", name))
		// Nothing about a removed device stays in memory, so clear_cache is
		// always so; it is answered as it was asked.
		b.answer(r, map[string]any{
			"block": flags["block"], "clear_cache": flags["clear_cache"], "force": flags["force"],
			"id": r.echo("id"), "keep_config": flags["keep_config"],
		})
	}, fmt.Sprintf("remove device '%s'", name))
}

// removed drops what was kept about a device that a person removed, and keeps
// it out from now on when that was asked.
func (b *Bridge) removed(e zcl.EUI64, block, keep bool) error {
	var errs []error
	if block {
		errs = append(errs, b.options.block(e))
	}
	if !keep {
		errs = append(errs, b.names.remove(e), b.options.forget(e), b.groups.forget(e))
		b.tellDeviceOptions(e)
	}
	b.setGroups()
	b.setInfo(b.net.Info())
	return errors.Join(errs...)
}

func (b *Bridge) requestInterview(ctx context.Context, r request) {
	b.aboutDevice(ctx, r, "interview", b.net.Interview)
}

func (b *Bridge) requestConfigure(ctx context.Context, r request) {
	b.aboutDevice(ctx, r, "configure", b.net.Configure)
}

// aboutDevice does something long with the device that a request names.
func (b *Bridge) aboutDevice(ctx context.Context, r request, what string, do func(context.Context, zcl.EUI64) error) {
	d, _, ok := b.target(r)
	if !ok {
		return
	}
	e := d.EUI64
	b.start(ctx, r,
		func(ctx context.Context) error { return do(ctx, e) },
		func() { b.answer(r, map[string]any{"id": r.echo("id")}) },
		fmt.Sprintf("%s device '%s'", what, b.names.name(e)))
}

package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// groupTarget is the group a request is about. It answers the request itself
// when there is none.
func (b *Bridge) groupTarget(r request) (*group, bool) {
	id, err := r.id()
	if err != nil {
		b.fail(r, err)
		return nil, false
	}
	g, ok := b.groups.find(strings.TrimSpace(id))
	if !ok {
		b.fail(r, noGroup(id))
		return nil, false
	}
	return g, true
}

// noGroup is the refusal of a request about a group that is not there.
func noGroup(id string) error { return refusal(fmt.Sprintf("Group '%.100s' does not exist", id)) }

// checkGroupName is why a group cannot be called name, or nil.
func (b *Bridge) checkGroupName(g *group, name string) error {
	if err := b.names.check(zcl.EUI64None, name, b.devices); err != nil {
		return err
	}
	if other, taken := b.groups.named(name); taken && other != g {
		return refusal(fmt.Sprintf("friendly_name '%s' is already in use", name))
	}
	return nil
}

func (b *Bridge) requestGroupAdd(_ context.Context, r request) {
	name, id := "", ""
	var err error
	if r.scalar != nil {
		if json.Unmarshal(r.scalar, &name) != nil {
			err = invalid("the name must be a string")
		}
	} else {
		if name, err = r.text("friendly_name"); err == nil {
			id, err = r.ref("id")
		}
		if err == nil && r.fields != nil && r.fields["friendly_name"] == nil {
			err = invalid("'friendly_name' is missing")
		}
	}
	if err == nil {
		err = b.checkGroupName(nil, name)
	}
	if err == nil && len(b.groups.of) >= maxGroups {
		err = fmt.Errorf("there are %d groups already; remove one first", maxGroups)
	}
	number := b.groups.free()
	if id = strings.TrimSpace(id); err == nil && id != "" {
		n, wrong := strconv.ParseUint(id, 10, 16)
		if wrong != nil || n == 0 || n > maxGroupID {
			err = invalid("'id' must be a number from 1 to %d", maxGroupID)
		}
		if number = uint16(n); err == nil && b.groups.of[number] != nil {
			err = refusal(fmt.Sprintf("Group ID '%s' is already in use", id))
		}
	}
	if err == nil {
		_, err = b.groups.add(number, name)
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	b.groupsChanged()
	b.answer(r, map[string]any{"friendly_name": name, "id": number})
}

// groupsChanged shows the groups as they are now.
func (b *Bridge) groupsChanged() {
	b.setGroups()
	b.setInfo(b.net.Info())
}

// requestGroupRemove takes the members out of a group and drops it. With force
// it is dropped whatever they say.
func (b *Bridge) requestGroupRemove(ctx context.Context, r request) {
	g, ok := b.groupTarget(r)
	if !ok {
		return
	}
	force, err := r.flag("force")
	if err != nil {
		b.fail(r, err)
		return
	}
	members := slices.Clone(g.Members)
	b.start(ctx, r, func(ctx context.Context) error {
		if force {
			return nil
		}
		return b.leaveGroup(ctx, g.id, members)
	}, func() {
		if b.groups.of[g.id] != g { // removed meanwhile
			b.fail(r, noGroup(g.Name))
			return
		}
		if err := b.groups.remove(g); err != nil {
			b.fail(r, err)
			return
		}
		b.retained.clear(b.topics.state(g.Name))
		b.groupsChanged()
		b.logging(slog.LevelInfo, fmt.Sprintf("group '%s' was removed", g.Name))
		b.answer(r, map[string]any{"force": force, "id": r.echo("id")})
	}, fmt.Sprintf("remove group '%s'", g.Name))
}

// leaveGroup takes endpoints out of a group. A device that is no more is as
// good as one that has left.
func (b *Bridge) leaveGroup(ctx context.Context, id uint16, members []member) error {
	var errs []error
	for _, m := range members {
		err := b.net.GroupRemove(ctx, m.EUI64, m.Endpoint, id)
		if err != nil && !errors.As(err, new(network.ErrUnknownDevice)) {
			errs = append(errs, fmt.Errorf("%v: %w", m.EUI64, err))
		}
	}
	return errors.Join(errs...)
}

func (b *Bridge) requestGroupRename(_ context.Context, r request) {
	n, err := r.renaming()
	if err == nil && r.fields["from"] == nil {
		err = invalid("'from' and 'to' are needed")
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	g, ok := b.groups.find(n.from)
	if !ok {
		b.fail(r, noGroup(n.from))
		return
	}
	old := g.Name
	if err := b.checkGroupName(g, n.to); err != nil {
		b.fail(r, err)
		return
	}
	if err := b.groups.change(g, func(g *group) { g.Name = n.to }); err != nil {
		b.fail(r, err)
		return
	}
	if old != n.to {
		b.retained.clear(b.topics.state(old))
		if len(g.state) > 0 {
			b.publishGroup(g, nil)
		}
	}
	b.groupsChanged()
	b.logging(slog.LevelInfo, fmt.Sprintf("group '%s' is now called '%s'", old, n.to))
	b.answer(r, map[string]any{"from": old, "homeassistant_rename": n.homeAssistant, "to": n.to})
}

func (b *Bridge) requestGroupOptions(_ context.Context, r request) {
	if r.fields["id"] == nil || r.fields["options"] == nil {
		b.fail(r, invalid("'id' and 'options' are needed"))
		return
	}
	g, ok := b.groupTarget(r)
	if !ok {
		return
	}
	change, err := r.change()
	if err != nil {
		b.fail(r, err)
		return
	}
	from := g.Options
	to, err := changeOptions(from, change, groupRules)
	if err == nil {
		err = b.groups.change(g, func(g *group) { g.Options = to })
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	b.groupsChanged()
	b.logging(slog.LevelInfo, fmt.Sprintf("the options of group '%s' were changed", g.Name))
	b.answer(r, map[string]any{"from": shownOptions(from), "id": r.echo("id"), "restart_required": false, "to": shownOptions(to)})
}

// membership is what a request about members means.
type membership struct {
	group    *group // nil for all groups
	device   *device
	endpoint uint8
	// keepReports: a member that is removed reports what it did for those who are
	// bound to the group.
	keepReports bool
}

// membership reads a request; it answers it itself when it makes no sense.
func (b *Bridge) membership(r request, all bool) (m membership, ok bool) {
	var refs [3]string
	for i, field := range []string{"device", "group", "endpoint"} {
		var err error
		if refs[i], err = r.ref(field); err != nil {
			b.fail(r, err)
			return m, false
		}
	}
	var err error
	if m.keepReports, err = r.flag("skip_disable_reporting"); err != nil {
		b.fail(r, err)
		return m, false
	}
	if refs[0] == "" || refs[1] == "" && !all {
		b.fail(r, invalid("'device' and 'group' are needed"))
		return m, false
	}
	if !all {
		if m.group, ok = b.groups.find(refs[1]); !ok {
			b.fail(r, noGroup(refs[1]))
			return m, false
		}
	}
	if m.device, ok = b.find(refs[0]); !ok {
		b.fail(r, noDevice(refs[0]))
		return m, false
	}
	ep, ok := m.device.endpoint(refs[2])
	if !ok {
		if refs[2] == "" {
			refs[2] = "default"
		}
		b.fail(r, refusal(fmt.Sprintf("Device '%s' does not have endpoint '%.100s'", b.names.name(m.device.EUI64), refs[2])))
		return m, false
	}
	m.endpoint = ep.ID
	return m, true
}

// members does something long with a membership and keeps what it has changed.
func (b *Bridge) members(ctx context.Context, r request, m membership, verb, preposition string, work func(context.Context) error, keep func() error) {
	err := b.long(ctx, work, func(err error) {
		if err == nil {
			err = keep()
		}
		if err != nil {
			message := fmt.Sprintf("Failed to %s %s group (%s)", verb, preposition, explained(err))
			b.fail(r, refusal(message))
			b.logging(slog.LevelError, message)
			return
		}
		b.groupsChanged()
		data := map[string]any{"device": r.echo("device"), "endpoint": "default"}
		if v, ok := r.fields["endpoint"]; ok && string(v) != "null" {
			data["endpoint"] = json.RawMessage(v)
		}
		if m.group != nil {
			data["group"] = r.echo("group")
		}
		b.answer(r, data)
	})
	if err != nil {
		b.fail(r, refusal(fmt.Sprintf("Failed to %s %s group (%v)", verb, preposition, err)))
	}
}

func (b *Bridge) requestMemberAdd(ctx context.Context, r request) {
	m, ok := b.membership(r, false)
	if !ok {
		return
	}
	if len(m.group.Members) >= maxMembers {
		b.fail(r, fmt.Errorf("the group has %d members already", maxMembers))
		return
	}
	e, endpoint, g := m.device.EUI64, m.endpoint, m.group
	follow := b.followers()
	follow.members[g.id] = append(follow.members[g.id], member{e, endpoint})
	b.members(ctx, r, m, "add", "to",
		func(ctx context.Context) error {
			err := b.net.GroupAdd(ctx, e, endpoint, g.id)
			if err == nil {
				follow.joined(ctx, g.id)
			}
			return err
		},
		func() error {
			follow.tell(b)
			if g.has(e, endpoint) {
				return nil
			}
			return b.groups.change(g, func(g *group) { g.Members = append(g.Members, member{e, endpoint}) })
		})
}

func (b *Bridge) requestMemberRemove(ctx context.Context, r request) {
	m, ok := b.membership(r, false)
	if !ok {
		return
	}
	e, endpoint, g := m.device.EUI64, m.endpoint, m.group
	follow := b.followers()
	follow.leave(g.id, member{e, endpoint})
	b.members(ctx, r, m, "remove", "from",
		func(ctx context.Context) error {
			err := b.net.GroupRemove(ctx, e, endpoint, g.id)
			if err == nil && !m.keepReports {
				follow.end(ctx, network.Target{EUI64: e, Endpoint: endpoint})
			}
			return err
		},
		func() error {
			follow.tell(b)
			return b.groups.change(g, func(g *group) {
				g.Members = slices.DeleteFunc(g.Members, func(x member) bool { return x == member{e, endpoint} })
			})
		})
}

func (b *Bridge) requestMemberRemoveAll(ctx context.Context, r request) {
	m, ok := b.membership(r, true)
	if !ok {
		return
	}
	e, endpoint := m.device.EUI64, m.endpoint
	follow := b.followers()
	for id := range follow.members {
		follow.leave(id, member{e, endpoint})
	}
	b.members(ctx, r, m, "remove_all", "from",
		func(ctx context.Context) error {
			err := b.net.GroupRemoveAll(ctx, e, endpoint)
			if err == nil && !m.keepReports {
				follow.end(ctx, network.Target{EUI64: e, Endpoint: endpoint})
			}
			return err
		},
		func() error {
			follow.tell(b)
			var errs []error
			for _, g := range b.groups.memberships(e, endpoint) {
				errs = append(errs, b.groups.change(g, func(g *group) {
					g.Members = slices.DeleteFunc(g.Members, func(x member) bool { return x == member{e, endpoint} })
				}))
			}
			return errors.Join(errs...)
		})
}

// rejoin makes a device that has come back a member of its groups again: one
// that was reset has forgotten them.
func (b *Bridge) rejoin(ctx context.Context, d *device) {
	var list []membership
	for _, g := range b.groups.sorted() {
		for _, m := range g.Members {
			if m.EUI64 == d.EUI64 {
				list = append(list, membership{group: g, device: d, endpoint: m.Endpoint})
			}
		}
	}
	if len(list) == 0 {
		return
	}
	e := d.EUI64
	err := b.long(ctx, func(ctx context.Context) error {
		var errs []error
		for _, m := range list {
			errs = append(errs, b.net.GroupAdd(ctx, e, m.endpoint, m.group.id))
		}
		return errors.Join(errs...)
	}, func(err error) {
		if err != nil {
			b.logging(slog.LevelWarn, fmt.Sprintf("'%s' is not a member of all its groups again: %v; add it to them once more", b.names.name(e), err))
		}
	})
	if err != nil {
		b.log.Warn("a device was not made a member of its groups again", "device", e, "error", err)
	}
}

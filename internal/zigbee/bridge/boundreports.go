package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// A switch that is bound to a lamp turns it on without us, and the lamp's state
// is known here only if the lamp reports it. So what others are bound to reports
// to us what a binding changes, and no more when nobody is bound to it. Source:
// Zigbee2MQTT 2.14, extension/bind.

// boundReport is an attribute that commands of a bound cluster change.
type boundReport struct {
	config zcl.ReportConfig
	// colour is the capability that a lamp must have, a bit of attribute 0x400a.
	colour uint64
}

const (
	attrColourCapabilities = 0x400a
	colourXY               = 1 << 3
	colourTemperature      = 1 << 4
	clusterCovering        = 0x0102
	neverReport            = 0xffff
)

var boundReports = map[uint16][]boundReport{
	zcl.ClusterOnOff: {{config: zcl.ReportConfig{Attribute: 0x0000, Type: zcl.Bool, Max: 3600}}},
	zcl.ClusterLevel: {{config: zcl.ReportConfig{Attribute: 0x0000, Type: zcl.Uint8, Min: 5, Max: 3600, Change: 1}}},
	zcl.ClusterColor: {
		{zcl.ReportConfig{Attribute: 0x0007, Type: zcl.Uint16, Min: 5, Max: 3600, Change: 1}, colourTemperature},
		{zcl.ReportConfig{Attribute: 0x0003, Type: zcl.Uint16, Min: 5, Max: 3600, Change: 1}, colourXY},
		{zcl.ReportConfig{Attribute: 0x0004, Type: zcl.Uint16, Min: 5, Max: 3600, Change: 1}, colourXY},
	},
	clusterCovering: {
		{config: zcl.ReportConfig{Attribute: 0x0008, Type: zcl.Uint8, Min: 5, Max: 3600, Change: 1}},
		{config: zcl.ReportConfig{Attribute: 0x0009, Type: zcl.Uint8, Min: 5, Max: 3600, Change: 1}},
	},
}

// followers sets up the reports of who is bound to. It is made on the bridge's
// goroutine and used on another.
type followers struct {
	net     Network
	own     network.Target
	members map[uint16][]member // of all groups
	names   map[member]string
	lines   []follower
}

// follower is a line for bridge/logging.
type follower struct {
	level slog.Level
	text  string
	e     zcl.EUI64
}

func (b *Bridge) followers() *followers {
	f := &followers{net: b.net, own: network.Target{EUI64: b.net.Info().EUI64, Endpoint: 1},
		members: make(map[uint16][]member), names: make(map[member]string)}
	for id, g := range b.groups.of {
		f.members[id] = slices.Clone(g.Members)
	}
	for e, d := range b.devices {
		for _, ep := range d.Endpoints {
			f.names[member{e, ep.ID}] = fmt.Sprintf("%s/%d", b.names.name(e), ep.ID)
		}
	}
	return f
}

// tell says what was done, on the bridge's goroutine.
func (f *followers) tell(b *Bridge) {
	for _, l := range f.lines {
		b.logging(l.level, l.text)
		b.bindingsChanged(l.e)
	}
}

// at is whom a binding leads to: an endpoint, or the members of a group.
func (f *followers) at(t network.Target) []member {
	switch {
	case t.Group != 0:
		return f.members[t.Group]
	case t.EUI64 == f.own.EUI64:
		return nil
	}
	return []member{{t.EUI64, t.Endpoint}}
}

func endpointAt(devices []network.Device, m member) (network.Endpoint, bool) {
	for _, d := range devices {
		for _, ep := range d.Endpoints {
			if d.EUI64 == m.EUI64 && ep.ID == m.Endpoint {
				return ep, true
			}
		}
	}
	return network.Endpoint{}, false
}

// toUs reports whether an endpoint's cluster is bound to us.
func (f *followers) toUs(ep network.Endpoint, cluster uint16) bool {
	return slices.ContainsFunc(ep.Bindings, func(x network.Binding) bool { return x.Cluster == cluster && x.Group == 0 && x.Target == f.own.EUI64 })
}

// begin has those at a target report what the clusters, which are bound to it
// now, change.
func (f *followers) begin(ctx context.Context, to network.Target, clusters []uint16) {
	devices := f.net.Devices()
	for _, cluster := range clusters {
		for _, m := range f.at(to) {
			ep, ok := endpointAt(devices, m)
			if !ok || boundReports[cluster] == nil || !slices.Contains(ep.In, cluster) {
				continue
			}
			reports := slices.ContainsFunc(ep.Reporting, func(r network.Reporting) bool { return r.Cluster == cluster })
			if reports && f.toUs(ep, cluster) {
				continue
			}
			err := f.net.Bind(ctx, m.EUI64, m.Endpoint, cluster, f.own)
			if err == nil {
				err = f.report(ctx, m, cluster, false)
			}
			f.note(m, cluster, err, "reports", "report")
		}
	}
}

// joined is begin for a group that has one more member.
func (f *followers) joined(ctx context.Context, group uint16) {
	var clusters []uint16
	for _, d := range f.net.Devices() {
		for _, ep := range d.Endpoints {
			for _, x := range ep.Bindings {
				if x.Group == group && !slices.Contains(clusters, x.Cluster) {
					clusters = append(clusters, x.Cluster)
				}
			}
		}
	}
	if len(clusters) > 0 {
		f.begin(ctx, network.Target{Group: group}, clusters)
	}
}

// leave takes a member out of a group.
func (f *followers) leave(group uint16, m member) {
	f.members[group] = slices.DeleteFunc(f.members[group], func(x member) bool { return x == m })
}

// end has those at a target not report what nobody else's binding to them
// changes. What their own setup has them report is set up again after it.
func (f *followers) end(ctx context.Context, to network.Target) {
	devices := f.net.Devices()
	for _, m := range f.at(to) {
		ep, ok := endpointAt(devices, m)
		if !ok {
			continue
		}
		ended := false
		for _, x := range ep.Bindings {
			if x.Group != 0 || x.Target != f.own.EUI64 || boundReports[x.Cluster] == nil || f.needed(devices, m, x.Cluster) {
				continue
			}
			err := f.net.Unbind(ctx, m.EUI64, m.Endpoint, x.Cluster, network.Target{EUI64: x.Target, Endpoint: x.TargetEndpoint})
			if err == nil {
				err = f.report(ctx, m, x.Cluster, true)
			}
			f.note(m, x.Cluster, err, "does not report any more", "stop to report")
			ended = true
		}
		if !ended {
			continue
		}
		if err := f.net.Configure(ctx, m.EUI64); err != nil {
			f.lines = append(f.lines, follower{slog.LevelWarn, fmt.Sprintf("'%s' was not configured again: %v", f.names[m], err), m.EUI64})
		}
	}
}

// needed reports whether any device is bound to an endpoint by a cluster.
func (f *followers) needed(devices []network.Device, m member, cluster uint16) bool {
	for _, d := range devices {
		for _, ep := range d.Endpoints {
			for _, x := range ep.Bindings {
				if x.Cluster == cluster && slices.Contains(f.at(network.Target{EUI64: x.Target, Endpoint: x.TargetEndpoint, Group: x.Group}), m) {
					return true
				}
			}
		}
	}
	return false
}

// report sets what an endpoint reports of a cluster, or that it does not.
func (f *followers) report(ctx context.Context, m member, cluster uint16, never bool) error {
	capable := uint64(0)
	if cluster == zcl.ClusterColor {
		list, err := f.net.Read(ctx, m.EUI64, m.Endpoint, cluster, 0, attrColourCapabilities)
		if err != nil {
			return err
		}
		for _, a := range list {
			if a.ID == attrColourCapabilities {
				capable, _ = a.Value.Uint()
			}
		}
	}
	var list []zcl.ReportConfig
	for _, r := range boundReports[cluster] {
		if r.colour&^capable != 0 {
			continue
		}
		if never {
			r.config.Max = neverReport
		}
		list = append(list, r.config)
	}
	if len(list) == 0 {
		return nil
	}
	return f.net.ConfigureReporting(ctx, m.EUI64, m.Endpoint, cluster, 0, list)
}

func (f *followers) note(m member, cluster uint16, err error, does, wish string) {
	l := follower{slog.LevelInfo, fmt.Sprintf("'%s' %s its cluster '%s'", f.names[m], does, zcl.ClusterName(cluster)), m.EUI64}
	if err != nil {
		l.level = slog.LevelWarn
		l.text = fmt.Sprintf("'%s' did not %s its cluster '%s': %v", f.names[m], wish, zcl.ClusterName(cluster), err)
	}
	f.lines = append(f.lines, l)
}

package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// bindable are the clusters that are bound when a request names none, as far as
// both sides have them. Source: Zigbee2MQTT 2.14, extension/bind.
var bindable = []string{
	"genScenes", "genOnOff", "genLevelCtrl", "lightingColorCtrl", "closuresWindowCovering", "hvacThermostat",
	"msIlluminanceMeasurement", "msTemperatureMeasurement", "msRelativeHumidity", "msSoilMoisture", "msCO2",
}

// maxClusters is how many clusters one request may name.
const maxClusters = 32

// binding is what a request to bind or unbind means.
type binding struct {
	source       *device
	endpoint     network.Endpoint
	target       network.Target
	targetDevice *device          // nil for a group and for the coordinator
	targetEnd    network.Endpoint // of targetDevice
	targetName   string
	clusters     []string
	keepReports  bool // of the target, when it is unbound
}

func (b *Bridge) requestBind(ctx context.Context, r request)   { b.bindOrUnbind(ctx, r, "bind") }
func (b *Bridge) requestUnbind(ctx context.Context, r request) { b.bindOrUnbind(ctx, r, "unbind") }

// bindOrUnbind asks the source for one cluster after the other. One that fails
// does not keep the others from being tried.
func (b *Bridge) bindOrUnbind(ctx context.Context, r request, verb string) {
	x, err := b.parseBinding(r)
	if err != nil {
		b.fail(r, err)
		return
	}
	var ids []uint16
	var names []string
	for _, name := range x.clusters {
		id, err := zcl.ParseCluster(name)
		if err != nil || !x.fits(id) {
			continue
		}
		ids, names = append(ids, id), append(names, name)
	}
	if len(ids) == 0 {
		b.fail(r, refusal("Nothing to "+verb))
		return
	}
	e, endpoint, sourceName := x.source.EUI64, x.endpoint.ID, b.names.name(x.source.EUI64)
	good, bad := []string{}, []string{}
	var bound []uint16
	var last error
	follow := b.followers()
	err = b.long(ctx, func(ctx context.Context) error {
		for i, id := range ids {
			do := b.net.Bind
			if verb == "unbind" {
				do = b.net.Unbind
			}
			if err := do(ctx, e, endpoint, id, x.target); err != nil {
				bad, last = append(bad, names[i]), err
				continue
			}
			good, bound = append(good, names[i]), append(bound, id)
		}
		switch {
		case verb == "bind":
			follow.begin(ctx, x.target, bound)
		case len(bound) > 0 && !x.keepReports:
			follow.end(ctx, x.target)
		}
		return nil
	}, func(error) {
		follow.tell(b)
		for _, name := range good {
			b.logging(slog.LevelInfo, fmt.Sprintf("%s of cluster '%s' from '%s' to '%s' succeeded", verb, name, sourceName, x.targetName))
		}
		for _, name := range bad {
			b.logging(slog.LevelError, fmt.Sprintf("%s of cluster '%s' from '%s' to '%s' failed: %v", verb, name, sourceName, x.targetName, last))
		}
		b.bindingsChanged(e)
		if len(good) == 0 {
			b.fail(r, refusalBecause{"Failed to " + verb, explained(last)})
			return
		}
		data := map[string]any{
			"clusters": good, "failed": bad, "from": r.echo("from"), "from_endpoint": "default", "to": r.echo("to"),
		}
		if v := r.echo("from_endpoint"); v != nil {
			data["from_endpoint"] = v
		}
		if v := r.echo("to_endpoint"); v != nil {
			data["to_endpoint"] = v
		}
		b.answer(r, data)
	})
	if err != nil {
		b.fail(r, refusal(fmt.Sprintf("Failed to %s: %v", verb, err)))
	}
}

// bindingsChanged shows what the network now knows of a device.
func (b *Bridge) bindingsChanged(e zcl.EUI64) {
	for _, n := range b.net.Devices() {
		if d, ok := b.devices[e]; ok && n.EUI64 == e {
			d.update(n)
		}
	}
	b.setDevices()
}

func (b *Bridge) parseBinding(r request) (x binding, err error) {
	var from, fromEndpoint, to, toEndpoint string
	for field, v := range map[string]*string{"from": &from, "from_endpoint": &fromEndpoint, "to": &to, "to_endpoint": &toEndpoint} {
		if *v, err = r.ref(field); err != nil {
			return x, err
		}
	}
	if from == "" || to == "" {
		return x, invalid("'from' and 'to' are needed")
	}
	if x.keepReports, err = r.flag("skip_disable_reporting"); err != nil {
		return x, err
	}
	var ok bool
	if x.source, ok = b.find(from); !ok {
		return x, refusal(fmt.Sprintf("Source device '%.100s' does not exist", from))
	}
	if x.endpoint, ok = x.source.endpoint(fromEndpoint); !ok {
		return x, refusal(fmt.Sprintf("Source device '%s' does not have endpoint '%.100s'", b.names.name(x.source.EUI64), fromEndpoint))
	}
	if raw, there := r.fields["clusters"]; there && string(raw) != "null" {
		if json.Unmarshal(raw, &x.clusters) != nil || len(x.clusters) > maxClusters {
			return x, invalid("'clusters' must be a list of at most %d names", maxClusters)
		}
	} else {
		x.clusters = bindable
	}
	return x, b.bindingTarget(&x, to, toEndpoint)
}

// bindingTarget is the coordinator, a group, or an endpoint of a device.
func (b *Bridge) bindingTarget(x *binding, to, endpoint string) error {
	if b.isCoordinator(to) {
		x.targetName = coordinatorName
		x.target = network.Target{EUI64: b.net.Info().EUI64, Endpoint: 1}
		if n, err := strconv.ParseUint(endpoint, 10, 8); err == nil && n > 0 {
			x.target.Endpoint = uint8(n)
		}
		return nil
	}
	if to == defaultBindGroupName || to == strconv.Itoa(defaultBindGroup) {
		x.targetName, x.target = defaultBindGroupName, network.Target{Group: defaultBindGroup}
		return nil
	}
	if d, ok := b.find(to); ok {
		x.targetName = b.names.name(d.EUI64)
		if x.targetEnd, ok = d.endpoint(endpoint); !ok {
			return refusal(fmt.Sprintf("Target device '%s' does not have endpoint '%.100s'", x.targetName, endpoint))
		}
		x.targetDevice, x.target = d, network.Target{EUI64: d.EUI64, Endpoint: x.targetEnd.ID}
		return nil
	}
	if g, ok := b.groups.find(to); ok {
		x.targetName, x.target = g.Name, network.Target{Group: g.id}
		return nil
	}
	return refusal(fmt.Sprintf("Target device or group '%.100s' does not exist", to))
}

// fits reports whether a cluster can be bound: the source has it, and the
// target has its other side. Groups and the coordinator take all.
func (x binding) fits(cluster uint16) bool {
	in, out := slices.Contains(x.endpoint.In, cluster), slices.Contains(x.endpoint.Out, cluster)
	if x.targetDevice == nil {
		return in || out
	}
	return out && slices.Contains(x.targetEnd.In, cluster) || in && slices.Contains(x.targetEnd.Out, cluster)
}

// requestBindsClear ends the bindings of a device that are known, all of them
// or those to certain addresses.
func (b *Bridge) requestBindsClear(ctx context.Context, r request) {
	target, err := r.text("target")
	if err != nil || target == "" {
		b.fail(r, invalid("'target' must be the name of a device"))
		return
	}
	d, ok := b.find(target)
	if !ok {
		b.fail(r, refusal("Invalid target"))
		return
	}
	only := []string{everyAddress}
	if raw, there := r.fields["ieee_list"]; there && string(raw) != "null" {
		if json.Unmarshal(raw, &only) != nil || len(only) == 0 || len(only) > maxClusters {
			b.fail(r, invalid("'ieee_list' must be a list of at most %d addresses", maxClusters))
			return
		}
	}
	type bound struct {
		endpoint uint8
		cluster  uint16
		to       network.Target
	}
	var list []bound
	for _, ep := range d.Endpoints {
		for _, x := range ep.Bindings {
			same := func(s string) bool { return strings.EqualFold(s, x.Target.String()) }
			if !slices.Contains(only, everyAddress) && (x.Group != 0 || !slices.ContainsFunc(only, same)) {
				continue
			}
			list = append(list, bound{ep.ID, x.Cluster, network.Target{EUI64: x.Target, Endpoint: x.TargetEndpoint, Group: x.Group}})
		}
	}
	e := d.EUI64
	b.start(ctx, r, func(ctx context.Context) error {
		for _, x := range list {
			if err := b.net.Unbind(ctx, e, x.endpoint, x.cluster, x.to); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		b.bindingsChanged(e)
		b.answer(r, map[string]any{"ieee_list": only, "target": target})
	}, fmt.Sprintf("clear the bindings of '%s'", b.names.name(e)))
}

// everyAddress stands for all targets of bindings.
const everyAddress = "0xffffffffffffffff"

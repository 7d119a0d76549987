package bridge

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// small is a map of the coordinator, a router and the meter behind it.
func small() network.Map {
	const router = zcl.EUI64(0xa4c1380000000001)
	return network.Map{Nodes: []network.MapNode{
		{EUI64: dongleEUI, Type: "Coordinator", Asked: true,
			Neighbours: []zdo.Neighbour{
				{EUI64: router, NWKAddr: 0x1234, Type: 1, RxOnWhenIdle: 1, Relationship: 2, PermitJoining: 2, Depth: 15, LQI: 200},
				{NWKAddr: 0x7a3c, Type: 2, Relationship: 1, Depth: 1, LQI: 90}, // it does not know the address
				{EUI64: 1, NWKAddr: 0x5555, Relationship: 4},                   // a child of former days
			},
			Routes: []zdo.Route{{Destination: 0x7a3c, NextHop: 0x1234, State: zdo.RouteActive, ManyToOne: true}}},
		{EUI64: router, NodeID: 0x1234, Type: network.TypeRouter, Asked: true, NeighboursErr: errors.New("silent"), RoutesErr: errors.New("silent")},
		{EUI64: meterEUI, NodeID: 0x7a3c, Type: network.TypeEndDevice},
	}}
}

func TestNetworkMapRaw(t *testing.T) {
	f := start(t)
	var got []byte
	f.inside(func(b *Bridge) {
		var err error
		if got, err = json.Marshal(b.topology(small())); err != nil {
			t.Error(err)
		}
	})
	v := fromJSON(t, string(got)).(map[string]any)
	definition := v["nodes"].([]any)[2].(map[string]any)["definition"].(map[string]any)
	if s := definition["supports"].(string); !strings.HasPrefix(s, "power, energy, ") || !strings.HasSuffix(s, ", linkquality") {
		t.Errorf("the meter supports %q", s)
	}
	delete(definition, "supports")
	delete(definition, "description")
	const (
		ends = `"target": {"ieeeAddr": "0x00124b0012345678", "networkAddress": 0}, "targetIeeeAddr": "0x00124b0012345678"`
		r    = `"0xa4c1380000000001"`
		m    = `"0x0015bc003f000001"`
	)
	want := fromJSON(t, `{
		"nodes": [
			{"ieeeAddr": "0x00124b0012345678", "friendlyName": "Coordinator", "type": "Coordinator", "networkAddress": 0, "failed": []},
			{"ieeeAddr": `+r+`, "friendlyName": `+r+`, "type": "Router", "networkAddress": 4660, "failed": ["lqi", "routingTable"]},
			{"ieeeAddr": `+m+`, "friendlyName": "frient_blink_counter", "type": "EndDevice", "networkAddress": 31292,
				"manufacturerName": "frient A/S", "modelID": "EMIZB-141", "definition": {"model": "EMIZB-141", "vendor": "Frient"}}],
		"links": [
			{"source": {"ieeeAddr": `+r+`, "networkAddress": 4660}, "sourceIeeeAddr": `+r+`, "sourceNwkAddr": 4660, `+ends+`,
				"deviceType": 1, "rxOnWhenIdle": 1, "relationship": 2, "permitJoining": 2, "depth": 15, "lqi": 200, "linkquality": 200,
				"routes": [{"destinationAddress": 31292, "nextHopAddress": 4660, "manyToOne": 1, "memoryConstrained": 0,
					"reserved1": 0, "routeRecordRequired": 0, "status": "ACTIVE"}]},
			{"source": {"ieeeAddr": `+m+`, "networkAddress": 31292}, "sourceIeeeAddr": `+m+`, "sourceNwkAddr": 31292, `+ends+`,
				"deviceType": 2, "rxOnWhenIdle": 0, "relationship": 1, "permitJoining": 0, "depth": 1, "lqi": 90, "linkquality": 90, "routes": []}]}`)
	if diff := cmp.Diff(want, any(v)); diff != "" {
		t.Errorf("map (-want +got):\n%s", diff)
	}
}

func TestNetworkMapForms(t *testing.T) {
	f := start(t)
	var dot, uml string
	f.inside(func(b *Bridge) {
		b.names.of[meterEUI] = `"} ] odd\`
		top := b.topology(small())
		now := time.Unix(1_000_000, 0)
		top.Nodes[2].LastSeen = now.Add(-90 * time.Second).UnixMilli()
		dot, uml = top.graphviz(now), top.plantuml(now)
	})
	for what, lines := range map[string]struct {
		text  string
		lines []string
	}{
		"graphviz": {dot, []string{
			"digraph G {", "node[shape=record];",
			`  "0x00124b0012345678" [style="bold, filled", fillcolor="#e04e5d", fontcolor="#ffffff", label="{Coordinator|0x00124b0012345678 (0x0000)|0s ago}"];`,
			`  "0xa4c1380000000001" [style="rounded, filled", fillcolor="#4ea3e0", fontcolor="#ffffff", label="{0xa4c1380000000001|0xa4c1380000000001 (0x1234) failed: lqi,routingTable|unknown model|unknown}"];`,
			`  "0xa4c1380000000001" -> "0x00124b0012345678" [penwidth=2, weight=1, color="#009900", label="200 (routes: 0x7a3c)"]`,
			`  "0x0015bc003f000001" -> "0x00124b0012345678" [penwidth=1, weight=0, color="#994444", label="90"]`,
			`label="{\"\} ] odd\\|0x0015bc003f000001 (0x7a3c)|Frient `, "|1m30s ago}", "}",
		}},
		"plantuml": {uml, []string{
			"@startuml", "card 0x0015bc003f000001 [\n\"} ) odd\\\n---\n0x0015bc003f000001 (0x7a3c)\n---\nFrient ",
			"0xa4c1380000000001 --> 0x00124b0012345678: 200", "0x0015bc003f000001 --> 0x00124b0012345678: 90", "@enduml",
		}},
	} {
		for _, l := range lines.lines {
			if !strings.Contains(lines.text, l) {
				t.Errorf("%s has no %q:\n%s", what, l, lines.text)
			}
		}
	}
}

func TestOneNetworkMapAtATime(t *testing.T) {
	release := make(chan struct{})
	var good atomic.Bool
	f := start(t, func(f *fixture) {
		f.net.asked = func(string, ...any) error {
			if good.Load() {
				return nil
			}
			<-release
			return network.ErrTimeout
		}
	})
	f.publish("zigbee2mqtt/bridge/request/networkmap", "raw", false)
	p := f.ask("networkmap", "raw")
	if !strings.Contains(p.Payload, "is being made already") {
		t.Errorf("got %s", p.Payload)
	}
	close(release)
	p = f.await("zigbee2mqtt/bridge/response/networkmap", nil)
	if !strings.Contains(p.Payload, "Failed to make the network map") {
		t.Errorf("got %s", p.Payload)
	}
	good.Store(true)
	if p = f.ask("networkmap", "raw"); !strings.Contains(p.Payload, `"status":"ok"`) {
		t.Errorf("got %s", p.Payload)
	}
}

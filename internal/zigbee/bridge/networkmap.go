package bridge

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// mapLimit is the longest time that a network map may take: a minute for each
// of some routers that do not answer.
const mapLimit = 10 * time.Minute

// mapTypes are the forms of a network map.
var mapTypes = []string{"raw", "graphviz", "plantuml"}

// mapNode is a node of the map, in the words of Zigbee2MQTT.
type mapNode struct {
	Definition       *mapDefinition `json:"definition,omitempty"`
	Failed           *[]string      `json:"failed,omitempty"` // nil: it was not asked
	FriendlyName     string         `json:"friendlyName"`
	IEEEAddr         zcl.EUI64      `json:"ieeeAddr"`
	LastSeen         int64          `json:"lastSeen,omitempty"` // ms since 1970
	ManufacturerName string         `json:"manufacturerName,omitempty"`
	ModelID          string         `json:"modelID,omitempty"`
	NetworkAddress   uint16         `json:"networkAddress"`
	Type             string         `json:"type"`
}

type mapDefinition struct {
	Description string `json:"description"`
	Model       string `json:"model"`
	Supports    string `json:"supports"`
	Vendor      string `json:"vendor"`
}

type mapEnd struct {
	IEEEAddr       zcl.EUI64 `json:"ieeeAddr"`
	NetworkAddress uint16    `json:"networkAddress"`
}

// mapLink says that target hears source.
type mapLink struct {
	Depth          uint8      `json:"depth"`
	DeviceType     uint8      `json:"deviceType"`
	LinkQuality    uint8      `json:"linkquality"`
	LQI            uint8      `json:"lqi"`
	PermitJoining  uint8      `json:"permitJoining"`
	Relationship   uint8      `json:"relationship"`
	Routes         []mapRoute `json:"routes"`
	RxOnWhenIdle   uint8      `json:"rxOnWhenIdle"`
	Source         mapEnd     `json:"source"`
	SourceIEEEAddr zcl.EUI64  `json:"sourceIeeeAddr"`
	SourceNwkAddr  uint16     `json:"sourceNwkAddr"`
	Target         mapEnd     `json:"target"`
	TargetIEEEAddr zcl.EUI64  `json:"targetIeeeAddr"`
}

type mapRoute struct {
	DestinationAddress  uint16 `json:"destinationAddress"`
	ManyToOne           uint8  `json:"manyToOne"`
	MemoryConstrained   uint8  `json:"memoryConstrained"`
	NextHopAddress      uint16 `json:"nextHopAddress"`
	Reserved1           uint8  `json:"reserved1"`
	RouteRecordRequired uint8  `json:"routeRecordRequired"`
	Status              string `json:"status"`
}

// topology is the map as value of the form "raw".
type topology struct {
	Links []mapLink `json:"links"`
	Nodes []mapNode `json:"nodes"`
}

func (b *Bridge) requestNetworkMap(ctx context.Context, r request) {
	kind := ""
	var routes bool
	var err error
	if r.scalar != nil {
		kind, _ = refText(r.scalar)
	} else if kind, err = r.text("type"); err == nil {
		routes, err = r.flag("routes")
	}
	if err == nil && !slices.Contains(mapTypes, kind) {
		err = refusal(fmt.Sprintf("Type '%.100s' not supported, allowed are: %s", kind, strings.Join(mapTypes, ",")))
	}
	if err == nil && b.mapping {
		err = refusal("a network map is being made already; wait for its answer")
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	var m network.Map
	err = b.longer(ctx, mapLimit, func(ctx context.Context) error {
		var err error
		m, err = b.net.Map(ctx, routes)
		return err
	}, func(err error) {
		b.mapping = false
		if err != nil {
			b.fail(r, refusal("Failed to make the network map: "+explained(err)))
			return
		}
		t := b.topology(m)
		data := map[string]any{"routes": routes, "type": kind}
		switch kind {
		case "raw":
			data["value"] = t
		case "graphviz":
			data["value"] = t.graphviz(b.now())
		default:
			data["value"] = t.plantuml(b.now())
		}
		b.answer(r, data)
	})
	if err != nil {
		b.fail(r, refusal(fmt.Sprintf("Failed to make the network map: %v", err)))
		return
	}
	b.mapping = true
}

// topology puts names to a map.
func (b *Bridge) topology(m network.Map) topology {
	t := topology{Links: []mapLink{}, Nodes: []mapNode{}}
	byNode := make(map[uint16]zcl.EUI64)
	for _, n := range m.Nodes {
		byNode[n.NodeID] = n.EUI64
		e := mapNode{FriendlyName: b.names.name(n.EUI64), IEEEAddr: n.EUI64, NetworkAddress: n.NodeID, Type: n.Type}
		if n.Type == coordinatorName {
			e.FriendlyName = coordinatorName
		}
		if n.Asked {
			failed := []string{}
			if n.NeighboursErr != nil {
				failed = append(failed, "lqi")
			}
			if n.RoutesErr != nil {
				failed = append(failed, "routingTable")
			}
			e.Failed = &failed
		}
		if d, ok := b.devices[n.EUI64]; ok {
			e.ManufacturerName, e.ModelID = clean(d.ManufacturerName), clean(d.ModelID)
			if !d.LastSeen.IsZero() {
				e.LastSeen = d.LastSeen.UnixMilli()
			}
			if d.shownModel() != "" {
				e.Definition = &mapDefinition{
					Description: d.description(), Model: d.shownModel(), Vendor: d.shownVendor(),
					Supports: strings.Join(supports(d.exposes()), ", "),
				}
			}
		}
		t.Nodes = append(t.Nodes, e)
	}
	for _, n := range m.Nodes {
		for _, x := range n.Neighbours {
			if x.Relationship > 3 { // it was one once
				continue
			}
			e := x.EUI64
			if e == 0 { // some devices do not know their neighbours' addresses
				e = cmp.Or(byNode[x.NWKAddr], e)
			}
			l := mapLink{
				Depth: x.Depth, DeviceType: x.Type, LinkQuality: x.LQI, LQI: x.LQI, PermitJoining: x.PermitJoining,
				Relationship: x.Relationship, Routes: []mapRoute{}, RxOnWhenIdle: x.RxOnWhenIdle,
				Source: mapEnd{e, x.NWKAddr}, SourceIEEEAddr: e, SourceNwkAddr: x.NWKAddr,
				Target: mapEnd{n.EUI64, n.NodeID}, TargetIEEEAddr: n.EUI64,
			}
			for _, route := range n.Routes {
				if route.NextHop == x.NWKAddr {
					l.Routes = append(l.Routes, newMapRoute(route))
				}
			}
			t.Links = append(t.Links, l)
		}
	}
	return t
}

package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// routeStates are the states of a route in the words of zigbee-herdsman.
var routeStates = map[zdo.RouteState]string{
	zdo.RouteActive:             "ACTIVE",
	zdo.RouteDiscoveryUnderway:  "DISCOVERY_UNDERWAY",
	zdo.RouteDiscoveryFailed:    "DISCOVERY_FAILED",
	zdo.RouteInactive:           "INACTIVE",
	zdo.RouteValidationUnderway: "VALIDATION_UNDERWAY",
}

func newMapRoute(r zdo.Route) mapRoute {
	bit := func(v bool) uint8 {
		if v {
			return 1
		}
		return 0
	}
	return mapRoute{
		DestinationAddress: r.Destination, NextHopAddress: r.NextHop,
		ManyToOne: bit(r.ManyToOne), MemoryConstrained: bit(r.MemoryConstrained), RouteRecordRequired: bit(r.RouteRecord),
		Status: cmp.Or(routeStates[r.State], "UNKNOWN"),
	}
}

// supports is what a device can, each once: the names of its exposes, or the
// type of one with parts.
func supports(exposes []model.Expose) []string {
	var list []string
	for _, e := range exposes {
		name := e.Name
		if name == "" {
			var parts []string
			for _, f := range e.Features {
				parts = append(parts, f.Name)
			}
			name = fmt.Sprintf("%s (%s)", e.Type, strings.Join(parts, ", "))
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// ago is how long ago a node was heard.
func (n mapNode) ago(now time.Time) string {
	at := time.UnixMilli(n.LastSeen)
	if n.Type == coordinatorName {
		at = now
	} else if n.LastSeen == 0 {
		return "unknown"
	}
	return max(0, now.Sub(at)).Round(time.Second).String() + " ago"
}

// about are the lines that describe a node after its name: its addresses with
// what was not to be learnt, its model, and when it was heard.
func (n mapNode) about(now time.Time) []string {
	address := fmt.Sprintf("%s (0x%04x)", n.IEEEAddr, n.NetworkAddress)
	if n.Failed != nil && len(*n.Failed) > 0 {
		address += " failed: " + strings.Join(*n.Failed, ",")
	}
	lines := []string{address}
	if n.Type != coordinatorName {
		if d := n.Definition; d != nil {
			lines = append(lines, fmt.Sprintf("%s %s (%s)", d.Vendor, d.Description, d.Model))
		} else {
			lines = append(lines, "unknown model")
		}
	}
	return append(lines, n.ago(now))
}

// The styles of nodes and links in a graph: their default colours in
// Zigbee2MQTT.
var nodeStyles = map[string]string{
	coordinatorName:    `style="bold, filled", fillcolor="#e04e5d", fontcolor="#ffffff"`,
	network.TypeRouter: `style="rounded, filled", fillcolor="#4ea3e0", fontcolor="#ffffff"`,
}

const (
	endDeviceStyle = `style="rounded, dashed, filled", fillcolor="#fff8ce", fontcolor="#000000"`
	routedColour   = "#009900"
	idleColour     = "#994444"
)

// forDot makes a text safe inside a quoted label of a record. Source: Graphviz,
// the DOT language and record shapes.
var forDot = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "{", `\{`, "}", `\}`, "|", `\|`, "<", `\<`, ">", `\>`, "\x00", "", "\n", " ")

// graphviz is the map as a graph in the DOT language.
func (t topology) graphviz(now time.Time) string {
	var s strings.Builder
	s.WriteString("digraph G {\nnode[shape=record];\n")
	for _, n := range t.Nodes {
		labels := append([]string{n.FriendlyName}, n.about(now)...)
		for i := range labels {
			labels[i] = forDot.Replace(labels[i])
		}
		style := cmp.Or(nodeStyles[n.Type], endDeviceStyle)
		fmt.Fprintf(&s, "  \"%s\" [%s, label=\"{%s}\"];\n", n.IEEEAddr, style, strings.Join(labels, "|"))
		for _, l := range t.Links {
			if l.Source.IEEEAddr != n.IEEEAddr {
				continue
			}
			width, weight, colour, label := "0.5", 0, idleColour, fmt.Sprint(l.LQI)
			if len(l.Routes) > 0 {
				to := make([]string, len(l.Routes))
				for i, r := range l.Routes {
					to[i] = fmt.Sprintf("0x%04x", r.DestinationAddress)
				}
				width, weight, colour = "2", 1, routedColour
				label += " (routes: " + strings.Join(to, ",") + ")"
			}
			if n.Type == network.TypeEndDevice {
				width = "1"
			}
			fmt.Fprintf(&s, "  \"%s\" -> \"%s\" [penwidth=%s, weight=%d, color=\"%s\", label=\"%s\"]\n",
				n.IEEEAddr, l.Target.IEEEAddr, width, weight, colour, label)
		}
	}
	s.WriteString("}")
	return s.String()
}

// forUML keeps a text from ending the card it stands in.
var forUML = strings.NewReplacer("]", ")", "[", "(", "\x00", "", "\n", " ")

// plantuml is the map as a diagram of PlantUML.
func (t topology) plantuml(now time.Time) string {
	lines := []string{"' paste into: https://www.planttext.com/", "", "@startuml"}
	nodes := slices.SortedStableFunc(slices.Values(t.Nodes), func(a, b mapNode) int {
		return cmp.Compare(strings.ToLower(a.FriendlyName), strings.ToLower(b.FriendlyName))
	})
	for _, n := range nodes {
		lines = append(lines, fmt.Sprintf("card %s [", n.IEEEAddr), forUML.Replace(n.FriendlyName))
		for _, l := range n.about(now) {
			lines = append(lines, "---", forUML.Replace(l))
		}
		lines = append(lines, "]", "")
	}
	for _, l := range t.Links {
		lines = append(lines, fmt.Sprintf("%s --> %s: %d", l.SourceIEEEAddr, l.TargetIEEEAddr, l.LQI))
	}
	return strings.Join(append(lines, "", "@enduml"), "\n")
}

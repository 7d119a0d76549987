package bridge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const (
	buttonEUI zcl.EUI64 = 0x0015bc003f0000b1
	bulbEUI   zcl.EUI64 = 0x0015bc003f0000b2
)

// buttonAndBulb is a network with a button and a lamp, which keeps what is bound and
// reported there.
func buttonAndBulb(c *calls) func(*fixture) {
	return func(f *fixture) {
		c.obedient(f)
		ep := func(in, out []uint16) []network.Endpoint {
			return []network.Endpoint{{ID: 1, Profile: 0x0104, DeviceID: 0x0100, In: in, Out: out}}
		}
		f.net.devices = append(f.net.devices,
			network.Device{EUI64: buttonEUI, NodeID: 1, Type: network.TypeEndDevice, ModelID: "button", Interview: network.InterviewSuccessful,
				Endpoints: ep([]uint16{0}, []uint16{zcl.ClusterOnOff, zcl.ClusterLevel})},
			network.Device{EUI64: bulbEUI, NodeID: 2, Type: network.TypeRouter, ModelID: "bulb", Interview: network.InterviewSuccessful,
				Endpoints: ep([]uint16{0, zcl.ClusterOnOff, zcl.ClusterLevel}, nil)})
		f.options.State = stateOf(f.t.(*testing.T), map[string]any{statefile.Names: map[zcl.EUI64]string{
			meterEUI: "frient_blink_counter", buttonEUI: "button", bulbEUI: "bulb"}})
		before := f.net.asked
		f.net.asked = func(format string, args ...any) error {
			if err := before(format, args...); err != nil {
				return err
			}
			switch {
			case strings.HasPrefix(format, "bind "), strings.HasPrefix(format, "unbind "):
				f.net.bind(strings.HasPrefix(format, "bind "), args[0].(zcl.EUI64), args[2].(uint16), args[3].(network.Target))
			}
			return nil
		}
	}
}

// bind keeps a binding of a device's first endpoint, or forgets it.
func (n *fakeNetwork) bind(on bool, e zcl.EUI64, cluster uint16, to network.Target) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.devices = slices.Clone(n.devices)
	for i, d := range n.devices {
		if d.EUI64 != e {
			continue
		}
		x := network.Binding{Cluster: cluster, Target: to.EUI64, TargetEndpoint: to.Endpoint, Group: to.Group}
		ep := d.Endpoints[0]
		ep.Bindings = slices.DeleteFunc(slices.Clone(ep.Bindings), func(b network.Binding) bool { return b == x })
		if on {
			ep.Bindings = append(ep.Bindings, x)
		}
		n.devices[i].Endpoints = []network.Endpoint{ep}
	}
}

// TestBoundDevicesReport: a lamp reports what a button changes that is bound to
// it, as long as there is one.
func TestBoundDevicesReport(t *testing.T) {
	var c calls
	f := start(t, buttonAndBulb(&c))
	seen := 0
	took := func(want ...string) {
		t.Helper()
		got := c.all()[seen:]
		seen = len(c.all())
		for i := range want {
			want[i] = strings.NewReplacer("button", buttonEUI.String(), "bulb", bulbEUI.String(), "us", fmt.Sprint(network.Target{EUI64: dongleEUI, Endpoint: 1})).Replace(want[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the network was asked (-want +got):\n%s", diff)
		}
	}
	toBulb, toGroup := fmt.Sprint(network.Target{EUI64: bulbEUI, Endpoint: 1}), fmt.Sprint(network.Target{Group: 5})
	const onOff, never = "reporting bulb 1 0006 0000 [{0 bool 0 3600 0}]", "reporting bulb 1 0006 0000 [{0 bool 0 65535 0}]"

	f.ask("device/bind", `{"from":"button","to":"bulb","clusters":["genOnOff"]}`)
	took("bind button 1 0006 to "+toBulb, "bind bulb 1 0006 to us", onOff)
	f.ask("device/unbind", `{"from":"button","to":"bulb","clusters":["genOnOff"],"skip_disable_reporting":true}`)
	took("unbind button 1 0006 to " + toBulb)
	f.ask("device/bind", `{"from":"button","to":"Coordinator","clusters":["genOnOff"]}`)
	took("bind button 1 0006 to us")
	f.ask("device/unbind", `{"from":"button","to":"bulb","clusters":["genOnOff"]}`)
	took("unbind button 1 0006 to "+toBulb, "unbind bulb 1 0006 to us", never, "configure bulb")

	// By a group: its members report, those who join later too.
	f.ask("group/add", `{"friendly_name":"lights","id":5}`)
	f.ask("device/bind", `{"from":"button","to":"lights","clusters":["genOnOff"]}`)
	took("bind button 1 0006 to " + toGroup)
	f.ask("group/members/add", `{"device":"bulb","group":"lights"}`)
	took("add bulb 1 to group 5", "bind bulb 1 0006 to us", onOff)
	// Somebody else's binding keeps it.
	f.ask("device/bind", `{"from":"button","to":"bulb","clusters":["genOnOff"]}`)
	took("bind button 1 0006 to "+toBulb, "bind bulb 1 0006 to us", onOff)
	f.ask("device/unbind", `{"from":"button","to":"bulb","clusters":["genOnOff"]}`)
	took("unbind button 1 0006 to " + toBulb)
	f.ask("group/members/remove", `{"device":"bulb","group":"lights"}`)
	took("remove bulb 1 from group 5", "unbind bulb 1 0006 to us", never, "configure bulb")
}

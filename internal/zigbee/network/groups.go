package network

import (
	"context"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Groups live in the devices: each endpoint knows of which it is a member. A
// multicast reaches the members that listen all the time.

// GroupAdd makes an endpoint a member of a group (1 to 0xFFF7).
func (n *Network) GroupAdd(ctx context.Context, e zcl.EUI64, endpoint uint8, group uint16) error {
	return n.group(ctx, e, endpoint, group, zcl.AddGroup(group), zcl.StatusDuplicateExists)
}

// GroupRemove ends the membership of an endpoint in a group. One that was no
// member is as good.
func (n *Network) GroupRemove(ctx context.Context, e zcl.EUI64, endpoint uint8, group uint16) error {
	return n.group(ctx, e, endpoint, group, zcl.RemoveGroup(group), zcl.StatusNotFound)
}

// GroupRemoveAll ends all memberships of an endpoint.
func (n *Network) GroupRemoveAll(ctx context.Context, e zcl.EUI64, endpoint uint8) error {
	return n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		_, err := n.requestDevice(ctx, s, d, endpoint, zcl.ClusterGroups, zcl.RemoveAllGroups())
		return err
	})
}

// Groups asks an endpoint of which groups it is a member.
func (n *Network) Groups(ctx context.Context, e zcl.EUI64, endpoint uint8) (list []uint16, err error) {
	err = n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		r, err := n.requestDevice(ctx, s, d, endpoint, zcl.ClusterGroups, zcl.GetGroupMembership())
		if err != nil {
			return err
		}
		if !r.ClusterSpecific || r.Command != zcl.GroupsGetMembership {
			return errOddAnswer
		}
		list, err = zcl.ParseGroupMembership(r.Payload)
		return err
	})
	return list, err
}

func checkGroup(group uint16) error {
	if group == 0 || group > 0xFFF7 {
		return fmt.Errorf("group %d does not exist: choose one from 1 to %d", group, 0xFFF7)
	}
	return nil
}

// group sends a command about one group; asGood is the refusal that means that
// it is so already.
func (n *Network) group(ctx context.Context, e zcl.EUI64, endpoint uint8, group uint16, q zcl.Frame, asGood zcl.Status) error {
	if err := checkGroup(group); err != nil {
		return err
	}
	return n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		r, err := n.requestDevice(ctx, s, d, endpoint, zcl.ClusterGroups, q)
		if err != nil {
			return err
		}
		if !r.ClusterSpecific {
			return nil // a default response that says success
		}
		if r.Command != q.Command {
			return errOddAnswer
		}
		st, _, err := zcl.ParseGroupResponse(r.Payload)
		if err != nil {
			return err
		}
		if st != zcl.StatusSuccess && st != asGood {
			return &RefusedError{Status: st}
		}
		return nil
	})
}

// GroupCommand sends a command to all members of a group that listen all the
// time. Nobody answers: it is done when the dongle has sent it.
func (n *Network) GroupCommand(ctx context.Context, group uint16, c Command) error {
	if err := checkGroup(group); err != nil {
		return err
	}
	s, err := n.up()
	if err != nil {
		return err
	}
	q := c.frame()
	q.Seq, q.DisableDefaultResponse = s.nextZCL(), true
	f := ezsp.APSFrame{
		Profile: zcl.ProfileHomeAutomation, Cluster: c.Cluster, Source: ourEndpoint, Destination: 0xFF,
		Options: ezsp.APSEnableRouteDiscovery | ezsp.APSEnableAddressDiscovery, Group: group,
	}
	const everywhere = 0 // radius
	return s.whenFree(ctx, func() error {
		_, err := s.ez.SendMulticast(ctx, f, everywhere, 0, q.Append(nil))
		return err
	})
}

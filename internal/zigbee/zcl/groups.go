package zcl

import (
	"encoding/binary"
	"fmt"
)

// ClusterGroups lets endpoints be members of groups, which are sent to at
// once. Source: ZCL8 §3.6.
const ClusterGroups uint16 = 0x0004

// Commands of the Groups cluster; each but the last has an answer with the
// same number.
const (
	GroupsAdd           = 0x00
	GroupsGetMembership = 0x02
	GroupsRemove        = 0x03
	GroupsRemoveAll     = 0x04
)

// AddGroup makes an endpoint a member of a group. The name is left empty: few
// devices keep names.
func AddGroup(group uint16) Frame {
	return groups(GroupsAdd, append(binary.LittleEndian.AppendUint16(nil, group), 0))
}

// RemoveGroup ends the membership in a group.
func RemoveGroup(group uint16) Frame {
	return groups(GroupsRemove, binary.LittleEndian.AppendUint16(nil, group))
}

// RemoveAllGroups ends all memberships. It has no answer of its own but the
// default response.
func RemoveAllGroups() Frame {
	f := groups(GroupsRemoveAll, nil)
	f.DisableDefaultResponse = false
	return f
}

// GetGroupMembership asks of which groups an endpoint is a member.
func GetGroupMembership() Frame { return groups(GroupsGetMembership, []byte{0}) }

func groups(command uint8, payload []byte) Frame {
	return Frame{ClusterSpecific: true, DisableDefaultResponse: true, Command: command, Payload: payload}
}

// ParseGroupResponse reads the answer to AddGroup and RemoveGroup.
func ParseGroupResponse(p []byte) (s Status, group uint16, err error) {
	if len(p) < 3 {
		return 0, 0, fmt.Errorf("parsing group response of %d bytes: %w", len(p), ErrShort)
	}
	return Status(p[0]), binary.LittleEndian.Uint16(p[1:]), nil
}

// ParseGroupMembership reads the answer to GetGroupMembership.
func ParseGroupMembership(p []byte) ([]uint16, error) {
	if len(p) < 2 {
		return nil, fmt.Errorf("parsing group membership of %d bytes: %w", len(p), ErrShort)
	}
	count := int(p[1]) // p[0] is how many more there is room for
	if p = p[2:]; len(p) < 2*count {
		return nil, fmt.Errorf("parsing group membership of %d groups in %d bytes: %w", count, len(p), ErrShort)
	}
	var list []uint16
	for i := range count {
		list = append(list, binary.LittleEndian.Uint16(p[2*i:]))
	}
	return list, nil
}

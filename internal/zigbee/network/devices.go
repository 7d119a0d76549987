package network

import (
	"slices"
)

// unknownNode is the network address of a device whose address is not known.
const unknownNode = 0xFFFE

// device is a Device with what only this package needs. Network.mu guards it.
type device struct {
	Device
}

func (d *device) snapshot() Device { return d.Device.clone() }

func (n *Network) devicesLocked() []Device {
	all := make([]Device, 0, len(n.devices))
	for _, d := range n.devices {
		all = append(all, d.snapshot())
	}
	slices.SortFunc(all, func(a, b Device) int {
		if c := a.Joined.Compare(b.Joined); c != 0 {
			return c
		}
		if a.EUI64 < b.EUI64 {
			return -1
		}
		return 1
	})
	return all
}

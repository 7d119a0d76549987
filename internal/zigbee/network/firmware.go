package network

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// ownVersions are makers whose devices say what they run not by the standard
// attributes of the Basic cluster but by ones of their own there: strings of
// octets, each a part of the version.
var ownVersions = []struct {
	makers             []string // names of the manufacturer
	code               uint16   // manufacturer code
	software, hardware uint16   // attributes
}{
	{[]string{"frient A/S", "Develco Products A/S", "Develco"}, zcl.ManufacturerDevelco, 0x8000, 0x8020},
}

// maxVersion bounds the parts of a version.
const maxVersion = 8

// learnVersion asks a device that has not told its version where its maker
// keeps it.
func (n *Network) learnVersion(ctx context.Context, s *session, d *member, endpoint uint8) error {
	n.mu.Lock()
	maker, known := strings.TrimRight(d.ManufacturerName, "\x00 "), d.SWBuildID != ""
	n.mu.Unlock()
	for _, own := range ownVersions {
		if known || !slices.Contains(own.makers, maker) {
			continue
		}
		list, err := n.readDevice(ctx, s, d, endpoint, zcl.ClusterBasic, own.code, []uint16{own.software, own.hardware})
		if err != nil {
			return err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		d.unmodel()
		for _, a := range list {
			octets, ok := a.Value.Bytes()
			if a.Status != zcl.StatusSuccess || !ok || len(octets) == 0 || len(octets) > maxVersion {
				continue
			}
			parts := make([]string, len(octets))
			for i, b := range octets {
				parts[i] = strconv.Itoa(int(b))
			}
			switch a.ID {
			case own.software:
				d.SWBuildID = strings.Join(parts, ".")
			case own.hardware: // Zigbee2MQTT shows 1.0.2 as 102
				if v, err := strconv.ParseUint(strings.Join(parts, ""), 10, 16); err == nil {
					version := uint16(v)
					d.HWVersion = &version
				}
			}
		}
		return nil
	}
	return nil
}

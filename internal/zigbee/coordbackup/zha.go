package coordbackup

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// zigpyDocument is how zigpy, which ZHA is built on, keeps its own backups:
// addresses and keys with colons, most significant byte first.
type zigpyDocument struct {
	BackupTime  string `json:"backup_time"`
	NetworkInfo struct {
		ExtendedPANID string            `json:"extended_pan_id"`
		PANID         string            `json:"pan_id"`
		UpdateID      uint8             `json:"nwk_update_id"`
		Channel       uint8             `json:"channel"`
		Channels      []int             `json:"channel_mask"`
		SecurityLevel uint8             `json:"security_level"`
		NetworkKey    zigpyKey          `json:"network_key"`
		KeyTable      []zigpyKey        `json:"key_table"`
		Children      []string          `json:"children"`
		Addresses     map[string]string `json:"nwk_addresses"`
		StackSpecific *stackSpecific    `json:"stack_specific"`
		Source        string            `json:"source"`
	} `json:"network_info"`
	NodeInfo struct {
		EUI64       string          `json:"ieee"`
		LogicalType json.RawMessage `json:"logical_type"`
	} `json:"node_info"`
}

type zigpyKey struct {
	Key      string `json:"key"`
	Outgoing uint32 `json:"tx_counter"`
	Incoming uint32 `json:"rx_counter"`
	Sequence uint8  `json:"seq"`
	Partner  string `json:"partner_ieee"`
}

// parseZigpy reads zigpy's own form.
func parseZigpy(b []byte) (*Backup, error) {
	var d zigpyDocument
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, unfit(err)
	}
	if t := string(d.NodeInfo.LogicalType); t != "" && t != `"coordinator"` && t != "0" && t != "null" {
		return nil, errors.New("it is not of a coordinator")
	}
	n := &d.NetworkInfo
	f := fields{}
	out := &Backup{
		Source: n.Source, Channel: n.Channel, SecurityLevel: n.SecurityLevel, UpdateID: n.UpdateID,
		KeySequence: n.NetworkKey.Sequence, FrameCounter: n.NetworkKey.Outgoing,
		Coordinator:   zcl.EUI64(f.number("node_info.ieee", d.NodeInfo.EUI64, 64)),
		PANID:         uint16(f.number("network_info.pan_id", n.PANID, 16)),
		ExtendedPANID: f.number("network_info.extended_pan_id", n.ExtendedPANID, 64),
		NetworkKey:    f.key("network_info.network_key.key", n.NetworkKey.Key),
	}
	if t, err := time.Parse(time.RFC3339, d.BackupTime); err == nil {
		out.Time = t
	}
	if s := n.StackSpecific; s != nil && s.EZSP != nil && s.EZSP.HashedTCLK != "" {
		out.LinkKeySeed = f.key("network_info.stack_specific.ezsp.hashed_tclk", s.EZSP.HashedTCLK)
	}
	if s := n.StackSpecific; s != nil && s.ZStack != nil && s.ZStack.Seed != "" {
		out.ZStackSeed = f.key("network_info.stack_specific.zstack.tclk_seed", s.ZStack.Seed)
	}
	for _, c := range n.Channels {
		if c < 0 || c > 255 {
			f.fail("network_info.channel_mask", errors.New("a channel is out of range"))
			break
		}
		out.Channels = append(out.Channels, uint8(c))
	}
	devices := make(map[zcl.EUI64]*Device)
	device := func(name, s string) *Device {
		e := zcl.EUI64(f.number(name, s, 64))
		if devices[e] == nil {
			devices[e] = &Device{EUI64: e, NodeID: NoNode}
		}
		return devices[e]
	}
	for e, node := range n.Addresses {
		dev := device("network_info.nwk_addresses", e)
		dev.NodeID = nodeID(uint16(f.number("network_info.nwk_addresses", node, 16)))
	}
	for _, e := range n.Children {
		device("network_info.children", e).IsChild = true
	}
	for i, k := range n.KeyTable {
		at := "network_info.key_table[" + strconv.Itoa(i) + "]"
		device(at+".partner_ieee", k.Partner).LinkKey = &LinkKey{f.key(at+".key", k.Key), k.Incoming, k.Outgoing}
	}
	for _, dev := range devices {
		out.Devices = append(out.Devices, *dev)
	}
	slices.SortFunc(out.Devices, func(a, b Device) int {
		if a.EUI64 < b.EUI64 {
			return -1
		}
		return 1
	})
	return out, f.err
}

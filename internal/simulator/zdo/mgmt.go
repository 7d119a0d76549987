package zdo

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// perAnswer is how many entries of a table fit one answer.
const perAnswer = 3

// page returns the head of an answer about a table and the entries in it, by
// their first and last index.
func page(seq uint8, all, start int) (b []byte, from, to int) {
	from = min(start, all)
	to = min(from+perAnswer, all)
	return []byte{seq, byte(Success), byte(all), byte(start), byte(to - from)}, from, to
}

// Neighbours is Mgmt_Lqi_rsp (Zigbee specification 2.4.4.4.2) from entry start.
func Neighbours(seq uint8, start int, extended uint64, all []radio.Neighbour) []byte {
	const endDevice, router, coordinator = 2, 1, 0
	const parent, child, sibling = 0, 1, 2
	const permitUnknown = 2
	b, from, to := page(seq, len(all), start)
	for _, n := range all[from:to] {
		b = binary.LittleEndian.AppendUint64(b, extended)
		b = binary.LittleEndian.AppendUint64(b, uint64(n.EUI64))
		b = binary.LittleEndian.AppendUint16(b, n.ID)
		kind, awake, relation := uint8(endDevice), uint8(1), uint8(sibling)
		switch {
		case n.ID == radio.Coordinator:
			kind = coordinator
		case n.Role.Router:
			kind = router
		case n.Role.Sleepy:
			awake = 0
		}
		switch {
		case n.Parent:
			relation = parent
		case n.Child:
			relation = child
		}
		b = append(b, kind|awake<<2|relation<<4, permitUnknown, n.Depth, n.LQI)
	}
	return b
}

// Route is an entry of a routing table.
type Route struct {
	Destination, NextHop uint16
	Status               uint8 // 0 active, 3 inactive
	ManyToOne            bool  // the destination is a concentrator
}

// Routes is Mgmt_Rtg_rsp (Zigbee specification 2.4.4.4.3) from entry start.
func Routes(seq uint8, start int, all []Route) []byte {
	b, from, to := page(seq, len(all), start)
	for _, r := range all[from:to] {
		b = binary.LittleEndian.AppendUint16(b, r.Destination)
		flags := r.Status & 0x07
		if r.ManyToOne {
			flags |= 1<<4 | 1<<5 // and a route record is to be sent
		}
		b = append(b, flags)
		b = binary.LittleEndian.AppendUint16(b, r.NextHop)
	}
	return b
}

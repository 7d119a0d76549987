package ncp

import (
	"slices"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// address is an entry of the address table.
type address struct {
	eui      radio.EUI64
	id       uint16
	extended bool // longer time-outs
}

// unusedID stands for no short address, or none that is known.
const unusedID = 0xFFFF

// entry gets an entry of the address table.
func (n *NCP) entry(i uint8) (address, bool) {
	if uint16(i) >= n.config[configAddressTable] {
		return address{id: unusedID}, false
	}
	if a, ok := n.addresses[i]; ok {
		return a, true
	}
	return address{id: unusedID}, true
}

// place changes an entry of the address table.
func (n *NCP) place(i uint8, change func(*address)) status {
	a, ok := n.entry(i)
	if !ok {
		return statusIndexRange
	}
	change(&a)
	n.addresses[i] = a
	return statusOK
}

func addressIsActive(_ *NCP, in *reader, out *writer) {
	in.u8()
	if !in.bad() {
		out.bool(false)
	}
}

func setAddressEUI64(n *NCP, in *reader, out *writer) {
	i, eui := in.u8(), radio.EUI64(in.u64())
	if !in.bad() {
		out.status(n.place(i, func(a *address) { a.eui = eui }))
	}
}

func setAddressNodeID(n *NCP, in *reader, _ *writer) {
	i, id := in.u8(), in.u16()
	if !in.bad() {
		n.place(i, func(a *address) { a.id = id })
	}
}

func setAddressInfo(n *NCP, in *reader, out *writer) {
	i, eui, id := in.u8(), radio.EUI64(in.u64()), in.u16()
	if !in.bad() {
		out.status(n.place(i, func(a *address) { a.eui, a.id = eui, id }))
	}
}

func getAddressEUI64(n *NCP, in *reader, out *writer) {
	a, _ := n.entry(in.u8())
	if !in.bad() {
		out.u64(uint64(a.eui))
	}
}

func getAddressNodeID(n *NCP, in *reader, out *writer) {
	a, _ := n.entry(in.u8())
	if !in.bad() {
		out.u16(a.id)
	}
}

func getAddressInfo(n *NCP, in *reader, out *writer) {
	a, ok := n.entry(in.u8())
	if in.bad() {
		return
	}
	if ok {
		out.status(statusOK)
	} else {
		out.status(statusIndexRange)
	}
	out.u16(a.id)
	out.u64(uint64(a.eui))
}

func replaceAddress(n *NCP, in *reader, out *writer) {
	i := in.u8()
	now := address{eui: radio.EUI64(in.u64()), id: in.u16(), extended: in.u8() != 0}
	if in.bad() {
		return
	}
	old, _ := n.entry(i)
	out.status(n.place(i, func(a *address) { *a = now }))
	out.u64(uint64(old.eui))
	out.u16(old.id)
	out.bool(old.extended)
}

// setChildData puts a child at the end of the table, or in the place of
// another.
func setChildData(n *NCP, in *reader, out *writer) {
	i := int(in.u8())
	c := Child{EUI64: radio.EUI64(in.u64())}
	c.Sleepy = in.u8() == Child{Sleepy: true}.nodeType()
	c.ID = in.u16()
	in.bytes(3) // PHY, power, timeout
	if out.dialect.has(childTimeout) {
		in.u32()
	}
	if in.bad() {
		return
	}
	switch {
	case i >= int(n.config[configMaxChildren]) || i > len(n.memory.Children):
		out.status(statusIndexRange)
		return
	case i == len(n.memory.Children):
		n.memory.Children = append(n.memory.Children, c)
	default:
		n.memory.Children[i] = c
	}
	n.o.Changed()
	out.status(statusOK)
}

func childID(n *NCP, in *reader, out *writer) {
	i := int(in.u8())
	if in.bad() {
		return
	}
	if i < len(n.memory.Children) {
		out.u16(n.memory.Children[i].ID)
	} else {
		out.u16(unusedID)
	}
}

// owner is the EUI64 that belongs to a short address, 0 when it is not known.
func (n *NCP) owner(id uint16) radio.EUI64 {
	for _, c := range n.memory.Children {
		if c.ID == id {
			return c.EUI64
		}
	}
	if id == radio.Coordinator {
		return n.eui
	}
	eui, _, _ := n.remote(func(_ radio.EUI64, of uint16) bool { return of == id })
	return eui
}

// neighborCount and getNeighbor tell of the routers in reach.
func neighborCount(n *NCP, in *reader, out *writer) {
	if !in.bad() {
		out.u8(uint8(len(n.routers())))
	}
}

func getNeighbor(n *NCP, in *reader, out *writer) {
	i := int(in.u8())
	if in.bad() {
		return
	}
	r := radio.Neighbour{ID: unusedID}
	if all := n.routers(); i < len(all) {
		r = all[i]
		out.status(statusOK)
	} else {
		out.status(statusFatal)
	}
	out.u16(r.ID)
	out.u8(r.LQI)
	out.u8(1) // cost in
	out.u8(1) // cost out
	out.u8(3) // age
	out.u64(uint64(r.EUI64))
}

// routers lists the routers in reach.
func (n *NCP) routers() []radio.Neighbour {
	if !n.up {
		return nil
	}
	return slices.DeleteFunc(n.inReach(), func(r radio.Neighbour) bool { return !r.Role.Router })
}

// getRouteTableEntry answers as a concentrator does, who has the ways of its
// source routes and no others: all entries are free.
func getRouteTableEntry(n *NCP, in *reader, out *writer) {
	i := in.u8()
	if in.bad() {
		return
	}
	const unused = 3
	if uint16(i) >= n.config[configRouteTable] {
		out.status(statusIndexRange)
	} else {
		out.status(statusOK)
	}
	out.u16(unusedID)
	out.u16(0)
	out.u8(unused)
	out.u8(0)
	out.u8(0)
	out.u8(0)
}

// setSourceRoute is taken and not needed: the air knows the way.
func setSourceRoute(_ *NCP, in *reader, out *writer) {
	in.u16()
	in.bytes(2 * int(in.u8()))
	if !in.bad() {
		out.status(statusOK)
	}
}

func getSourceRouteTableEntry(_ *NCP, in *reader, out *writer) {
	in.u8()
	if in.bad() {
		return
	}
	out.status(statusNotFound)
	out.u16(unusedID)
	out.u8(noEntry)
}

func sourceRoutes(_ *NCP, in *reader, out *writer) {
	if !in.bad() {
		out.u8(0)
	}
}

func sourceRouteSize(n *NCP, in *reader, out *writer) {
	if !in.bad() {
		out.u8(uint8(n.config[configSourceRoutes]))
	}
}

// recordRoute tells the host the way that a frame came, as a device records it
// for a concentrator.
func (n *NCP) recordRoute(f radio.Frame) {
	if !n.concentrator || len(f.Relays) == 0 {
		return
	}
	n.callback(callbackRouteRecord, func(w *writer) {
		w.u16(f.Source)
		w.u64(uint64(n.owner(f.Source)))
		w.u8(f.LQI)
		w.u8(uint8(f.RSSI))
		w.u8(uint8(len(f.Relays)))
		for _, id := range f.Relays {
			w.u16(id)
		}
	})
}

// Counters that are kept (EmberCounterType).
const (
	counterMACSent     = 3
	counterMACReceived = 2
	counterAPSReceived = 8
	counterAPSSent     = 9
	counterAPSFailed   = 11
	counterCount       = 42
)

func readCounters(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	for _, c := range n.tally {
		out.u16(c)
	}
}

func readAndClearCounters(n *NCP, in *reader, out *writer) {
	readCounters(n, in, out)
	clear(n.tally[:])
}

func (n *NCP) count(counters ...int) {
	for _, c := range counters {
		n.tally[c]++
	}
}

func getTokenCount(_ *NCP, in *reader, out *writer) {
	switch {
	case in.bad():
	case out.dialect.has(wideTokens):
		out.u32(0)
	default:
		out.u8(0)
	}
}

func setPassiveAck(_ *NCP, in *reader, out *writer) {
	in.bytes(2)
	if !in.bad() {
		out.status(statusOK)
	}
}

func setPowerDescriptor(_ *NCP, in *reader, out *writer) {
	in.u16()
	if !in.bad() && out.dialect.has(statusForAll) {
		out.sl(slOK)
	}
}

// tokenFactoryReset erases the memory; the host resets the co-processor next.
func tokenFactoryReset(n *NCP, in *reader, _ *writer) {
	keepCounter := in.u8() != 0
	in.u8()
	if in.bad() {
		return
	}
	n.memory = Memory{}
	n.initial = nil
	if !keepCounter {
		n.counter = 0
	}
	n.o.Changed()
}

package radio

// Neighbour is a node in another one's reach, as its neighbour table has it.
type Neighbour struct {
	EUI64  EUI64
	ID     uint16
	Role   Role
	Child  bool // of the one who is asked
	Parent bool // of the one who is asked
	Depth  uint8
	LQI    uint8
}

// Neighbours returns the nodes in reach of a router or, with id Coordinator,
// of the hub: its children, and every working router. The hub itself is among
// a router's neighbours.
func (a *Air) Neighbours(of Network, id uint16) []Neighbour {
	var list []Neighbour
	me := a.find(of, id)
	if id != Coordinator && a.hub != nil {
		list = append(list, Neighbour{EUI64: a.hub.EUI64(), ID: Coordinator, Role: Role{Router: true},
			Parent: me != nil && me.Parent() == Coordinator, LQI: a.between(id, Coordinator)})
	}
	for _, d := range a.devices {
		other, n, joined := d.Address()
		role := d.Role()
		child := d.Parent() == id && !role.Router
		if !joined || n != of || other == id || !child && (!role.Router || d.Silent()) {
			continue
		}
		relays, _ := a.way(of, d)
		list = append(list, Neighbour{EUI64: d.EUI64(), ID: other, Role: role, Child: child,
			Depth: uint8(1 + len(relays)), LQI: a.between(id, other)})
	}
	return list
}

// between is the quality of a link: the same whenever it is asked, and not the
// same in both directions.
func (a *Air) between(from, to uint16) uint8 {
	h := uint32(from)*2654435761 ^ uint32(to)*40503
	h ^= h >> 13
	return uint8(150 + h%100)
}

// Lookup returns the device of the network with an extended address, or with a
// short one.
func (a *Air) Lookup(of Network, match func(eui EUI64, id uint16) bool) (eui EUI64, id uint16, ok bool) {
	for _, d := range a.devices {
		if i, n, joined := d.Address(); joined && n == of && match(d.EUI64(), i) {
			return d.EUI64(), i, true
		}
	}
	return 0, 0, false
}

// Open returns the routers of the network that newcomers may associate with
// now, in the order in which they were added.
func (a *Air) Open(of Network) []uint16 {
	var open []uint16
	for _, d := range a.devices {
		if id, n, joined := d.Address(); joined && n == of && d.Role().Router && d.Permits() && a.Reached(d) && !d.Silent() {
			open = append(open, id)
		}
	}
	return open
}

// Children returns how many end devices a router has.
func (a *Air) Children(of Network, id uint16) (n int) {
	for _, d := range a.devices {
		if _, net, joined := d.Address(); joined && net == of && !d.Role().Router && d.Parent() == id {
			n++
		}
	}
	return n
}

// Energy is the energy on a channel at the moment, 0 to 255: Wi-Fi fills some
// channels more than others.
func (a *Air) Energy(channel uint8) uint8 {
	base := map[uint8]int{11: 120, 12: 135, 13: 128, 14: 96, 15: 60, 16: 90, 17: 110, 18: 105, 19: 80, 20: 48,
		21: 70, 22: 100, 23: 112, 24: 92, 25: 40, 26: 36}[channel]
	return uint8(base + a.random.IntN(9))
}

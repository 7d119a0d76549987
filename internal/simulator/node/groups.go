package node

import (
	"encoding/binary"
	"slices"
)

// member says whether an endpoint is in a group.
func (n *Node) member(endpoint uint8, group uint16) bool {
	return slices.ContainsFunc(n.memory.Groups, func(g Group) bool { return g.Endpoint == endpoint && g.ID == group })
}

// Groups is the groups cluster (ZCL section 3.6), with a table in the device.
func Groups() Cluster {
	g := &groups{}
	return Cluster{
		ID:         0x0004,
		Attributes: []Attribute{{ID: 0x0000, Type: TypeBitmap8, Get: func() Value { return Number(0x80) }}}, // names are kept
		Command:    g.command,
		attach:     func(n *Node, e *Endpoint) { g.n, g.e = n, e },
	}
}

type groups struct {
	n *Node
	e *Endpoint
}

func (g *groups) command(c Command) Reply {
	const add, view, membership, remove, removeAll, addIfIdentifying = 0, 1, 2, 3, 4, 5
	if c.Manufacturer != 0 {
		return Reply{Status: statusUnsupMfrCommand}
	}
	p := c.Payload
	if c.ID == removeAll {
		g.drop(func(Group) bool { return true })
		return Reply{}
	}
	if c.ID == membership {
		return g.membership(p)
	}
	if c.ID > addIfIdentifying {
		return Reply{Status: statusUnsupClusterCommand}
	}
	if len(p) < 2 {
		return Reply{Status: statusMalformed}
	}
	id := binary.LittleEndian.Uint16(p)
	answer := func(status uint8, more ...byte) Reply {
		b := binary.LittleEndian.AppendUint16([]byte{status}, id)
		return Reply{Respond: true, Command: c.ID, Payload: append(b, more...)}
	}
	switch c.ID {
	case add:
		name, ok := text(p[2:])
		if !ok {
			return Reply{Status: statusMalformed}
		}
		return answer(g.add(id, name))
	case addIfIdentifying: // nobody is ever asked to look at it for long
		return Reply{}
	case view:
		for _, m := range g.n.memory.Groups {
			if m.Endpoint == g.e.ID && m.ID == id {
				return answer(statusSuccess, append([]byte{byte(len(m.Name))}, m.Name...)...)
			}
		}
		return answer(statusNotFound, 0)
	default: // remove
		if !g.drop(func(m Group) bool { return m.ID == id }) {
			return answer(statusNotFound)
		}
		return answer(statusSuccess)
	}
}

// text reads a character string, which may be left out at the end of a command.
func text(p []byte) (string, bool) {
	if len(p) == 0 {
		return "", true
	}
	if len(p) < 1+int(p[0]) {
		return "", p[0] == 0xFF
	}
	return string(p[1 : 1+int(p[0])]), true
}

func (g *groups) add(id uint16, name string) uint8 {
	switch {
	case id == 0 || id > 0xFFF7:
		return statusInvalidValue
	case g.n.member(g.e.ID, id):
		return statusDuplicate
	case len(g.n.memory.Groups) >= maxGroups:
		return statusInsufficientSpace
	}
	g.n.memory.Groups = append(g.n.memory.Groups, Group{g.e.ID, id, name[:min(len(name), 16)]})
	g.n.o.Changed()
	return statusSuccess
}

// drop removes groups of the endpoint, with their scenes.
func (g *groups) drop(match func(Group) bool) bool {
	before := len(g.n.memory.Groups)
	g.n.memory.Groups = slices.DeleteFunc(g.n.memory.Groups, func(m Group) bool {
		if m.Endpoint != g.e.ID || !match(m) {
			return false
		}
		g.n.memory.Scenes = slices.DeleteFunc(g.n.memory.Scenes, func(s Scene) bool { return s.Endpoint == g.e.ID && s.Group == m.ID })
		return true
	})
	if len(g.n.memory.Groups) == before {
		return false
	}
	g.n.o.Changed()
	return true
}

// membership tells in which of the groups asked for, or of all, the endpoint is.
func (g *groups) membership(p []byte) Reply {
	if len(p) < 1 || len(p) < 1+2*int(p[0]) {
		return Reply{Status: statusMalformed}
	}
	b := []byte{uint8(maxGroups - len(g.n.memory.Groups)), 0}
	for _, m := range g.n.memory.Groups {
		asked := p[0] == 0
		for i := range int(p[0]) {
			asked = asked || binary.LittleEndian.Uint16(p[1+2*i:]) == m.ID
		}
		if m.Endpoint == g.e.ID && asked {
			b[1]++
			b = binary.LittleEndian.AppendUint16(b, m.ID)
		}
	}
	return Reply{Respond: true, Command: 0x02, Payload: b}
}

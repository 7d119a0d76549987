package node

import (
	"encoding/binary"
	"slices"
)

// Scenes is the scenes cluster (ZCL section 3.7). What a scene holds of other
// clusters is asked of and given to the endpoint's switch and dimmer.
func Scenes() Cluster {
	s := &scenes{}
	number := func(id uint16, t uint8, get func() int64) Attribute {
		return Attribute{ID: id, Type: t, Get: func() Value { return Number(get()) }}
	}
	return Cluster{
		ID: 0x0005,
		Attributes: []Attribute{
			number(0x0000, TypeU8, func() int64 { return int64(len(s.mine())) }),
			number(0x0001, TypeU8, func() int64 { return int64(s.current.ID) }),
			number(0x0002, TypeU16, func() int64 { return int64(s.current.Group) }),
			number(0x0003, TypeBool, func() int64 { return s.valid }),
			number(0x0004, TypeBitmap8, func() int64 { return 0x80 }), // names are kept
		},
		Command: s.command,
		attach:  func(n *Node, e *Endpoint) { s.n, s.e = n, e },
	}
}

type scenes struct {
	n       *Node
	e       *Endpoint
	current Scene
	valid   int64
}

func (s *scenes) mine() (list []Scene) {
	for _, m := range s.n.memory.Scenes {
		if m.Endpoint == s.e.ID {
			list = append(list, m)
		}
	}
	return list
}

func (s *scenes) find(group uint16, id uint8) int {
	return slices.IndexFunc(s.n.memory.Scenes, func(m Scene) bool { return m.Endpoint == s.e.ID && m.Group == group && m.ID == id })
}

func (s *scenes) command(c Command) Reply {
	const add, view, remove, removeAll, store, recall, membership, last = 0, 1, 2, 3, 4, 5, 6, 6
	p := c.Payload
	if c.Manufacturer != 0 || c.ID > last {
		return Reply{Status: statusUnsupClusterCommand}
	}
	if len(p) < 2 {
		return Reply{Status: statusMalformed}
	}
	group := binary.LittleEndian.Uint16(p)
	known := group == 0 || s.n.member(s.e.ID, group)
	head := func(status uint8) []byte { return binary.LittleEndian.AppendUint16([]byte{status}, group) }
	answer := func(b []byte) Reply { return Reply{Respond: true, Command: c.ID, Payload: b} }
	switch c.ID {
	case removeAll:
		if !known {
			return answer(head(statusInvalidField))
		}
		s.n.memory.Scenes = slices.DeleteFunc(s.n.memory.Scenes, func(m Scene) bool { return m.Endpoint == s.e.ID && m.Group == group })
		s.n.o.Changed()
		return answer(head(statusSuccess))
	case membership:
		return answer(s.membership(group, known))
	}
	if len(p) < 3 {
		return Reply{Status: statusMalformed}
	}
	id, i := p[2], s.find(group, p[2])
	status := uint8(statusSuccess)
	switch {
	case !known:
		status = statusInvalidField
	case i < 0 && c.ID != add && c.ID != store:
		status = statusNotFound
	}
	switch c.ID {
	case add:
		scene, ok := parseScene(p)
		if !ok {
			return Reply{Status: statusMalformed}
		}
		if status == statusSuccess {
			status = s.keep(scene)
		}
	case store:
		if status == statusSuccess {
			status = s.keep(Scene{Group: group, ID: id, Fields: s.fields()})
		}
	case remove:
		if status == statusSuccess {
			s.n.memory.Scenes = slices.Delete(s.n.memory.Scenes, i, i+1)
			s.n.o.Changed()
		}
	case recall:
		if status == statusSuccess {
			s.recall(s.n.memory.Scenes[i])
		}
		return Reply{Status: status}
	case view:
		b := append(head(status), id)
		if status == statusSuccess {
			m := s.n.memory.Scenes[i]
			b = binary.LittleEndian.AppendUint16(b, m.Transition)
			b = append(append(b, byte(len(m.Name))), m.Name...)
			b = append(b, m.Fields...)
		}
		return answer(b)
	}
	return answer(append(head(status), id))
}

func parseScene(p []byte) (Scene, bool) {
	if len(p) < 6 || p[5] != 0xFF && len(p) < 6+int(p[5]) {
		return Scene{}, false
	}
	s := Scene{Group: binary.LittleEndian.Uint16(p), ID: p[2], Transition: binary.LittleEndian.Uint16(p[3:])}
	rest := p[6:]
	if p[5] != 0xFF {
		s.Name, rest = string(rest[:min(int(p[5]), 16)]), rest[p[5]:]
	}
	for r := rest; len(r) > 0; r = r[3+int(r[2]):] {
		if len(r) < 3 || len(r) < 3+int(r[2]) {
			return Scene{}, false
		}
	}
	s.Fields = slices.Clone(rest)
	return s, true
}

func (s *scenes) keep(m Scene) uint8 {
	m.Endpoint = s.e.ID
	if i := s.find(m.Group, m.ID); i >= 0 {
		if m.Name == "" {
			m.Name = s.n.memory.Scenes[i].Name
		}
		s.n.memory.Scenes[i] = m
	} else if len(s.n.memory.Scenes) >= maxScenes {
		return statusInsufficientSpace
	} else {
		s.n.memory.Scenes = append(s.n.memory.Scenes, m)
	}
	s.current, s.valid = m, 1
	s.n.o.Changed()
	return statusSuccess
}

func (s *scenes) membership(group uint16, known bool) []byte {
	room := uint8(maxScenes - len(s.n.memory.Scenes))
	if !known {
		return binary.LittleEndian.AppendUint16([]byte{statusInvalidField, room}, group)
	}
	b := append(binary.LittleEndian.AppendUint16([]byte{statusSuccess, room}, group), 0)
	for _, m := range s.mine() {
		if m.Group == group {
			b[4]++
			b = append(b, m.ID)
		}
	}
	return b
}

// sceneState is implemented by clusters that scenes hold: attribute 0 of each
// of them.
type sceneState struct {
	cluster uint16
	get     func() uint8
	set     func(uint8)
}

// fields are the extension field sets of how the endpoint is now.
func (s *scenes) fields() (b []byte) {
	for _, st := range s.n.scenic[s.e.ID] {
		b = append(binary.LittleEndian.AppendUint16(b, st.cluster), 1, st.get())
	}
	return b
}

func (s *scenes) recall(m Scene) {
	for r := m.Fields; len(r) >= 4; r = r[3+int(r[2]):] {
		for _, st := range s.n.scenic[s.e.ID] {
			if st.cluster == binary.LittleEndian.Uint16(r) && r[2] >= 1 {
				st.set(r[3])
			}
		}
	}
	s.current, s.valid = m, 1
}

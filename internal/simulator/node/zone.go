package node

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// IASZone is what an IAS zone watches.
type IASZone struct {
	Type   uint16
	Status func() uint16 // the zone status bits
	// Short says that status changes leave the fields after the status out.
	Short bool
	// More are further attributes of the cluster.
	More []Attribute
}

// clusterZone is the IAS zone cluster.
const clusterZone = 0x0500

// enrolTime passes between the address of the control equipment being written
// and the request to be enrolled.
const enrolTime = 300 * time.Millisecond

// Zone is the IAS zone cluster (ZCL section 8.2). The device asks to be
// enrolled when it is told who to report to, takes the answer also unasked,
// and then tells every change of its status.
func Zone(z IASZone) Cluster {
	s := &zone{IASZone: z}
	return Cluster{
		ID: clusterZone,
		Attributes: append([]Attribute{
			{ID: 0x0000, Type: TypeEnum8, Get: func() Value { return Number(bit(s.memory().Enrolled)) }},
			{ID: 0x0001, Type: TypeEnum16, Get: func() Value { return Number(int64(s.Type)) }},
			{ID: 0x0002, Type: TypeBitmap16, Get: func() Value { return Number(int64(s.Status())) }, Reportable: true},
			{ID: 0x0010, Type: TypeEUI64, Get: func() Value { return Number(int64(s.memory().CIE)) }, Set: s.setCIE},
			{ID: 0x0011, Type: TypeU8, Get: func() Value {
				if m := s.memory(); m.Enrolled {
					return Number(int64(m.ID))
				}
				return Number(0xFF)
			}},
		}, z.More...),
		Command: s.command,
		attach: func(n *Node, e *Endpoint) {
			s.n, s.e = n, e
			n.looks = append(n.looks, s.look)
			n.triggers = append(n.triggers, func() { s.due = true })
		},
	}
}

type zone struct {
	IASZone
	n    *Node
	e    *Endpoint
	last uint16 // what the coordinator was told; it takes none for 0
	due  bool   // the status is to be told even when it is that
}

func (s *zone) memory() Enrolment {
	for _, m := range s.n.memory.Zones {
		if m.Endpoint == s.e.ID {
			return m
		}
	}
	return Enrolment{Endpoint: s.e.ID}
}

func (s *zone) keep(m Enrolment) {
	all := s.n.memory.Zones
	if i := slices.IndexFunc(all, func(o Enrolment) bool { return o.Endpoint == m.Endpoint }); i >= 0 {
		all[i] = m
	} else {
		s.n.memory.Zones = append(all, m)
	}
	s.n.o.Changed()
}

func (s *zone) setCIE(v Value) bool {
	m := s.memory()
	m.CIE, m.Enrolled = radio.EUI64(v.Number), false
	s.keep(m)
	s.n.o.Air.After(enrolTime, s.ask)
	return true
}

// ask requests to be enrolled.
func (s *zone) ask() {
	m := s.memory()
	if !s.reachable(m) || m.Enrolled {
		return
	}
	b := binary.LittleEndian.AppendUint16(nil, s.Type)
	s.n.notify(s.e, clusterZone, Source{Endpoint: 1}, 0x01, binary.LittleEndian.AppendUint16(b, s.n.o.Manufacturer))
}

func (s *zone) reachable(m Enrolment) bool {
	hub := s.n.o.Air.Hub()
	return hub != nil && !s.n.silent && s.n.memory.Joined && m.CIE == hub.EUI64()
}

func (s *zone) command(c Command) Reply {
	const enrollResponse, normalMode, testMode = 0, 1, 2
	switch {
	case c.Manufacturer != 0:
		return Reply{Status: statusUnsupMfrCommand}
	case c.ID == enrollResponse && len(c.Payload) == 2:
		m := s.memory()
		if c.Payload[0] == statusSuccess && m.CIE != 0 {
			m.Enrolled, m.ID = true, c.Payload[1]
			s.keep(m)
		}
		return Reply{}
	case c.ID == normalMode, c.ID == testMode && len(c.Payload) == 2:
		return Reply{}
	}
	return Reply{Status: statusUnsupClusterCommand}
}

// Trigger lets the device's zones tell their status, also when it is what they
// told last: a sensor does so each time that it senses something.
func (n *Node) Trigger() {
	for _, f := range n.triggers {
		f()
	}
	n.Look()
}

// look tells a change of the status.
func (s *zone) look() {
	status := s.Status()
	m := s.memory()
	if status == s.last && !s.due || !m.Enrolled || !s.reachable(m) {
		return
	}
	s.last, s.due = status, false
	b := binary.LittleEndian.AppendUint16(nil, status)
	if !s.Short {
		b = append(b, 0, m.ID, 0, 0)
	}
	s.n.notify(s.e, clusterZone, Source{Endpoint: 1}, 0x00, b)
}

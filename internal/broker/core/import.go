package core

import "encoding/binary"

// Retained is a retained message that comes from elsewhere.
type Retained struct {
	Topic                      string
	Payload                    []byte
	QoS                        byte
	Expires                    int64 // Unix seconds; 0: never
	Text                       bool  // payload format indicator 1
	ContentType, ResponseTopic string
	Correlation                []byte
	User                       [][2]string
}

// Retain keeps a message as if it had been published, without handing it to
// anybody.
func (s *Server) Retain(r Retained) {
	m := &message{topic: r.Topic, payload: r.Payload, qos: r.QoS}
	if r.Expires != 0 {
		m.expires = max(1, r.Expires*1000)
	}
	if r.Text {
		m.props = append(m.props, 0x01, 1)
	}
	text := func(id byte, v string) {
		if v != "" {
			m.props = appendText(append(m.props, id), v)
		}
	}
	text(0x03, r.ContentType)
	text(0x08, r.ResponseTopic)
	text(0x09, string(r.Correlation))
	for _, u := range r.User {
		m.props = appendText(append(m.props, 0x26), u[0])
		m.props = binary.BigEndian.AppendUint16(m.props, uint16(len(u[1])))
		m.props = append(m.props, u[1]...)
	}
	s.mu.Lock()
	defer s.unlock()
	s.retained.set(m)
	s.storeMessage(m)
}

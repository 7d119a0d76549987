package core

import (
	"strconv"
	"time"
)

// stampName is the user property that tells one of the appliance's own clients,
// of each message that came out of its kept session, when the message came:
// "<ms since 1970> <ms ago>". The first is of the computer's clock as it was then,
// the same each time the message is sent; the second of one that is never set,
// and missing where the server was started since. Strangers are never told, and a
// property of this name from any client goes no further.
const stampName = "hems-time"

// stamp notes when a message came that waits for somebody.
func (s *Server) stamp(m *message) {
	if m.came == 0 {
		m.came, m.at = time.Now().UnixMilli(), s.now()
	}
}

// stamped is the message's properties for a client, with the time for one that is
// told. It is good until the next call.
func (c *conn) stamped(m *message) []byte {
	if !c.stamps || c.version != 5 || c.sess.number == 0 || m.came == 0 {
		return m.props
	}
	var text [48]byte
	value := strconv.AppendInt(text[:0], m.came, 10)
	if m.at != 0 {
		value = strconv.AppendInt(append(value, ' '), max(0, c.s.now()-m.at), 10)
	}
	b := append(c.s.stampBuf[:0], m.props...)
	b = appendText(appendText(append(b, 0x26), stampName), value)
	c.s.stampBuf = b
	return b
}

// isStamp tells whether an encoded property is one that no client may send.
func isStamp(property []byte) bool {
	return property[0] == 0x26 && len(property) > 3+len(stampName) && property[1] == 0 && property[2] == byte(len(stampName)) &&
		string(property[3:3+len(stampName)]) == stampName
}

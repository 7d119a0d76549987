package ash

// Stats count what has passed over a line and what went wrong on it.
type Stats struct {
	SentFrames      uint64 // DATA sent for the first time
	SentBytes       uint64
	Retransmissions uint64 // DATA sent again
	SentNaks        uint64
	ReceivedFrames  uint64 // DATA delivered
	ReceivedBytes   uint64
	ReceivedNaks    uint64
	AckTimeouts     uint64
	Duplicates      uint64 // DATA received again and dropped
	OutOfSequence   uint64 // DATA refused because one before it is missing
	CRCErrors       uint64
	BadFrames       uint64 // other bytes between flags that are no frame
	BadAcks         uint64 // frames that acknowledge what was never sent
	Unexpected      uint64 // frames that only a host sends
	Substitutes     uint64 // bytes that the UART could not read
	Cancels         uint64
	FlowBytes       uint64 // XON and XOFF that reached us, dropped
	Refused         uint64 // DATA refused for want of room
	Holds           uint64 // times the NCP was told to hold callbacks back
}

// Stats gives the counters as they are now.
func (c *Conn) Stats() Stats {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.count
}

package journal

import "cmp"

// Stats are counts since Open, and sizes now, in bytes.
type Stats struct {
	Records      uint64 // appended
	Flushes      uint64
	Written      uint64 // to the disk, states and what fills pages included
	Compactions  uint64
	Failures     uint64 // refusals of the disk
	Overflowed   uint64 // times that records were dropped because too many waited
	Pending      int64  // waiting for the disk
	LogBytes     int64  // of the log after the state
	StateBytes   int64  // of the state
	Size         int64  // of all files
	Appended     Seq    // the last record
	Durable      Seq    // the last one on the disk
	LastError    string // of the disk; "" when it took the last flush and the last state
	NeedsCompact bool   // only a new state makes the log whole again
}

// Stats are a copy.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Pending = l.pending.bytes() + l.taken
	s.LogBytes = l.logBytes
	s.Appended, s.Durable = l.seq(l.last), l.seq(l.durable)
	if err := cmp.Or(l.failing, l.stateErr); err != nil {
		s.LastError = err.Error()
	}
	s.NeedsCompact = l.hole || l.distrust
	return s
}

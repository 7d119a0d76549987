// Package readings holds the proofs that a reading that was published is in the
// store and at every database once: the real broker and the real metrics writer
// are killed, their power is cut, their disk is full, the database is away or
// says no, and what was acknowledged is counted at real databases. It has no code
// of its own beside its tests, and must never reach into the processes, but
// that the writer is given a clock in the test of that.
package readings

// Package storage holds the proofs that the store of readings keeps what it has
// committed: its writer is killed, the power is cut, and the disk is full, fails
// or may not be written. It is about the store alone, and must never know who
// brings readings. It has no code of its own beside its tests.
package storage

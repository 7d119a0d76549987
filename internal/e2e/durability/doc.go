// Package durability holds the proofs that the real broker keeps what it has
// acknowledged: it is killed, and its power is cut, while messages come in, and
// every acknowledgement that a client got is counted. It has no code of its own
// beside its tests, and must never reach into the process.
package durability

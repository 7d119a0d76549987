// Package e2e holds the tests that start the real programs of the appliance,
// as "make run" does, and look at them from outside: as an MQTT client, as a
// browser, as a reader of the store, as the hand that pulls the dongle. It has
// no code of its own beside its tests, and must never reach into a process.
package e2e

// Package interop holds the real Zigbee2MQTT, and bellows, against our dongle
// simulator and our broker: what they accept, pair and decode is a network
// co-processor and a meter. Its tests need npm and pip and, the first time,
// their registries, so they run only with the build tag interop (make interop). It
// knows Zigbee2MQTT from outside, by its log and its MQTT messages, and must
// never know how the simulator works inside.
package interop

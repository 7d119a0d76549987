// Package interop holds the real Zigbee2MQTT against our dongle simulator and
// our broker: what Zigbee2MQTT accepts, pairs and decodes is a network
// co-processor and a meter. Its tests need npm and, the first time, its
// registry, so they run only with the build tag interop (make interop). It
// knows Zigbee2MQTT from outside, by its log and its MQTT messages, and must
// never know how the simulator works inside.
package interop

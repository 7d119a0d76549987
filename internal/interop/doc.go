// Package interop holds the real Zigbee2MQTT, and bellows, against our dongle
// simulator and our broker: what they accept, pair and decode is a network
// co-processor and a meter. It compares what the real Zigbee2MQTT and our
// coordinator publish on their way through one script: testdata/differences.json
// lists every place where they are meant to differ, with the reason, and any
// other fails. And it moves networks from both to ours. The real Home Assistant
// stands behind our gateway, with its MQTT integration on our broker. Its tests
// need npm and pip and, the first time, their registries, so they run only with the build tag
// interop (make interop). It knows Zigbee2MQTT from outside, by its log and its
// MQTT messages, and must never know how the simulator works inside.
package interop

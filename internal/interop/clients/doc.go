// Package clients holds MQTT clients that other people wrote against our broker:
// mosquitto_pub, mosquitto_sub and mosquitto_rr, paho for Go and for Python, and
// MQTT.js. Its tests need what is installed by the first run (npm, pip, the Go
// module proxy, Debian's mosquitto-clients), so they run only with the build tag
// interop (make interop). It knows the broker as its program and must never know
// how it is made.
//
// The clients of which a library is tested are driven by a small program each,
// which takes one JSON object a line and answers with one: see the type order.
package clients

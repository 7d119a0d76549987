// Package conformance lists what MQTT 3.1.1 and MQTT 5 demand of a server, each
// statement by the number that the specification gives it and in our own words,
// and holds the tests that show it: clients that speak bytes to a broker, one
// case after the other, and a test that no statement is without a case or a
// reason. It knows the broker from outside, by its options and its ports, and
// must never know how it is made.
package conformance

// Statement is one thing that a specification demands.
type Statement struct {
	Number string // "3.1.2-4" for MQTT-3.1.2-4
	Says   string
	// Elsewhere are tests of other packages that show it: "internal/broker/listen TestX".
	Elsewhere []string
	// Reason is why no test shows it.
	Reason string
}

// Specification is one version of MQTT.
type Specification struct {
	Version byte // as in CONNECT
	Name    string
	// Server holds what binds a server, Client the numbers of what binds clients
	// alone. Together they are all that the specification numbers.
	Server []Statement
	Client []string
}

// Specifications are those of which the statements have numbers; MQTT 3.1 has none.
var Specifications = []Specification{MQTT311, MQTT5}

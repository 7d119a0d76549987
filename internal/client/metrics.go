package client

import (
	"net/http"
)

// Metrics asks the metrics writer of one appliance.
type Metrics struct{ c *Client }

// LocalMetrics asks the metrics writer on its unix socket.
func LocalMetrics(socket string) *Metrics {
	return &Metrics{&Client{base: "http://metrics/v1", http: &http.Client{Transport: SocketTransport(socket)}}}
}

// Metrics asks the metrics writer of the appliance that c asks through its
// dashboard.
func (c *Client) Metrics() *Metrics {
	return &Metrics{c.at(c.metrics)}
}

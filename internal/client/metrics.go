package client

import (
	"context"
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
	return &Metrics{&Client{base: c.metrics, http: c.http, user: c.user, password: c.password}}
}

// Destination is a time-series server that is sent every reading, and how far it
// is.
type Destination struct {
	Name    string `json:"name"`
	Backlog int64  `json:"backlog"`           // readings that wait for it
	Message string `json:"message,omitempty"` // why they wait; empty: nothing is wrong
	Hint    string `json:"hint,omitempty"`
}

// Destinations asks for all of them.
func (m *Metrics) Destinations(ctx context.Context) (v []Destination, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodGet, path: "/destinations"}, &v)
}

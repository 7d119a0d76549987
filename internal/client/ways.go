package client

import (
	"context"
	"time"
)

// Way is how one of the ways in to an appliance is.
type Way struct {
	Way    string    `json:"way"`   // "lan", "tailnet", "funnel", "cloudflare"
	State  string    `json:"state"` // "off", "starting", "up", "down", "needs-you"
	Since  time.Time `json:"since,omitzero"`
	Detail string    `json:"detail,omitempty"` // a sentence
	Action string    `json:"action,omitempty"` // what to do
	Links  []string  `json:"links,omitempty"`  // addresses at which it answers
}

// Ways asks the dashboard how the ways in are.
func (c *Client) Ways(ctx context.Context) ([]Way, error) {
	var v struct {
		Ways []Way `json:"ways"`
	}
	err := c.dashboard().ask(ctx, question{method: "GET", path: "/ways"}, &v)
	return v.Ways, err
}

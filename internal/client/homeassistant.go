package client

import (
	"context"
	"time"
)

// HomeAssistant is the one behind an appliance.
type HomeAssistant struct {
	URL     string    `json:"url"`   // empty: there is none
	State   string    `json:"state"` // "ok", "away", "untrusted", "strange"; empty: not asked yet
	Since   time.Time `json:"since,omitzero"`
	Message string    `json:"message"`
	Hint    string    `json:"hint"`
	Detail  string    `json:"detail"`
	Address string    `json:"address"`       // the appliance's, as Home Assistant sees it
	Lines   string    `json:"configuration"` // for its configuration.yaml
}

// HomeAssistant asks for it, through the dashboard.
func (c *Client) HomeAssistant(ctx context.Context) (h HomeAssistant, err error) {
	return h, c.dashboard().ask(ctx, question{method: "GET", path: "/home-assistant"}, &h)
}

// dashboard asks the dashboard itself.
func (c *Client) dashboard() *Client {
	return c.at(c.own)
}

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
	own := &Client{base: c.home, http: c.http, user: c.user, password: c.password}
	return h, own.ask(ctx, question{method: "GET"}, &h)
}

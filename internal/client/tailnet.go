package client

import (
	"context"
	"net/http"
)

// Tailnet is the appliance's own node in a tailnet.
type Tailnet struct {
	Enabled    bool     `json:"enabled"`
	ControlURL string   `json:"control_url,omitempty"` // of headscale
	Devices    []string `json:"devices"`               // in the home, that can be reached through it
	Funnel     string   `json:"funnel"`                // "off", "dashboard", "home_assistant"
	Tailnet    Way      `json:"tailnet"`
	Internet   Way      `json:"internet"`
	SignIn     string   `json:"sign_in,omitempty"` // where a person adds the appliance
}

// TailnetChange is what is to be done about it.
type TailnetChange struct {
	Do         string   `json:"do"` // "on", "off", "key", "sign-in", "leave", "control", "devices", "funnel"
	Key        string   `json:"key,omitempty"`
	ControlURL string   `json:"control_url,omitempty"`
	Devices    []string `json:"devices,omitempty"`
	Funnel     string   `json:"funnel,omitempty"`
}

// Tailnet asks the dashboard how the node is.
func (c *Client) Tailnet(ctx context.Context) (v Tailnet, err error) {
	return v, c.dashboard().ask(ctx, question{method: http.MethodGet, path: "/ways/tailnet"}, &v)
}

// ChangeTailnet asks the dashboard to do something about it.
func (c *Client) ChangeTailnet(ctx context.Context, q TailnetChange) error {
	return c.dashboard().ask(ctx, question{method: http.MethodPost, path: "/ways/tailnet", json: q}, nil)
}

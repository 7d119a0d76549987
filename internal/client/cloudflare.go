package client

import (
	"context"
	"net/http"
)

// TunnelHost is one of the names of a Cloudflare Tunnel.
type TunnelHost struct {
	Host         string   `json:"host"`
	To           string   `json:"to"`   // "home_assistant" or "dashboard"
	Rule         string   `json:"rule"` // "access", "client_certificate", "sign-in"
	Audience     string   `json:"audience,omitempty"`
	Certificates []string `json:"certificates,omitempty"` // SHA-256
	SecondFactor bool     `json:"second_factor,omitempty"`
}

// Tunnel is what is set of a Cloudflare Tunnel.
type Tunnel struct {
	Enabled         bool         `json:"enabled"`
	Team            string       `json:"team"`
	Token           bool         `json:"token"` // one was given
	Hosts           []TunnelHost `json:"hosts"`
	HomeSocket      string       `json:"home_socket"` // where its names lead
	DashboardSocket string       `json:"dashboard_socket"`
}

// Tunnel asks the dashboard.
func (c *Client) Tunnel(ctx context.Context) (v Tunnel, err error) {
	return v, c.dashboard().ask(ctx, question{method: http.MethodGet, path: "/ways/cloudflare"}, &v)
}

// SetTunnelToken gives the tunnel's token; empty: it is forgotten.
func (c *Client) SetTunnelToken(ctx context.Context, token string) error {
	return c.dashboard().ask(ctx, question{method: http.MethodPost, path: "/ways/cloudflare/token", json: map[string]string{"token": token}}, nil)
}

// SetTunnelHosts changes the tunnel's names, all of them.
func (c *Client) SetTunnelHosts(ctx context.Context, hosts []TunnelHost) error {
	if hosts == nil {
		hosts = []TunnelHost{}
	}
	return c.dashboard().ask(ctx, question{method: http.MethodPost, path: "/ways/cloudflare/hosts", json: map[string]any{"hosts": hosts}}, nil)
}

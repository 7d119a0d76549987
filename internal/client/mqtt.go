package client

import (
	"context"
	"net/http"
)

// MQTTRule is one line of what a user of MQTT may do.
type MQTTRule struct {
	Access string `json:"access"` // "read", "write", "readwrite" or "deny"
	Topic  string `json:"topic"`  // a filter
}

// MQTTUser is one user of MQTT beside the appliance's own.
type MQTTUser struct {
	Name     string     `json:"name"`
	Password bool       `json:"password"` // false: it needs a client certificate
	Access   []MQTTRule `json:"access"`
}

// MQTTUsers are all of them, and what is true for everybody.
type MQTTUsers struct {
	Users     []MQTTUser `json:"users"`
	Patterns  []MQTTRule `json:"patterns,omitempty"`  // %u is the user, %c the client id
	Anonymous []MQTTRule `json:"anonymous,omitempty"` // who has no name, where a listener lets it in
}

// MQTTChange is what is to be true of a user; what is left out stays.
type MQTTChange struct {
	Name   string      `json:"name"`
	Hash   string      `json:"hash,omitempty"` // of the password, as Mosquitto's file has it
	Access *[]MQTTRule `json:"access,omitempty"`
}

// MQTTUsers asks for the users of MQTT.
func (c *Client) MQTTUsers(ctx context.Context) (v MQTTUsers, err error) {
	return v, c.ask(ctx, question{method: http.MethodGet, path: "/mqtt/users"}, &v)
}

// SetMQTTUser adds or changes a user.
func (c *Client) SetMQTTUser(ctx context.Context, u MQTTChange) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/mqtt/users", json: u}, nil)
}

// RemoveMQTTUser removes a user, and ends its connections.
func (c *Client) RemoveMQTTUser(ctx context.Context, name string) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/mqtt/users/remove", json: map[string]string{"name": name}}, nil)
}

// MQTTCertificate is a client certificate, and that of the authority that made it,
// in PEM.
type MQTTCertificate struct {
	Certificate string `json:"certificate"`
	Authority   string `json:"authority"`
}

// CertifyMQTTUser asks for a certificate for a user, with the key of a request in
// PEM (PKCS #10).
func (c *Client) CertifyMQTTUser(ctx context.Context, name, request string) (v MQTTCertificate, err error) {
	return v, c.ask(ctx, question{method: http.MethodPost, path: "/mqtt/users/certificate", json: map[string]string{"name": name, "request": request}}, &v)
}

// ImportMQTTUsers takes over the texts of a password file and an access list of
// Mosquitto's, all or nothing.
func (c *Client) ImportMQTTUsers(ctx context.Context, passwords, list string, replace bool) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/mqtt/import", json: map[string]any{"passwords": passwords, "list": list, "replace": replace}}, nil)
}

package client

import (
	"context"
	"net/http"
	"time"
)

// Phone is a person's phone that was given a certificate.
type Phone struct {
	Name    string    `json:"name"`
	Serial  string    `json:"serial"` // decimal
	Made    time.Time `json:"made"`
	Until   time.Time `json:"until"`
	Revoked time.Time `json:"revoked,omitzero"`

	// What the dashboard adds.
	State string    `json:"state,omitempty"` // "good", "ending" (within a month), "expired", "revoked"
	Seen  time.Time `json:"seen,omitzero"`   // when it was shown last
	Way   string    `json:"way,omitempty"`   // and at which way in
}

// CertifyPhone asks the manager for a certificate for a phone, with the key of a
// request in PEM (PKCS #10).
func (c *Client) CertifyPhone(ctx context.Context, name, request string) (certificate string, p Phone, err error) {
	var v struct {
		Certificate string `json:"certificate"`
		Phone       Phone  `json:"phone"`
	}
	err = c.ask(ctx, question{method: http.MethodPost, path: "/phones", json: map[string]string{"name": name, "request": request}}, &v)
	return v.Certificate, v.Phone, err
}

// RevokePhone asks whom c asks, the manager or the dashboard, to revoke a phone's
// certificate.
func (c *Client) RevokePhone(ctx context.Context, name string) error {
	return c.phones().ask(ctx, question{method: http.MethodPost, path: "/phones/revoke", json: map[string]string{"name": name}}, nil)
}

// phones asks the dashboard itself where c asks through it.
func (c *Client) phones() *Client {
	if c.own == "" {
		return c
	}
	return c.dashboard()
}

// AllPhones are the phones with what is asked of them at each way in.
type AllPhones struct {
	Phones []Phone           `json:"phones"`
	Modes  map[string]string `json:"client_certificates"` // by way: "off", "optional", "required"
	Notice string            `json:"notice,omitempty"`    // what its owner should know
}

// AskPhones changes what is asked of phones at a way in: "off", "optional" or
// "required".
func (c *Client) AskPhones(ctx context.Context, way, mode string) error {
	return c.dashboard().ask(ctx, question{method: http.MethodPost, path: "/phones/mode", json: map[string]string{"way": way, "mode": mode}}, nil)
}

// Phones asks the dashboard which phones there are.
func (c *Client) Phones(ctx context.Context) (v AllPhones, err error) {
	return v, c.dashboard().ask(ctx, question{method: http.MethodGet, path: "/phones"}, &v)
}

// NewPhone is what a person needs for a phone, once.
type NewPhone struct {
	Phone    Phone     `json:"phone"`
	Link     string    `json:"link"`     // where the phone gets its key and certificate
	Password string    `json:"password"` // that they are encrypted with
	Until    time.Time `json:"until"`    // the link is good
}

// AddPhone asks the dashboard for a certificate for a phone.
func (c *Client) AddPhone(ctx context.Context, name string) (v NewPhone, err error) {
	return v, c.dashboard().ask(ctx, question{method: http.MethodPost, path: "/phones", json: map[string]string{"name": name}}, &v)
}

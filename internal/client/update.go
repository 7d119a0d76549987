package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// The phases of an update.
const (
	Idle       = "idle"
	Receiving  = "receiving"
	Verifying  = "verifying"
	Writing    = "writing"
	Restarting = "restarting"
	Trying     = "trying"
	Probation  = "probation" // confirmed, and watched for a while longer
)

// The results of an update.
const (
	Installed = "installed"
	Returned  = "returned" // it was tried, and the system before runs again
	Refused   = "refused"  // before the first byte was written
	Failed    = "failed"   // while it was written
)

// Update is how an update goes, and how the last one went.
type Update struct {
	Phase     string     `json:"phase"`
	Progress  float64    `json:"progress"` // of the phase, 0 to 1
	Version   string     `json:"version,omitempty"`
	Message   string     `json:"message,omitempty"`
	Verdict   *Verdict   `json:"verdict"`
	Available *Available `json:"available"`
}

// Busy reports whether an update is under way. One on probation is not.
func (u Update) Busy() bool { return u.Phase != Idle && u.Phase != Probation && u.Phase != "" }

// Verdict is how an update went.
type Verdict struct {
	Result  string    `json:"result"`
	Version string    `json:"version,omitempty"` // that was to be installed
	From    string    `json:"from,omitempty"`    // that ran before
	To      string    `json:"to,omitempty"`      // that runs after it
	At      time.Time `json:"at"`
	Why     string    `json:"why,omitempty"`
	Seen    bool      `json:"seen"`
}

// Same reports whether both speak of the same update; either may be nil.
func (v *Verdict) Same(o *Verdict) bool {
	if v == nil || o == nil {
		return v == o
	}
	return v.Result == o.Result && v.Version == o.Version && v.At.Equal(o.At)
}

// Available is what the feed has.
type Available struct {
	Version string `json:"version"`
	Size    int64  `json:"size"` // bytes
	Notes   string `json:"notes,omitempty"`
}

// Password is the one of the update port.
type Password struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Update asks how an update goes.
func (c *Client) Update(ctx context.Context) (u Update, err error) {
	return u, c.ask(ctx, question{method: http.MethodGet, path: "/update"}, &u)
}

// SendUpdate uploads a bundle of size bytes (0: unknown) and returns once it is
// accepted; the update then goes on by itself. older allows a version before the
// one that runs. The error is an *Error when the bundle was refused.
func (c *Client) SendUpdate(ctx context.Context, bundle io.Reader, size int64, older bool) (u Update, err error) {
	q := question{method: http.MethodPost, path: "/update", body: bundle, kind: "application/octet-stream", size: size}
	if older {
		q.query = url.Values{"older": {"1"}}
	}
	return u, c.ask(ctx, q, &u)
}

// VerdictSeen says that a person has read the verdict.
func (c *Client) VerdictSeen(ctx context.Context) error { return c.post(ctx, "/update/seen") }

// CheckFeed looks at the feed now.
func (c *Client) CheckFeed(ctx context.Context) error { return c.post(ctx, "/update/check") }

// InstallAvailable installs what the feed has.
func (c *Client) InstallAvailable(ctx context.Context) error { return c.post(ctx, "/update/install") }

// Rollback boots the version before, as a trial.
func (c *Client) Rollback(ctx context.Context) error { return c.post(ctx, "/rollback") }

func (c *Client) post(ctx context.Context, path string) error {
	return c.ask(ctx, question{method: http.MethodPost, path: path}, nil)
}

// UpdatePassword asks for the password of the update port.
func (c *Client) UpdatePassword(ctx context.Context) (p Password, err error) {
	return p, c.ask(ctx, question{method: http.MethodGet, path: "/update/password"}, &p)
}

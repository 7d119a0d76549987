package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Destination is a time-series server that is sent every reading, and how far it
// is.
type Destination struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // "influxdb2", "influxdb1", "influxdb3", "victoriametrics"
	URL     string `json:"url"`
	State   string `json:"state"`             // UpToDate, Sending, Waiting, Refusing
	Message string `json:"message,omitempty"` // why readings wait; empty: nothing is wrong
	Hint    string `json:"hint,omitempty"`
	// RetryAt is when it is tried again, while something is wrong.
	RetryAt time.Time `json:"retry_at,omitzero"`

	Backlog  int64     `json:"backlog"`         // committed readings that wait
	Oldest   time.Time `json:"oldest,omitzero"` // when the oldest of them was read, or up to an hour before
	Progress float64   `json:"progress"`        // of catching up, 0 to 1
	Rate     float64   `json:"rate"`            // lines a second over the last minute
	Rest     float64   `json:"rest,omitempty"`  // seconds until it has everything, at that rate; 0: not known

	Answer   string    `json:"answer,omitempty"`    // the last one
	Answered time.Time `json:"answered,omitzero"`   // when that came
	Taken    time.Time `json:"last_taken,omitzero"` // when the server last took lines

	Aside     int64 `json:"aside"`                // readings that it refuses and that are kept aside
	AsideMore int64 `json:"aside_more,omitempty"` // further ones that there was no room for
	Lost      int64 `json:"lost,omitempty"`       // readings that were deleted for their age, or for want of room, before they were sent
}

// The states of a destination.
const (
	UpToDate = "up to date" // it has everything, or will within the next seconds
	Sending  = "sending"    // it has much to come
	Waiting  = "waiting"    // it does not answer, or not now
	Refusing = "refusing"   // a person must mend something
)

// Aside is a reading that a destination does not take, and why.
type Aside struct {
	ID     int64     `json:"id"`
	Entity string    `json:"entity"`
	Time   time.Time `json:"time"`
	Line   string    `json:"line"` // as it was sent
	Reason string    `json:"reason"`
	Put    time.Time `json:"put"`             // when it was put aside
	Again  bool      `json:"again,omitempty"` // it is being sent again
}

// Resent is how many readings are sent again.
type Resent struct {
	Readings int64 `json:"readings"`
}

// Destinations asks for all of them.
func (m *Metrics) Destinations(ctx context.Context) (v []Destination, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodGet, path: "/destinations"}, &v)
}

// Resend has a destination sent again what was read since a moment; the zero time
// is everything.
func (m *Metrics) Resend(ctx context.Context, name string, from time.Time) (v Resent, err error) {
	q := question{method: http.MethodPost, path: "/destinations/" + url.PathEscape(name) + "/resend"}
	if !from.IsZero() {
		q.query = url.Values{"from": {from.UTC().Format(time.RFC3339)}}
	}
	return v, m.c.ask(ctx, q, &v)
}

// Aside asks for readings that a destination does not take, oldest first, after
// the one with the id after; 0: from the first on.
func (m *Metrics) Aside(ctx context.Context, name string, after int64) (v []Aside, err error) {
	q := question{method: http.MethodGet, path: "/destinations/" + url.PathEscape(name) + "/aside"}
	if after > 0 {
		q.query = url.Values{"after": {strconv.FormatInt(after, 10)}}
	}
	return v, m.c.ask(ctx, q, &v)
}

// ResendAside has all of those sent again.
func (m *Metrics) ResendAside(ctx context.Context, name string) (v Resent, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodPost, path: "/destinations/" + url.PathEscape(name) + "/aside/resend"}, &v)
}

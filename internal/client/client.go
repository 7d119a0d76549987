// Package client asks an appliance about itself: its health, its system, its
// updates, backups, logs and configuration, where its readings go and what they were. It knows
// the questions of the interfaces of the manager and of the metrics writer and how
// an answer or a refusal reads, whether it comes from a unix socket or through the
// dashboard. It must never know who asks,
// nor how the appliance does what it is asked for.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// A Client asks one appliance. Its methods may be called from any goroutine.
type Client struct {
	base           string // before the question's path, without a slash at its end
	metrics        string // the same for questions to the metrics writer; empty: it is not reached
	history        string // and for questions about the past
	own            string // and to the dashboard itself
	http           *http.Client
	user, password string // Basic authentication when user is set
	token          string // or this instead
}

// Access is how to sign in to an appliance, and whose certificate it may show.
type Access struct {
	User, Password string
	Token          string         // instead of both
	Roots          *x509.CertPool // nil: the system's
}

// maxAnswer bounds an answer that is held in memory.
const maxAnswer = 8 << 20

// answerTime is how long an answer may be in coming where nothing is uploaded.
const answerTime = 30 * time.Second

// Remote asks through the dashboard at address, such as "http://hems.local:8080",
// with the name and password of an account.
func Remote(address, user, password string) (*Client, error) {
	return Dial(address, Access{User: user, Password: password})
}

// Dial is Remote for whoever signs in otherwise. It opens no connection yet.
func Dial(address string, a Access) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is not an appliance's address: write it as http://hems.local:8080", address)
	}
	api := u.Scheme + "://" + u.Host + "/api/v1"
	to := transport(nil)
	if a.Roots != nil {
		to.TLSClientConfig = &tls.Config{RootCAs: a.Roots}
	}
	return &Client{
		base: api + "/system", metrics: api + "/metrics", history: api + "/history", own: api,
		http: &http.Client{Transport: to}, user: a.User, password: a.Password, token: a.Token,
	}, nil
}

// at is a client that asks elsewhere on the same appliance.
func (c *Client) at(base string) *Client {
	return &Client{base: base, http: c.http, user: c.user, password: c.password, token: c.token}
}

// Local asks the manager on its unix socket.
func Local(socket string) *Client {
	return &Client{base: "http://manager/v1", http: &http.Client{Transport: SocketTransport(socket)}}
}

// SocketTransport carries requests to the unix socket, whatever their host.
func SocketTransport(socket string) *http.Transport {
	return transport(func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		return listening{c}, nil
	})
}

// listening is a connection whose other end may answer and go before it has heard
// everything: the answer counts, and what is still being sent goes nowhere. With
// an error of Write, the transport would throw the answer away.
type listening struct{ net.Conn }

func (l listening) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(p), nil
	}
	return n, err
}

func transport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return &http.Transport{
		DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 4,
		IdleConnTimeout: 30 * time.Second, ExpectContinueTimeout: 2 * time.Second,
	}
}

// ErrAway means that there was no answer.
var ErrAway = errors.New("the appliance does not answer")

// An Error is a refusal in the appliance's own words.
type Error struct {
	Status  int    `json:"-"`               // of HTTP
	Code    string `json:"code,omitempty"`  // for programs: "signature", "older", "busy", …
	Message string `json:"error"`           // a lower-case sentence
	Hint    string `json:"hint,omitempty"`  // what to do about it
	Lines   []Line `json:"lines,omitempty"` // of a text that was refused
}

// A Line is one of several things wrong in a text.
type Line struct {
	Line int    `json:"line"` // 1 and up; 0: none in particular
	Text string `json:"text"`
}

func (e *Error) Error() string { return e.Message }

// Refusal returns the appliance's refusal in err, or nil when err is something
// else: no connection, a broken answer.
func Refusal(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

type byKey struct{}

// ByHeader tells the manager for whom it is asked; it believes its own processes
// alone, so only a Local client sends it to any effect.
const ByHeader = "Hems-By"

// WithBy is a context for questions of that person, for the record.
func WithBy(ctx context.Context, person string) context.Context {
	return context.WithValue(ctx, byKey{}, person)
}

// question is what goes to the appliance.
type question struct {
	method, path string
	query        url.Values
	json         any       // the body, when not nil
	body         io.Reader // or this, streamed
	kind         string    // media type of body
	size         int64     // of body; 0: unknown
}

// send returns the answer with its body still to be read, or an *Error.
func (c *Client) send(ctx context.Context, q question) (*http.Response, error) {
	body := q.body
	if q.json != nil {
		b, err := json.Marshal(q.json)
		if err != nil {
			return nil, fmt.Errorf("writing the question: %w", err)
		}
		body, q.kind, q.size = bytes.NewReader(b), "application/json", int64(len(b))
	}
	to := c.base + q.path
	if len(q.query) > 0 {
		to += "?" + q.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, q.method, to, body)
	if err != nil {
		return nil, fmt.Errorf("writing the question: %w", err)
	}
	if q.kind != "" {
		r.Header.Set("Content-Type", q.kind)
	}
	if q.size > 0 {
		r.ContentLength = q.size
	}
	if q.body != nil {
		r.Header.Set("Expect", "100-continue") // a refusal that needs no byte of it comes first
	}
	if by, ok := ctx.Value(byKey{}).(string); ok {
		r.Header.Set(ByHeader, by)
	}
	r.Header.Set("User-Agent", "hems/1")
	switch {
	case c.token != "":
		r.Header.Set("Authorization", "Bearer "+c.token)
	case c.user != "":
		r.SetBasicAuth(c.user, c.password)
	}
	res, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the address says nothing new
		}
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, readRefusal(res)
}

// readRefusal reads an answer that is not a success.
func readRefusal(res *http.Response) *Error {
	e := &Error{}
	b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != "application/json" || json.Unmarshal(b, e) != nil || e.Message == "" {
		*e = Error{Message: "the appliance answered " + strings.ToLower(res.Status)}
		if res.StatusCode == http.StatusNotFound {
			e.Hint = "is this the appliance's own address, and does it run this version or a newer one?"
		}
	}
	e.Status = res.StatusCode
	return e
}

// ask reads an answer into v, which may be nil.
func (c *Client) ask(ctx context.Context, q question, v any) error {
	if q.body == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTime)
		defer cancel()
	}
	res, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading the appliance's answer: %w", err)
	case len(b) > maxAnswer:
		return fmt.Errorf("reading the appliance's answer: it is longer than %d bytes", maxAnswer)
	case v == nil:
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("reading the appliance's answer: %w", err)
	}
	return nil
}

// stream returns the body of an answer; the caller closes it.
func (c *Client) stream(ctx context.Context, q question) (io.ReadCloser, error) {
	res, err := c.send(ctx, q)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

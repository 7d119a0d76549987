// Package gokrazy asks gokrazy's init, over its unix socket, what it supervises,
// and has it stop and start programs. It knows the HTTP interface of that init
// and must never know why something is stopped, nor use its updater (/update/*,
// which overwrites the boot partition in place).
package gokrazy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is where gokrazy's init listens.
const Socket = "/run/gokrazy-http.sock"

const (
	maxAnswer = 4 << 20 // bytes of an answer that is read whole
	patience  = 10 * time.Second
)

// Service is one supervised program.
type Service struct {
	Path      string    // "/user/hems-broker"
	Stopped   bool      // not started again when it ends
	StartTime time.Time // of the latest start
	Pid       int       // of the latest start, also after its end; 0 before the first
}

// Name is the program's name.
func (s Service) Name() string { return path.Base(s.Path) }

// Status is what init says of the whole.
type Status struct {
	Services       []Service
	BuildTimestamp string // of the image, RFC 3339
	Model          string // of the board
	Kernel         string
}

// Client talks to the init that listens on one socket. Its methods may be
// called from any goroutine.
type Client struct {
	http *http.Client
	// Alive tells whether a process is still there. Default: the kernel is asked.
	Alive func(pid int) bool
}

// New is a client for the init that listens on socket.
func New(socket string) *Client {
	return &Client{
		http: &http.Client{
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, "unix", socket)
				},
				MaxIdleConnsPerHost: 2,
				IdleConnTimeout:     time.Minute,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Alive: func(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) },
	}
}

func (c *Client) do(ctx context.Context, method, target string, form url.Values, header map[string]string, cookie *http.Cookie) (*http.Response, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gokrazy"+target, body)
	if err != nil {
		return nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if cookie != nil {
		req.AddCookie(cookie)
	}
	return c.http.Do(req)
}

// refused is what a bad status means, with the first words of the answer.
func refused(resp *http.Response) error {
	words, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // the status says enough without
	return fmt.Errorf("it answers %s: %s", resp.Status, strings.TrimSpace(string(words)))
}

// Status asks for everything there is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var s Status
	resp, err := c.do(ctx, http.MethodGet, "/", nil, map[string]string{"Accept": "application/json"}, nil)
	if err != nil {
		return s, fmt.Errorf("asking gokrazy for its services: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("asking gokrazy for its services: %w", refused(resp))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&s); err != nil {
		return s, fmt.Errorf("asking gokrazy for its services: reading the answer: %w", err)
	}
	return s, nil
}

// Services asks for the supervised programs.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	s, err := c.Status(ctx)
	return s.Services, err
}

// Stop sends a program SIGTERM, or SIGKILL, and has it not started again.
// It returns before the program has ended. One that is already told to stop is
// left alone.
func (c *Client) Stop(ctx context.Context, path string, kill bool) error {
	return c.command(ctx, "/stop", path, kill)
}

// Start has a program that was stopped started, within about two seconds. One
// that runs is sent SIGTERM: gokrazy calls this a restart.
func (c *Client) Start(ctx context.Context, path string) error {
	return c.command(ctx, "/restart", path, false)
}

// xsrf is the cookie that gokrazy compares with the form's token.
const xsrf = "gokrazy_xsrf"

func (c *Client) command(ctx context.Context, what, path string, kill bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	doing := fmt.Sprintf("asking gokrazy to %s %s", what[1:], path)
	resp, err := c.do(ctx, http.MethodGet, "/status?"+url.Values{"path": {path}}.Encode(), nil, map[string]string{"Accept": "application/json"}, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", doing, refused(resp))
	}
	var token *http.Cookie
	for _, k := range resp.Cookies() {
		if k.Name == xsrf {
			token = &http.Cookie{Name: xsrf, Value: k.Value}
		}
	}
	if token == nil {
		return fmt.Errorf("%s: it gave no token", doing)
	}
	form := url.Values{"path": {path}, "xsrftoken": {token.Value}}
	if kill {
		form.Set("signal", "kill")
	}
	done, err := c.do(ctx, http.MethodPost, what, form, nil, token)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer done.Body.Close()
	if done.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("%s: %w", doing, refused(done))
	}
	return nil
}

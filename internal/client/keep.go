package client

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Config is hems.yaml and what it was before.
type Config struct {
	Text    string   `json:"text"`
	History []Change `json:"history"` // newest first
}

// Change is hems.yaml as it was until At.
type Change struct {
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`   // who changed it then
	What string    `json:"what,omitempty"` // and what
	Text string    `json:"text"`
}

// Config asks for hems.yaml and its history.
func (c *Client) Config(ctx context.Context) (v Config, err error) {
	return v, c.ask(ctx, question{method: http.MethodGet, path: "/config"}, &v)
}

// SetConfig changes one value, such as "update.developer". The error is an
// *Error when it would not be a good hems.yaml.
func (c *Client) SetConfig(ctx context.Context, path string, value any) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/config/set", json: map[string]any{"path": path, "value": value}}, nil)
}

// RestoreConfig brings back a hems.yaml from the history.
func (c *Client) RestoreConfig(ctx context.Context, id string) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/config/restore", json: map[string]string{"id": id}}, nil)
}

// Backup returns the archive as it is made, encrypted with the passphrase. An
// archive that ends early is no archive: age says so when it is read. The caller
// closes it.
//
// missing names what could not be taken, for people; empty: nothing.
func (c *Client) Backup(ctx context.Context, passphrase string) (archive io.ReadCloser, missing string, err error) {
	res, err := c.send(ctx, question{method: http.MethodPost, path: "/backup", json: map[string]string{"passphrase": passphrase}})
	if err != nil {
		return nil, "", err
	}
	return res.Body, res.Header.Get(MissingHeader), nil
}

// MissingHeader is in the answer to a backup when something could not be taken:
// what, for people, such as "readings".
const MissingHeader = "Hems-Backup-Missing"

// Restore uploads an archive. When it returns nil the archive was right for the
// passphrase and complete, and the appliance restarts to take it in.
func (c *Client) Restore(ctx context.Context, passphrase string, archive io.Reader) error {
	pr, pw := io.Pipe()
	defer pr.Close()
	form := multipart.NewWriter(pw)
	go func() {
		err := form.WriteField("passphrase", passphrase) // first: the manager decrypts as it reads
		if err == nil {
			var part io.Writer
			if part, err = form.CreateFormFile("file", "backup.age"); err == nil {
				_, err = io.Copy(part, archive)
			}
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil {
			err = fmt.Errorf("reading the archive: %w", err)
		}
		pw.CloseWithError(err)
	}()
	return c.ask(ctx, question{method: http.MethodPost, path: "/restore", body: pr, kind: form.FormDataContentType()}, nil)
}

// Logs returns the last lines that a process printed (of all of them: ""), newest
// last, and with follow what it prints from now on. The caller closes it.
func (c *Client) Logs(ctx context.Context, process string, lines int, follow bool) (io.ReadCloser, error) {
	q := question{method: http.MethodGet, path: "/logs", query: url.Values{"lines": {strconv.Itoa(lines)}}}
	if process != "" {
		q.query.Set("process", process)
	}
	if follow {
		q.query.Set("follow", "1")
	}
	return c.stream(ctx, q)
}

// Diagnostics returns a zip of everything that helps to find a fault, without
// secrets. The caller closes it.
func (c *Client) Diagnostics(ctx context.Context) (io.ReadCloser, error) {
	return c.stream(ctx, question{method: http.MethodGet, path: "/diagnostics"})
}

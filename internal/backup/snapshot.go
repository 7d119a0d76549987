package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// snapshotPatience is how long a process may take to make its copy before it
// sends the first byte: a Pi 3 reads and writes some hundred megabytes in it.
const snapshotPatience = 5 * time.Minute

// FromSocket asks the process that answers HTTP at a unix socket for its copy,
// by POST /v1/snapshot. The answer says how long it is (Content-Length).
func FromSocket(socket string) func(context.Context) (Stream, error) {
	return func(ctx context.Context) (Stream, error) {
		t := &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				d := net.Dialer{Timeout: 2 * time.Second}
				return d.DialContext(ctx, "unix", socket)
			},
			DisableCompression:    true,
			DisableKeepAlives:     true,
			ResponseHeaderTimeout: snapshotPatience,
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://socket/v1/snapshot", nil)
		if err != nil {
			return Stream{}, err
		}
		resp, err := t.RoundTrip(req)
		if err != nil {
			return Stream{}, fmt.Errorf("asking for a copy: %w", err)
		}
		if resp.StatusCode != http.StatusOK {
			defer resp.Body.Close()
			var refusal struct {
				Error string `json:"error"`
			}
			if json.NewDecoder(io.LimitReader(resp.Body, 4096)).Decode(&refusal) != nil || refusal.Error == "" {
				refusal.Error = strings.ToLower(resp.Status)
			}
			return Stream{}, fmt.Errorf("asking for a copy: %.200s", refusal.Error)
		}
		if resp.ContentLength < 0 {
			resp.Body.Close()
			return Stream{}, errors.New("asking for a copy: the answer does not say how long it is")
		}
		return Stream{ReadCloser: resp.Body, Size: resp.ContentLength}, nil
	}
}

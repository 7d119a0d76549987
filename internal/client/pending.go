package client

import (
	"context"
	"io"
	"net/http"
)

// Pending asks for the readings that are not yet in the store's file, in the
// store's own form. Only the socket answers; the caller closes it.
func (m *Metrics) Pending(ctx context.Context) (io.ReadCloser, error) {
	return m.c.stream(ctx, question{method: http.MethodGet, path: "/pending"})
}

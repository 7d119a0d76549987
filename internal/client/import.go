package client

import (
	"bytes"
	"context"
	"net/http"
)

// Imported is how the last import of a zigbee network ended.
type Imported struct {
	Waiting bool          `json:"waiting"` // one is still to be taken over
	Answer  *ImportAnswer `json:"answer,omitempty"`
}

// ImportAnswer is what the coordinator says of an import.
type ImportAnswer struct {
	ID      string   `json:"id"`
	OK      bool     `json:"ok"`
	Code    string   `json:"code,omitempty"`
	Message string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`
	Kept    string   `json:"kept,omitempty"`
	Devices int      `json:"devices"`
	Merged  bool     `json:"merged"`
	Notes   []string `json:"notes,omitempty"`
}

// Import hands a document over that hems import has made. The coordinator takes
// it over within seconds: Imported tells how that ended.
func (c *Client) Import(ctx context.Context, document []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTime)
	defer cancel()
	return c.ask(ctx, question{method: http.MethodPost, path: "/import", body: bytes.NewReader(document),
		kind: "application/json", size: int64(len(document))}, nil)
}

// Imported asks how the last import ended.
func (c *Client) Imported(ctx context.Context) (v Imported, err error) {
	return v, c.ask(ctx, question{method: http.MethodGet, path: "/import"}, &v)
}

package client

import (
	"context"
	"net/http"
	"time"
)

// Trouble is what devices say and the metrics writer cannot use.
type Trouble struct {
	Troubles []struct {
		Kind   string    `json:"kind"` // "document", "template", "state"
		Entity string    `json:"entity"`
		Topic  string    `json:"topic"`
		Error  string    `json:"error"`
		Since  time.Time `json:"since"`
		Last   time.Time `json:"last"`
		Times  uint64    `json:"times"`
	} `json:"troubles"`
	Counts struct {
		Entities     int    `json:"entities"`
		Readings     uint64 `json:"readings"`
		Dropped      uint64 `json:"dropped"`
		Repeated     uint64 `json:"repeated"`
		Strange      uint64 `json:"strange"`
		NotNumbers   uint64 `json:"not_numbers"`
		BadStates    uint64 `json:"bad_states"`
		BadDocuments uint64 `json:"bad_documents"`
	} `json:"counts"`
}

// Trouble asks for it.
func (m *Metrics) Trouble(ctx context.Context) (v Trouble, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodGet, path: "/trouble"}, &v)
}

package client

import (
	"context"
	"net/http"
	"time"
)

// Soundness is what is known about the store of readings.
type Soundness struct {
	Checked time.Time `json:"checked,omitzero"` // when all of it was last read
	Running bool      `json:"running"`          // it is being read now
	Bad     []Lost    `json:"bad,omitempty"`    // what cannot be read any more
	Salvage *Salvage  `json:"salvage,omitempty"`
}

// Salvage is what became of a damaged store.
type Salvage struct {
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"` // zero: it goes on
	Cause string    `json:"cause,omitempty"`
	Saved int64     `json:"saved"` // readings
	Lost  []Lost    `json:"lost,omitempty"`
	Waits string    `json:"waits,omitempty"` // why it does not go on
}

// Lost is a range of time of which readings were lost; 0: nobody knows how many.
type Lost struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Readings int64     `json:"readings"`
}

// Soundness asks what is known about the store of readings.
func (m *Metrics) Soundness(ctx context.Context) (v Soundness, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodGet, path: "/check"}, &v)
}

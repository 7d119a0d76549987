package delivery

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// The states of a destination.
const (
	UpToDate = "up to date" // it has everything, or will within the next seconds
	Sending  = "sending"    // it has much to come
	Waiting  = "waiting"    // it does not answer, or not now
	Refusing = "refusing"   // a person must mend something
)

// Status is how far a destination is.
type Status struct {
	Name    string `json:"name"`
	Kind    Kind   `json:"kind"`
	URL     string `json:"url"`
	State   string `json:"state"`
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

// Status asks the store and the sender how far the destination is.
func (s *Sender) Status(ctx context.Context, st *store.Store) (Status, error) {
	v := Status{Name: s.Name, Kind: s.Kind, URL: s.URL, State: UpToDate, Progress: 1}
	var err error
	if v.Backlog, err = st.Backlog(ctx, s.Cursor()); err != nil {
		return v, err
	}
	if v.Oldest, err = st.Oldest(ctx, s.Cursor()); err != nil {
		return v, err
	}
	if v.Aside, v.AsideMore, err = st.AsideCount(ctx, s.Cursor()); err != nil {
		return v, err
	}
	if v.Lost, err = st.Lost(ctx, s.Cursor()); err != nil {
		return v, err
	}
	sent, rate := s.meter.read(s.now())
	v.Rate = rate
	if v.Backlog > 0 {
		v.Progress = float64(sent) / (float64(sent) + float64(v.Backlog))
	}
	if v.Backlog > maxLines {
		v.State = Sending
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v.Answer, v.Answered, v.Taken = s.answer, s.answered, s.taken
	if p := s.problem; p != nil {
		v.State, v.Message, v.Hint, v.RetryAt = Waiting, p.text, p.hint, s.retryAt
		if p.kind == misconfigured {
			v.State = Refusing
		}
	}
	if v.State == Sending && rate > 0 {
		v.Rest = float64(v.Backlog) / rate
	}
	return v, nil
}

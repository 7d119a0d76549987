// Package chronicle answers questions about the past over HTTP, as JSON or CSV:
// power, energy, peaks, series and states. It knows how a question and an answer
// are written, and must never know who asks, how readings are kept, or pages.
package chronicle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/reply"
	"github.com/smartcore-ireland/hems/internal/store"
)

// History is what is asked; *history.History does.
type History interface {
	Series(ctx context.Context) ([]store.Series, error)
	Meters(ctx context.Context) ([]store.Meter, error)
	Curve(ctx context.Context, q history.Query) (history.Curve, error)
	Peaks(ctx context.Context, q history.Query, window func(time.Time) string) ([]history.Peak, history.Peak, string, history.Coverage, error)
	Tally(ctx context.Context, q history.TallyQuery) (history.Tally, error)
	States(ctx context.Context, entity string, from, to time.Time) ([]history.State, error)
	AlwaysOn(ctx context.Context, entity string, from, to time.Time) (watt float64, ok bool, err error)
}

// Options are what a Chronicle needs.
type Options struct {
	History History
	Place   *time.Location // of the home
	Clock   func() time.Time
	Main    func() string                                                                   // the entity of the main meter's power; empty: there is none
	Write   func(w http.ResponseWriter, r *http.Request, status int, kind string, b []byte) // an answer that is held in memory
}

// A Chronicle answers. Its methods are handlers.
type Chronicle struct {
	Options
	turns chan struct{}
}

const (
	atOnce   = 4 // answers that are made at the same time: they are work for a small computer
	patience = 5 * time.Second
	// maxPoints is how many an answer in JSON has, which is held in memory.
	maxPoints = 50_000
	// maxRows is how many lines a table in JSON has: more than a year of hours.
	maxRows = 10_000
)

// New returns a Chronicle.
func New(o Options) *Chronicle { return &Chronicle{o, make(chan struct{}, atOnce)} }

// answer is a handler of a question that was understood.
type answer func(w http.ResponseWriter, r *http.Request, a ask) error

// handle reads the question, waits for a turn, and refuses in one form.
func (c *Chronicle) handle(w http.ResponseWriter, r *http.Request, takes string, f answer) {
	a, err := c.read(r, takes)
	if err != nil {
		refuse(w, err)
		return
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-r.Context().Done():
		return
	case <-wait.C:
		w.Header().Set("Retry-After", "10")
		reply.Refuse(w, http.StatusServiceUnavailable, reply.Refusal{Code: "busy", Error: "as many questions about the past are being answered as can be at once",
			Hint: "try again in some seconds"})
		return
	}
	err = f(w, r, a)
	var s *stream
	switch {
	case err == nil:
	case errors.As(err, &s): // the answer has begun: only its breaking off can tell
		panic(http.ErrAbortHandler)
	default:
		refuse(w, err)
	}
}

// refuse says what is wrong with the question, or that it cannot be answered now.
func refuse(w http.ResponseWriter, err error) {
	var bad *badAsk
	status, r := http.StatusBadRequest, reply.Refusal{Error: err.Error()}
	switch {
	case errors.As(err, &bad):
		r.Code, r.Hint = bad.code, bad.hint
	case errors.Is(err, history.ErrRange):
		r.Code, r.Hint = "range", "a date stands for its whole day: from 2026-11-01 to 2026-11-30 is November"
	case errors.Is(err, history.ErrSteps):
		r.Code, r.Hint = "step", "steps are 5m, 30m, 6h and so on, or hour, day, week, month, year"
	case errors.Is(err, history.ErrMany):
		r.Code, r.Hint = "too_many", "a day of it: from today"
	case errors.Is(err, history.ErrNoCounter):
		r.Code, r.Hint = "no_counter", "energy is counted from counters alone; the question series lists them as meters"
	case errors.Is(err, history.ErrUnknownEntity):
		status, r.Code, r.Hint = http.StatusNotFound, "unknown_entity", "the question series lists what there is"
	case errors.Is(err, history.ErrNotYet):
		status, r.Code, r.Hint = http.StatusNotFound, "nothing_yet", "the first readings are kept within a minute of the first device"
	case errors.Is(err, context.Canceled):
		return // nobody is there to read it
	default:
		status, r = http.StatusServiceUnavailable, reply.Refusal{Code: "store", Error: "the stored readings cannot be read just now", Hint: "try again in a few seconds"}
		w.Header().Set("Retry-After", "5")
	}
	reply.Refuse(w, status, r)
}

// tooManyRows is for a table that is too long for JSON.
func tooManyRows(n int) error {
	if n <= maxRows {
		return nil
	}
	return &badAsk{"too_many", fmt.Sprintf("that is %d lines, more than %d", n, maxRows), "ask for a longer step or a shorter range, or for CSV"}
}

// window is the classifier of the windows that were asked for; nil: none were.
func (c *Chronicle) window(ws calendar.Windows) func(time.Time) string {
	if ws == nil {
		return nil
	}
	return func(t time.Time) string {
		if name := ws.At(t, c.Place); name != "" {
			return name
		}
		return outside
	}
}

// outside is the name of what lies in no window.
const outside = "other"

// names are the windows that were asked for, and what lies outside them.
func names(ws calendar.Windows) []string {
	if ws == nil {
		return nil
	}
	return append(ws.Names(), outside)
}

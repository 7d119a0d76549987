package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrRange is a range that ends before it begins, or where it begins.
var ErrRange = errors.New("the range is empty: from must be before to")

// Steps divides time: calendar.Steps does.
type Steps interface {
	// Around returns the step that holds t: from ≤ t < to.
	Around(t time.Time) (from, to time.Time)
	// Length is how long a step usually is.
	Length() time.Duration
}

// Query asks for an entity's readings with From ≤ time < To. Where Steps is nil,
// for each of them.
type Query struct {
	Entity   string
	From, To time.Time
	Steps    Steps
	// Place is whose civil days Steps are made of, where they are whole days; nil
	// where they are not.
	Place *time.Location
}

func (q Query) check() error {
	if !q.From.Before(q.To) {
		return fmt.Errorf("history of %s: %w", q.Entity, ErrRange)
	}
	return nil
}

// grain is the coarsest of what the store keeps that steps can be made of.
func (q Query) grain() grain {
	switch {
	case q.Steps == nil:
		return raw
	case q.Place != nil && q.Steps.Length() >= 24*time.Hour:
		return daily
	case q.Steps.Length()%fiveMinutes == 0:
		return fine
	}
	return raw
}

// A Curve is a question that was found to have a meaning, ready to be read.
type Curve struct {
	Unit string // of its figures, as for Power
	line line
	q    Query
}

// Curve finds an entity's curve. Errors: ErrRange, ErrUnknownEntity, ErrNotYet.
func (h *History) Curve(ctx context.Context, q Query) (Curve, error) {
	if err := q.check(); err != nil {
		return Curve{}, err
	}
	l, err := h.find(ctx, q.Entity, watts)
	return Curve{l.unit, l, q}, err
}

// Each calls f with the points of the curve, in ascending time: one for each step
// that has a reading (the first and the last step may be cut by the range), or one
// for each reading. What is not there is not made up: Coverage tells what is
// missing. An error of f ends it.
func (c Curve) Each(ctx context.Context, f func(Point) error) (Coverage, error) {
	q := c.q
	found := newCover(q.From, Gap)
	b := bucket{steps: q.Steps, from: q.From}
	err := c.line.pieces(ctx, q.From, q.To, q.grain(), q.Place, func(p piece) error {
		found.see(p.from, p.last)
		if q.Steps == nil {
			return f(Point{time.UnixMilli(p.from), p.min, p.sum, p.max, 1})
		}
		if b.n > 0 && p.from < b.end {
			b.take(p)
			return nil
		}
		if b.n > 0 {
			if err := f(b.point()); err != nil {
				return err
			}
		}
		b.begin(p)
		return nil
	})
	if err == nil && b.n > 0 {
		err = f(b.point())
	}
	if err != nil {
		return Coverage{}, err
	}
	return found.end(q.To), nil
}

// bucket gathers the pieces of one step.
type bucket struct {
	steps Steps
	from  time.Time // of the range
	start time.Time
	end   int64 // ms
	piece
	at int64 // ms: of the piece with the greatest value
}

func (b *bucket) begin(p piece) {
	from, to := b.steps.Around(time.UnixMilli(p.from))
	if from.Before(b.from) {
		from = b.from
	}
	b.start, b.end, b.piece, b.at = from, ceilMilli(to), p, p.from
}

func (b *bucket) take(p piece) {
	b.n += p.n
	b.sum += p.sum
	b.min = min(b.min, p.min)
	if p.max > b.max {
		b.max, b.at = p.max, p.from
	}
}

// point is the bucket; the mean is that of all its readings, each counted once.
func (b *bucket) point() Point {
	mean := min(max(b.sum/float64(b.n), b.min), b.max) // whatever was lost in the sum
	return Point{b.start, b.min, mean, b.max, int(min(b.n, math.MaxInt32))}
}

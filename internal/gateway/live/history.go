package live

import (
	"context"
	"errors"
	"time"

	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/store"
)

// History answers what has been; *history.History does. Its errors may be
// history.ErrNotYet and history.ErrUnknownEntity, which only mean that nothing
// was stored so far.
type History interface {
	Power(ctx context.Context, entity string, from, to time.Time, step time.Duration) ([]history.Point, error)
	Consumed(ctx context.Context, entity string, from, to time.Time) (kWh float64, ok bool, err error)
	Last(ctx context.Context, entity string) (store.Reading, bool, error)
}

// Empty reports whether an error of the history means that it has nothing to
// say yet, rather than that it cannot be read.
func Empty(err error) bool {
	return errors.Is(err, history.ErrNotYet) || errors.Is(err, history.ErrUnknownEntity)
}

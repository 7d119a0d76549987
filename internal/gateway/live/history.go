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
	Counted(ctx context.Context, entity string, from, to time.Time) (c history.Count, ok bool, err error)
	Before(ctx context.Context, entity string, t time.Time) (store.Reading, bool, error)
}

// Empty reports whether an error of the history means that it has nothing to
// say yet, rather than that it cannot be read.
func Empty(err error) bool {
	return errors.Is(err, history.ErrNotYet) || errors.Is(err, history.ErrUnknownEntity)
}

// Package history answers questions about the past from the store: power by any
// step, energy by the hour, day, month and window of a tariff, peaks, the last
// reading. It knows what a counter, a mean and a gap are, and must never know pages,
// MQTT, or what a time zone's rules are: what a day or a window is, is for the caller
// to say.
package history

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// Errors of all methods.
var (
	// ErrNotYet: no reading was ever stored.
	ErrNotYet = store.ErrNotYet
	// ErrUnknownEntity: there is no series of this entity.
	ErrUnknownEntity = store.ErrUnknownEntity
)

// window is how much of a series is in memory at a time.
const window = 24 * time.Hour

// maxPoints bounds the answer of Power.
const maxPoints = 100_000

// History reads a store that another process writes. Its methods may be
// called from any goroutine.
type History struct {
	path    string
	options []store.ReaderOptions

	mu     sync.Mutex
	reader *store.Reader
}

// Open returns the history in the store at path, which need not exist yet: it
// is opened at the first question, and until there is a store every method
// returns ErrNotYet. Options are those of store.OpenReader.
func Open(path string, options ...store.ReaderOptions) *History {
	return &History{path: path, options: options}
}

// Close closes the store's file. It is opened again by the next question.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reader == nil {
		return nil
	}
	r := h.reader
	h.reader = nil
	return r.Close()
}

func (h *History) open() (*store.Reader, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reader == nil {
		r, err := store.OpenReader(h.path, h.options...)
		if err != nil {
			return nil, err
		}
		h.reader = r
	}
	return h.reader, nil
}

// Series returns all series; of several of one entity (its unit changed) the
// current one is the last.
func (h *History) Series(ctx context.Context) ([]store.Series, error) {
	r, err := h.open()
	if err != nil {
		return nil, err
	}
	return r.Series(ctx)
}

// Last returns an entity's reading with the greatest time; ok is false when it
// has none. The value is in the series' unit.
func (h *History) Last(ctx context.Context, entity string) (last store.Reading, ok bool, err error) {
	return h.Before(ctx, entity, time.UnixMilli(math.MaxInt64))
}

// Before returns an entity's last reading before t; ok is false when it has
// none. The value is in the series' unit. A clock that was ahead for a while
// leaves readings behind that are later than now.
func (h *History) Before(ctx context.Context, entity string, t time.Time) (last store.Reading, ok bool, err error) {
	l, err := h.find(ctx, entity, nil)
	if err != nil {
		return store.Reading{}, false, err
	}
	v, ok, err := l.before(ctx, t)
	if err != nil || !ok {
		return store.Reading{}, false, err
	}
	return store.Reading{Entity: entity, Time: time.UnixMilli(v.Milli), Value: v.Value}, true, nil
}

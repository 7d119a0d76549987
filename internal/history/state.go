package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// MaxStates is how many changes an answer of States has.
const MaxStates = 50_000

// ErrMany is a range with more in it than an answer may have.
var ErrMany = fmt.Errorf("more than %d changes: ask for a shorter range", MaxStates)

// State is what an entity said from a moment on.
type State struct {
	Time time.Time
	Text string
}

// States returns the states of an entity in a range, in ascending time: each change
// of it, and first the state that it was in when the range began, with the time of
// that one's last report. An entity whose states are numbers gives those; of a binary
// one, on and off. Errors: ErrRange, ErrMany, ErrUnknownEntity, ErrNotYet.
func (h *History) States(ctx context.Context, entity string, from, to time.Time) ([]State, error) {
	if !from.Before(to) {
		return nil, fmt.Errorf("history of %s: %w", entity, ErrRange)
	}
	l, err := h.find(ctx, entity, nil)
	if err != nil {
		return nil, err
	}
	all, err := l.states(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", entity, err)
	}
	return all, nil
}

func (l line) states(ctx context.Context, from, to time.Time) (all []State, err error) {
	var heard []store.TextSample
	for _, p := range l.parts {
		if last, ok, err := l.reader.TextBefore(ctx, p.series, from); err != nil {
			return nil, err
		} else if ok {
			heard = append(heard, last)
		}
		texts, err := l.reader.Texts(ctx, p.series, from, to)
		if err != nil {
			return nil, err
		}
		heard = append(heard, texts...)
	}
	last, ok, err := l.before(ctx, from)
	if err != nil {
		return nil, err
	}
	if ok {
		heard = append(heard, l.word(last))
	}
	err = l.each(ctx, from, to, func(v store.Sample) error {
		if w := l.word(v); len(heard) == 0 || heard[len(heard)-1].Text != w.Text {
			heard = append(heard, w)
		}
		if len(heard) > 2*MaxStates {
			return ErrMany
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(heard, func(a, b store.TextSample) int { return cmp.Compare(a.Milli, b.Milli) })
	// Of what was said before the range, the last counts.
	begin := ceilMilli(from)
	for len(heard) > 1 && heard[1].Milli < begin {
		heard = heard[1:]
	}
	for _, v := range heard {
		if n := len(all); n > 0 && all[n-1].Text == v.Text {
			continue
		}
		if len(all) == MaxStates {
			return nil, ErrMany
		}
		all = append(all, State{time.UnixMilli(v.Milli), v.Text})
	}
	return all, nil
}

// word is a reading as a state.
func (l line) word(v store.Sample) store.TextSample {
	text := strconv.FormatFloat(v.Value, 'f', -1, 64)
	if l.binary {
		text = "off"
		if v.Value != 0 {
			text = "on"
		}
	}
	return store.TextSample{Milli: v.Milli, Text: text}
}

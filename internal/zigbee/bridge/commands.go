package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// command is a message on <name>/get or <name>/set, with the attribute in the
// topic or the payload. It has no answer but the state that follows.
func (b *Bridge) command(ctx context.Context, name, verb, attribute string, payload []byte) {
	d, ok := b.find(name)
	if !ok {
		b.warnLimited("entity", fmt.Sprintf("the device '%.100s' is not known", name))
		return
	}
	if verb == "set" {
		b.warnLimited("set", fmt.Sprintf("'%s' has nothing that can be set", name))
		return
	}
	keys := []string{attribute}
	if attribute == "" {
		var fields map[string]json.RawMessage
		if len(payload) > maxPayload || json.Unmarshal(payload, &fields) != nil || len(fields) == 0 {
			b.warnLimited("get", fmt.Sprintf("the request to read '%s' makes no sense; publish {\"power\": \"\"}", name))
			return
		}
		keys = slices.Sorted(maps.Keys(fields))
	}
	reads, errs := d.model.Get(keys, "")
	for _, err := range errs {
		b.warnLimited("get", fmt.Sprintf("'%s' %v", name, err))
	}
	if len(reads) == 0 {
		return
	}
	e := d.EUI64
	err := b.long(ctx, func(ctx context.Context) error {
		var errs []error
		for _, r := range reads {
			if _, err := b.net.Read(ctx, e, r.Endpoint, r.Cluster, r.Manufacturer, r.IDs...); err != nil {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}, func(err error) {
		if err != nil { // what was read comes as a message of the device
			b.logging(slog.LevelError, fmt.Sprintf("'%s' was not read: %v", b.names.name(e), err))
		}
	})
	if err != nil {
		b.warnLimited("get", fmt.Sprintf("'%s' was not read: %v", name, err))
	}
}

// limiter holds back log lines that strangers can cause.
type limiter struct {
	last    time.Time
	skipped int
}

// warnEvery is the least time between two warnings of one kind.
const warnEvery = 2 * time.Second

// warnLimited is logging of a warning, at most one of a kind in warnEvery. The
// next tells how many were left out.
func (b *Bridge) warnLimited(kind, message string) {
	if skipped, ok := b.mayLog(kind); ok {
		if skipped > 0 {
			message += fmt.Sprintf(" (%d more like it before)", skipped)
		}
		b.logging(slog.LevelWarn, strings.ToValidUTF8(message, "\uFFFD"))
	}
}

// logLimited writes to the log alone, at most once of a kind in warnEvery.
func (b *Bridge) logLimited(kind string, level slog.Level, message string, args ...any) {
	if skipped, ok := b.mayLog(kind); ok {
		if skipped > 0 {
			args = append(args, "more_before", skipped)
		}
		b.log.Log(context.Background(), level, message, args...)
	}
}

// mayLog reports whether a line of a kind may be logged now, and how many were
// left out before it.
func (b *Bridge) mayLog(kind string) (skipped int, ok bool) {
	l, known := b.dropped[kind]
	if !known {
		l = &limiter{}
		b.dropped[kind] = l
	}
	now := b.now()
	if known && now.Sub(l.last) < warnEvery && !now.Before(l.last) {
		l.skipped++
		return 0, false
	}
	skipped = l.skipped
	l.last, l.skipped = now, 0
	return skipped, true
}

package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// Limits on commands under way.
const (
	maxQueued     = 16               // for one device or group
	maxWorking    = 128              // devices and groups with a command under way
	sleepPatience = 76 * time.Minute // a sleeping device checks in hourly
)

// waitFor is how long a command to a device may take.
func waitFor(d *device) time.Duration {
	if d.Type == network.TypeEndDevice {
		return sleepPatience
	}
	return longRequest
}

// queued is a command that waits for those before it.
type queued struct {
	patience time.Duration
	work     func(context.Context) error
	done     func(error)
}

// queue does the work for one device or group, away from the goroutine of Run
// and after what was asked of the same before, and then gives Run done.
func (b *Bridge) queue(ctx context.Context, key, name string, patience time.Duration, work func(context.Context) error, done func(error)) {
	waiting, busy := b.queues[key]
	if len(waiting) >= maxQueued || !busy && len(b.queues) >= maxWorking {
		b.warnLimited("queue", fmt.Sprintf("a command to '%s' was dropped: %d wait for it already", name, len(waiting)))
		return
	}
	q := queued{patience, work, done}
	if busy {
		b.queues[key] = append(waiting, q)
		return
	}
	b.queues[key] = nil
	b.startQueued(ctx, key, q)
}

func (b *Bridge) startQueued(ctx context.Context, key string, q queued) {
	go func() {
		limited, cancel := context.WithTimeout(ctx, q.patience)
		err := q.work(limited)
		cancel()
		b.post(ctx, func() {
			q.done(err)
			if waiting := b.queues[key]; len(waiting) > 0 {
				b.queues[key] = waiting[1:]
				b.startQueued(ctx, key, waiting[0])
				return
			}
			delete(b.queues, key)
		})
	}()
}

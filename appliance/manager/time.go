package manager

import (
	"context"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/clock"
)

// keepTime keeps the card's clock right until ctx ends, by the servers that
// hems.yaml has at the time. A workstation's clock is not ours to set. c is nil
// but in tests.
func keepTime(ctx context.Context, env appliance.Env, s *settings, c clock.Clock) {
	for ctx.Err() == nil {
		servers := s.config().Time.Servers
		this, end := context.WithCancel(ctx)
		go func() {
			tick := time.NewTicker(2 * time.Second)
			defer tick.Stop()
			for slices.Equal(servers, s.config().Time.Servers) {
				select {
				case <-this.Done():
					return
				case <-tick.C:
				}
			}
			end()
		}()
		err := clock.Run(this, clock.Options{
			Servers: servers,
			Dir:     env.Path("manager"),
			Runtime: env.Runtime,
			Built:   appliance.Built(),
			Clock:   c,
			Log:     env.Log,
		})
		end()
		if err != nil {
			env.Log.Error("the clock is not kept right", "err", err)
			return
		}
	}
}

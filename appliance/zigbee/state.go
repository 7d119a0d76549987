package zigbee

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// lookAgain is how often state files that make no sense are read again.
const lookAgain = time.Second

// awaitState assembles the coordinator from its state files. Files that make no
// sense are left as they are: what is in them cannot be made again. The fault
// is said once, in the log and on MQTT, and waited out, for a process that
// ended would be started again each second only to say the same. The error is
// that of ctx.
func awaitState(ctx context.Context, env appliance.Env, assemble func() (*network.Network, *bridge.Bridge, error)) (*network.Network, *bridge.Bridge, error) {
	said := ""
	stop := func() {}
	defer func() { stop() }()
	for {
		n, b, err := assemble()
		if err == nil {
			return n, b, nil
		}
		if s := err.Error(); s != said {
			env.Log.Error("waiting for the coordinator's state to be put right", "err", s, "hint", network.Hint(err))
			said = s
			stop()
			stop = report(ctx, env, health.Report{State: health.Failing, Message: s, Hint: network.Hint(err)})
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// report says on MQTT how this process is, until stop is called.
func report(ctx context.Context, env appliance.Env, r health.Report) (stop func()) {
	o := broker(env)
	o.ClientID = "hems-zigbee-waiting"
	o.Will = &mqttclient.Message{Topic: health.Topic("zigbee"), Payload: health.Report{State: health.Offline}.Payload(), QoS: 1, Retain: true}
	o.OnUp = func(ctx context.Context, c *mqttclient.Client) {
		m := mqttclient.Message{Topic: health.Topic("zigbee"), Payload: r.Payload(), QoS: 1, Retain: true}
		if err := c.Publish(ctx, m); err != nil { // again at the next connection
			env.Log.Debug("the fault was not told on MQTT", "err", err)
		}
	}
	c, err := mqttclient.Open(ctx, o)
	if err != nil {
		env.Log.Error("the fault cannot be told on MQTT", "err", err)
		return func() {}
	}
	return func() {
		stopped := ctx.Err() != nil // else the coordinator itself says how it is
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if stopped {
			if err := c.Publish(ctx, *o.Will); err != nil {
				env.Log.Debug("the broker was not told that the process stops", "err", err)
			}
		}
		if err := c.Close(ctx); err != nil {
			env.Log.Debug("the connection to the broker was not closed cleanly", "err", err)
		}
	}
}

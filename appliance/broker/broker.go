// Package broker puts hems-broker together: the MQTT broker on its ports, and
// its bridges to other brokers.
package broker

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker"
)

// Prepare makes the MQTT passwords that are missing, where only root may write.
func Prepare(env appliance.Env) error {
	users := slices.Collect(maps.Keys(broker.DefaultUsers()))
	return broker.EnsureCredentials(env.Path("secrets"), users...)
}

// Run is the broker until ctx ends.
func Run(ctx context.Context, env appliance.Env, cfg appliance.Config) error {
	users := broker.DefaultUsers()
	users[appliance.BridgeUser] = bridgeAccess(cfg.MQTT.Bridges)
	server, door := limits(cfg.MQTT)
	b, err := broker.New(broker.Options{
		Listeners:    listeners(env, cfg.MQTT),
		Unix:         env.MQTTSocket(),
		Dir:          env.Path("broker"),
		Secrets:      env.Path("secrets"),
		Users:        users,
		PasswordFile: env.MQTTPasswords(),
		ACLFile:      env.MQTTAccess(),
		Limits:       door,
		Core:         server,
		SyncEvery:    flushWait(cfg.MQTT),
		Log:          env.Log,
	})
	if err != nil {
		return err
	}
	bridges, err := newUplink(env, cfg.MQTT.Bridges, b)
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() {
		select {
		case <-b.Ready():
		case <-ctx.Done():
			return
		}
		beside.Go(func() { report(ctx, b, bridges) })
		if err := bridges.Run(ctx); err != nil {
			env.Log.Error("the bridges cannot run", "err", err)
		}
	})
	return b.Run(ctx)
}

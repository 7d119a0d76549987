// Package broker puts hems-broker together: the MQTT broker on its ports.
package broker

import (
	"context"
	"maps"
	"slices"

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
	listen := cfg.MQTT.Listen
	if listen == "" {
		listen = env.Address(appliance.PortMQTT)
	}
	b, err := broker.New(broker.Options{
		TCP:     []string{listen},
		Unix:    env.MQTTSocket(),
		Dir:     env.Path("broker"),
		Secrets: env.Path("secrets"),
		Log:     env.Log,
	})
	if err != nil {
		return err
	}
	return b.Run(ctx)
}

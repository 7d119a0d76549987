// Package manager puts hems-manager together: the health of the whole, the
// watchdog, the logs, and the socket on which the pages and commands ask.
package manager

import (
	"context"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/manager"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// The users of a card that the manager has to do with.
const (
	zigbeeUID  = 902
	gatewayUID = 904
)

// Run manages until ctx ends.
func Run(ctx context.Context, env appliance.Env, _ appliance.Config) error {
	o := manager.Options{
		Card:    env.Card,
		Version: appliance.Version,
		Data:    env.Data,
		Dir:     env.Path("manager"),
		Runtime: env.Runtime,
		MQTT: mqttclient.Options{
			Server:   "unix://" + env.MQTTSocket(),
			ClientID: "hems-manager",
			User:     "manager",
			Password: env.Password("manager"),
			Log:      env.Log,
		},
		Metrics:  env.Run("metrics.sock"),
		Settings: newSettings(env).now,
		Log:      env.Log,
	}
	for _, p := range appliance.Processes {
		if p.Name != manager.Self {
			o.Programs = append(o.Programs, p.Name)
		}
	}
	if env.Card {
		o.GatewayUID, o.ZigbeeUID = gatewayUID, zigbeeUID
	}
	m, err := manager.New(o)
	if err != nil {
		return err
	}
	return m.Run(ctx)
}

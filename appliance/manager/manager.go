// Package manager puts hems-manager together: the health of the whole, the
// watchdog, the logs, and the socket on which the pages and commands ask.
package manager

import (
	"context"
	"sync"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/boot/keeper"
	"github.com/smartcore-ireland/hems/internal/manager"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// Run manages until ctx ends.
func Run(ctx context.Context, env appliance.Env, _ appliance.Config) error {
	hems := newSettings(env)
	o := manager.Options{
		Card:    env.Card,
		Version: version(env),
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
		Settings: hems.now,
		Built:    appliance.Built(),
		Updates:  updates(ctx, env),
		Log:      env.Log,
	}
	for _, p := range appliance.Processes {
		if p.Name != manager.Self {
			o.Programs = append(o.Programs, p.Name)
		}
	}
	if env.Card {
		o.GatewayUID = appliance.UserOf("hems-gateway").ID
		o.ZigbeeUID = appliance.UserOf("hems-zigbee").ID
		o.Tell = func(word string) error { return keeper.Tell(env.Runtime, word) }
	}
	var (
		m   *manager.Manager
		err error
	)
	var restart func(why string) // in development somebody must do it by hand
	if env.Card {
		restart = func(why string) { m.End("", why) }
	}
	files := newKept(env, hems, restart)
	o.Handlers = files.handlers()
	m, err = manager.New(o)
	if err != nil {
		return err
	}
	beside, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { files.run(beside) })
	if env.Card {
		group.Go(func() { keepTime(beside, env, hems, nil) })
	}
	defer group.Wait() // the time is kept for the next start
	defer stop()
	return m.Run(ctx)
}

// Package gateway puts hems-gateway together: the dashboard on its ports, live
// from MQTT, with its history from the store.
package gateway

import (
	"context"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/gateway"
	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// Run serves the dashboard until ctx ends.
func Run(ctx context.Context, env appliance.Env, cfg appliance.Config) error {
	listen := cfg.Gateway.Listen
	if len(listen) == 0 {
		listen = []string{env.Address(appliance.PortDashboard)}
	}
	h := history.Open(env.Path("store", "hems.db"))
	defer h.Close()
	g, err := gateway.New(gateway.Options{
		Listen: listen,
		Dir:    env.Path("gateway"),
		MQTT: mqttclient.Options{
			Server:   "unix://" + env.MQTTSocket(),
			ClientID: "hems-gateway",
			User:     "gateway",
			Password: env.Password("gateway"),
			Log:      env.Log,
		},
		History: h,
		Home:    gateway.Home{Name: cfg.Home.Name, Meter: cfg.Home.Meter, TimeZone: cfg.Home.TimeZone.Location},
		Version: appliance.Version,
		Log:     env.Log,
	})
	if err != nil {
		return err
	}
	return g.Run(ctx)
}

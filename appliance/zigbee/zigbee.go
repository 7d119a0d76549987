// Package zigbee puts hems-zigbee together: the line to the dongle, the
// network on it, and the bridge from the network to MQTT.
package zigbee

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/serialport"
)

// Run is the coordinator until ctx ends.
func Run(ctx context.Context, env appliance.Env, cfg appliance.Config) error {
	line := serialport.Options{
		Port: cfg.Zigbee.Serial.Port,
		Baud: cfg.Zigbee.Serial.Baud,
		Flow: serialport.Flow(cfg.Zigbee.Serial.FlowControl),
	}
	if env.Dongle != "" {
		line.Port = env.Dongle
	}
	n, err := network.New(network.Options{
		Dial:    func(ctx context.Context) (io.ReadWriteCloser, error) { return serialport.Open(ctx, line) },
		Dir:     env.Path("zigbee"),
		Channel: cfg.Zigbee.Channel,
		Log:     env.Log,
	})
	if err != nil {
		return err
	}
	b, err := bridge.New(bridge.Options{
		Network: n,
		MQTT: mqttclient.Options{
			Server:   "unix://" + env.MQTTSocket(),
			User:     "zigbee",
			Password: env.Password("zigbee"),
			Log:      env.Log,
		},
		Dir:     env.Path("zigbee"),
		Version: appliance.Version,
		Log:     env.Log,
	})
	if err != nil {
		return err
	}
	// The two stop together; one that fails takes the other along.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var netErr, bridgeErr error
	wg.Go(func() { defer cancel(); netErr = n.Run(ctx) })
	wg.Go(func() { defer cancel(); bridgeErr = b.Run(ctx) })
	wg.Wait()
	return errors.Join(netErr, bridgeErr)
}

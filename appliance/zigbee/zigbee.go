// Package zigbee puts hems-zigbee together: the line to the dongle, the
// network on it, and the bridge from the network to MQTT. It waits while their
// state makes no sense.
package zigbee

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/serialport"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
)

// Run is the coordinator until ctx ends. It begins anew, within the process, when
// an import waits to be taken over.
func Run(ctx context.Context, env appliance.Env, cfg appliance.Config) error {
	for {
		again, err := run(ctx, env, cfg)
		if !again || ctx.Err() != nil {
			return err
		}
		if err != nil {
			env.Log.Error("what ran before the import did not end well", "err", err)
		}
	}
}

// run is the coordinator until ctx ends, or until an import waits: again says so.
func run(ctx context.Context, env appliance.Env, cfg appliance.Config) (again bool, err error) {
	var state *statefile.File
	unlock := func() {}
	defer func() { unlock() }()
	n, b, err := awaitState(ctx, env, func() (*network.Network, *bridge.Bridge, error) {
		unlock()
		release, err := statefile.Lock(env.Path("zigbee"))
		if err != nil {
			return nil, nil, err
		}
		unlock = release
		if state, err = openState(env); err != nil {
			return nil, nil, err
		}
		note, err := takeImport(env, state)
		if err != nil {
			return nil, nil, err
		}
		return assemble(env, cfg, state, note)
	})
	if err != nil {
		return false, nil // stopped while it waited
	}
	// The two stop together; one that fails takes the other along.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var netErr, bridgeErr error
	wg.Go(func() { defer cancel(); netErr = n.Run(ctx) })
	wg.Go(func() { defer cancel(); bridgeErr = b.Run(ctx) })
	wg.Go(func() {
		if again = awaitImport(ctx, env); again {
			env.Log.Info("an import waits: the coordinator stops for a moment to take it over")
			cancel()
		}
	})
	wg.Wait()
	return again, errors.Join(netErr, bridgeErr, state.Close())
}

// openState opens the coordinator's state and says what that has changed.
func openState(env appliance.Env) (*statefile.File, error) {
	state, err := statefile.Open(env.Path("zigbee", statefile.Name))
	if err != nil {
		return nil, err
	}
	for _, note := range state.Notes() {
		env.Log.Warn(note)
	}
	return state, nil
}

// assemble makes the network and its bridge from their state. The note is told
// beside being well.
func assemble(env appliance.Env, cfg appliance.Config, state *statefile.File, note health.Report) (*network.Network, *bridge.Bridge, error) {
	line := serialport.Options{
		Port: cfg.Zigbee.Serial.Port,
		Baud: cfg.Zigbee.Serial.Baud,
		Flow: serialport.Flow(cfg.Zigbee.Serial.FlowControl),
		Log:  env.Log,
	}
	if env.Dongle != "" {
		line.Port = env.Dongle
	}
	line.Memory = env.Path("zigbee", "dongle.json")
	dongle := serialport.NewFinder(line)
	n, err := network.New(network.Options{
		State:   state,
		Dial:    func(ctx context.Context) (io.ReadWriteCloser, error) { return dongle.Open(ctx) },
		Dir:     env.Path("zigbee"),
		Channel: cfg.Zigbee.Channel,
		Version: appliance.Version,
		Log:     env.Log,
	})
	if err != nil {
		return nil, nil, err
	}
	b, err := bridge.New(bridge.Options{
		Network:  n,
		State:    state,
		MQTT:     broker(env),
		Payloads: bridge.Payloads(cfg.Zigbee.Payloads),
		LastSeen: bridge.LastSeen(cfg.Zigbee.LastSeen),
		Output:   bridge.Output(cfg.Zigbee.Output),
		Dir:      env.Path("zigbee"),
		Version:  appliance.Version,
		Log:      env.Log,
		LogLevel: env.LogLevel,
		Note:     note,
	})
	return n, b, err
}

// broker is how this process reaches MQTT.
func broker(env appliance.Env) mqttclient.Options {
	return mqttclient.Options{
		Server:   "unix://" + env.MQTTSocket(),
		User:     "zigbee",
		Password: env.Password("zigbee"),
		Log:      env.Log,
	}
}

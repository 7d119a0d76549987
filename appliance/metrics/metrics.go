// Package metrics puts hems-metrics together: the entities on MQTT, the store,
// and the destinations of hems.yaml.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/metrics"
	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// Run is the metrics writer until ctx ends.
func Run(ctx context.Context, env appliance.Env, cfg appliance.Config) error {
	w, err := metrics.New(metrics.Options{
		MQTT: mqttclient.Options{
			Server:   "unix://" + env.MQTTSocket(),
			User:     "metrics",
			Password: env.Password("metrics"),
			Log:      env.Log,
		},
		OpenStore: func() (*store.Store, error) {
			return store.Open(env.Path("store", "hems.db"), store.Options{
				CommitInterval: time.Duration(cfg.Metrics.CommitEvery),
				Retention:      time.Duration(cfg.Metrics.KeepDays) * 24 * time.Hour,
				DiskShare:      cfg.Metrics.DiskShare,
				Zone:           cfg.Home.TimeZone.Location,
				Mode:           mode(env),
				Log:            env.Log,
			})
		},
		Destinations: destinations(env, cfg.Metrics.Destinations),
		Domains:      cfg.Metrics.Domains,
		Clock:        clock(env),
		Zone:         cfg.Home.TimeZone.Location,
		Meter:        cfg.Home.Meter,
		Log:          env.Log,
	})
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	if l, err := env.Socket(); err == nil {
		serving.Go(func() {
			if err := w.Serve(ctx, l); err != nil {
				env.Log.Error("the store can no longer be checked or copied", "err", err)
			}
		})
	} else if !errors.Is(err, appliance.ErrNoSocket) {
		return err
	}
	return w.Run(ctx)
}

// mode is that of the store's files: on a card the gateway, which is another
// user of the same group, reads them.
func mode(env appliance.Env) os.FileMode {
	if env.Card {
		return 0o660
	}
	return 0o600
}

func destinations(env appliance.Env, from []appliance.Destination) (to []delivery.Destination) {
	for _, d := range from {
		to = append(to, delivery.Destination{
			Name: d.Name, Kind: delivery.Kind(d.Kind), URL: d.URL.String(),
			Org: d.Org, Bucket: d.Bucket, Database: d.Database, RetentionPolicy: d.RetentionPolicy, Tenant: d.Tenant,
			User: d.User, Token: secret(env, d.Token), Password: secret(env, d.Password),
			Authority: secret(env, d.CA), Certificate: secret(env, d.Certificate), Key: secret(env, d.Key),
			From: delivery.Start{Now: d.From.Now, At: d.From.At}, Window: time.Duration(d.Window),
		})
	}
	return to
}

// secret reads a destination's secret each time it is asked, so that a new one
// takes effect without a restart.
func secret(env appliance.Env, name string) delivery.Secret {
	if name == "" {
		return nil
	}
	return func() (string, error) {
		b, err := os.ReadFile(env.Secret(name))
		if err != nil {
			return "", fmt.Errorf("%w: put it in the file %s", err, env.Secret(name))
		}
		return strings.TrimSpace(string(b)), nil
	}
}

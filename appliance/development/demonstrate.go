package development

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

const (
	requestPermitJoin = "zigbee2mqtt/bridge/request/permit_join"
	requestRename     = "zigbee2mqtt/bridge/request/device/rename"
)

// demonstrate does over MQTT what a person would do with a new meter: permit
// joining, name the device that comes, close again, and look at its first
// reading. A meter that is there already is left as it is.
func (d *run) demonstrate(ctx context.Context) error {
	client, err := mqttclient.Open(ctx, mqttclient.Options{
		// By the socket: on the TCP port somebody else's broker may listen.
		Server:   "unix://" + d.Env.MQTTSocket(),
		ClientID: "hems-demonstration",
		User:     appliance.PersonUser,
		Password: d.Env.Password(appliance.PersonUser),
		Log:      d.log,
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		client.Close(ctx)
	}()
	if err := client.AwaitConnection(ctx); err != nil {
		return err
	}
	s := &steps{
		well: make(chan struct{}, 1), joined: make(chan string, 1),
		devices: make(chan []device, 1), reading: make(chan reading, 1),
	}
	for topic, handle := range map[string]func(mqttclient.Message){
		health.Topic("zigbee"):       s.onHealth,
		"zigbee2mqtt/bridge/devices": s.onDevices,
		"zigbee2mqtt/bridge/event":   s.onEvent,
		"zigbee2mqtt/" + MeterName:   s.onReading,
	} {
		if err := client.Subscribe(ctx, topic, 1, handle); err != nil {
			return err
		}
	}
	paired, err := s.meter(ctx)
	if err != nil {
		return err
	}
	if !paired {
		if err := d.pair(ctx, client, s); err != nil {
			return err
		}
	}
	r, err := receive(ctx, s.reading)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Stdout, "  %s reads %g W, %g kWh  (%.1f s after the start)\n\n", MeterName, *r.Power, *r.Energy, time.Since(d.began).Seconds())
	return nil
}

func (d *run) pair(ctx context.Context, client *mqttclient.Client, s *steps) error {
	if _, err := receive(ctx, s.well); err != nil { // nothing can join before the network is up
		return err
	}
	fmt.Fprintf(d.Stdout, "  pairing the simulated meter …\n")
	if err := publish(ctx, client, requestPermitJoin, map[string]any{"time": 254}); err != nil {
		return err
	}
	ieee, err := receive(ctx, s.joined)
	if err != nil {
		return err
	}
	// Named before its interview ends, so that no entity is ever announced
	// under its address.
	if err := publish(ctx, client, requestRename, map[string]any{"from": ieee, "to": MeterName}); err != nil {
		return err
	}
	return publish(ctx, client, requestPermitJoin, map[string]any{"time": 0})
}

func publish(ctx context.Context, client *mqttclient.Client, topic string, payload any) error {
	b, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	for { // a broker that is just being started again is waited for
		err := client.Publish(ctx, mqttclient.Message{Topic: topic, Payload: b, QoS: 1})
		if !errors.Is(err, mqttclient.ErrDown) {
			return err
		}
		if err := client.AwaitConnection(ctx); err != nil {
			return err
		}
	}
}

type device struct {
	Type         string `json:"type"`
	FriendlyName string `json:"friendly_name"`
}

type reading struct {
	Power  *float64 `json:"power"`
	Energy *float64 `json:"energy"`
}

// steps turns messages into what the demonstration waits for. Each channel
// holds the first of its kind; later ones are nobody's business.
type steps struct {
	well    chan struct{}
	joined  chan string
	devices chan []device
	reading chan reading
}

func (s *steps) onHealth(m mqttclient.Message) {
	var r health.Report
	if json.Unmarshal(m.Payload, &r) == nil && r.State == health.OK {
		offer(s.well, struct{}{})
	}
}

func (s *steps) onDevices(m mqttclient.Message) {
	var v []device
	if json.Unmarshal(m.Payload, &v) == nil {
		offer(s.devices, v)
	}
}

func (s *steps) onEvent(m mqttclient.Message) {
	var v struct {
		Type string `json:"type"`
		Data struct {
			IEEEAddress string `json:"ieee_address"`
		} `json:"data"`
	}
	if json.Unmarshal(m.Payload, &v) == nil && v.Type == "device_joined" {
		offer(s.joined, v.Data.IEEEAddress)
	}
}

func (s *steps) onReading(m mqttclient.Message) {
	var v reading
	if !m.Retain && json.Unmarshal(m.Payload, &v) == nil && v.Power != nil && v.Energy != nil {
		offer(s.reading, v)
	}
}

func offer[T any](ch chan T, v T) {
	select {
	case ch <- v:
	default:
	}
}

// meter waits for the list of devices and says whether a meter is on it.
func (s *steps) meter(ctx context.Context) (bool, error) {
	list, err := receive(ctx, s.devices)
	for _, d := range list {
		if d.Type != "Coordinator" {
			return true, err
		}
	}
	return false, err
}

func receive[T any](ctx context.Context, ch <-chan T) (v T, err error) {
	select {
	case v = <-ch:
		return v, nil
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

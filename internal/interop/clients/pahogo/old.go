package main

import (
	"strings"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// old speaks MQTT 3.1.1.
type old struct {
	messages chan message
	c        mqtt.Client
}

func wait(t mqtt.Token) error {
	if !t.WaitTimeout(patience) {
		return errLate
	}
	return t.Error()
}

func (c *old) connect(o order) (bool, error) {
	config, err := trust(o.CA)
	if err != nil {
		return false, err
	}
	url := strings.Replace(o.URL, "mqtts://", "ssl://", 1)
	opts := mqtt.NewClientOptions().AddBroker(url).SetClientID(o.ID).SetUsername(o.User).SetPassword(o.Password).
		SetCleanSession(o.Clean).SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			c.messages <- message{Topic: m.Topic(), Payload: string(m.Payload()), QoS: int(m.Qos()), Retain: m.Retained()}
		})
	if config != nil {
		opts.SetTLSConfig(config)
	}
	if o.Will != "" {
		opts.SetWill(o.Will, o.Payload, byte(o.QoS), o.Retain)
	}
	c.c = mqtt.NewClient(opts)
	t := c.c.Connect().(*mqtt.ConnectToken)
	err = wait(t)
	return t.SessionPresent(), err
}

func (c *old) subscribe(o order) (int, error) {
	t := c.c.Subscribe(o.Filter, byte(o.QoS), nil).(*mqtt.SubscribeToken)
	err := wait(t)
	for _, granted := range t.Result() { // the library cuts $share off its key
		return int(granted), err
	}
	return 0, err
}

func (c *old) publish(o order) error {
	return wait(c.c.Publish(o.Topic, byte(o.QoS), o.Retain, o.Payload))
}

func (c *old) disconnect() error {
	c.c.Disconnect(250)
	return nil
}

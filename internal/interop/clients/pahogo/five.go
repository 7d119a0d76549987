package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"

	"github.com/eclipse/paho.golang/paho"
)

// five speaks MQTT 5.
type five struct {
	messages chan message
	c        *paho.Client
}

func (c *five) connect(o order) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := dial(ctx, o)
	if err != nil {
		return false, err
	}
	c.c = paho.NewClient(paho.ClientConfig{
		ClientID: o.ID,
		Conn:     conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			p := r.Packet
			c.messages <- message{Topic: p.Topic, Payload: string(p.Payload), QoS: int(p.QoS), Retain: p.Retain,
				Answer: p.Properties.ResponseTopic, Of: string(p.Properties.CorrelationData)}
			return true, nil
		}},
	})
	hello := &paho.Connect{ClientID: o.ID, KeepAlive: 60, CleanStart: o.Clean, UsernameFlag: true, Username: o.User,
		PasswordFlag: true, Password: []byte(o.Password)}
	if !o.Clean {
		expiry := uint32(300)
		hello.Properties = &paho.ConnectProperties{SessionExpiryInterval: &expiry}
	}
	if o.Will != "" {
		hello.WillMessage = &paho.WillMessage{Topic: o.Will, Payload: []byte(o.Payload), QoS: byte(o.QoS), Retain: o.Retain}
	}
	answer, err := c.c.Connect(ctx, hello)
	if err != nil {
		return false, err
	}
	return answer.SessionPresent, nil
}

// dial opens any of the transports.
func dial(ctx context.Context, o order) (net.Conn, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	config, err := trust(o.CA)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "mqtt":
		return (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	case "mqtts":
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", u.Host)
	case "ws", "wss":
		return webSocket(ctx, config, o.URL)
	}
	return nil, fmt.Errorf("unknown scheme %q", u.Scheme)
}

func (c *five) subscribe(o order) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := c.c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: o.Filter, QoS: byte(o.QoS)}}})
	if err != nil {
		return 0, err
	}
	return int(answer.Reasons[0]), nil
}

func (c *five) publish(o order) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p := &paho.Publish{Topic: o.Topic, Payload: []byte(o.Payload), QoS: byte(o.QoS), Retain: o.Retain, Properties: &paho.PublishProperties{ResponseTopic: o.Answer}}
	if o.Of != "" {
		p.Properties.CorrelationData = []byte(o.Of)
	}
	_, err := c.c.Publish(ctx, p)
	return err
}

func (c *five) disconnect() error { return c.c.Disconnect(&paho.Disconnect{}) }

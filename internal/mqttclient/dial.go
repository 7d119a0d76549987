package mqttclient

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/nonblock"
)

// writeTimeout is how long the broker may refuse to read before the connection
// is given up.
const writeTimeout = 10 * time.Second

// lingerTimeout is how long the broker may take to answer our DISCONNECT by
// closing the connection.
const lingerTimeout = time.Second

// dialer is where a Server address leads to.
type dialer struct {
	network, address string
}

func parseServer(server string) (dialer, error) {
	u, err := url.Parse(server)
	if err != nil {
		return dialer{}, fmt.Errorf("reading the MQTT server address: %w", err)
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return dialer{}, fmt.Errorf("the MQTT server address %q holds no absolute path; write unix:///path/mqtt.sock", server)
		}
		return dialer{"unix", u.Path}, nil
	case "mqtt", "tcp":
		if u.Hostname() == "" {
			return dialer{}, fmt.Errorf("the MQTT server address %q holds no host; write mqtt://host:1883", server)
		}
		port := u.Port()
		if port == "" {
			port = "1883"
		}
		return dialer{"tcp", net.JoinHostPort(u.Hostname(), port)}, nil
	default:
		return dialer{}, fmt.Errorf("the MQTT server address %q is neither unix:///path/mqtt.sock nor mqtt://host:port", server)
	}
}

func (d dialer) dial(ctx context.Context) (*nonblock.File, error) {
	nd := net.Dialer{Timeout: connectTimeout}
	c, err := nd.DialContext(ctx, d.network, d.address)
	if err != nil {
		return nil, err
	}
	return nonblock.FromSocket(c.(socket), d.network+" "+d.address)
}

// socket is what the connections of net are, TCP and Unix ones.
type socket interface {
	net.Conn
	syscall.Conn
}

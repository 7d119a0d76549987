package mqttclient

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// writeTimeout is how long the broker may refuse to read before the connection
// is given up.
const writeTimeout = 10 * time.Second

// lingerTimeout is how long the broker may take to answer our DISCONNECT by
// closing the connection.
const lingerTimeout = time.Second

// dialer is where a Server address leads to.
type dialer struct {
	url              *url.URL
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
		return dialer{u, "unix", u.Path}, nil
	case "mqtt", "tcp":
		if u.Hostname() == "" {
			return dialer{}, fmt.Errorf("the MQTT server address %q holds no host; write mqtt://host:1883", server)
		}
		port := u.Port()
		if port == "" {
			port = "1883"
		}
		return dialer{u, "tcp", net.JoinHostPort(u.Hostname(), port)}, nil
	default:
		return dialer{}, fmt.Errorf("the MQTT server address %q is neither unix:///path/mqtt.sock nor mqtt://host:port", server)
	}
}

func (d dialer) dial(ctx context.Context) (*conn, error) {
	nd := net.Dialer{Timeout: connectTimeout}
	c, err := nd.DialContext(ctx, d.network, d.address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn gives every write a deadline. It is a sync.Locker, by which the library
// keeps the parts of one packet together.
type conn struct {
	net.Conn
	sync.Mutex
	linger atomic.Bool // a DISCONNECT is being sent
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close after a DISCONNECT waits for the broker to close first. A broker that is
// just answering an earlier packet would else meet a closed connection before it
// has read the DISCONNECT, and would publish the will.
func (c *conn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Swap(false) && half.CloseWrite() == nil {
		if c.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
			_, _ = io.Copy(io.Discard, c.Conn)
		}
	}
	return c.Conn.Close()
}

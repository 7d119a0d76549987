package mqttclient

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
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
	w, err := nonblock.New(c.(syscall.Conn)) // of net: a TCP or a Unix one
	if err != nil {
		c.Close()
		return nil, err
	}
	return &conn{Conn: c, w: w}, nil
}

// conn gives every write a deadline, and makes one write of each packet: the
// library writes a PUBLISH in four parts, each of which would wake the broker.
// It is a sync.Locker, by which the library keeps the parts together.
type conn struct {
	net.Conn
	sync.Mutex
	w      io.Writer   // to Conn
	out    []byte      // the part of a packet that was written already
	linger atomic.Bool // a DISCONNECT is being sent
}

// maxKept is how much room for packets is kept between them, in bytes.
const maxKept = 64 << 10

func (c *conn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	if !whole(c.out) {
		return len(p), nil
	}
	packet := c.out
	c.out = c.out[:0]
	if cap(c.out) > maxKept {
		c.out = nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.w.Write(packet); err != nil {
		return 0, err
	}
	return len(p), nil
}

// whole says whether b is a packet to its end (MQTT 5.0, section 2.1.4: a byte,
// and the length of the rest in up to four bytes of seven bits).
func whole(b []byte) bool {
	rest := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		rest |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i] < 0x80 {
			return len(b) > i+rest
		}
	}
	return len(b) > 4 // no length: let the broker say so
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

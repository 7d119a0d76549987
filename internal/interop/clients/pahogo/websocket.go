package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// webConn is a stream in the binary messages of a WebSocket.
type webConn struct {
	*websocket.Conn
	rest    io.Reader
	writing sync.Mutex // of its callers several write at once
}

func webSocket(ctx context.Context, config *tls.Config, url string) (net.Conn, error) {
	d := websocket.Dialer{TLSClientConfig: config, Subprotocols: []string{"mqtt"}}
	c, _, err := d.DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	return &webConn{Conn: c}, nil
}

func (c *webConn) Read(p []byte) (int, error) {
	for {
		if c.rest == nil {
			_, r, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			c.rest = r
		}
		n, err := c.rest.Read(p)
		if err == io.EOF {
			c.rest, err = nil, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

func (c *webConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	return len(p), c.WriteMessage(websocket.BinaryMessage, p)
}

func (c *webConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

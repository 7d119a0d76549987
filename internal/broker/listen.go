package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/core"
)

// listener takes connections on one address, for ever: an address that cannot be
// had is tried again.
type listener struct {
	b                *Broker
	network, address string
	closed           chan struct{}
	closing          sync.Once
	serving          sync.WaitGroup

	mu    sync.Mutex
	net   net.Listener // nil while there is none
	conns map[net.Conn]struct{}
}

func newListener(b *Broker, network, address string) *listener {
	return &listener{
		b: b, network: network, address: address,
		closed: make(chan struct{}),
		conns:  make(map[net.Conn]struct{}),
	}
}

// bound is the address it listens on now, or empty.
func (l *listener) bound() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net == nil {
		return ""
	}
	return l.net.Addr().String()
}

// run takes connections until stop.
func (l *listener) run(server *core.Server) {
	retry := retrier{log: l.b.log}
	for {
		ln, err := l.listen()
		if err == nil {
			l.b.log.Info("listening for MQTT", "network", l.network, "address", ln.Addr().String())
			begin := time.Now()
			err = l.accept(ln, server)
			if time.Since(begin) > maxRetry {
				retry.reset()
			}
		}
		select {
		case <-l.closed:
			return
		default:
		}
		if !retry.wait(l.closed, err) {
			return
		}
	}
}

func (l *listener) listen() (net.Listener, error) {
	if l.network == "unix" {
		if err := removeStale(l.address); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen(l.network, l.address)
	if errors.Is(err, syscall.EADDRINUSE) && l.network == "tcp" {
		return nil, fmt.Errorf("listening on %s: address already in use: stop the other broker on this machine, or set HEMS_PORT_BASE to move this one", l.address)
	}
	if errors.Is(err, syscall.EINVAL) && l.network == "unix" {
		return nil, fmt.Errorf("listening on %s: the path of a unix socket has at most 107 bytes: use a shorter data directory", l.address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", l.address, err)
	}
	if l.network == "unix" {
		if err := os.Chmod(l.address, 0o660); err != nil {
			ln.Close()
			return nil, fmt.Errorf("listening on %s: %w", l.address, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		ln.Close()
		return nil, net.ErrClosed
	default:
	}
	l.net = ln
	return ln, nil
}

// removeStale removes a socket that a killed broker left, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("listening on %s: there is a file that is no socket: move it away", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("listening on %s: another broker answers there: stop it, or set HEMS_DATA to another directory", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	return os.Remove(path)
}

func (l *listener) accept(ln net.Listener, server *core.Server) error {
	defer func() {
		ln.Close()
		l.mu.Lock()
		l.net = nil
		l.mu.Unlock()
	}()
	as := core.Listener{Name: l.network + " " + l.address, Local: l.network == "unix"}
	for {
		c, err := ln.Accept()
		if err != nil {
			return fmt.Errorf("taking connections on %s: %w", l.address, err)
		}
		l.mu.Lock()
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		l.serving.Go(func() {
			server.Serve(c, as)
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
		})
	}
}

// stop ends listening.
func (l *listener) stop() {
	l.closing.Do(func() { close(l.closed) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net != nil {
		l.net.Close()
	}
}

// closeAll waits for the connections to end and, when ctx does, ends them.
func (l *listener) closeAll(ctx context.Context) {
	ended := make(chan struct{})
	go func() { l.serving.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		for c := range l.conns {
			c.Close()
		}
	}
}

package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is the name of the manager's socket in the runtime directory.
const Socket = "manager.sock"

// listen makes the socket, for root and, on a card, the gateway's user.
func (m *Manager) listen() (net.Listener, error) {
	path := filepath.Join(m.o.Runtime, Socket)
	doing := "listening on " + path
	if err := os.MkdirAll(m.o.Runtime, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("%s: another manager answers there: stop it, or give this one HEMS_DATA of its own", doing)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	// Who connects before this is done is still asked who they are.
	err = os.Chmod(path, 0o600)
	if m.o.GatewayUID != 0 && os.Getuid() == 0 {
		err = errors.Join(err, os.Chown(path, 0, m.o.GatewayUID), os.Chmod(path, 0o660))
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return l, nil
}

type peerKey struct{}

// peer is who is at the other end of a unix socket: a user's number, -1 when
// the kernel does not say.
func peer(c net.Conn) int {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1
	}
	uid := -1
	err = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	if err != nil {
		return -1
	}
	return uid
}

// welcome tells whether a user may ask.
func (m *Manager) welcome(uid int) bool {
	return uid == 0 || uid == os.Getuid() || uid > 0 && uid == m.o.GatewayUID
}

// guard lets only those in who may ask.
func (m *Manager) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uid, ok := r.Context().Value(peerKey{}).(int)
		if !ok || !m.welcome(uid) {
			fail(w, &problem{http.StatusForbidden, "forbidden", fmt.Sprintf("the user %d may not ask the manager", uid), "ask through the dashboard"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve answers until ctx ends, and then lets what is under way end for a moment.
func (m *Manager) serve(ctx context.Context, l net.Listener) {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s := &http.Server{
		Handler:           m.guard(m.routes()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, peer(c))
		},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		cancel() // those who follow the logs
		last, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		if s.Shutdown(last) != nil {
			s.Close()
		}
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		m.log.Error("the manager's socket answers no more", "err", err)
	}
	<-done
}

package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// openLines opens the pseudo-terminal and the TCP port until ctx ends. s.mu is
// held.
func (s *Simulator) openLines(ctx context.Context) error {
	if s.o.Pty != "" {
		p, err := openPty(s.o.Pty)
		if err != nil {
			return err
		}
		s.lines.Add(1)
		go func() {
			defer s.lines.Done()
			defer p.remove()
			s.servePty(ctx, p)
		}()
	}
	if s.o.Listen == "" {
		return nil
	}
	address := s.o.Listen
	if s.addr != nil {
		address = s.addr.String() // plugged in again: the port stays the same
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("opening the dongle's TCP port: %w; choose another one with --listen", err)
	}
	s.addr = l.Addr()
	s.lines.Add(1)
	go func() {
		defer s.lines.Done()
		s.accept(ctx, l)
	}()
	return nil
}

// servePty keeps the dongle's end of the terminal busy: hosts come and go on
// the other end without its noticing.
func (s *Simulator) servePty(ctx context.Context, p *pty) {
	// While a pipe or a TCP host has the dongle, the terminal is silent.
	for ctx.Err() == nil && s.busy() {
		rest(ctx, settle)
	}
	if err := s.serve(ctx, p, p.flush); err != nil && ctx.Err() == nil {
		s.log.Warn("pseudo-terminal failed", "problem", err)
	}
}

func (s *Simulator) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link != nil
}

// settle is how long a line that cannot be served rests.
const settle = 20 * time.Millisecond

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *Simulator) accept(ctx context.Context, l net.Listener) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("taking a TCP connection", "problem", err)
				rest(ctx, settle)
				continue
			}
			return
		}
		s.lines.Add(1)
		go func() {
			defer s.lines.Done()
			if err := s.serve(ctx, c, nil); errors.Is(err, ErrBusy) {
				s.log.Warn("TCP connection refused", "from", c.RemoteAddr(), "problem", err)
			}
		}()
	}
}

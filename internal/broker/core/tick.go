package core

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// tick does what goes by the clock: keep-alives, what is written late, $SYS.
func (s *Server) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	seconds := 0
	var compacting atomic.Bool
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
		}
		seconds++
		s.guard(func() { s.second(seconds) })
		j := s.journal // it does not change any more
		if j != nil && j.WantsCompaction() && compacting.CompareAndSwap(false, true) {
			s.stopped.Go(func() { // for as long as the disk takes
				defer compacting.Store(false)
				_ = s.compact(j) // the journal logs it and wants another
			})
		}
	}
}

// second is what one tick does.
func (s *Server) second(n int) {
	s.mu.Lock()
	defer s.unlock()
	s.expireKeepAlives()
	if len(s.retained.dirty) > 0 && s.now()-s.dirtySince >= s.lim.RetainedEvery.Milliseconds() {
		s.writeDirty()
	}
	if n%60 == 0 {
		s.expireRetained()
	}
	if every := s.opt.SysInterval; every > 0 && n%max(1, int(every/time.Second)) == 0 {
		s.sysUpdate()
	}
}

// guard does what no connection waits for: a fault in it is counted and logged,
// and is the end of nothing else.
func (s *Server) guard(do func()) {
	defer func() {
		if p := recover(); p != nil {
			s.counts.panics.Add(1)
			s.log.Error("a fault in the broker's own time", "fault", p, "stack", string(debug.Stack()))
		}
	}()
	do()
}

// expireKeepAlives ends the connections of which nothing was heard for one and a
// half times their keep-alive [MQTT-3.1.2-22].
func (s *Server) expireKeepAlives() {
	now := s.now()
	for c := range s.conns {
		if c.keepAlive > 0 && now-c.lastRead > c.keepAlive.Milliseconds()*3/2 && !c.ended {
			w := c.will
			s.kick(c, rcKeepAlive)
			c.will = w
			s.detach(c)
		}
	}
}

// Close disconnects everybody, publishes the wills that are due then, and leaves
// the rest to the journal, which it does not close. Serve returns soon after.
func (s *Server) Close(ctx context.Context) error {
	time.Sleep(10 * time.Millisecond) // what clients have said already is read
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	var all []*conn
	for c := range s.conns {
		all = append(all, c)
	}
	for _, c := range all {
		s.kick(c, rcShuttingDown)
		if w := c.will; w != nil && w.delay > 0 && (c.sess == nil || c.sess.number == 0) {
			c.will = nil // its delay will never be over
		}
		s.detach(c)
	}
	s.closing = true
	s.writeDirty()
	s.unlock()
	close(s.stop)
	stopped := make(chan struct{})
	go func() { s.stopped.Wait(); close(stopped) }()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Connected tells how many clients are connected for which ok holds.
func (s *Server) Connected(ok func(listener Listener) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if ok(c.listener) {
			n++
		}
	}
	return n
}

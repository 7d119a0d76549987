package network

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ash"
	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
)

// Run opens the dongle, forms or resumes the network, serves it, and recovers
// from every failure of line and dongle for ever. It returns nil when ctx
// ends, with the network closed to new devices and everything saved; it may be
// called once.
func (n *Network) Run(ctx context.Context) error {
	n.mu.Lock()
	if n.running {
		n.mu.Unlock()
		return errors.New("network: Run was called twice")
	}
	n.running = true
	n.mu.Unlock()

	stopPump := make(chan struct{})
	pumped := make(chan struct{})
	go func() { n.events.pump(stopPump); close(pumped) }()
	saverCtx, stopSaver := context.WithCancel(context.Background())
	saved := make(chan struct{})
	go func() { n.saver(saverCtx); close(saved) }()

	n.retry(ctx)

	stopSaver()
	<-saved
	n.setDown(nil)
	n.mu.Lock()
	if n.closing != nil {
		n.closing.Stop()
	}
	n.mu.Unlock()
	close(stopPump)
	<-pumped
	return nil
}

// retry serves one session after the other.
func (n *Network) retry(ctx context.Context) {
	wait := n.timing.RetryMin
	var logged error
	for {
		n.setStarting()
		wasUp, err := n.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if wasUp {
			wait, logged = n.timing.RetryMin, nil
		}
		n.setDown(err)
		if errors.Is(err, errRestarting) {
			continue
		}
		if !sameFault(logged, err) { // once per distinct fault, not once per try
			n.log.Error("zigbee is down", "err", err, "hint", Hint(err))
			logged = err
		}
		if sleep(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, n.timing.RetryMax)
	}
}

// serve opens the dongle and serves the network until something ends that. It
// reports whether the network was up.
func (n *Network) serve(ctx context.Context) (wasUp bool, err error) {
	line, err := n.opts.Dial(ctx)
	if err != nil {
		return false, err
	}
	link, err := ash.Open(ctx, line, ash.Options{Log: n.log})
	if err != nil {
		return false, explain(err)
	}
	ez, err := ezsp.Open(ctx, link, ezsp.Options{Timeout: n.timing.Command, Log: n.log})
	if err != nil {
		return false, explain(err)
	}
	defer ez.Close()

	sessionCtx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	s := newSession(sessionCtx, n, ez)
	n.stats.sessions.Add(1)
	lost := make(chan struct{}) // the connection has ended
	var cause error             // why; valid once lost is closed
	go func() {
		defer close(lost)
		cause = s.receive(sessionCtx)
		end(cause)
	}()
	defer func() {
		select {
		case <-lost: // what ended the connection says more than what it made fail
			if err != nil {
				err = cause
			}
		default:
		}
		n.mu.Lock()
		n.session = nil
		n.mu.Unlock()
		end(ErrDown)
		ez.Close()
		<-lost
		s.work.Wait()
		if err != nil {
			err = explain(err)
		}
	}()

	if err := s.start(ctx); err != nil {
		return false, err
	}
	if l, ok := line.(interface{ Works() }); ok { // who found the dongle finds it again
		l.Works()
	}
	n.setUp(s)
	s.spawn(s.keepAlive)
	s.spawn(s.watchAvailability)
	s.spawn(s.keepBackup)
	s.spawn(s.announceRoutes)
	s.spawn(s.poll)
	s.spawn(s.logStats)
	n.resumeWork(s)

	select {
	case <-lost:
		return true, cause
	case <-s.restart:
		n.closeDown(s)
		return true, errRestarting
	case <-ctx.Done():
		n.closeDown(s)
		return true, nil
	}
}

// closeDown leaves the network in order when the process is to end: closed to
// new devices, with its frame counter saved. The network itself lives on in
// the dongle and in its devices.
func (n *Network) closeDown(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n.mu.Lock()
	open := !n.infoLocked().PermitUntil.IsZero()
	n.mu.Unlock()
	if open {
		if err := n.permit(ctx, s, door{}); err != nil {
			n.log.Warn("could not close the network to new devices; it closes by itself", "err", err)
		}
	}
	if err := n.fetchFrameCounter(ctx, s); err != nil {
		n.log.Debug("could not save the frame counter", "err", err)
	}
	if err := n.writeBackup(ctx, nil); err != nil {
		n.log.Error("the coordinator could not be backed up", "err", err)
	}
}

// explain gives faults of line and dongle a sentence and a hint, unless they
// have one.
func explain(err error) error {
	if Hint(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	var reset ash.ErrReset
	var failed ash.ErrFailed
	advice := "check that the dongle is plugged in; it is tried again by itself and readings resume then"
	switch {
	case errors.As(err, &reset), errors.As(err, &failed):
		advice = "it is started again by itself; if this repeats, try another USB port or power supply"
	case errors.Is(err, ash.ErrTooManyTimeouts), errors.Is(err, ash.ErrLineStuck):
		advice = "it is reset by itself; if this repeats, unplug the dongle and plug it in again"
	}
	return hinted{err, advice}
}

func (n *Network) setStarting() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.info.State == Down && n.info.Err == nil { // a dongle that was lost is Down until it is Up again
		n.info.State = Starting
		n.putLocked(Event{Kind: StateChanged, Info: n.infoLocked()})
	}
}

func (n *Network) setDown(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.info.State == Down && sameFault(n.info.Err, err) {
		return
	}
	n.info.State, n.info.Err = Down, err
	n.putLocked(Event{Kind: StateChanged, Info: n.infoLocked(), Err: err})
}

func (n *Network) setUp(s *session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.since = time.Now()
	n.session = s
	close(n.backUp)
	n.backUp = make(chan struct{})
	n.info.State, n.info.Err = Up, nil
	n.putLocked(Event{Kind: StateChanged, Info: n.infoLocked()})
	n.log.Info("zigbee is up", "pan", hex16(n.info.PANID), "channel", n.info.Channel,
		"firmware", n.info.Firmware, "ezsp", n.info.EZSPVersion, "devices", len(n.devices))
}

// putLocked queues an event; n.mu is held, so that events come in the order of
// what they tell.
func (n *Network) putLocked(e Event) {
	if e.Kind == Joined || e.Kind == Left {
		select {
		case n.backupWake <- struct{}{}:
		default:
		}
	}
	n.events.put(e)
}

// up gives the session, or ErrDown.
func (n *Network) up() (*session, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session == nil {
		if n.info.Err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDown, n.info.Err)
		}
		return nil, ErrDown
	}
	return n.session, nil
}

// sameFault tells whether a person has been told of b already by a. How many
// bytes of garbage came this time is no news.
func sameFault(a, b error) bool {
	var x, y ash.ErrNoAnswer
	if errors.As(a, &x) && errors.As(b, &y) {
		return (x.Bytes == 0) == (y.Bytes == 0)
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

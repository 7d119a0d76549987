package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/health"
)

// How patient the manager is with a part.
const (
	startGrace = time.Minute      // after the manager's start
	pause      = 10 * time.Second // a restart is a pause, not a fault
	storePause = 30 * time.Second // the store is looked at seldom
)

// A probe is something the manager asks for itself, again and again.
type probe struct {
	timeout time.Duration
	// next is how long to wait after a look that went so.
	next func(ok bool) time.Duration
	ask  func(context.Context) error
}

// probes is what was found so far.
type probes struct {
	mu                     sync.Mutex
	broker, gateway, store steady
	zigbee, metrics        steady
	reported               atomic.Pointer[health.Report] // as last published; nil: not on this connection
}

func (p *probes) init(began time.Time) {
	for _, s := range []*steady{&p.broker, &p.gateway, &p.store, &p.zigbee, &p.metrics} {
		*s = steady{grace: startGrace, patience: pause, began: began}
	}
	p.store.patience = storePause
}

// pace is a probe's next.
func pace(ok, bad time.Duration) func(bool) time.Duration {
	return func(was bool) time.Duration {
		if was {
			return ok
		}
		return bad
	}
}

// run asks until ctx ends.
func (p *probes) run(ctx context.Context, m *Manager) {
	metrics := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", m.o.Metrics)
		},
	}}
	dashboard := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var wg sync.WaitGroup
	for s, probe := range map[*steady]probe{
		&p.broker:  {5 * time.Second, pace(5*time.Second, time.Second), m.house.Probe},
		&p.gateway: {5 * time.Second, pace(5*time.Second, time.Second), func(ctx context.Context) error { return askDashboard(ctx, dashboard, m.o.Settings().Dashboard) }},
		// The store's check writes to the card.
		&p.store: {20 * time.Second, pace(5*time.Minute, 5*time.Second), func(ctx context.Context) error { return askStore(ctx, metrics) }},
	} {
		wg.Go(func() { p.repeat(ctx, s, probe) })
	}
	wg.Wait()
}

func (p *probes) repeat(ctx context.Context, s *steady, probe probe) {
	for {
		asking, cancel := context.WithTimeout(ctx, probe.timeout)
		err := probe.ask(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		s.note(time.Now(), err)
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(probe.next(err == nil)):
		}
	}
}

// askDashboard is well when the dashboard answers at all: what it says of the
// others they say themselves.
func askDashboard(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 200))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode == http.StatusOK && text == "ok" || resp.StatusCode == http.StatusServiceUnavailable && len(text) < 64 {
		return nil
	}
	return fmt.Errorf("it answers %s", resp.Status)
}

// askStore has hems-metrics write to the store and read it back.
func askStore(ctx context.Context, c *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://metrics/v1/check", nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	return fmt.Errorf("it answers %s: %s", resp.Status, strings.TrimSpace(string(body)))
}

var (
	errSilent  = errors.New("it has not said anything over MQTT yet")
	errOffline = errors.New("it is not connected over MQTT")
)

// hear notes what the processes say of themselves.
func (p *probes) hear(m *Manager, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, s := range map[string]*steady{"zigbee": &p.zigbee, "metrics": &p.metrics} {
		s.note(now, judge(m.report(name)))
	}
}

// judge is what is wrong by a report, nil when nothing is.
func judge(r health.Report, known bool) error {
	switch {
	case !known:
		return errSilent
	case r.State == health.OK:
		return nil
	case r.State == health.Offline:
		return errOffline
	case r.Message == "":
		return errors.New("it says that something is wrong")
	}
	return errors.New(r.Message)
}

// report is what a process said last.
func (m *Manager) report(process string) (health.Report, bool) {
	r, ok := m.house.Report(process)
	return r.Report, ok
}

// look is what is known of a probe, with words for the person.
func (s *steady) look(now time.Time, words health.Report) look {
	l := look{condition: s.at(now), report: words}
	if s.err != nil && l.report.Detail == "" {
		l.report.Detail = s.err.Error()
	}
	return l
}

// say is what a process says of itself when it is failing, and else words.
func say(r health.Report, known bool, words health.Report) health.Report {
	if known && r.State == health.Failing && r.Message != "" {
		return r
	}
	return words
}

package gateway

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/health"
)

const (
	watchPause  = 3 * time.Second  // between looks at the manager
	watchTime   = 5 * time.Second  // for its answer
	awayAfter   = 12 * time.Second // it may be silent for this long: a restart is a pause
	claimsPause = 30 * time.Second // between attempts to tell it that there is an owner
)

// watch knows what the manager said last.
type watch struct {
	mu     sync.Mutex
	health client.Health
	update client.Update
	since  time.Time // it is silent since then; zero: it answers
	met    bool      // it answered, or should have
	// Questions are numbered as they are asked: an answer that comes after that to
	// a later one tells of before.
	asked, heard uint64
}

// ask numbers a question.
func (w *watch) ask() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.asked
}

// newest tells whether the answer to a question is the latest there is; it needs
// mu.
func (w *watch) newest(question uint64) bool {
	if question < w.heard {
		return false
	}
	w.heard = question
	return true
}

// verdict is what became of the last update, until somebody has read it.
func (w *watch) verdict() *client.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.update.Verdict; v != nil && !v.Seen && !w.update.Busy() {
		return v
	}
	return nil
}

// note takes how an update goes.
func (w *watch) note(u client.Update) {
	question := w.ask()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newest(question) {
		w.update = u
	}
}

// watchManager asks the manager how everything is, for the line at the top of
// every page, and tells it once that the appliance has an owner.
func (g *Gateway) watchManager(ctx context.Context) {
	told := false
	var tried time.Time
	for {
		answers := g.look(ctx)
		if now := g.o.Clock(); answers && !told && g.door.Claimed() && now.Sub(tried) >= claimsPause {
			tried = now
			told = g.tellClaimed(ctx)
		}
		if !wait(ctx, watchPause) {
			return
		}
	}
}

// look asks once, and reports whether there was an answer.
func (g *Gateway) look(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	question := g.watch.ask()
	h, err := g.manager.Health(ctx)
	var u client.Update
	if err == nil {
		u, err = g.update(ctx)
	}
	now := g.o.Clock()
	g.watch.mu.Lock()
	defer g.watch.mu.Unlock()
	if err == nil && !g.watch.newest(question) {
		return true
	}
	if err == nil {
		g.watch.health, g.watch.update, g.watch.since, g.watch.met = h, u, time.Time{}, true
		g.model.SetManager(report(h.Tree))
		return true
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return false // stopping
	}
	if g.watch.since.IsZero() {
		g.watch.since = now
		g.log.Debug("the manager does not answer", "err", err)
	}
	// An appliance in development may be without one: then there is no socket.
	g.watch.met = g.watch.met || !errors.Is(err, os.ErrNotExist)
	if g.watch.met && now.Sub(g.watch.since) >= awayAfter {
		g.model.SetManager(health.Report{State: health.Failing, Message: "the part that looks after the appliance is not running",
			Hint: "it is started again by itself; if this stays, restart the appliance", Detail: "hems-manager does not answer on its socket"})
	}
	return false
}

// update is how an update goes; idle on an appliance that knows of none.
func (g *Gateway) update(ctx context.Context) (client.Update, error) {
	u, err := g.manager.Update(ctx)
	if e := client.Refusal(err); e != nil && e.Status < 500 {
		return client.Update{Phase: client.Idle}, nil
	}
	return u, err
}

// report is what the manager says, for the line at the top of every page: the
// first failing part. That this server does not answer is no news to who reads
// its pages, and what became of an update stands in a notice of its own.
func report(n client.Node) health.Report {
	f := firstFailing(n)
	if f == nil {
		return health.Report{State: health.OK}
	}
	message := f.Message
	if message == "" {
		message = f.Title + " is not well"
	}
	return health.Report{State: health.Failing, Message: message, Hint: f.Hint, Detail: f.Detail}
}

// firstFailing is the first failing node in reading order that has no failing one
// below it.
func firstFailing(n client.Node) *client.Node {
	if n.State != client.Failing || n.Name == "gateway" || n.Name == "update" {
		return nil
	}
	below := false
	for _, c := range n.Children {
		if f := firstFailing(c); f != nil {
			return f
		}
		below = below || c.State == client.Failing
	}
	if below && n.Message == "" {
		return nil // it fails only because of what was passed over
	}
	return &n
}

// tellClaimed lets the manager make what an owner needs. The same call at the
// next start changes nothing.
func (g *Gateway) tellClaimed(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	if err := g.manager.Claimed(ctx); err != nil {
		g.log.Warn("the manager could not be told that the appliance has an owner; it is tried again", "err", err)
		return false
	}
	return true
}

// wait sleeps for d, and reports false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

package delivery

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// Sender brings the store's readings to one destination. Make one with New and
// call Run once; the other methods may be called from any goroutine.
type Sender struct {
	Destination
	log     *slog.Logger
	http    *http.Client
	target  string
	lines   lines
	changed func() // called when trouble begins or ends
	now     func() time.Time
	pause   func(ctx context.Context, d time.Duration) bool // false: ctx ended
	jitter  func(d time.Duration) time.Duration

	// These are Run's alone.
	gzip      *gzip.Writer // used anew for each request: it is large
	packed    bytes.Buffer // a request
	limit     int          // lines in a request; the server may have asked for fewer
	window    window
	freshConn atomic.Bool // the last request needed a new connection

	asideDue atomic.Bool // something aside may be marked to be sent again

	meter meter

	// placing is held while the cursor moves: what was sent before it was moved
	// back must not move it on again.
	placing sync.Mutex
	moves   int // how often it was moved back

	mu       sync.Mutex
	problem  *problem  // nil: the last request was answered for
	retryAt  time.Time // when it is tried again, while there is a problem
	answer   string    // the last one
	answered time.Time // when that came
	taken    time.Time // when the server last took lines
	again    func()    // ends the attempt that is under way, so that Run looks anew
}

// New checks a destination. It sends nothing yet.
func New(d Destination, o Options) (*Sender, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	target, err := d.target()
	if err != nil {
		return nil, err
	}
	packer, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sender{
		Destination: d,
		log:         o.Log.With("destination", d.Name),
		gzip:        packer,
		http:        d.newClient(),
		target:      target.String(),
		lines:       lines{measurement: d.Measurement, texts: d.Kind.keepsTexts()},
		changed:     o.Changed,
		now:         o.Now,
		pause:       pause,
		jitter:      withJitter,
		limit:       maxLines,
		again:       func() {},
	}
	s.window.length = d.Window
	s.asideDue.Store(true)
	return s, nil
}

// Cursor is the name of the destination's cursor in the store.
func (d Destination) Cursor() string { return "destination/" + d.Name }

// Trouble says why the destination is not being served and what to do; empty
// when it is.
func (s *Sender) Trouble() (what, hint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem == nil {
		return "", ""
	}
	return s.problem.Error(), s.problem.hint
}

// setProblem notes how the last attempt went; nil: well.
func (s *Sender) setProblem(p *problem, wait time.Duration) {
	s.mu.Lock()
	before := s.problem
	s.problem, s.retryAt = p, s.now().Add(wait)
	s.mu.Unlock()
	switch {
	case p == nil && before != nil:
		s.log.Info("the destination takes readings again")
	case p != nil && (before == nil || before.Error() != p.Error()):
		s.log.Warn("readings wait in the store for a destination", "err", p, "hint", p.hint)
	default:
		return
	}
	s.changed()
}

// noteAnswer keeps what the server said last, for whoever looks.
func (s *Sender) noteAnswer(code int, err error) {
	text := http.StatusText(code)
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.answered = text, s.now()
	if err == nil {
		s.taken = s.answered
	}
}

// Run sends what is behind the cursor, until ctx ends.
func (s *Sender) Run(ctx context.Context, st *store.Store) {
	defer s.http.CloseIdleConnections()
	for !s.begin(ctx, st) {
		if !s.pause(ctx, s.Every) {
			return
		}
	}
	for ctx.Err() == nil {
		s.round(ctx, st)
	}
}

// round sends what waits for being sent again and one batch, and waits for more.
func (s *Sender) round(ctx context.Context, st *store.Store) {
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.again = cancel
	s.mu.Unlock()
	advanced := st.Advanced() // before looking, so that no commit is missed
	began := s.now()
	err := s.resendAside(attempt, st)
	n := 0
	if err == nil {
		n, err = s.step(attempt, st)
	}
	switch {
	case attempt.Err() != nil:
	case err != nil:
		s.log.Error("the store does not give the readings to send; it is tried again", "err", err)
		s.pause(attempt, s.Every)
	case n >= s.limit: // there is more
	case n > 0:
		s.meter.caughtUp()
		s.pause(attempt, s.Every-s.now().Sub(began)) // no less than Every from request to request
	default:
		s.meter.caughtUp()
		select {
		case <-advanced:
		case <-attempt.Done():
		}
	}
}

// begin gives a new destination its place, and moves one that may have lost
// something back to what it has for good.
func (s *Sender) begin(ctx context.Context, st *store.Store) bool {
	err := s.beginAt(ctx, st)
	if err == nil && s.Window > 0 {
		err = s.rewindToSafe(ctx, st, "the recorder was started")
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("the store does not say what the destination has; it is tried again", "err", err)
	}
	return err == nil
}

func (s *Sender) beginAt(ctx context.Context, st *store.Store) error {
	_, known, err := st.Position(ctx, s.Cursor())
	if known || err != nil {
		return err
	}
	var from store.Position
	switch {
	case s.From.Now:
		from, err = st.End(ctx)
	case !s.From.At.IsZero():
		from, err = st.PositionAt(ctx, s.From.At)
	}
	if err != nil {
		return err
	}
	return st.Begin(ctx, s.Cursor(), from)
}

// step sends one batch and moves the cursor behind it once it has been
// answered for. It returns how many readings that were; the error is the
// store's.
func (s *Sender) step(ctx context.Context, st *store.Store) (n int, err error) {
	s.placing.Lock()
	moves := s.moves
	var before store.Position
	if s.Window > 0 {
		before, _, err = st.Position(ctx, s.Cursor())
	}
	var batch store.Batch
	if err == nil {
		batch, err = st.Next(ctx, s.Cursor(), s.limit)
	}
	s.placing.Unlock()
	if err != nil || len(batch.Items) == 0 {
		return 0, err
	}
	refused, ok := s.deliver(ctx, s.lines.points(batch.Items, st.Series()), func(ctx context.Context) []point {
		items, err := st.After(ctx, batch, leastLines)
		if err != nil {
			return nil // it is looked at again with the next attempt
		}
		return s.lines.points(items, st.Series())
	})
	if !ok {
		return 0, nil
	}
	if err := s.putAside(ctx, st, refused); err != nil {
		return 0, err
	}
	s.placing.Lock()
	defer s.placing.Unlock()
	if s.moves != moves {
		return len(batch.Items), nil // it was moved back meanwhile
	}
	if err := st.Advance(ctx, s.Cursor(), batch); err != nil {
		return 0, err // it is sent again, which changes nothing at the server
	}
	if s.Window > 0 {
		return len(batch.Items), s.watchForLoss(ctx, st, before)
	}
	return len(batch.Items), nil
}

// deliver sends points until the server has answered for all of them, however
// long it takes, and returns those that it refuses; false: ctx ended first.
func (s *Sender) deliver(ctx context.Context, points []point, further func(context.Context) []point) ([]refusal, bool) {
	broken := 0
	for attempt := 0; ; attempt++ {
		t := &taking{s: s, all: points, further: further, splitBroken: broken >= brokenAfter}
		err := t.sendAll(ctx)
		if ctx.Err() != nil {
			return nil, false
		}
		if err == nil {
			s.setProblem(nil, 0)
			return t.refused, true
		}
		var p *problem
		if !errors.As(err, &p) {
			p = &problem{kind: unreachable, text: err.Error()}
		}
		if p.kind == brokenServer {
			broken++
		}
		s.window.doubt = s.window.doubt || p.gone
		wait := s.waitAfter(p, attempt)
		s.setProblem(p, wait)
		if !s.pause(ctx, wait) {
			return nil, false
		}
	}
}

// waitAfter is how long to wait after the attempt-th failure in a row.
func (s *Sender) waitAfter(p *problem, attempt int) time.Duration {
	switch {
	case p.retryAfter > 0:
		return p.retryAfter
	case p.kind == misconfigured:
		return s.jitter(slowRetry)
	}
	return s.jitter(min(backoffMost, backoffLeast<<min(attempt, 10)))
}

// withJitter takes up to half off, so that many homes do not come back to a
// server at once.
func withJitter(d time.Duration) time.Duration { return d - rand.N(d/2+1) }

// pause waits; it reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

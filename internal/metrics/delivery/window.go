package delivery

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// window remembers where the cursor stood during the last minutes. A server that
// answers before it has written, as VictoriaMetrics does, may lose what it
// answered for in the seconds before it was killed: when it has been away it is
// sent that again. Identical lines change nothing at an InfluxDB; VictoriaMetrics
// keeps them once with -dedup.minScrapeInterval=1ms.
type window struct {
	length  time.Duration
	marks   []mark
	saved   time.Time // when the first of them was last noted in the store
	doubt   bool      // the server was away
	unsure  time.Time // since when it did not say, on a new connection, when it was started; zero: it said so
	started string    // when it says it was started; empty: it does not say
}

// mark is where the cursor stood when a batch was sent.
type mark struct {
	at     time.Time
	before store.Position
}

// add notes a batch and forgets those that are there for good.
func (w *window) add(at time.Time, before store.Position) {
	w.marks = append(w.marks, mark{at, before})
	old := 0
	for old < len(w.marks)-1 && at.Sub(w.marks[old+1].at) > w.length {
		old++
	}
	w.marks = w.marks[old:]
	// A server that takes a batch every few milliseconds needs no mark for each.
	if n := len(w.marks); n > 2 && w.marks[n-2].at.Sub(w.marks[n-3].at) < w.length/100 {
		w.marks = append(w.marks[:n-2], w.marks[n-1])
	}
}

// watchForLoss notes where a batch began that the server has answered for, and
// moves the cursor back when the server has been away since the batches before.
// s.placing is held.
func (s *Sender) watchForLoss(ctx context.Context, st *store.Store, before store.Position) error {
	w := &s.window
	if s.freshConn.Load() || w.doubt || !w.unsure.IsZero() {
		started, young := s.startOf(ctx)
		if w.lost(s.now(), started, young, s.Kind == VictoriaMetrics) && len(w.marks) > 0 {
			if err := st.Rewind(ctx, s.Cursor(), w.marks[0].before); err != nil {
				return err
			}
			s.log.Info("the destination was away; what it was sent in the minutes before is sent again", "since", w.marks[0].at)
			w.marks = nil
			return nil
		}
	}
	w.add(s.now(), before)
	if now := s.now(); now.Sub(w.saved) >= w.length/2 {
		w.saved = now
		return st.KeepSafe(ctx, s.Cursor(), w.marks[0].before)
	}
	return nil
}

// lost takes in when a server on a new connection, or one that was away, says that
// it was started, and returns whether it may have lost something: it was started
// again, or nobody can tell. One that says so, and is silent for once, is asked
// again with the next batches, for half the window at most.
func (w *window) lost(now time.Time, started string, young, says bool) bool {
	before := w.started
	switch {
	case started == "" && before != "" && !w.doubt:
		if w.unsure.IsZero() {
			w.unsure = now
		}
		if now.Sub(w.unsure) <= w.length/2 {
			return false
		}
		w.started, w.unsure = "", time.Time{}
		return true
	case started == "":
		defer func() { w.doubt = false }()
		return w.doubt
	}
	doubt := w.doubt || says // it may have ended before it was asked for the first time
	w.started, w.doubt, w.unsure = started, false, time.Time{}
	if before == "" {
		return doubt
	}
	return started != before || young
}

// rewindToSafe moves the cursor back to what the server has for good.
func (s *Sender) rewindToSafe(ctx context.Context, st *store.Store, why string) error {
	safe, known, err := st.Safe(ctx, s.Cursor())
	if err != nil || !known {
		return err
	}
	s.log.Info("what the destination was sent in the minutes before is sent again", "because", why)
	return st.Rewind(ctx, s.Cursor(), safe)
}

// startOf asks a VictoriaMetrics when it was started; empty: it does not say. It
// says so in whole seconds: young is a start that one before it may be taken for.
func (s *Sender) startOf(ctx context.Context) (at string, young bool) {
	if s.Kind != VictoriaMetrics {
		return "", false
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, httpWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("metrics").String(), nil)
	if err != nil || s.signIn(req) != nil {
		return "", false
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", false
	}
	return findStart(io.LimitReader(resp.Body, 4<<20))
}

// findStart finds the time of the start among the server's own metrics.
func findStart(metrics io.Reader) (at string, young bool) {
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch name {
		case "vm_app_start_timestamp":
			at = value
		case "vm_app_uptime_seconds":
			seconds, err := strconv.ParseFloat(value, 64)
			young = err == nil && seconds <= 2
		}
	}
	return at, young
}

// Resend moves the destination back to what was read at or after from, and returns
// how many readings it is then behind. It is on disk when Resend returns; sending
// goes on by itself.
func (s *Sender) Resend(ctx context.Context, st *store.Store, from time.Time) (int64, error) {
	at, err := st.PositionAt(ctx, from)
	if err != nil {
		return 0, err
	}
	s.placing.Lock()
	if err = st.Begin(ctx, s.Cursor(), at); err == nil {
		err = st.Rewind(ctx, s.Cursor(), at)
	}
	if err == nil && s.Window > 0 {
		err = st.KeepSafe(ctx, s.Cursor(), at)
	}
	s.window.marks = nil
	s.moves++
	s.placing.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := st.Backlog(ctx, s.Cursor())
	if err != nil {
		return 0, err
	}
	s.meter.caughtUp()
	s.log.Info("everything since a moment is sent again", "from", from.UTC(), "readings", n)
	s.lookAgain()
	return n, nil
}

func (s Start) String() string {
	switch {
	case s.Now:
		return "now"
	case s.At.IsZero():
		return "everything"
	}
	return fmt.Sprint(s.At.Format(time.RFC3339))
}

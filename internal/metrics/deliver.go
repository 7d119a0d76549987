package metrics

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	backoffLeast = time.Second
	backoffMost  = time.Minute
	// slowRetry is how long a mistake in the configuration waits: only a
	// person can mend it.
	slowRetry = time.Minute
	// brokenAfter is how often a server may answer one request with 500 before
	// the request is taken apart: something in it may be too much for it.
	brokenAfter = 6
	// refusedMost is how many lines of a request may be refused, one by one
	// and none taken, before it is not the lines that are wrong.
	refusedMost = 20
	// leastLines is the least number of lines that one request is prepared for,
	// some 20 kB: a server that takes fewer for a while gets them in parts, and
	// is not sent single lines for ever after.
	leastLines = 200
)

// deliver sends points until the server has answered for all of them, however
// long it takes; false: ctx ended first.
func (s *sender) deliver(ctx context.Context, points []point) bool {
	broken := 0
	for attempt := 0; ; attempt++ {
		t := &taking{s: s, all: points, splitBroken: broken >= brokenAfter}
		err := t.sendAll(ctx)
		if ctx.Err() != nil {
			return false
		}
		var p *problem
		if err == nil {
			s.setAside(t.refused)
			s.setProblem(nil)
			return true
		}
		if !errors.As(err, &p) {
			p = &problem{kind: unreachable, text: err.Error()}
		}
		if p.kind == brokenServer {
			broken++
		}
		s.setProblem(p)
		if !s.pause(ctx, s.waitAfter(p, attempt)) {
			return false
		}
	}
}

// waitAfter is how long to wait after the attempt-th failure in a row.
func (s *sender) waitAfter(p *problem, attempt int) time.Duration {
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

// refusal is a line that the server does not take, and why.
type refusal struct {
	line, why string
}

// setAside logs lines that no server will take as they are. They stay in the
// store; the cursor goes on.
func (s *sender) setAside(refused []refusal) {
	for _, r := range refused {
		s.log.Error("the destination does not take a reading; it is passed over", "line", r.line, "answer", r.why)
	}
	s.mu.Lock()
	s.aside += uint64(len(refused))
	s.mu.Unlock()
}

// taking is one attempt at a batch: what the server took and what it refused.
type taking struct {
	s           *sender
	all         []point
	splitBroken bool // treat 500 like a refusal
	taken       int
	refused     []refusal
	last        *problem // why the last line was refused
	probed      bool
}

// sendAll sends the batch. It returns a problem when all of it is to be tried
// again later; sending again what the server has already does not change it.
func (t *taking) sendAll(ctx context.Context) error {
	if err := t.send(ctx, t.all); err != nil {
		return err
	}
	switch {
	case t.taken > 0 || t.last == nil:
		return nil
	case t.last.kind == brokenServer:
		return t.last // nothing shows that it is the lines and not the server
	}
	return t.blame(t.last, t.s.post(ctx, []byte(comment)))
}

// comment is a request without a reading, which servers take: who refuses it
// refuses everything, as one does that is asked in HTTP where it expects HTTPS,
// or for an organisation that is not given.
const comment = "# is anything taken\n"

// blame turns the answer to a request that can have no bad line into what is
// to blame for the refusal p: nil, the lines; otherwise the configuration, or
// whatever else is in the way now.
func (t *taking) blame(p *problem, answer error) error {
	var q *problem
	switch {
	case answer == nil:
		return nil
	case !errors.As(answer, &q) || q.kind != p.kind:
		return answer
	}
	return &problem{kind: misconfigured, text: "it refuses every reading: " + p.text, hint: "check the address, organisation and bucket of " + t.s.Name}
}

// send posts points, and takes the request apart where the server does not
// take it as a whole: because it is too large, or because of a line in it.
func (t *taking) send(ctx context.Context, points []point) error {
	body, usable, refused := t.s.encode(points)
	t.refused = append(t.refused, refused...)
	if len(usable) == 0 {
		return nil
	}
	err := t.s.post(ctx, body)
	var p *problem
	switch {
	case err == nil:
		t.taken += len(usable)
		return nil
	case !errors.As(err, &p):
		return err
	case p.kind == partlyTaken:
		// The others are stored, and the same again would be refused again.
		t.taken += len(usable)
		t.refused = append(t.refused, refusal{line: "(one or more of a request)", why: p.text})
		return nil
	case p.kind != refusedLine && p.kind != tooLarge && (p.kind != brokenServer || !t.splitBroken):
		return err
	case len(usable) == 1:
		return t.refuse(ctx, usable[0], body, p)
	case p.kind == tooLarge:
		t.s.limit = max(leastLines, min(t.s.limit, len(usable))/2)
	}
	half := len(usable) / 2
	if err := t.send(ctx, usable[:half]); err != nil {
		return err
	}
	return t.send(ctx, usable[half:])
}

// refuse notes that a line is not taken. When many in a row are not and none
// is, it looks whether the server takes readings of any series, and otherwise
// blames the configuration: no reading is passed over for that.
func (t *taking) refuse(ctx context.Context, pt point, body []byte, p *problem) error {
	t.refused = append(t.refused, refusal{line: string(trimLine(body)), why: p.text})
	t.last = p
	if t.taken > 0 || t.probed || len(t.refused) < refusedMost {
		return nil
	}
	t.probed = true
	tried := map[string]bool{pt.entity + pt.unit: true}
	for _, other := range t.all {
		if len(tried) > refusedMost || tried[other.entity+other.unit] {
			continue
		}
		tried[other.entity+other.unit] = true
		line, err := t.s.lines.append(nil, other)
		if err != nil {
			continue
		}
		if err = t.s.post(ctx, line); err == nil {
			t.taken++
			return nil
		}
		var q *problem
		if !errors.As(err, &q) || q.kind != p.kind {
			return err
		}
	}
	if p.kind == brokenServer {
		return p
	}
	return t.blame(p, p)
}

func trimLine(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}

// encode writes points as lines. Those that cannot be written are refused
// here, before they spoil the others.
func (s *sender) encode(points []point) (body []byte, usable []point, refused []refusal) {
	body = make([]byte, 0, 96*len(points))
	usable = points[:0:0]
	for _, p := range points {
		longer, err := s.lines.append(body, p)
		if err != nil {
			refused = append(refused, refusal{line: p.entity, why: err.Error()})
			continue
		}
		body, usable = longer, append(usable, p)
	}
	return body, usable, refused
}

package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
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
	// and none taken, before it is looked whether others are.
	refusedMost = 20
	// leastLines is the least number of lines that one request is prepared for,
	// some 20 kB: a server that takes fewer for a while gets them in parts, and
	// is not sent single lines for ever after.
	leastLines = 200
)

// point is a reading and what its line begins with.
type point struct {
	store.Item
	*head
}

// refusal is a reading that the server does not take, and why.
type refusal struct {
	point
	line, why string
}

// taking is one attempt at a batch: what the server took and what it refused.
type taking struct {
	s           *Sender
	all         []point
	further     func(ctx context.Context) []point // what follows, to try whether anything is taken
	splitBroken bool                              // treat 500 like a refusal
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
	if t.taken > 0 || t.last == nil {
		return nil
	}
	return t.probe(ctx, t.last)
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
		t.s.meter.add(t.s.now(), len(usable))
		return nil
	case !errors.As(err, &p):
		return err
	case p.kind == partlyTaken:
		// The server tells lines apart, so it is the lines. Those that are right
		// are stored; which are not is found out by sending parts again.
		t.taken++
		if len(usable) == 1 || p.dropped == len(usable) {
			t.refuseAll(usable, p)
			return nil
		}
	case p.kind != refusedLine && p.kind != tooLarge && (p.kind != brokenServer || !t.splitBroken):
		return err
	case len(usable) == 1:
		return t.refuse(ctx, usable[0], p)
	case p.kind == tooLarge:
		t.s.limit = max(leastLines, min(t.s.limit, len(usable))/2)
	}
	half := len(usable) / 2
	if err := t.send(ctx, usable[:half]); err != nil {
		return err
	}
	return t.send(ctx, usable[half:])
}

// refuseAll notes that none of the points is taken.
func (t *taking) refuseAll(points []point, p *problem) {
	for _, pt := range points {
		line, _ := t.s.lines.append(nil, pt) // it was encoded before
		t.refused = append(t.refused, refusal{point: pt, line: string(trimLine(line)), why: p.text})
	}
}

// refuse notes that a line is not taken. When many in a row are not and none
// is, it looks whether the server takes readings at all.
func (t *taking) refuse(ctx context.Context, pt point, p *problem) error {
	t.refuseAll([]point{pt}, p)
	t.last = p
	if t.taken > 0 || t.probed || len(t.refused) < refusedMost {
		return nil
	}
	return t.probe(ctx, p)
}

// comment is a request without a reading, which servers take: who refuses it
// refuses everything, as one does that is asked in HTTP where it expects HTTPS,
// or for an organisation that is not given.
const comment = "# is anything taken\n"

// probe finds out what is to blame for the refusal p when no line was taken: nil
// means the lines, anything else what is to be mended or waited for. It sends one
// reading each of other series, of the batch and of what follows it.
func (t *taking) probe(ctx context.Context, p *problem) error {
	if t.probed {
		return nil // and lines are taken apart already
	}
	t.probed = true
	others := t.all[min(len(t.refused), len(t.all)):] // those before were refused in their order
	if t.further != nil {
		others = append(others[:len(others):len(others)], t.further(ctx)...)
	}
	tried := map[int64]bool{}
	for i := len(others) - 1; i >= 0 && len(tried) < refusedMost; i-- {
		pt := others[i]
		if tried[pt.Series] {
			continue
		}
		tried[pt.Series] = true
		line, err := t.s.lines.append(nil, pt)
		if err != nil {
			continue
		}
		if err = t.s.post(ctx, line); err == nil {
			t.taken++
			return nil
		}
		var q *problem
		if !errors.As(err, &q) || q.kind != p.kind && q.kind != partlyTaken {
			return err
		}
	}
	if p.kind == brokenServer {
		return p // nothing shows that it is the lines and not the server
	}
	return t.blame(p, t.s.post(ctx, []byte(comment)))
}

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
	return &problem{kind: misconfigured, text: "it refuses every reading: " + p.text, hint: t.s.checks()}
}

func trimLine(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}

// encode writes points as lines. Those that cannot be written are refused
// here, before they spoil the others.
func (s *Sender) encode(points []point) (body []byte, usable []point, refused []refusal) {
	body = make([]byte, 0, 104*len(points))
	usable = make([]point, 0, len(points))
	for _, p := range points {
		longer, err := s.lines.append(body, p)
		switch {
		case errors.Is(err, errNothing):
			continue
		case err != nil:
			refused = append(refused, refusal{point: p, line: p.of.Entity, why: err.Error()})
			continue
		}
		body, usable = longer, append(usable, p)
	}
	return body, usable, refused
}

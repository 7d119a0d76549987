//go:build e2e

package durability

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	publishers = 10
	window     = 20 // messages of a publisher that wait for their acknowledgement
	topics     = 7  // of a publisher
)

// publisher sends numbered messages, half of them retained, of QoS 1 or 2, and
// notes which the broker has acknowledged.
type publisher struct {
	name string
	qos  byte

	mu      sync.Mutex
	next    int          // number of the next message
	waiting []int        // sent, not acknowledged, in order
	release map[int]bool // QoS 2: acknowledged, the exchange not ended
	acked   map[int]bool // by PUBACK or PUBREC
}

func (p *publisher) topic(n int) string  { return fmt.Sprintf("d/%s/%d", p.name, n%topics) }
func (p *publisher) retained(n int) bool { return n%2 == 0 }
func (p *publisher) id(n int) uint16     { return uint16(n%60000 + 1) }

func (p *publisher) hello() hello { return hello{id: "publisher-" + p.name} }

// heard notes an answer of the broker and says whether a message more may go out.
func (p *publisher) heard(w *wire, a packet) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := -1
	for i, x := range p.waiting {
		if p.id(x) == a.id {
			n = x
			if a.kind == tPuback || a.kind == tPubrec {
				p.waiting = append(p.waiting[:i:i], p.waiting[i+1:]...)
			}
			break
		}
	}
	for x := range p.release {
		if p.id(x) == a.id && a.kind == tPubcomp {
			delete(p.release, x)
			return nil
		}
	}
	if n < 0 {
		return fmt.Errorf("%s: the broker acknowledges %d, which was not sent", p.name, a.id)
	}
	p.acked[n] = true
	if a.kind == tPubrec {
		p.release[n] = true
		return w.answer(tPubrel, a.id)
	}
	return nil
}

func (p *publisher) room() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)+len(p.release) < window
}

// load sends until the connection ends, or the limit is reached.
func (p *publisher) load(w *wire, limit int) {
	ended := make(chan struct{})
	defer func() { <-ended }() // every acknowledgement that came counts
	go func() {
		defer close(ended)
		for {
			a, err := w.read()
			if err != nil || p.heard(w, a) != nil {
				w.Close()
				return
			}
		}
	}()
	for limit > 0 {
		if !p.room() {
			time.Sleep(200 * time.Microsecond)
			if w.SetReadDeadline(time.Now().Add(patience)) != nil {
				return
			}
			continue
		}
		limit--
		p.mu.Lock()
		n := p.next
		p.next++
		p.waiting = append(p.waiting, n)
		p.mu.Unlock()
		if w.publish(p.topic(n), p.payload(n), p.qos, p.retained(n), false, p.id(n)) != nil {
			return
		}
	}
}

func (p *publisher) payload(n int) string { return p.name + " " + strconv.Itoa(n) }

// recover comes back after the broker's end, as the protocol says: what was not
// acknowledged is sent again, and exchanges are ended.
func (p *publisher) recover(b *program) error {
	w := b.connect(p.hello())
	defer w.Close()
	if !w.present && p.next > 0 && p.qos == 2 {
		return fmt.Errorf("%s: its session is lost", p.name)
	}
	p.mu.Lock()
	waiting := append([]int(nil), p.waiting...)
	for n := range p.release {
		if err := w.answer(tPubrel, p.id(n)); err != nil {
			p.mu.Unlock()
			return err
		}
	}
	p.mu.Unlock()
	for _, n := range waiting {
		if err := w.publish(p.topic(n), p.payload(n), p.qos, p.retained(n), true, p.id(n)); err != nil {
			return err
		}
	}
	for {
		p.mu.Lock()
		left := len(p.waiting) + len(p.release)
		p.mu.Unlock()
		if left == 0 {
			return nil
		}
		a, err := w.read()
		if err == nil {
			err = p.heard(w, a)
		}
		if err != nil {
			return fmt.Errorf("%s, coming back: %w", p.name, err)
		}
	}
}

// subscriber has a session that stays. It notes what it gets.
type subscriber struct {
	name string
	qos  byte
	mu   sync.Mutex
	got  map[string][]int // by publisher, in order
	pend map[uint16]bool  // QoS 2: received, not released
}

func (s *subscriber) hello() hello { return hello{id: "subscriber-" + s.name} }

// take takes messages until the connection ends, or until enough says so.
func (s *subscriber) take(w *wire, enough func() bool) error {
	for !enough() {
		w.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := w.r.Peek(1); err != nil && len(w.early) == 0 {
			if isTimeout(err) {
				continue
			}
			return err
		}
		w.SetReadDeadline(time.Now().Add(patience))
		m, err := w.read()
		if err != nil {
			return err
		}
		switch m.kind {
		case tPublish:
			name, num, _ := strings.Cut(string(m.body), " ")
			n, err := strconv.Atoi(num)
			if err != nil {
				return err
			}
			s.mu.Lock()
			if m.qos() < 2 || !s.pend[m.id] {
				s.got[name] = append(s.got[name], n)
			}
			if m.qos() == 2 {
				s.pend[m.id] = true
			}
			s.mu.Unlock()
			switch m.qos() {
			case 1:
				err = w.answer(tPuback, m.id)
			case 2:
				err = w.answer(tPubrec, m.id)
			}
			if err != nil {
				return err
			}
		case tPubrel:
			s.mu.Lock()
			delete(s.pend, m.id)
			s.mu.Unlock()
			if err := w.answer(tPubcomp, m.id); err != nil {
				return err
			}
		}
	}
	return nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// home is all clients, over the ends of brokers.
type home struct {
	t          *testing.T
	publishers []*publisher
	away       *subscriber // is not connected while messages come in
	here       *subscriber // is
	visitors   []string    // sessions that were made while messages came in, and whose SUBACK came
	acked      int         // at the ends
	lost       int
	wrong      []string // lost, there twice, or out of order
	patience   time.Duration
}

// count is how many messages are acknowledged.
func (h *home) count() (n int) {
	for _, p := range h.publishers {
		p.mu.Lock()
		n += len(p.acked)
		p.mu.Unlock()
	}
	return n
}

func (h *home) bad(format string, args ...any) {
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// report says what is wrong.
func (h *home) report(b *program) {
	h.t.Helper()
	if len(h.wrong) > 0 {
		h.t.Fatalf("%d wrong:\n%s\nthe broker said:\n%s", len(h.wrong), strings.Join(h.wrong[:min(10, len(h.wrong))], "\n"), tail(b.said.String()))
	}
}

func newHome(t *testing.T) *home {
	h := &home{t: t, patience: 20 * time.Second,
		away: &subscriber{name: "away", qos: 2, got: map[string][]int{}, pend: map[uint16]bool{}},
		here: &subscriber{name: "here", qos: 1, got: map[string][]int{}, pend: map[uint16]bool{}},
	}
	for i := range publishers {
		h.publishers = append(h.publishers, &publisher{name: fmt.Sprint("p", i), qos: byte(1 + i%2), release: map[int]bool{}, acked: map[int]bool{}})
	}
	return h
}

// begin makes the subscribers' sessions.
func (h *home) begin(b *program) {
	h.t.Helper()
	for _, s := range []*subscriber{h.away, h.here} {
		w := b.connect(s.hello())
		if err := w.subscribe("d/#", s.qos); err != nil {
			h.t.Fatal(err)
		}
		w.Close()
	}
}

// load has all publishers send at most so many messages each, until the broker
// has ended; end is to end it.
func (h *home) load(b *program, limit int, end func()) {
	h.t.Helper()
	here := b.connect(h.here.hello())
	if !here.present {
		h.t.Fatal("the session of the subscriber that is here is lost")
	}
	var all sync.WaitGroup
	all.Go(func() {
		if err := h.here.take(here, func() bool { return false }); err == nil {
			h.t.Error("the subscriber has stopped")
		}
	})
	for _, p := range h.publishers {
		w := b.connect(p.hello())
		all.Go(func() { p.load(w, limit) })
	}
	user, password := "home", b.password("home")
	all.Go(func() {
		for i := range 20 {
			id := fmt.Sprint("visitor-", i)
			w, err := connect(b.socket(), hello{id: id, user: user, password: password})
			if err == nil {
				err = w.subscribe("visitors/"+id, 1)
				w.Close()
			}
			if err != nil {
				return // the broker has ended
			}
			h.visitors = append(h.visitors, id)
		}
	})
	end()
	here.Close()
	all.Wait()
}

// check looks, after a restart, for everything that was acknowledged before.
func (h *home) check(b *program) {
	h.t.Helper()
	h.acked = h.count()
	h.checkRetained(b)
	h.checkVisitors(b)
	for _, p := range h.publishers {
		if err := p.recover(b); err != nil {
			h.bad("%v", err)
		}
	}
	for _, s := range []*subscriber{h.away, h.here} {
		w := b.connect(s.hello())
		if !w.present {
			h.bad("the session of the subscriber that is %s is lost", s.name)
			continue
		}
		deadline := time.Now().Add(h.patience)
		quiet := time.Time{}
		err := s.take(w, func() bool {
			if time.Now().After(deadline) {
				return true
			}
			if !h.complete(s) {
				return false
			}
			if quiet.IsZero() {
				quiet = time.Now()
			}
			return time.Since(quiet) > 200*time.Millisecond // what comes twice would come now
		})
		if err != nil {
			h.t.Fatal(err)
		}
		w.Close()
		h.compare(s)
	}
}

// checkVisitors looks for the sessions and their subscriptions, and ends them.
func (h *home) checkVisitors(b *program) {
	h.t.Helper()
	p := b.connect(hello{id: "to-visitors", clean: true})
	defer p.Close()
	for i, id := range h.visitors {
		if err := p.publish("visitors/"+id, "hello", 1, false, false, uint16(i+1)); err != nil {
			h.t.Fatal(err)
		}
	}
	for range h.visitors {
		if _, err := p.read(); err != nil {
			h.t.Fatal(err)
		}
	}
	for _, id := range h.visitors {
		w := b.connect(hello{id: id})
		if !w.present {
			h.bad("the session of %s, whose subscription was acknowledged, is lost", id)
		} else {
			w.SetReadDeadline(time.Now().Add(h.patience))
			if m, err := w.read(); err != nil || string(m.body) != "hello" {
				h.bad("the subscription of %s was acknowledged and is lost: %v", id, err)
			}
		}
		w.Close()
		b.connect(hello{id: id, clean: true}).Close()
	}
	h.visitors = nil
}

// complete says whether the subscriber has as many messages as there are.
func (h *home) complete(s *subscriber) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range h.publishers {
		if n := len(s.got[p.name]); n < p.next || n > 0 && s.got[p.name][n-1] < p.next-1 {
			return false
		}
	}
	return true
}

// compare looks for what is missing, out of order, or there twice.
func (h *home) compare(s *subscriber) {
	h.t.Helper()
	for _, p := range h.publishers {
		seen, last := map[int]bool{}, -1
		for _, n := range s.got[p.name] {
			if seen[n] {
				if p.qos == 2 && s.qos == 2 {
					h.bad("%s got message %d of %s, of QoS 2, twice", s.name, n, p.name)
				}
				continue
			}
			if n < last {
				h.bad("%s got message %d of %s after %d", s.name, n, p.name, last)
			}
			seen[n], last = true, n
		}
		for n := range p.next {
			if p.acked[n] && !seen[n] {
				h.lost++
				h.bad("message %d of %s was acknowledged, and %s did not get it", n, p.name, s.name)
			}
		}
	}
}

// checkRetained looks for the retained messages: of each topic the last one that
// was acknowledged, or one that was sent later.
func (h *home) checkRetained(b *program) {
	h.t.Helper()
	w := b.connect(hello{id: "look", clean: true})
	defer w.Close()
	if err := w.subscribe("d/#", 0); err != nil {
		h.t.Fatal(err)
	}
	want := map[string]int{}
	for _, p := range h.publishers {
		for n := range p.next {
			if p.acked[n] && p.retained(n) {
				want[p.topic(n)] = n
			}
		}
	}
	got := map[string]int{}
	for len(got) < len(want) {
		w.SetReadDeadline(time.Now().Add(h.patience))
		m, err := w.read()
		if err != nil {
			break
		}
		_, num, _ := strings.Cut(string(m.body), " ")
		got[m.topic], _ = strconv.Atoi(num)
	}
	for topic, n := range want {
		if v, ok := got[topic]; !ok || v < n {
			h.lost++
			h.bad("the retained message %d of %s was acknowledged, and %d is there (%v)", n, topic, v, ok)
		}
	}
}

package front

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// session is what one connection of a visitor needs; it is used again for others.
type session struct {
	front   *Front
	ctx     context.Context
	visitor *visitor
	line    line
	in      reader
	admit   func(*http.Request, remote.Arrival) (remote.Arrival, error) // nil: all
	came    remote.Arrival                                              // the connection
	arrival remote.Arrival                                              // the request
	client  []byte                                                      // the visitor's address, as text
	request request
	answer  answer
	head    bool // the request is a HEAD
	out     []byte
	scratch *[pieceSize]byte // had while a body needs it
	began   bool             // an answer is on its way
}

var sessions = sync.Pool{New: func() any { return &session{out: make([]byte, 0, bufferSize)} }}

func (s *session) begin(ctx context.Context, f *Front, v *visitor, admit func(*http.Request, remote.Arrival) (remote.Arrival, error), a remote.Arrival) {
	s.front, s.ctx, s.visitor, s.admit, s.came, s.arrival = f, ctx, v, admit, a, a
	s.line = line{Conn: v.conn, patience: f.limits.still}
	s.in.reset(&s.line)
	s.client = a.Address.AppendTo(s.client[:0])
}

// release gives it back without anything of this visitor.
func (s *session) release() {
	if cap(s.out) > 4*bufferSize {
		s.out = make([]byte, 0, bufferSize)
	}
	s.giveBody()
	s.in.src, s.front, s.visitor, s.ctx, s.admit = nil, nil, nil, nil, nil
	s.came, s.arrival = remote.Arrival{}, remote.Arrival{}
	s.line = line{}
	sessions.Put(s)
}

// end lets go of the visitor: TLS says so.
func (s *session) end() {
	_ = s.line.SetDeadline(time.Now().Add(s.front.limits.linger))
	_ = s.line.Close()
}

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// body is a buffer for what does not fit the others, for the time of a request.
func (s *session) body() []byte {
	if s.scratch == nil {
		s.scratch = pieces.Get().(*[pieceSize]byte)
	}
	return s.scratch[:]
}

func (s *session) giveBody() {
	if s.scratch != nil {
		pieces.Put(s.scratch)
		s.scratch = nil
	}
}

// serveOne reads one request and answers it; false: it was the connection's last.
func (s *session) serveOne() bool {
	s.began = false
	n, err := s.readHead()
	if err != nil {
		return s.refuse(err)
	}
	r := &s.request
	if f := r.parse(s.in.buf[s.in.r:s.in.r+n], s.front.limits.fields); f != nil {
		return s.refuse(f)
	}
	s.in.r += n
	if !s.visitor.busy() {
		return false
	}
	s.head = string(r.method) == "HEAD"
	if s.was() {
		return s.local(pageLoop)
	}
	if err := s.askAdmission(); err != nil {
		if no, ok := errors.AsType[*remote.Refusal](err); ok {
			return s.redirect(no.Location)
		}
		return s.refuse(err)
	}
	if to, ok := s.toDashboard(); ok {
		return s.redirect(to)
	}
	on := s.pass()
	s.giveBody()
	if on {
		s.visitor.rest()
	}
	return on
}

// readHead waits for a request.
func (s *session) readHead() (int, error) {
	s.line.still = 0
	if s.in.buffered() == 0 {
		s.line.expect(s.front.limits.idle)
		if err := s.in.fill(); err != nil {
			return 0, errNobody
		}
	}
	// Most come whole.
	if n, f := endOfHead(s.in.buf[s.in.r:s.in.w], 0); f == nil && n > 0 && n <= s.front.limits.headers {
		return n, nil
	}
	s.line.exactly(s.front.limits.head)
	return s.in.head(s.front.limits.headers)
}

// errNobody is a connection that ends between two requests.
var errNobody = errors.New("there is no further request")

// was says whether the request was here already: Home Assistant's address leads
// back to this machine.
func (s *session) was() bool {
	for i := range s.request.fields {
		if f := &s.request.fields[i]; f.kind == kindVia && bytes.Contains(f.value, []byte(s.front.mark)) {
			return true
		}
	}
	return false
}

// pass hands the request on and the answer back; false: the connection ends.
func (s *session) pass() bool {
	r := &s.request
	whole := !r.chunked && r.length <= int64(s.in.buffered())
	s.out = s.forward(s.out[:0])
	if whole && r.length > 0 {
		s.out = append(s.out, s.in.buf[s.in.r:s.in.r+int(r.length)]...)
		s.in.r += int(r.length)
	}
	again := whole && r.safe()
	websocket := r.websocket
	for {
		u, err := s.front.upstream.get(s.ctx)
		if err != nil {
			s.front.watch.away(err)
			return s.local(pageAway) && whole
		}
		var sent *sending
		if err = s.send(u, whole, &sent); err == nil {
			err = s.readAnswer(u)
		}
		if err != nil {
			u.Close()
			if f := sent.fault(s); f != nil {
				return s.refuse(f)
			}
			if u.reused && u.in.w == 0 && sent == nil && again {
				s.front.upstream.forget()
				continue
			}
			s.front.watch.away(err)
			return s.local(pageAway) && whole
		}
		if s.answer.socket {
			if !websocket {
				u.Close()
				return s.local(pageAway) && whole
			}
			s.tunnel(u)
			return false
		}
		return s.finish(u, sent)
	}
}

// send writes the request's head, with its body when that is there already; else
// it begins to pass the body on.
func (s *session) send(u *upstream, whole bool, sent **sending) error {
	u.in.r, u.in.w = 0, 0
	if _, err := u.Write(s.out); err != nil {
		return err
	}
	if whole {
		return nil
	}
	if s.request.expects {
		if _, err := s.line.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return err
		}
	}
	*sent = s.sendBody(u)
	return nil
}

// sending is a body on its way to Home Assistant, which may answer before it has
// all of it.
type sending struct {
	done chan struct{}
	err  error // once done is closed
}

func (s *session) sendBody(u *upstream) *sending {
	b := &sending{done: make(chan struct{})}
	chunked, length, scratch := s.request.chunked, s.request.length, s.body()
	s.line.still, s.line.piece = s.front.limits.still, 0
	go func() {
		var err error
		if chunked {
			err = copyChunks(u, &s.in, nil, false)
		} else {
			err = copyLength(u, &s.in, nil, length, scratch)
		}
		b.err = err
		close(b.done)
		if err != nil {
			u.Close() // half a request must not look like a whole one
		}
	}()
	return b
}

// over says whether the whole body has gone.
func (b *sending) over() bool {
	if b == nil {
		return true
	}
	select {
	case <-b.done:
		return b.err == nil
	default:
		return false
	}
}

// fault is what was wrong with the body, if that is why there is no answer. The
// body has ended then.
func (b *sending) fault(s *session) *fault {
	if b == nil {
		return nil
	}
	select {
	case <-b.done:
	default: // it was well so far
		s.stop(b)
		return nil
	}
	var w errWrite
	switch {
	case errors.As(b.err, &w):
	case errors.Is(b.err, errBody):
		return bad("the body is damaged")
	case errors.Is(b.err, io.ErrUnexpectedEOF), errors.Is(b.err, os.ErrDeadlineExceeded):
		return faultSlow
	}
	return nil
}

// stop ends a body that is on its way, and waits for that.
func (s *session) stop(b *sending) {
	select {
	case <-b.done:
		return
	default:
	}
	s.line.halt.Store(true)
	_ = s.line.SetReadDeadline(time.Unix(1, 0))
	<-b.done
	s.line.halt.Store(false)
	s.line.readBy = time.Unix(1, 0)
}

const maxInterim = 8 // answers before the answer

// readAnswer reads the head of the answer. What comes before it is for this hop:
// nobody was asked for it.
func (s *session) readAnswer(u *upstream) error {
	u.expect(s.front.limits.answer)
	for range maxInterim {
		n, err := u.in.head(s.front.limits.headers)
		if err != nil {
			return cutShort(err)
		}
		head := u.in.buf[u.in.r : u.in.r+n]
		u.in.r += n
		if err := s.answer.parse(head, 4*s.front.limits.fields); err != nil {
			return err
		}
		if s.answer.status >= 200 || s.answer.socket {
			return nil
		}
		if s.answer.status == 101 {
			return errAnswer
		}
	}
	return errAnswer
}

// finish passes the answer on.
func (s *session) finish(u *upstream, sent *sending) bool {
	r, a := &s.request, &s.answer
	if a.status == 400 && s.front.watch.refused() {
		u.Close()
		over := sent.over()
		if !over {
			s.stop(sent)
		}
		return s.local(pageUntrusted) && over
	}
	how := framedLength
	switch {
	case s.empty():
		how = framedNot
	case a.length >= 0:
	case r.old:
		how = framedClose
		r.last = true
	default:
		how = framedChunked
	}
	early := !sent.over()
	r.last = r.last || early
	s.out = s.reply(s.out[:0], how)
	s.began = true
	var err error
	switch {
	case how == framedNot:
		_, err = s.line.Write(s.out)
	case how == framedLength:
		if a.length > int64(u.in.buffered()) {
			u.forEver()
			err = copyLength(&s.line, &u.in, s.out, a.length, s.answerScratch(early))
		} else {
			err = copyLength(&s.line, &u.in, s.out, a.length, nil)
		}
	case a.chunked:
		u.forEver()
		err = copyChunks(&s.line, &u.in, s.out, how == framedClose)
	default:
		u.forEver()
		a.last = true
		err = copyToEnd(&s.line, &u.in, s.out, how == framedChunked, s.answerScratch(early))
	}
	if err != nil || a.last || early {
		u.Close()
	} else {
		s.front.upstream.put(u)
	}
	if early {
		s.stop(sent)
		if err == nil {
			s.linger()
		}
		return false
	}
	return err == nil && !r.last
}

// answerScratch is a buffer for an answer's body; the visitor's own body may
// still be using the session's.
func (s *session) answerScratch(early bool) []byte {
	if early {
		return make([]byte, pieceSize)
	}
	return s.body()
}

func (s *session) empty() bool {
	a := &s.answer
	return s.head || a.status == 204 || a.status == 304
}

// linger takes for a while what a visitor goes on sending: an answer on a
// connection that is closed under them would be lost.
func (s *session) linger() {
	s.line.endWrites()
	s.line.still = 0
	s.line.exactly(s.front.limits.linger)
	_, _ = io.Copy(io.Discard, s.line.Conn)
}

package front

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// askAdmission has the way in judge the request, by how its connection came in: the
// one before on it may have been another visitor's. The error is a *fault, or a
// *remote.Refusal that sends the visitor elsewhere.
func (s *session) askAdmission() error {
	if s.admit != nil {
		a, err := s.admit(s.asRequest(), s.came)
		if err != nil {
			no, ok := errors.AsType[*remote.Refusal](err)
			switch {
			case !ok:
				s.front.o.Log.Error("a way in could not judge a request", "err", err)
				return &fault{http.StatusInternalServerError, "something went wrong; the log has the details"}
			case no.Location != "" && (s.head || string(s.request.method) == "GET"):
				return no
			}
			return &fault{no.Status, no.Text}
		}
		s.arrival = a
		s.client = a.Address.AppendTo(s.client[:0])
		s.visitor.note(a)
	}
	if s.arrival.Way == "" || !s.arrival.Address.IsValid() { // Home Assistant would take it for this appliance's own
		s.front.o.Log.Error("a request came in by no way, or from nowhere", "way", s.arrival.Way)
		return &fault{http.StatusForbidden, "nobody knows where this request came from"}
	}
	return nil
}

// Drop ends the connections of all visitors whose latest request came in so, in
// the middle of what they do.
func (f *Front) Drop(gone func(remote.Arrival) bool) {
	for _, v := range f.visitors.those(gone) {
		v.close()
	}
}

// asRequest is the head as net/http has it, without a body.
func (s *session) asRequest() *http.Request {
	r := &s.request
	q := &http.Request{
		Method: string(r.method), Host: string(r.host), RequestURI: string(r.target), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(r.fields)), Body: http.NoBody, RemoteAddr: s.visitor.conn.RemoteAddr().String(),
	}
	var err error
	if q.URL, err = url.ParseRequestURI(q.RequestURI); err != nil {
		q.URL = &url.URL{Path: "/"} // passed on as it is, and nothing that a rule would hold for
	}
	for i := range r.fields {
		q.Header.Add(string(r.fields[i].name), string(r.fields[i].value))
	}
	if t, ok := s.visitor.conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		q.TLS = &state
	}
	return q.WithContext(s.ctx)
}

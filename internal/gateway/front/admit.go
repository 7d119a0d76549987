package front

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// askAdmission has the way in judge the request. The error is a *fault.
func (s *session) askAdmission() error {
	a, err := s.admit(s.asRequest(), s.arrival)
	if err != nil {
		if no, ok := errors.AsType[*remote.Refusal](err); ok {
			return &fault{no.Status, no.Text}
		}
		s.front.o.Log.Error("a way in could not judge a request", "err", err)
		return &fault{http.StatusInternalServerError, "something went wrong; the log has the details"}
	}
	s.arrival = a
	s.client = a.Address.AppendTo(s.client[:0])
	return nil
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

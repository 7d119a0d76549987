package chronicle

import (
	"encoding/csv"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// CompleteHeader follows an answer in CSV as a trailer: true, or false where
// readings are missing in the range.
const CompleteHeader = "Hems-Complete"

// stream writes CSV as it comes. As an error it is an answer that broke off after
// it had begun.
type stream struct {
	w     http.ResponseWriter
	csv   *csv.Writer
	begun bool // something was sent
	rows  int
	err   error
}

// newStream is an answer in CSV that a browser saves under a name made of the parts.
// Nothing is sent before some thousand bytes are there: until then it can be
// refused.
func newStream(w http.ResponseWriter, question, entity string, from, to time.Time) *stream {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	name := "hems-" + question
	if entity != "" {
		name += "-" + entity
	}
	name += "-" + from.Format(time.DateOnly) + "-" + to.Add(-time.Nanosecond).Format(time.DateOnly) + ".csv"
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Trailer", CompleteHeader)
	s := &stream{w: w}
	s.csv = csv.NewWriter(s)
	return s
}

// Write takes what the lines have become, some thousand bytes at a time.
func (s *stream) Write(b []byte) (int, error) {
	s.begun = true
	return s.w.Write(b)
}

// row writes one; the first is the names of the columns.
func (s *stream) row(fields ...string) error {
	s.rows++
	if err := s.csv.Write(fields); err != nil {
		s.err = err
		return s
	}
	return nil
}

// end closes an answer that went well, or turns err into what handle wants.
func (s *stream) end(complete bool, err error) error {
	if err != nil {
		if s.begun {
			s.err = err
			return s
		}
		for _, name := range []string{"Content-Disposition", "Trailer"} {
			s.w.Header().Del(name)
		}
		return err
	}
	s.csv.Flush()
	if s.err = s.csv.Error(); s.err != nil {
		return s
	}
	s.w.Header().Set(CompleteHeader, strconv.FormatBool(complete))
	return nil
}

func (s *stream) Error() string {
	return fmt.Sprintf("the answer broke off after %d lines: %v", s.rows, s.err)
}
func (s *stream) Unwrap() error { return s.err }

// number writes a figure with at most three decimals.
func number(v float64) string { return strconv.FormatFloat(thousandth(v), 'f', -1, 64) }

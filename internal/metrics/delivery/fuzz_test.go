package delivery

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/store"
)

// FuzzAnswer checks that whatever a server says has one of the outcomes, in words
// that fit a line.
func FuzzAnswer(f *testing.F) {
	f.Add(204, "", []byte(nil))
	f.Add(422, "", []byte(`{"code":"unprocessable entity","message":"partial write: field type conflict dropped=12"}`))
	f.Add(400, "", []byte(`{"error":"partial write of line protocol occurred","data":[{"error_message":"x"}]}`))
	f.Add(400, "", []byte(`{"error":"partial write","data":{"error_message":"x"}}`))
	f.Add(503, "17", []byte("<html>busy"))
	f.Add(429, "Fri, 20 Nov 2026 13:02:00 GMT", []byte{0, 0xff})
	f.Add(200, "-1", []byte("<!DOCTYPE html>"))
	s, err := New(Destination{Name: "x", URL: "http://192.0.2.1", Bucket: "b"}, Options{Now: func() time.Time { return noon }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, code int, after string, body []byte) {
		err := s.judge(code, http.Header{"Retry-After": {after}}, body)
		if err == nil {
			if code != http.StatusNoContent && (code != http.StatusOK || isPage(body)) {
				t.Fatalf("%d %q counts as taken", code, body)
			}
			return
		}
		var p *problem
		if !errors.As(err, &p) {
			t.Fatalf("%d %q: got %v, which is no problem", code, body, err)
		}
		if len(p.text) > 400 || !utf8.ValidString(p.text) || strings.ContainsAny(p.text, "\n\r") {
			t.Errorf("%d %q: the words are %q", code, body, p.text)
		}
		for _, c := range p.text {
			if unicode.IsControl(c) {
				t.Errorf("%d %q: the words have a control character: %q", code, body, p.text)
			}
		}
		if p.retryAfter < 0 || p.retryAfter > maxRetryAfter || p.dropped < 0 {
			t.Errorf("%d %q: come again in %v, %d dropped", code, after, p.retryAfter, p.dropped)
		}
		if p.kind == misconfigured && p.hint == "" {
			t.Errorf("%d %q: a person is not told what to mend", code, body)
		}
	})
}

// moody is a server whose answers depend on bytes: it is away, overloaded, broken
// or cuts the line, before or after it has stored; and between that it takes lines
// as one of the real ones does, of which some are bad.
type moody struct {
	moods []byte
	bad   func(line string) bool
	kept  map[string]bool
}

func (m *moody) RoundTrip(r *http.Request) (*http.Response, error) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	var good, bad []string
	for l := range strings.Lines(string(body)) {
		switch {
		case l[0] == '#':
		case m.bad(l):
			bad = append(bad, l)
		default:
			good = append(good, l)
		}
	}
	reply := func(code int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	keep := func(lines []string) {
		for _, l := range lines {
			m.kept[strings.TrimSuffix(l, "\n")] = true
		}
	}
	mood := byte(0)
	if len(m.moods) > 0 {
		mood, m.moods = m.moods[0], m.moods[1:]
	}
	switch mood >> 2 & 7 {
	case 1:
		return reply(503, "")
	case 2:
		return reply(500, "")
	case 3:
		return nil, errors.New("connection reset")
	case 4:
		keep(good)
		return nil, errors.New("connection reset")
	case 5:
		if len(good)+len(bad) > 3 {
			return reply(413, "")
		}
	case 6:
		return reply(401, "")
	}
	if len(bad) == 0 {
		keep(good)
		return reply(204, "")
	}
	switch mood & 3 {
	case 0: // InfluxDB 2, a line that cannot be read
		return reply(400, `{"message":"unable to parse"}`)
	case 1: // InfluxDB 2, a line that does not fit
		keep(good)
		return reply(422, fmt.Sprintf(`{"message":"partial write: field type conflict dropped=%d"}`, len(bad)))
	case 2: // InfluxDB 1
		keep(good)
		return reply(400, `{"error":"partial write: unable to parse dropped=0"}`)
	}
	keep(good)
	return reply(422, "partial write")
}

// FuzzAnswersInAnyOrder sends readings to a moody server: each of them is there or
// aside in the end, and none that is bad holds another up.
func FuzzAnswersInAnyOrder(f *testing.F) {
	f.Add([]byte{}, uint32(0))
	f.Add([]byte{4, 8, 12, 16, 20, 24, 1, 2, 3}, uint32(0b1001))
	f.Add([]byte{8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8}, uint32(1))
	f.Add([]byte{0, 1, 2, 3, 0, 1, 2, 3}, uint32(0xffffffff))
	f.Fuzz(func(t *testing.T, moods []byte, bad uint32) {
		const n = 20
		m := &moody{moods: moods[:min(len(moods), 200)], kept: map[string]bool{}}
		m.bad = func(line string) bool {
			var i int
			if _, err := fmt.Sscanf(line, "sensor,entity_id=a value=%d ", &i); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			return bad>>i&1 == 1
		}
		s, err := New(Destination{Name: "x", URL: "http://192.0.2.1"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.http.Transport = m
		waits := 0
		s.pause = func(context.Context, time.Duration) bool { waits++; return waits < 1000 }
		items := make([]store.Item, n)
		for i := range items {
			items[i] = store.Item{Series: 1, Time: noon.Add(time.Duration(i) * time.Second), Value: float64(i)}
		}
		points := s.lines.points(items, map[int64]store.Series{1: {ID: 1, Entity: "a"}})
		refused, ok := s.deliver(context.Background(), points, nil)
		if !ok {
			t.Fatal("it never ends")
		}
		aside := map[string]bool{}
		for _, r := range refused {
			aside[r.line] = true
			if r.why == "" {
				t.Errorf("%q is aside without a reason", r.line)
			}
		}
		for i := range items {
			line, err := s.lines.append(nil, points[i])
			if err != nil {
				t.Fatal(err)
			}
			l := string(trimLine(line))
			if isBad := bad>>i&1 == 1; isBad && !aside[l] || !isBad && !m.kept[l] && !aside[l] {
				t.Errorf("%q (bad: %v) is neither there (%v) nor aside (%v)", l, isBad, m.kept[l], aside[l])
			}
		}
	})
}
